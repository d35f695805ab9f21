"""The controller of Services: observe, decide, act, report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from moorage_domain.plans import Plan
from moorage_endpoints import reasons
from moorage_endpoints.act import Actor
from moorage_endpoints.actions import Action, WriteEndpoints
from moorage_endpoints.decide.service import decide
from moorage_endpoints.kinds import ENDPOINTS, SERVICES
from moorage_endpoints.model import Note, NotedPlan, Observed
from moorage_endpoints.observe import Observer
from moorage_endpoints.projections.services import Service
from moorage_kube.reconcile.logic import Pass
from moorage_kube.telemetry.events import Event, EventRecorder

_REACHED = frozenset(
    one.name for one in (reasons.SYNCED, reasons.COMPANION_SYNCED, reasons.HANDED_BACK)
)

# In a rollout the pods that are named change all the time; the first message says enough.
_OF_PODS = frozenset(
    {
        reasons.DUPLICATE_ADDRESS,
        reasons.NO_ADDRESS_ON_NETWORK,
        reasons.PORT_NOT_FOUND,
        reasons.STATUS_UNREADABLE,
    }
)


@dataclass(frozen=True, slots=True)
class Said:
    """What has been said of a Service.

    Attributes:
        uid: another Service of the same name has heard nothing.
        notes: those that hold.
        reached: the reason of the last Event that told of success; ``""`` = there was none.
    """

    uid: str
    notes: frozenset[Note] = frozenset()
    reached: str = ""

    def is_new(self, note: Note) -> bool:
        """Whether a note is to be said."""
        if note.reason in _OF_PODS:
            return note.reason not in {one.reason for one in self.notes}
        return note not in self.notes


class ServiceLogic:
    """What the controller knows.

    A Service has no condition of ours: a mode that leaves it untouched must do so. Events say what
    is up, each once for as long as it holds.
    """

    def __init__(self, observer: Observer, actor: Actor, events: EventRecorder) -> None:
        self._observer = observer
        self._actor = actor
        self._events = events
        self._said: dict[str, Said] = {}

    async def observe(self, key: str) -> Observed | None:
        """Read the caches; nothing is awaited, so that what is observed fits together."""
        observed = self._observer.service(key)
        if observed is None or observed.service is None:
            self._said.pop(key, None)
        return observed

    def decide(self, observed: Observed) -> Plan[Action]:
        """Decide; pure."""
        return decide(observed)

    async def act(self, observed: Observed, action: Action) -> None:
        """Carry out one action."""
        await self._actor.act(observed, action)

    async def report(self, ended: Pass[Observed, Action]) -> None:
        """An Event for each thing to know that was not so before."""
        service = ended.observed.service if ended.observed else None
        if service is None:
            return
        if ended.failure is not None:
            failure = ended.failure
            await self._publish(service, "Warning", failure.reason, failure.message)
            return
        if isinstance(ended.plan, NotedPlan):
            await self._say(service, ended.key, ended.plan)

    def problems(self) -> dict[str, int]:
        """How many Services have each thing to know."""
        found: dict[str, int] = {}
        for said in self._said.values():
            for reason in {one.reason for one in said.notes}:
                found[reason.name] = found.get(reason.name, 0) + 1
        return found

    async def _say(self, service: Service, key: str, plan: NotedPlan) -> None:
        uid = service.subject.uid
        said = self._said.get(key)
        if said is None or said.uid != uid:
            said = Said(uid)
        for note in plan.notes:
            if said.is_new(note):
                await self._publish(service, "Warning", note.reason.name, note.message)
        reached = said.reached
        # Said once, and not at every change of a pod.
        if plan.actions and plan.reason in _REACHED and plan.reason != reached:
            reached = plan.reason
            await self._publish(service, "Normal", plan.reason, plan.message)
        self._said[key] = Said(uid, frozenset(plan.notes), reached)
        if any(isinstance(one, WriteEndpoints) for one in plan.actions):
            await self._say_rewritten(service, plan)

    async def _say_rewritten(self, service: Service, plan: NotedPlan) -> None:
        """As the first version did: of the Service and of its Endpoints."""
        await self._publish(service, "Normal", plan.reason, plan.message)
        for action in plan.actions:
            if isinstance(action, WriteEndpoints):
                known = action.known
                await self._events.publish(
                    Event(
                        kind=ENDPOINTS,
                        name=known.name,
                        namespace=known.namespace,
                        uid=known.uid,
                        type="Normal",
                        reason=plan.reason,
                        message=plan.message,
                    )
                )

    async def _publish(
        self, service: Service, type_: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        await self._events.publish(
            Event(
                kind=SERVICES,
                name=service.subject.name,
                namespace=service.subject.namespace,
                uid=service.subject.uid,
                type=type_,
                reason=reason,
                message=message,
            )
        )
