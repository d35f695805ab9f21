"""A cluster and a cloud in memory, with what people change by hand and what tests ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from clockwork import Clockwork
from loop_writes import Write

from moorage_core.avoidance import Avoidance
from moorage_core.caches import OF_THIS_PROCESS
from moorage_core.decide.node_labels import IP_LABEL, READY_LABEL
from moorage_core.model import (
    AddressRecord,
    Allocation,
    Outcome,
)
from moorage_core.recorded import Reader
from moorage_core.report import Said
from moorage_core.selected import listed, with_recorded
from moorage_core.status import record_to_wire
from moorage_domain.conditions import Condition
from moorage_domain.nodes import Node
from moorage_domain.scheduling import PodPlacement
from moorage_provider.protocol import Machine, MachineHolder, Provider
from moorage_testing.clouds.memory import ONE_CALL, MemoryCloud, MemoryProvider

T = TypeVar("T")

START = 1_800_000_000.0


@dataclass
class Stored:
    """An allocation as the API server keeps it."""

    allocation: Allocation
    records: tuple[AddressRecord, ...] = ()
    conditions: tuple[Condition, ...] = ()
    observed_generation: int = 0

    def read(self, records: tuple[AddressRecord, ...]) -> None:
        """The status has other records now, some of which are of addresses that were selected."""
        self.records = records
        self.allocation = with_recorded(self.allocation, records)


@dataclass
class Memory:
    """What the controller's process remembers, and loses in a crash."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    avoidance: Avoidance = field(default_factory=Avoidance)
    restore_after: dict[str, dict[str, float]] = field(default_factory=dict)
    restore_refused: dict[str, dict[str, str]] = field(default_factory=dict)
    not_ready_since: dict[str, float] = field(default_factory=dict)
    gone_since: dict[str, float] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    gone_zones: dict[str, str] = field(default_factory=dict)
    said: Said = field(default_factory=Said)
    labels_since: dict[str, float] = field(default_factory=dict)
    labels_due: dict[str, float] = field(default_factory=dict)
    began: float = START


class SimulatedCluster:
    """Nodes, allocations and a memory cloud."""

    drain_timeout = 0.0
    """The administrator's, for allocations that name no workload."""

    def __init__(self, cloud: MemoryCloud | None = None, provider: Provider | None = None) -> None:
        self.cloud = cloud or MemoryCloud(ONE_CALL)
        self.provider: Provider = provider or MemoryProvider(self.cloud)
        self.now = START
        self.nodes: dict[str, Node] = {}
        self.stored: dict[str, Stored] = {}
        self.busy: set[str] = set()
        self.crowded: set[str] = set()
        self.pods_go: PodPlacement | None = None
        """Where the pods of every allocation's workload may run."""
        self.shares_label = False
        """Whether they ask for a node with an address, whichever it is."""
        self.pods: dict[str, str] = {}
        """Nodes of the pods that ask for an address, by ``<name of the allocation>/<pod>``."""
        self.odd: set[str] = set()
        """Machines that can never have an address of IPv4, though their nodes look well."""
        self.refused: set[str] = set()
        """Machines that were refused an address of their own while the reserved one was let go."""
        self.memory = Memory()
        self.writes: list[Write] = []
        self.events: list[str] = []
        """As ``<type> <reason>: <message>``."""
        self.logged: dict[str, str] = {}
        """The last log line about each allocation."""
        self.before: Callable[[Write], None] = lambda _: None
        self.after: Callable[[Write], None] = lambda _: None
        self.clockwork = Clockwork()
        self.mutation_seconds = 0.0
        """How long a mutation is under way; 0 = it has ended before the next pass."""
        self._uids = 0

    # What people change by hand.

    def add_node(
        self, name: str, *, machine: str | None = None, with_public_ip: bool = True, **fields: Any
    ) -> Node:
        """A node on a machine of its own."""
        machine = machine or f"vm-{name}"
        provider_id = MemoryCloud.provider_id(machine)
        if machine not in self.cloud.machine_ids:
            provider_id = self.cloud.add_machine(machine, with_public_ip=with_public_ip)
        self._uids += 1
        uid, created = f"uid-{name}-{self._uids}", f"{self._uids:09}"
        node = Node(name, uid, provider_id, created=created)
        self.nodes[name] = replace(node, **{"labels": {"pool": "a"}, **fields})
        return self.nodes[name]

    def change_node(self, name: str, **fields: Any) -> None:
        """Cordon, break or mend a node."""
        node = self.nodes[name] = replace(self.nodes[name], **fields)
        if node.ready:
            self.memory.not_ready_since.pop(node.uid, None)
        else:
            self.memory.not_ready_since.setdefault(node.uid, self.now)

    def remove_node(self, name: str) -> None:
        """Delete the Node object; its machine goes on."""
        node = self.nodes.pop(name)
        self.memory.gone_since[node.uid] = self.now
        self.memory.gone_zones[node.uid] = node.zone

    def allocate(self, name: str, *addresses: str, **fields: Any) -> Allocation:
        """Create or change an allocation; its addresses are reserved where they are not yet."""
        for ip in addresses:
            if ip not in self.cloud.holders:
                self.cloud.add_address(ip)
        old = self.stored.get(name)
        base = old.allocation if old else Allocation(
            name=name, uid=f"uid-{name}", created=_rfc3339(self.now + len(self.stored)),
            generation=0, addresses=(), selector=(("pool", "a"),), provider="memory",
        )  # fmt: skip
        new = replace(
            base, addresses=addresses, selected=frozenset(), generation=base.generation + 1,
            **fields,
        )  # fmt: skip
        stored = self.stored.setdefault(name, Stored(new))
        stored.allocation = new
        stored.read(stored.records)
        return stored.allocation

    def delete(self, name: str) -> None:
        """Ask for the end of an allocation."""
        stored = self.stored[name]
        stored.allocation = replace(stored.allocation, deleting=True)
        if not stored.allocation.finalizer:
            del self.stored[name]

    # What tests ask.

    def record(self, name: str, ip: str) -> AddressRecord:
        """An address's entry in the status."""
        return next(record for record in self.stored[name].records if record.ip == ip)

    def where(self, ip: str) -> str | None:
        """Who holds an address: the node (of two objects that in a record), or the machine."""
        holder = self.cloud.holder(ip)
        if not isinstance(holder, MachineHolder):
            return str(holder) if holder else None
        uids = {r.node_ref.uid for s in self.stored.values() for r in s.records if r.node_ref}
        nodes = [n for n in self.nodes.values() if self.machine_of(n) == holder.machine_id]
        names = [n.name for n in sorted(nodes, key=lambda n: n.uid not in uids)]
        return names[0] if names else holder.machine_id

    def machine_of(self, node: Node) -> str:
        """The id of the machine behind a node."""
        machine_id = self.provider.machine_id(node.provider_id)
        assert machine_id is not None
        return machine_id

    def ask_machine(self, machine_id: str) -> Machine:
        """What the cloud says of a machine."""
        return run_in_loop(self.provider.machine(machine_id))

    def labelled(self) -> dict[str, str]:
        """The nodes that say they hold an address, with the address's label."""
        return {
            node.name: node.labels.get(IP_LABEL, "")
            for node in self.nodes.values()
            if node.labels.get(READY_LABEL) == "true"
        }


def read_back(stored: Stored) -> tuple[AddressRecord, ...]:
    """What a new process believes of what the one before has written."""
    allocation = stored.allocation
    entries = [OF_THIS_PROCESS.on(allocation.uid, record_to_wire(one)) for one in stored.records]
    found = Reader(allocation.uid, set(listed(allocation)), OF_THIS_PROCESS).read(entries)
    assert not found.doubts
    return found.records


_LOOP = asyncio.new_event_loop()


def run_in_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    return _LOOP.run_until_complete(coroutine)


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
