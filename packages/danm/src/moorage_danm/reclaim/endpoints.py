"""Endpoints: observe, decide, act, and say what was done and why."""

from __future__ import annotations

import logging

from moorage_danm import reasons
from moorage_danm.kinds import endpoints
from moorage_danm.metrics import DanmMetrics
from moorage_danm.model.endpoint import Endpoint
from moorage_danm.model.pod import Pod
from moorage_danm.reclaim.act import Actor
from moorage_danm.reclaim.decide import decide, returned_late
from moorage_danm.reclaim.freed import FreedLately, Waiting
from moorage_danm.reclaim.model import Action, Observed, Take
from moorage_danm.reclaim.observe import Observer
from moorage_domain.plans import Plan
from moorage_kube.client.kinds import PODS
from moorage_kube.reconcile.logic import Pass
from moorage_kube.telemetry.events import Event, EventRecorder

logger = logging.getLogger(__name__)

_KEPT_FOR = frozenset(
    one.name for one in (reasons.NO_DEMAND, reasons.SUSPENDED, reasons.NETWORK_UNREADABLE)
)


class EndpointLogic:
    """Observe, decide, act and report for one endpoint."""

    def __init__(
        self, observer: Observer, actor: Actor, events: EventRecorder, metrics: DanmMetrics
    ) -> None:
        self._observer = observer
        self._actor = actor
        self._events = events
        self._metrics = metrics
        self._said: dict[str, str] = {}
        self._late: set[str] = set()
        self.waiting = Waiting()
        self.freed: FreedLately | None = None

    async def observe(self, key: str) -> Observed | None:
        """Read the caches."""
        observed = self._observer.endpoint(key)
        if observed is None:
            self._forget(key)
        return observed

    def decide(self, observed: Observed) -> Plan[Action]:
        """Decide; pure."""
        return decide(observed)

    async def act(self, observed: Observed, action: Action) -> None:
        """Carry out one action."""
        await self._actor.act(observed, action)

    async def report(self, ended: Pass[Observed, Action]) -> None:
        """What was taken and why, whom it may harm, and who got it instead."""
        observed, plan = ended.observed, ended.plan
        if observed is None or plan is None:
            return
        outcome = ended.failure or plan
        self.waiting.note(ended.key, plan.reason if plan.reason in _KEPT_FOR else "")
        if ended.failure is None and any(isinstance(one, Take) for one in plan.actions):
            await self._say_taken(observed, plan)
        elif ended.failure is not None or outcome.reason in reasons.WARNINGS:
            await self._say_once(ended.key, observed.endpoint, outcome.reason, outcome.message)
        else:
            self._said.pop(ended.key, None)
        await self._say_late(ended.key, observed)
        await self._say_stolen(observed.endpoint)

    async def _say_taken(self, observed: Observed, plan: Plan[Action]) -> None:
        endpoint, node_class = observed.endpoint, observed.node.node_class
        self._metrics.reclaimed.labels(node_class.value).inc()
        logger.info(
            "addresses of endpoint %s are taken: %s",
            endpoint.key,
            plan.message,
            extra={
                "endpoint": endpoint.key,
                "addresses": [str(one) for one in endpoint.addresses],
                "network": str(endpoint.network),
                "pod": endpoint.pod_key,
                "pod_uid": endpoint.pod_uid,
                "node": observed.node_name,
                "node_class": node_class.value,
                "wanted_by": [one.key for one in observed.wanted_by],
            },
        )
        warns = observed.unfenced
        for pod in observed.wanted_by:
            await self._say_of_pod(pod, plan.reason, plan.message, warns=warns)
        await self._say_of_endpoint(endpoint, plan.reason, plan.message, warns=warns)

    async def _say_once(self, key: str, endpoint: Endpoint, reason: str, message: str) -> None:
        if self._said.get(key) != reason:
            self._said[key] = reason
            await self._say_of_endpoint(endpoint, reason, message, warns=True)

    async def _say_late(self, key: str, observed: Observed) -> None:
        if not returned_late(observed) or key in self._late:
            return
        self._late.add(key)
        self._metrics.late_returns.inc()
        text = f"{observed.node.why}, and pod {observed.endpoint.pod_key} {observed.pod.value}"
        await self._say_of_endpoint(observed.endpoint, reasons.LATE_RETURN.name, text, warns=True)

    async def _say_stolen(self, endpoint: Endpoint) -> None:
        stolen = self.freed.stolen(endpoint) if self.freed is not None else None
        if stolen is None:
            return
        address, waits = stolen
        self._metrics.stolen.inc()
        text = (
            f"{address} of {endpoint.network} went to pod {endpoint.pod_key}, which asked for any"
        )
        await self._say_of_pod(waits, reasons.STOLEN.name, text, warns=True)

    async def _say_of_pod(self, pod: Pod, reason: str, message: str, *, warns: bool) -> None:
        await self._events.publish(
            Event(
                kind=PODS,
                name=pod.name,
                namespace=pod.namespace,
                uid=pod.uid,
                type="Warning" if warns else "Normal",
                reason=reason,
                message=message,
            )
        )

    async def _say_of_endpoint(
        self, endpoint: Endpoint, reason: str, message: str, *, warns: bool
    ) -> None:
        await self._events.publish(
            Event(
                kind=endpoints(endpoint.group),
                name=endpoint.name,
                namespace=endpoint.namespace,
                uid=endpoint.uid,
                type="Warning" if warns else "Normal",
                reason=reason,
                message=message,
            )
        )

    def _forget(self, key: str) -> None:
        self.waiting.note(key, "")
        self._said.pop(key, None)
        self._late.discard(key)
