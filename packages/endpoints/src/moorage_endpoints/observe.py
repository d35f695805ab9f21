"""Observe: one Service and all that concerns it; from the caches only."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from moorage_endpoints.caches import Caches
from moorage_endpoints.decide.companion import companion_name
from moorage_endpoints.model import Member, Observed
from moorage_endpoints.nads.projections import Nad
from moorage_endpoints.networks.status import Malformed
from moorage_endpoints.projections.services import Service
from moorage_endpoints.projections.slices import Slice
from moorage_endpoints.recent import Recent
from moorage_endpoints.targets import Target

_WITH_PODS = (Target.SLICES, Target.HANDOVER, Target.LEGACY)


class Observer:
    """Reads the caches; ``monotonic`` is the clock of the caches.

    ``target_of`` says where a Service goes.
    """

    def __init__(
        self,
        caches: Caches,
        target_of: Callable[[Service], Target],
        monotonic: Callable[[], float],
    ) -> None:
        self._caches = caches
        self._target_of = target_of
        self._monotonic = monotonic
        self.rewrites = Recent(monotonic)
        self.takes = Recent(monotonic)

    def service(self, key: str) -> Observed | None:
        """One Service; ``None`` = it is gone and so are its slices, or it is none of ours."""
        caches = self._caches
        service, slices = caches.services.get(key), caches.slices_of(key)
        if service is None:
            self.forget(key)
            return Observed(key, None, Target.NONE, slices=slices) if _any_ours(slices) else None
        endpoints = caches.endpoints.get(key)
        companions = caches.companions_of(service)
        left = companions or _any_ours(slices) or (endpoints is not None and endpoints.ours)
        if not service.concerns_us and not left:
            self.forget(key)
            return None
        target = self._target_of(service)
        members = tuple(self._members(service)) if target in _WITH_PODS else ()
        namesake = f"{service.namespace}/{companion_name(service)}"
        return Observed(
            key=key,
            service=service,
            target=target,
            members=members,
            slices=slices,
            taken=self._names_taken(service),
            endpoints=endpoints,
            companions=companions,
            namesake=caches.services.get(namesake),
            companion_stored=self._is_stored(namesake),
            networks=self._networks(service),
            rewrites=self.rewrites.count(key),
            takes=self.takes.count(key),
            kept_seconds=self._kept_seconds(members),
        )

    def forget(self, key: str) -> None:
        """The Service is gone, or none of ours any more."""
        self.rewrites.forget(key)
        self.takes.forget(key)

    def _members(self, service: Service) -> Iterator[Member]:
        for pod in self._caches.pods_of(service):
            zone = self._caches.zones.get(pod.node) or ""
            if not isinstance(pod.attachments, Malformed):
                yield Member(pod, pod.attachments, zone=zone)
                continue
            kept = self._caches.kept.get(pod.key)
            counts = kept is not None and pod.ready and kept.until > self._monotonic()
            yield Member(pod, kept.attachments if kept and counts else None, counts, zone)

    def _kept_seconds(self, members: tuple[Member, ...]) -> float | None:
        kept = (self._caches.kept.get(one.pod.key) for one in members if one.kept)
        return min((one.until - self._monotonic() for one in kept if one), default=None)

    def _names_taken(self, service: Service) -> frozenset[str]:
        place = (service.namespace, service.subject.name)
        return frozenset(key.partition("/")[2] for key in self._caches.slices_by_shape.get(place))

    def _networks(self, service: Service) -> dict[str, Nad]:
        found = {one.network: one for one in service.wish.networks or ()}
        known = {key: self._caches.nads.get(key) for key in found}
        return {key: one for key, one in known.items() if one is not None}

    def _is_stored(self, key: str) -> bool:
        """Whether a companion has slices of all its families."""
        companion = self._caches.services.get(key)
        if companion is None:
            return False
        stored = {
            one.family
            for one in self._caches.slices_of(key)
            if one.ours and one.owner == companion.subject.uid
        }
        families = {str(one) for one in companion.families}
        return families <= stored if families else bool(stored)


def _any_ours(slices: tuple[Slice, ...]) -> bool:
    return any(one.ours for one in slices)
