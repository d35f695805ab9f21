"""A controller: what this node does with an address is said in its claim's status."""

from __future__ import annotations

from dataclasses import dataclass, field

from moorage_api.ipclaim import IPCLAIMS
from moorage_domain.plans import Plan
from moorage_kube.cache.store import Store
from moorage_kube.client.client import Client, Target
from moorage_kube.client.errors import NotFound
from moorage_kube.client.timestamps import timestamp
from moorage_kube.reconcile.logic import Pass
from moorage_kube.telemetry.events import Event, EventRecorder
from moorage_node_agent import reasons
from moorage_node_agent.model import NodeState, State
from moorage_node_agent.projections import View
from moorage_node_agent.state import AgentState

_EVENTFUL = frozenset({State.CONFLICT, State.NO_LINK, State.REFUSED, State.YIELDED})
"""States that people are told of; the others are the usual way."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the status shall say of this node.

    Attributes:
        state: ``None`` = nothing: this node has nothing to do with the address.
        said: what it says now, as far as is known.
    """

    name: str
    uid: str
    state: NodeState | None
    said: NodeState | None


@dataclass(slots=True)
class Reports:
    """Writes this node's key of the status, and no other; after what it says has happened.

    Attributes:
        written: what was written by claim, also of claims that have gone to other nodes.
    """

    client: Client
    events: EventRecorder
    node: str
    state: AgentState
    claims: Store[View]
    written: dict[str, tuple[str, NodeState]] = field(default_factory=dict)

    async def observe(self, key: str) -> Wanted | None:
        """From memory; ``None`` = nothing was said and nothing is to be."""
        view, written = self.claims.get(key), self.written.get(key)
        # Of the last pass that ended: what it let go of is off the links.
        state = self.state.states.get(key)
        if view is not None:
            return Wanted(key, view.uid, state, _said(view))
        return None if written is None else Wanted(key, written[0], state, written[1])

    def decide(self, observed: Wanted) -> Plan[NodeState | None]:
        """Write it if it is not as it says."""
        message = observed.state.state.value if observed.state else "nothing to do with this node"
        actions = () if observed.state == observed.said else (observed.state,)
        return Plan(reasons.STATUS_WRITTEN.name, message, actions)

    async def act(self, observed: Wanted, action: NodeState | None) -> None:
        """One merge patch of the status; raises a ``KubeError``."""
        said = None if action is None else _wire(action)
        body = {"metadata": {"uid": observed.uid}, "status": {"nodes": {self.node: said}}}
        try:
            raw = await self.client.patch(IPCLAIMS, Target(observed.name, None, "status"), body)
        except NotFound:
            self.written.pop(observed.name, None)
            return
        if action is None:
            self.written.pop(observed.name, None)
        else:
            self.written[observed.name] = (observed.uid, action)
        self.claims.update_known(raw)

    async def report(self, ended: Pass[Wanted, NodeState | None]) -> None:
        """An Event of what a person may have to look at."""
        wanted, plan = ended.observed, ended.plan
        if wanted is None or plan is None or not plan.actions or wanted.state is None:
            return
        event = _event(wanted.state)
        if event is not None and ended.failure is None:
            reason, message = event
            text = f"{self.node}: {message}"
            uid, name = wanted.uid, wanted.name
            await self.events.publish(Event(IPCLAIMS, name, None, uid, "Warning", reason, text))


def _event(state: NodeState) -> tuple[str, str] | None:
    if state.unready:
        return reasons.PROXY_NOT_READY.name, reasons.PROXY_NOT_READY.meaning
    if state.state in _EVENTFUL:
        return state.state.value, state.message
    return None


def _said(view: View) -> NodeState | None:
    """What the status says of this node, by whoever was here before."""
    if view.said is None:
        return None
    try:
        state = State(view.said.get("state", ""))
    except ValueError:
        return None
    return NodeState(
        state,
        view.said.get("link", ""),
        view.said.get("mac", ""),
        view.said.get("message", ""),
        unready=state is State.ANNOUNCED and bool(view.said.get("message")),
    )


def _wire(state: NodeState) -> dict[str, str | None]:
    """The whole entry: of a merge patch, what is not named would stay."""
    return {
        "state": state.state.value,
        "link": state.link or None,
        "mac": state.mac or None,
        "message": state.message or None,
        "since": timestamp(),
    }
