"""The caches that placement rests on, with an index for each question asked of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping

from moorage_external_ip.caches import Caches as SharedCaches
from moorage_external_ip.placement.endpoints import SliceView, slice_of
from moorage_external_ip.placement.leases import agent_of
from moorage_external_ip.placement.live import Liveness
from moorage_external_ip.placement.mirror import MirrorView, mirror_of
from moorage_external_ip.placement.model import Agent, NodeFacts, PoolRules
from moorage_external_ip.placement.nodes import Nodes
from moorage_external_ip.placement.projections import (
    PoolPlacement,
    holders_of,
    node_of,
    reporters_of,
)
from moorage_external_ip.projections import Claim
from moorage_kube.cache.store import Index, Store
from moorage_kube.reconcile.assumed import Assumed

_NO_RULES = PoolRules()


class Caches:
    """Stores and indexes; those of claims, pools and Services are shared with the other rooms.

    Attributes:
        waiting: claims that some other node may be better for, so that they look again when one
            changes.
    """

    def __init__(self, shared: SharedCaches, clock: Callable[[], float]) -> None:
        self.claims, self.pools, self.services = shared.claims, shared.pools, shared.services
        self.slices: Store[SliceView] = Store(slice_of)
        # What is kept of Nodes for pools says nothing of cordons.
        self.node_facts: Store[NodeFacts] = Store(node_of)
        self.leases: Store[Agent] = Store(agent_of)
        self.mirrors: Store[MirrorView] = Store(mirror_of)
        self.liveness = Liveness(self.leases, clock)
        self.nodes = Nodes(self.node_facts, self.liveness)
        self.assumed = Assumed()
        self.waiting: set[str] = set()
        self.claims_by_holder = Index(self.claims, _one_holder)
        self.claims_by_node = Index(self.claims, _nodes)
        self.claims_by_service = Index(self.claims, lambda claim: (use.key for use in claim.uses))
        self.claims_by_pool = shared.claims_by_pool
        self.slices_by_service = Index(self.slices, lambda one: (one.service,))
        self.loads = Loads(self.claims_by_holder, self.assumed)
        self._rules: dict[str, PoolPlacement] = {}

    def rules(self, pool: str) -> PoolRules:
        """What a pool says of the place of its addresses; of one that is wrong: nothing."""
        view = self.pools.get(pool)
        if view is None or view.spec is None:
            self._rules.pop(pool, None)
            return _NO_RULES
        known = self._rules.get(pool)
        if known is None or known.spec is not view.spec:
            known = self._rules[pool] = PoolPlacement.of(view.spec)
        return known.rules


class Loads(Mapping[str, int]):
    """How many addresses each node has; those that are on their way to it count."""

    def __init__(self, by_holder: Index[Claim], assumed: Assumed) -> None:
        self._held = by_holder.by_index_key
        self._assumed = assumed.tokens()

    def __getitem__(self, node: str) -> int:
        held = self._held.get(node, frozenset())
        coming = self._assumed.get(("node", node), ())
        return len(held) + sum(1 for key in coming if key not in held)

    def __iter__(self) -> Iterator[str]:
        return iter([str(node) for node in self._held])

    def __len__(self) -> int:
        return len(self._held)


def _one_holder(claim: Claim) -> Iterable[Hashable]:
    # Of addresses that every node has, none has more than another.
    return holders_of(claim)[:1] if claim.node_name else ()


def _nodes(claim: Claim) -> Iterable[Hashable]:
    return (*holders_of(claim), *reporters_of(claim))
