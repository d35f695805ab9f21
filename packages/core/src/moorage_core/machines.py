"""Machines: which machine a node is in one cloud, looked up when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from moorage_core.decide.targets import stands_for_machine
from moorage_core.model import AddressRecord
from moorage_domain.nodes import Node
from moorage_kube.cache.store import Change, Index, Store

MachineId = Callable[[str], str | None]
"""The machine id behind a ``spec.providerID``; ``None`` = no machine of this cloud."""


class MachineIds(Mapping[str, str]):
    """Machine ids by ``spec.providerID``, of every node and of every other one asked for."""

    def __init__(self, nodes: Store[Node], machine_id: MachineId) -> None:
        self._nodes, self._machine_id = nodes, machine_id

    def __getitem__(self, provider_id: str) -> str:
        found = self._machine_id(provider_id) if provider_id else None
        if found is None:
            raise KeyError(provider_id)
        return found

    def __iter__(self) -> Iterator[str]:
        return (node.provider_id for node in self._nodes.values() if node.provider_id in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class NodesByMachine(Mapping[str, str]):
    """Node names by machine id; of several objects for one machine, the one that stands for it."""

    def __init__(
        self,
        nodes: Store[Node],
        index: Index[Node],
        records: Iterable[AddressRecord],
    ) -> None:
        self._nodes, self._index, self._records = nodes, index, tuple(records)
        self._found: dict[str, str] = {}
        """A pass asks several times for the machine of each of its addresses."""

    def __getitem__(self, machine_id: str) -> str:
        found = self._found.get(machine_id)
        if found is None:
            found = self._found[machine_id] = self._find(machine_id)
        return found

    def _find(self, machine_id: str) -> str:
        keys = self._index.by_index_key.get(machine_id, ())
        if len(keys) == 1:
            return next(iter(keys))
        nodes = [node for key in keys if (node := self._nodes.get(key))]
        if not nodes:
            raise KeyError(machine_id)
        return stands_for_machine(nodes, self._records).name

    def __iter__(self) -> Iterator[str]:
        return (str(machine_id) for machine_id in self._index.by_index_key)

    def __len__(self) -> int:
        return len(self._index.by_index_key)


class Machines:
    """The machines of all nodes in one cloud."""

    def __init__(self, nodes: Store[Node], machine_id: MachineId) -> None:
        self.ids = MachineIds(nodes, machine_id)
        """Machine ids by ``spec.providerID``."""
        self._nodes = nodes
        self.shared: dict[str, Sequence[str]] = {}
        """Machine ids that several Node objects name -> the names of these, in order."""
        self._by_machine: Index[Node] = Index(nodes, self._machine_of)
        for found in self._by_machine.by_index_key:
            self._note_shared(str(found))
        nodes.subscribe(self._node_changed)

    def nodes_for(self, records: Iterable[AddressRecord]) -> NodesByMachine:
        """Node names by machine id, as they count for an allocation with these records."""
        return NodesByMachine(self._nodes, self._by_machine, records)

    def _node_changed(self, change: Change[Node]) -> None:
        for node in (change.old, change.new):
            for machine_id in self._machine_of(node) if node else ():
                self._note_shared(machine_id)

    def _note_shared(self, machine_id: str) -> None:
        names = self._by_machine.get(machine_id)
        if len(names) > 1:
            self.shared[machine_id] = sorted(names)
        else:
            self.shared.pop(machine_id, None)

    def _machine_of(self, node: Node) -> tuple[str, ...]:
        machine_id = self.ids.get(node.provider_id)
        return (machine_id,) if machine_id else ()
