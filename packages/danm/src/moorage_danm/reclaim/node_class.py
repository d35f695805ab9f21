"""Node classes: what is known of a node, and whether that proves that nothing runs there; pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from moorage_danm.model.node import Ready


class NodeClass(enum.Enum):
    """What a node is taken for."""

    GONE = "gone"
    FENCED = "fenced"
    UNREACHABLE = "unreachable"
    NOT_READY = "not-ready"
    """Its kubelet talks, or was heard a moment ago; containers usually run."""
    READY = "ready"
    UNKNOWN = "unknown"
    """No node is known for the host, or it is not gone for long enough."""

    @property
    def fenced(self) -> bool:
        """Whether it is proved that nothing runs there."""
        return self in (NodeClass.GONE, NodeClass.FENCED)


@dataclass(frozen=True, slots=True)
class NodeTimes:
    """After how many seconds silence means something; see the settings of these names."""

    gone_seconds: float = 30.0
    grace_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What is known of one node; times are those that this process has seen pass.

    Attributes:
        name: ``""`` = no node is known for the host.
        there: its Node is there; the fields up to ``stale`` are of that one.
        fences: marks that were set since it was ready last.
        stale: marks that prove nothing, since it may have been ready with them.
        absent_seconds: how long its Node has been absent.
        has_lease: its Lease is there.
        lease_seconds: how long that has not been renewed, or has been absent.
    """

    name: str
    there: bool = True
    ready: Ready = Ready.TRUE
    unreachable: bool = False
    fences: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    absent_seconds: float = 0.0
    has_lease: bool = True
    lease_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class NodeState:
    """What a node is taken for.

    Attributes:
        why: for people; it begins with the node.
        wait: seconds until time alone may change it; ``None`` = it does not.
        vetoed: its Node is gone, and somebody renews its Lease.
    """

    node_class: NodeClass
    why: str
    wait: float | None = None
    vetoed: bool = False


def classify(facts: NodeFacts, times: NodeTimes) -> NodeState:
    """The class of a node.

    | the Node is | and | then |
    |---|---|---|
    | unknown | | unknown |
    | absent | its Lease was renewed within the grace period | unknown, vetoed |
    | absent | not for long enough | unknown |
    | absent | | gone |
    | ready | | ready |
    | not ready | a mark was set since then | fenced |
    | Ready=False | | not ready |
    | Ready=Unknown | tainted unreachable, Lease not renewed for the grace period | unreachable |
    | Ready=Unknown | | not ready |
    """
    if not facts.name:
        return NodeState(NodeClass.UNKNOWN, "no node is known for the host")
    if not facts.there:
        return _absent(facts, times)
    name = f"node {facts.name}"
    if facts.ready is Ready.TRUE:
        return NodeState(NodeClass.READY, f"{name} is ready")
    if facts.fences:
        return NodeState(NodeClass.FENCED, f"{name} is fenced by its {facts.fences[0]}")
    if facts.ready is Ready.FALSE:
        return NodeState(NodeClass.NOT_READY, f"{name} is not ready, but its kubelet talks")
    return _silent(facts, times)


def _absent(facts: NodeFacts, times: NodeTimes) -> NodeState:
    name = f"node {facts.name}"
    left = times.grace_seconds - facts.lease_seconds
    if facts.has_lease and left > 0:
        # Renewed since the Node went, and not only before that.
        vetoed = facts.lease_seconds < facts.absent_seconds
        why = f"{name} is gone, but its Lease was renewed {facts.lease_seconds:.0f} s ago"
        return NodeState(NodeClass.UNKNOWN, why, left, vetoed)
    left = times.gone_seconds - facts.absent_seconds
    if left > 0:
        why = f"{name} is gone, but not yet for {times.gone_seconds:g} s"
        return NodeState(NodeClass.UNKNOWN, why, left)
    return NodeState(NodeClass.GONE, f"{name} is gone, and nobody renews its Lease")


def _silent(facts: NodeFacts, times: NodeTimes) -> NodeState:
    name = f"node {facts.name}"
    if not facts.unreachable:
        return NodeState(NodeClass.NOT_READY, f"{name} is not heard, and not yet unreachable")
    left = times.grace_seconds - facts.lease_seconds
    if left > 0:
        why = f"{name} is unreachable, but its Lease was seen to change lately"
        return NodeState(NodeClass.NOT_READY, why, left)
    why = f"{name} is unreachable and has not renewed its Lease for {times.grace_seconds:g} s"
    return NodeState(NodeClass.UNREACHABLE, why)
