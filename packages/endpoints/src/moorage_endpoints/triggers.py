"""Triggers: which Services a change concerns; each costs what it concerns."""

from __future__ import annotations

from collections.abc import Iterable

from moorage_endpoints.caches import Caches
from moorage_endpoints.nads.projections import Nad
from moorage_endpoints.projections.others import EndpointsView
from moorage_endpoints.projections.pods import Pod
from moorage_endpoints.projections.services import Service
from moorage_endpoints.projections.slices import Slice
from moorage_kube.cache.store import Change
from moorage_kube.reconcile.queue import WorkQueue

COALESCE_SECONDS = 0.1
"""What happens to pods within this time is one write: a rollout changes many at once."""


class Triggers:
    """Puts keys of Services into the queue."""

    def __init__(self, caches: Caches, queue: WorkQueue) -> None:
        self._caches = caches
        self._queue = queue
        caches.services.subscribe(self._service_changed)
        caches.pods.subscribe(self._pod_changed)
        caches.slices.subscribe(self._slice_changed)
        caches.endpoints.subscribe(self._endpoints_changed)
        caches.zones.subscribe(self._zone_changed)
        caches.nads.subscribe(self._nad_changed)

    def _service_changed(self, change: Change[Service]) -> None:
        both = [one for one in (change.old, change.new) if one is not None]
        if any(one.concerns_us for one in both):
            self._queue.add(change.key)
        for one in both:
            if one.wish.companion_of:
                self._queue.add(f"{one.namespace}/{one.wish.companion_of}")
        if change.new is None:
            # Who waits for its name, or has slices left.
            namespace = change.key.partition("/")[0]
            self._queue.add(change.key, *self._waiting_for(namespace, change.key))

    def _waiting_for(self, namespace: str, key: str) -> Iterable[str]:
        """Services whose companion may have this name: theirs is the beginning of it."""
        name = key.partition("/")[2]
        parts = name.split("-")
        for number in range(1, len(parts)):
            candidate = f"{namespace}/{'-'.join(parts[:number])}"
            service = self._caches.services.get(candidate)
            if service is not None and service.concerns_us:
                yield candidate

    def _pod_changed(self, change: Change[Pod]) -> None:
        for pod in (change.old, change.new):
            if pod is not None:
                self._soon(self._caches.services_of(pod))

    def _slice_changed(self, change: Change[Slice]) -> None:
        for one in (change.old, change.new):
            if one is None or not one.service:
                continue
            if one.ours or self._concerns_us(one.service_key):
                self._queue.add(one.service_key)
            service = self._caches.services.get(one.service_key)
            # Whoever waits until its companion is stored.
            if service is not None and service.wish.companion_of:
                self._queue.add(f"{one.namespace}/{service.wish.companion_of}")

    def _endpoints_changed(self, change: Change[EndpointsView]) -> None:
        ours = any(one is not None and one.ours for one in (change.old, change.new))
        if ours or self._concerns_us(change.key):
            self._queue.add(change.key)

    def _concerns_us(self, key: str) -> bool:
        """Whether a Service names a network, or something of ours waits to be replaced."""
        service = self._caches.services.get(key)
        if service is not None and service.concerns_us:
            return True
        namespace, _, name = key.partition("/")
        is_first = bool(self._caches.companions.get((namespace, name)))
        return is_first or any(one.ours for one in self._caches.slices_of(key))

    def _zone_changed(self, change: Change[str]) -> None:
        if (change.old or "") == (change.new or ""):
            return
        for key in self._caches.pods_by_node.get(change.key):
            pod = self._caches.pods.get(key)
            if pod is not None:
                self._soon(self._caches.services_of(pod))

    def _nad_changed(self, change: Change[Nad]) -> None:
        both = (change.old, change.new)
        if len({one and one.node_routable for one in both}) == 1:
            return
        self._queue.add(*self._caches.services_by_network.get(change.key))

    def _soon(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._queue.add_after(key, COALESCE_SECONDS)
