"""The controllers of Services and claims: observe, decide, act, report."""

from __future__ import annotations

from moorage_api.ipclaim import IPCLAIMS
from moorage_domain.conditions import condition_of
from moorage_domain.plans import Plan
from moorage_domain.subject import Subject
from moorage_external_ip.claim.act import ClaimActor
from moorage_external_ip.claim.decide import CONDITION as CLAIM_CONDITION
from moorage_external_ip.claim.decide import decide_claim
from moorage_external_ip.claim.model import Action as ClaimAction
from moorage_external_ip.claim.model import ClaimObserved
from moorage_external_ip.claim.observe import ClaimObserver
from moorage_external_ip.kinds import SERVICES
from moorage_external_ip.reasons import ASSIGNED, CONTESTED, WARNINGS
from moorage_external_ip.service.act import ServiceActor
from moorage_external_ip.service.actions import Action as ServiceAction
from moorage_external_ip.service.decide import decide
from moorage_external_ip.service.model import CONDITION as SERVICE_CONDITION
from moorage_external_ip.service.model import Observed
from moorage_external_ip.service.observe import ServiceObserver
from moorage_external_ip.service.wish import Mode
from moorage_kube.reconcile.logic import Pass
from moorage_kube.reconcile.reason_events import reason_event
from moorage_kube.telemetry.events import Event, EventRecorder
from moorage_kube.writes.rivals import RivalWriter


class ServiceLogic:
    """The controller of Services."""

    def __init__(
        self, observer: ServiceObserver, actor: ServiceActor, events: EventRecorder
    ) -> None:
        self._observer = observer
        self._actor = actor
        self._events = events
        # Of Services that are never written to: the reason of the last Event.
        self._told: dict[str, str] = {}

    async def observe(self, key: str) -> Observed | None:
        """Read the caches; nothing is awaited, so that what is observed fits together."""
        observed = self._observer.service(key)
        if observed is None:
            self._told.pop(key, None)
        return observed

    def decide(self, observed: Observed) -> Plan[ServiceAction]:
        """Decide; pure."""
        return decide(observed)

    async def act(self, observed: Observed, action: ServiceAction) -> None:
        """Carry out one action."""
        await self._actor.act(observed, action)

    async def report(self, ended: Pass[Observed, ServiceAction]) -> None:
        """An Event for each new reason.

        That all went well from the beginning is told by the status alone: with thousands of
        Services at once, as many Events would take as long as the addresses.
        """
        observed, subject = ended.observed, ended.subject
        if observed is None or subject is None or observed.wish.mode is Mode.NONE:
            return
        if isinstance(ended.failure and ended.failure.cause, RivalWriter):
            await self._events.publish(_contested(subject, observed.service.manager))
            return
        if observed.wish.mode is Mode.INPUT:
            await self._tell_once(ended, subject)
            return
        plan = ended.plan
        if ended.failure is None and plan is not None:
            is_first = not condition_of(subject.status, SERVICE_CONDITION)
            if plan.status is None or (is_first and plan.reason == ASSIGNED.name):
                return
        if event := reason_event(SERVICES, ended, SERVICE_CONDITION, WARNINGS):
            await self._events.publish(event)

    async def _tell_once(self, ended: Pass[Observed, ServiceAction], subject: Subject) -> None:
        plan = ended.plan
        if plan is None or self._told.get(ended.key, "") == plan.message:
            return
        self._told[ended.key] = plan.message
        if plan.reason in WARNINGS:
            event = reason_event(SERVICES, ended, SERVICE_CONDITION, WARNINGS)
            if event is not None and event.uid == subject.uid:
                await self._events.publish(event)


class ClaimLogic:
    """The controller of claims, but for the node that each is on."""

    def __init__(self, observer: ClaimObserver, actor: ClaimActor, events: EventRecorder) -> None:
        self._observer = observer
        self._actor = actor
        self._events = events

    async def observe(self, key: str) -> ClaimObserved | None:
        """Read the caches."""
        return self._observer.claim(key)

    def decide(self, observed: ClaimObserved) -> Plan[ClaimAction]:
        """Decide; pure."""
        return decide_claim(observed)

    async def act(self, observed: ClaimObserved, action: ClaimAction) -> None:
        """Carry out one action."""
        await self._actor.act(observed, action)

    async def report(self, ended: Pass[ClaimObserved, ClaimAction]) -> None:
        """An Event only of what a person should look at: the Service tells the rest."""
        reason = ended.plan.reason if ended.plan and not ended.failure else ""
        if ended.failure is None and reason not in WARNINGS:
            return
        if event := reason_event(IPCLAIMS, ended, CLAIM_CONDITION, WARNINGS):
            await self._events.publish(event)


def _contested(subject: Subject, manager: str) -> Event:
    other = manager or "an unknown writer"
    return Event(
        kind=SERVICES,
        name=subject.name,
        namespace=subject.namespace,
        uid=subject.uid,
        type="Warning",
        reason=CONTESTED.name,
        message=f"{other} keeps changing the status; ours is written less often",
    )
