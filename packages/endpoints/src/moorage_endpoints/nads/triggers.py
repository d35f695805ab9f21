"""Triggers: which net-attach-defs a change concerns."""

from __future__ import annotations

from moorage_endpoints.nads.caches import NadCaches
from moorage_endpoints.nads.projections import Nad
from moorage_kube.cache.store import Change, Index
from moorage_kube.reconcile.queue import WorkQueue


class NadTriggers:
    """Puts keys of net-attach-defs into the queue; each change costs what it concerns."""

    def __init__(self, caches: NadCaches, queue: WorkQueue) -> None:
        self._caches = caches
        self._queue = queue
        self._by_namespace = Index(caches.nads, lambda nad: (nad.subject.namespace,))
        caches.nads.subscribe(self._nad_changed)
        caches.terminating.subscribe(self._namespace_changed)
        # Only the first user that comes and the last one that goes make a difference.
        caches.usage.subscribe(queue.add)

    def _nad_changed(self, change: Change[Nad]) -> None:
        self._queue.add(change.key)

    def _namespace_changed(self, change: Change[bool]) -> None:
        self._queue.add(*self._by_namespace.get(change.key))
