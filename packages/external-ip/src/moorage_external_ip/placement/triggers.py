"""Triggers: of which claims and nodes a change has to be looked at."""

from __future__ import annotations

from dataclasses import replace

from moorage_domain.conditions import condition_of
from moorage_external_ip.placement.caches import Caches
from moorage_external_ip.placement.endpoints import SliceView
from moorage_external_ip.placement.model import Life, NodeView
from moorage_external_ip.placement.projections import reporters_of
from moorage_external_ip.projections import Claim, PoolView
from moorage_external_ip.service.wish import Service
from moorage_kube.cache.store import Change
from moorage_kube.reconcile.queue import WorkQueue

MOVING_SECONDS = 3.0
"""How long the status of an address that was just given a node can wait for the agent's word.

An agent that gets hundreds at once holds its words back for a second or two.
"""


class Triggers:
    """Puts keys into the queues; each change costs what it concerns."""

    def __init__(self, caches: Caches, claims: WorkQueue, mirrors: WorkQueue) -> None:
        self._caches = caches
        self._claims = claims
        self._mirrors = mirrors
        caches.claims.subscribe(self._claim_changed)
        caches.pools.subscribe(self._pool_changed)
        caches.services.subscribe(self._service_changed)
        caches.slices.subscribe(self._slice_changed)
        caches.nodes.subscribe(self._node_changed)
        caches.mirrors.subscribe(lambda change: mirrors.add(change.key))

    def _claim_changed(self, change: Change[Claim]) -> None:
        if change.new is not None and self._is_on_its_way(change.old, change.new):
            # Those that still have no node come first, and soon its agent says that it has it: then
            # one write says all.
            self._claims.add_after(change.key, MOVING_SECONDS)
        else:
            self._claims.add(change.key)

    def _is_on_its_way(self, old: Claim | None, new: Claim) -> bool:
        """It was just given a node, and the agent has not said anything of it yet."""
        if old is not None and old.node_name != new.node_name:
            return True
        node = self._caches.nodes.views.get(new.node_name)
        if node is None or node.life is not Life.LIVE or new.node_label != node.name:
            return False
        is_new = not condition_of(new.subject.status, "Ready")
        return is_new and (old is None or reporters_of(old) == reporters_of(new))

    def _pool_changed(self, change: Change[PoolView]) -> None:
        if change.old is not None and change.new and change.old.spec == change.new.spec:
            return
        self._claims.add(*self._caches.claims_by_pool.get(change.key))

    def _service_changed(self, change: Change[Service]) -> None:
        if _place(change.old) == _place(change.new):
            return
        self._claims.add(*self._caches.claims_by_service.get(change.key))

    def _slice_changed(self, change: Change[SliceView]) -> None:
        for one in (change.old, change.new):
            if one is not None:
                self._claims.add(*self._caches.claims_by_service.get(one.service))

    def _node_changed(self, name: str, old: NodeView | None, new: NodeView | None) -> None:
        if old is not None and new is not None and replace(old, life=new.life) == new:
            if (old.life, new.life) == (Life.LIVE, Life.LATE):
                # It keeps what it has, and nobody gains by it.
                return
            if (old.life, new.life) == (Life.LATE, Life.LIVE):
                self._claims.add(*self._caches.waiting)
                return
        self._mirrors.add(name)
        self._claims.add(*self._caches.claims_by_node.get(name))
        self._claims.add(*self._caches.waiting)


def _place(service: Service | None) -> tuple[object, ...]:
    """What of a Service says where its addresses may be."""
    return (service.local, service.place) if service else ()
