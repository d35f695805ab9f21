"""The protection of net-attach-defs put together: observe, decide, act, report."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from moorage_domain.admission import AdmissionRequest, Allowed, Decision
from moorage_domain.plans import Plan
from moorage_domain.reasons import Reason
from moorage_endpoints.kinds import NADS
from moorage_endpoints.nads import reasons
from moorage_endpoints.nads.act import NadActor
from moorage_endpoints.nads.admission import NadRequest, decide_nad
from moorage_endpoints.nads.caches import NadCaches
from moorage_endpoints.nads.decide import decide
from moorage_endpoints.nads.metrics import NadGauges
from moorage_endpoints.nads.model import Action, Gone, Observed, Recreate, Unmark
from moorage_endpoints.nads.projections import Nad, template_nads_of
from moorage_endpoints.nads.registration import PATH, TIMEOUT_SECONDS
from moorage_endpoints.nads.settings import NadSettings
from moorage_endpoints.nads.triggers import NadTriggers
from moorage_endpoints.nads.usage import NadUsage, PodT
from moorage_kube.cache.store import Store
from moorage_kube.client.client import ListQuery
from moorage_kube.client.kinds import DAEMONSETS, DEPLOYMENTS, NAMESPACES, STATEFULSETS
from moorage_kube.manager.manager import Manager
from moorage_kube.reconcile.logic import Pass
from moorage_kube.reconcile.queue import WorkQueue
from moorage_kube.telemetry.events import Event, EventRecorder
from moorage_kube.webhook.webhook import Webhook
from moorage_kube.writes.subjects import Subjects

_RELEASED = reasons.RELEASED_FOR_NAMESPACE_DELETION


class NadLogic:
    """The controller of net-attach-defs."""

    def __init__(self, caches: NadCaches, actor: NadActor, events: EventRecorder) -> None:
        self._caches = caches
        self._actor = actor
        self._events = events
        # Uids of those whose users were told that they hold them.
        self._told: dict[str, str] = {}

    async def observe(self, key: str) -> Observed | None:
        """Read the caches; nothing is awaited, so that what is observed fits together."""
        observed = self._caches.observe(key)
        if observed is None:
            self._told.pop(key, None)
        return observed

    def decide(self, observed: Observed) -> Plan[Action]:
        """Decide; pure."""
        return decide(observed)

    async def act(self, observed: Observed, action: Action) -> None:
        """Carry out one action."""
        await self._actor.act(observed, action)

    async def report(self, ended: Pass[Observed, Action]) -> None:
        """Events for what a person should know; that one comes into use is none."""
        plan, observed = ended.plan, ended.observed
        if ended.failure is not None or plan is None or observed is None or ended.dry_run:
            return
        gone = isinstance(observed.nad, Gone)
        if gone and plan.reason == reasons.NOT_RESURRECTED.name and self._caches.deleted:
            self._caches.deleted.forget(ended.key)
        for reason, message in self._news(ended.key, plan):
            await self._tell(ended.key, reason, message)

    def _news(self, key: str, plan: Plan[Action]) -> Iterator[tuple[Reason, str]]:
        """What there is to tell of a plan that was carried out."""
        if key in self._caches.changed_in_use:
            self._caches.changed_in_use.discard(key)
            yield reasons.CHANGED_WHILE_IN_USE, "pods that use it keep the network that they have"
        if plan.reason == reasons.HELD_BY_PODS.name and self._is_first(key):
            yield reasons.HELD_BY_PODS, plan.message
        for action in plan.actions:
            if isinstance(action, Recreate):
                yield reasons.RESURRECTED, "it was deleted while pods use it, and created again"
            elif isinstance(action, Unmark) and plan.reason == _RELEASED.name:
                yield _RELEASED, plan.message

    def _is_first(self, key: str) -> bool:
        """Whether this object has not been told of yet."""
        nad = self._caches.nads.get(key)
        uid = nad.subject.uid if nad else ""
        if self._told.get(key) == uid:
            return False
        self._told[key] = uid
        return True

    async def _tell(self, key: str, reason: Reason, message: str) -> None:
        # In a namespace that ends none can be created: the recorder says so in the log.
        nad = self._caches.nads.get(key)
        if nad is None:
            return
        subject = nad.subject
        event = Event(
            kind=NADS,
            name=subject.name,
            namespace=subject.namespace,
            uid=subject.uid,
            type="Warning" if reason.warning else "Normal",
            reason=reason.name,
            message=message,
        )
        await self._events.publish(event)


class Nads:
    """All parts of the protection, each made once.

    Attributes:
        webhook: answers for net-attach-defs.
    """

    def __init__(
        self, manager: Manager, pods: Store[PodT], nads: Store[Nad], settings: NadSettings
    ) -> None:
        """``pods`` and ``nads`` are kept up by informers of the manager."""
        usage = NadUsage(pods, _templates(manager, settings))
        self._dry_run = settings.dry_run
        self.caches = caches = NadCaches(nads, usage, settings.protection)
        queue = WorkQueue()
        NadTriggers(caches, queue)
        manager.on_leading.append(caches.begin)
        manager.informer(NAMESPACES, caches.terminating, ListQuery(metadata_only=True))
        manager.add_controller(
            "endpoints-nads",
            NadLogic(caches, NadActor(manager.client, caches), manager.events),
            queue,
            Subjects(NADS, caches.nads, has_generation=False, dry_run=""),
        )
        gauges = NadGauges(caches, lambda: manager.election.is_leader)
        manager.registry.register(gauges.collector())
        self.webhook = Webhook(PATH, self.admit, TIMEOUT_SECONDS / 2, on_failure=Allowed())

    def admit(self, request: AdmissionRequest) -> Decision:
        """The answer of every replica, from its caches."""
        if self._dry_run:  # it changes nothing, so it refuses nothing
            return Allowed()
        key = f"{request.namespace}/{request.name}"
        caches = self.caches
        asked = NadRequest(request, caches.protection, caches.usage.users(key), caches.place(key))
        return decide_nad(asked)


def _templates(manager: Manager, settings: NadSettings) -> dict[str, Store[frozenset[str]]]:
    """By the word for their kind; none unless it is asked for."""
    if not settings.protect_templates:
        return {}
    project = partial(template_nads_of, multus_namespace=settings.multus_namespace)
    found = {}
    for kind in (DEPLOYMENTS, STATEFULSETS, DAEMONSETS):
        found[kind.name] = Store(project)
        manager.informer(kind, found[kind.name])
    return found
