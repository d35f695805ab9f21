"""Observe: one claim and all that its place depends on; from the caches only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from moorage_domain.label_selectors import Selector
from moorage_external_ip.placement.caches import Caches
from moorage_external_ip.placement.endpoints import SliceView, local_use
from moorage_external_ip.placement.memory import Memory
from moorage_external_ip.placement.model import (
    ClaimView,
    LocalUse,
    NodeFilter,
    Observed,
)
from moorage_external_ip.placement.projections import view_of
from moorage_external_ip.projections import Claim, Use
from moorage_external_ip.service.wish import Service


@dataclass(frozen=True, slots=True)
class Choice:
    """What settings say of the choice of nodes; ``namespace``: where agents have their Leases."""

    selector: Selector = field(default_factory=Selector)
    node_filter: NodeFilter = NodeFilter.FAIR
    namespace: str = "default"


class Observer:
    """Reads the caches."""

    def __init__(self, caches: Caches, choice: Choice, clock: Callable[[], float]) -> None:
        self._caches = caches
        self._choice = choice
        self._memory = Memory(clock)

    def claim(self, key: str) -> Observed | None:
        """One claim; ``None`` = it is gone."""
        claim = self._caches.claims.get(key)
        if claim is None:
            self._memory.forget(key)
            return None
        view = view_of(claim)
        view = replace(view, tried=self._memory.still_tried(key, view.tried))
        return self._observed(claim, view)

    def coming(self, claim: Claim) -> Observed:
        """A claim that is about to be made, of an address that is reserved for it."""
        return self._observed(claim, replace(view_of(claim), allocated=True))

    def _observed(self, claim: Claim, view: ClaimView) -> Observed:
        caches = self._caches
        found = [service for service in map(self._service, claim.uses) if service is not None]
        return Observed(
            claim=view,
            nodes=caches.nodes.views,
            loads=caches.loads,
            pool=caches.rules(claim.pool),
            local=self._local(view, [one for one in found if one.local]),
            others=not found or not all(one.local for one in found),
            selector=self._choice.selector,
            node_filter=self._choice.node_filter,
            held=caches.liveness.guard.held,
            starting=caches.liveness.starting,
            unseen_seconds=caches.liveness.unseen_seconds(view.node),
            troubled_seconds=self._memory.troubled_seconds(view),
        )

    def _service(self, use: Use) -> Service | None:
        """``None``: it is gone, or another one has its name: the claim will lose it."""
        service = self._caches.services.get(use.key)
        return service if service and use.uid in ("", service.subject.uid) else None

    def _local(self, claim: ClaimView, services: list[Service]) -> tuple[LocalUse, ...]:
        family = f"IPv{claim.address.version}" if claim.address else ""
        services.sort(key=lambda one: one.place)
        return tuple(local_use(one.key, self._slices(one.key), family) for one in services)

    def _slices(self, service: str) -> list[SliceView]:
        keys = self._caches.slices_by_service.get(service)
        found = map(self._caches.slices.get, sorted(keys))
        return [one for one in found if one is not None]
