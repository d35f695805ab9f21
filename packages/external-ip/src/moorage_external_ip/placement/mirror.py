"""IpNodes: a mirror of what is known of each node's agent, for people; nothing here is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moorage_domain.conditions import Condition
from moorage_domain.plans import PlainStatus, Plan
from moorage_domain.subject import Subject
from moorage_external_ip.placement.model import Life, NodeView

_FIRST_REVISION = "1"


@dataclass(frozen=True, slots=True)
class MirrorView:
    """One IpNode."""

    subject: Subject

    @property
    def hold_until(self) -> str:
        """``status.holdUntil``, ``""`` = absent."""
        return str(self.subject.status.get("holdUntil") or "")


@dataclass(frozen=True, slots=True)
class MirrorObserved:
    """One node and its mirror.

    Attributes:
        mirror: ``None`` = there is none yet.
        hold_until: RFC 3339, when a hold that begins now will end; ``""`` = there is no hold.
        held: moves off lost nodes are held, since most were lost at once.
        starting: nobody can be judged yet.
    """

    node: NodeView
    mirror: MirrorView | None = None
    hold_until: str = ""
    held: bool = False
    starting: bool = False


@dataclass(frozen=True, slots=True)
class CreateMirror:
    """Create the IpNode of a node; it goes with its Node."""

    name: str
    node_uid: str
    body: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return f"create the IpNode {self.name}"


def mirror_of(raw: Mapping[str, Any]) -> MirrorView:
    """From an IpNode."""
    return MirrorView(Subject.of(raw))


def decide_mirror(observed: MirrorObserved) -> Plan[CreateMirror]:
    """What the IpNode shall say; what the first version wrote beside that stays as it is."""
    node = observed.node
    if observed.starting:
        return Plan("Starting", "leases are watched before any node is judged")
    if observed.mirror is None:
        if node.agent is None:
            return Plan("NoAgent", f"{node.name} has no agent")
        uid = node.facts.uid if node.facts else ""
        action = CreateMirror(node.name, uid, {"Revision": _FIRST_REVISION})
        return Plan("Created", f"{node.name} has an agent", (action,))
    ready = _ready(observed)
    status = PlainStatus((ready, *_links(observed)), _fields(observed))
    return Plan(ready.reason, ready.message, status=status)


def _ready(observed: MirrorObserved) -> Condition:
    node = observed.node
    match node.life:
        case Life.LIVE | Life.LATE if node.agent and node.agent.draining:
            return Condition("Ready", "False", "Draining", "its agent leaves for good")
        case Life.LIVE | Life.LATE:
            return Condition("Ready", "True", "Live", "its agent renews its Lease")
        case Life.HELD:
            message = "its agent restarts; nothing of the node is moved meanwhile"
            return Condition("Ready", "Unknown", "Restarting", message)
        case Life.LOST if observed.held:
            message = "its lease ended together with most others, so nothing is moved for now"
            return Condition("Ready", "Unknown", "MovesHeld", message)
        case Life.LOST:
            return Condition("Ready", "False", "Lost", "its lease has ended")
        case _:
            return Condition("Ready", "False", "NoAgent", "no agent of it has a Lease")


def _links(observed: MirrorObserved) -> list[Condition]:
    """A link whose addresses another link would answer for, too; said where it is or was so."""
    agent = observed.node.agent
    if agent is not None and agent.links is None:
        message = "what its Lease says of links cannot be read"
        return [Condition("LinksHealthy", "Unknown", "Unreadable", message)]
    links = (agent.links if agent else None) or ()
    problems = [f"{link.name}: {link.problem}" for link in links if link.problem]
    if problems:
        return [Condition("LinksHealthy", "False", "LinkProblem", "; ".join(problems))]
    return [Condition("LinksHealthy", "True", "LinksHealthy", "nothing is wrong with its links")]


def _fields(observed: MirrorObserved) -> dict[str, Any]:
    node, mirror = observed.node, observed.mirror
    agent = node.agent
    # It is written once, as the hold begins: each pass would reckon another moment.
    hold = (mirror.hold_until if mirror else "") or observed.hold_until
    return {
        "live": node.life in (Life.LIVE, Life.LATE),
        "draining": agent is not None and agent.draining,
        "holdUntil": hold if node.life is Life.HELD else "",
        "links": [
            {
                "name": link.name,
                "mac": link.mac,
                "carrier": link.carrier,
                "subnets": [str(subnet) for subnet in link.subnets],
                "problem": link.problem,
            }
            for link in (agent.links if agent else None) or ()
        ],
    }
