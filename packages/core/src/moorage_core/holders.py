"""Who has which node: what other allocations hold or are given, looked up node by node."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping

from moorage_core.model import Allocation
from moorage_core.projections import AllocationView
from moorage_domain.claims import Claim
from moorage_domain.nodes import Node
from moorage_kube.cache.store import Index, Store
from moorage_kube.reconcile.assumed import Assumed


def claim_of(allocation: Allocation) -> Claim:
    """The claim by which the older of two allocations is found."""
    return Claim(allocation.created, allocation.uid, allocation.name)


class Holders:
    """Indexes of the allocations by the nodes that their records name."""

    def __init__(self, allocations: Store[AllocationView]) -> None:
        self.allocations = allocations
        self.by_node: Index[AllocationView] = Index(allocations, _nodes_of)
        """By the node that has one of their addresses, or will."""
        self.by_previous: Index[AllocationView] = Index(allocations, _previous_nodes_of)
        """By the node that one of their addresses is taken from."""
        self.by_restore: Index[AllocationView] = Index(allocations, _restores_of)
        """By the ``spec.providerID`` of the nodes that must get an address of their own again."""

    def on(self, node_name: str) -> frozenset[str]:
        """Names of allocations with an address on a node, coming to it or leaving it."""
        return self.by_node.get(node_name) | self.by_previous.get(node_name)

    def lead_to(self, node: Node) -> bool:
        """Whether a record names this very node, and not only one of its name."""
        views = (self.allocations.get(name) for name in self.on(node.name))
        records = (record for view in views if view for record in view.records)
        return any(ref.uid == node.uid for record in records for ref in record.places)


class Taken(Mapping[str, str]):
    """Nodes that hold, or are given, an address of another allocation -> its name."""

    def __init__(self, holders: Holders, assumed: Assumed, name: str) -> None:
        self._holders, self._assumed, self._name = holders, assumed, name

    def __getitem__(self, node_name: str) -> str:
        # Of thousands of nodes in one pass, and most have one holder, or none.
        held = self._holders.by_node.by_index_key.get(node_name, ())
        others = [name for name in held if name != self._name]
        others = others or [*self._assumed.by_others(node_name, self._name)]
        if not others:
            raise KeyError(node_name)
        return min(others)

    def __iter__(self) -> Iterator[str]:
        names = {*self._holders.by_node.by_index_key, *self._assumed.tokens()}
        return (str(name) for name in names if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Outranked(Container[str]):
    """Nodes that hold an address of an older allocation as well; its labels count there."""

    def __init__(self, holders: Holders, allocation: Allocation) -> None:
        self._holders, self._mine = holders, claim_of(allocation)
        self._name = allocation.name

    def __contains__(self, node_name: object) -> bool:
        names = self._holders.by_node.get(str(node_name)) - {self._name}
        views = (self._holders.allocations.get(name) for name in names)
        return any(claim_of(view.allocation) < self._mine for view in views if view)


class RestorePending(Container[str]):
    """Machines that gave their own address up for one of another allocation, by providerID."""

    def __init__(self, holders: Holders, name: str) -> None:
        self._holders, self._name = holders, name

    def __contains__(self, provider_id: object) -> bool:
        return bool(self._holders.by_restore.get(str(provider_id)) - {self._name})


def _nodes_of(view: AllocationView) -> Collection[str]:
    return {record.node_ref.name for record in view.records if record.node_ref}


def _previous_nodes_of(view: AllocationView) -> Collection[str]:
    return {record.previous.name for record in view.records if record.previous}


def _restores_of(view: AllocationView) -> Collection[str]:
    return {ref.provider_id for record in view.records for ref in record.restorable}
