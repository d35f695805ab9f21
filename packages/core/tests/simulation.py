"""A cluster and a cloud in memory under the real decisions, with virtual time and accidents."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from core_builders import by_machine
from loop_writes import (
    AddFinalizer,
    RemoveFinalizer,
    Write,
    WriteStatus,
    carried_out,
    in_order,
)

from moorage_core.actions import (
    Action,
    LabelNode,
    Mutate,
    NodeChange,
    RemoveTaint,
    UnlabelNode,
)
from moorage_core.decide.allocation import decide
from moorage_core.decide.node_labels import IP_LABEL, READY_LABEL, labelled
from moorage_core.decide.outcomes import node_at_fault, reason_for
from moorage_core.model import (
    Absent,
    AddressRecord,
    Allocation,
    CloudState,
    Mutation,
    NodeReference,
    Observed,
    Outcome,
    Phase,
    Present,
    Unread,
)
from moorage_core.mutations import carry_out
from moorage_core.pods import EvictPod, MisplacedPod
from moorage_domain.addresses import label_value
from moorage_domain.claims import Claim, winner
from moorage_domain.conditions import Condition
from moorage_domain.nodes import Node
from moorage_domain.plans import Plan
from moorage_provider.errors import CloudError
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
    seen_generation: int = 0


@dataclass
class Memory:
    """What the controller's process remembers, and loses in a crash."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    avoided: dict[str, dict[str, float]] = field(default_factory=dict)
    restore_after: dict[str, dict[str, float]] = field(default_factory=dict)
    not_ready_since: dict[str, float] = field(default_factory=dict)
    gone_since: dict[str, float] = field(default_factory=dict)


class Simulation:
    """Nodes, allocations and a memory cloud; ``settle`` runs the controller until it rests."""

    def __init__(self, cloud: MemoryCloud | None = None, provider: Provider | None = None) -> None:
        self.cloud = cloud or MemoryCloud(ONE_CALL)
        self.provider: Provider = provider or MemoryProvider(self.cloud)
        self.now = START
        self.nodes: dict[str, Node] = {}
        self.stored: dict[str, Stored] = {}
        self.busy: set[str] = set()
        self.crowded: set[str] = set()
        self.pods: dict[str, str] = {}
        """Nodes of the pods that ask for an address, by ``<name of the allocation>/<pod>``."""
        self.memory = Memory()
        self.writes: list[Write] = []
        self.before: Callable[[Write], None] = lambda _: None
        self.after: Callable[[Write], None] = lambda _: None
        self._uids = 0

    # The world, changed by hand.

    def add_node(
        self, name: str, *, machine: str | None = None, with_public_ip: bool = True, **fields: Any
    ) -> Node:
        """A node on a machine of its own."""
        machine = machine or f"vm-{name}"
        provider_id = MemoryCloud.provider_id(machine)
        if machine not in self.cloud.machine_ids:
            provider_id = self.cloud.add_machine(machine, with_public_ip=with_public_ip)
        self._uids += 1
        node = Node(name, f"uid-{name}-{self._uids}", provider_id)
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
        self.memory.gone_since[self.nodes.pop(name).uid] = self.now

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
        new = replace(base, addresses=addresses, generation=base.generation + 1, **fields)
        self.stored.setdefault(name, Stored(new)).allocation = new
        return new

    def delete(self, name: str) -> None:
        """Ask for the end of an allocation."""
        stored = self.stored[name]
        stored.allocation = replace(stored.allocation, deleting=True)
        if not stored.allocation.finalizer:
            del self.stored[name]

    # The controller.

    def look(self, name: str) -> Observed:
        """What the controller observes."""
        stored = self.stored[name]
        records = stored.records
        texts = {node.provider_id for node in self.nodes.values()}
        for record in records:
            node_refs = (record.node_ref, record.previous, *record.restore_pending)
            texts |= {node_ref.provider_id for node_ref in node_refs if node_ref}
            self._miss(record.node_ref)
        machine_of = {text: m for text in texts if (m := self.provider.machine_id(text))}
        conflicts = self._conflicts(name)
        cloud_states = self._read(stored, conflicts)
        return Observed(
            allocation=stored.allocation,
            records=records,
            now=self.now,
            uptime=self.now,
            cloud_states=cloud_states,
            capabilities=self.cloud.capabilities,
            nodes=dict(self.nodes),
            by_machine=by_machine(self.nodes.values(), machine_of, stored.allocation, records),
            machine_of=machine_of,
            owned=[n.name for n in self.nodes.values() if n.owner == stored.allocation.uid],
            taken=self._taken(name),
            restore_pending_elsewhere=self._restores_elsewhere(name),
            strays=self._strays(),
            conflicts=conflicts,
            busy=frozenset(self.busy),
            crowded=frozenset(self.crowded),
            counted=dict.fromkeys(self.nodes, True),
            misplaced=self._misplaced(stored.allocation),
            spoken_for=self._spoken_for(cloud_states.values()),
            outcomes={
                r.ip: self.memory.outcomes[r.ip]
                for r in records
                if r.ip in self.memory.outcomes and r.ip not in conflicts
            },
            avoided=self.memory.avoided,
            restore_after=self.memory.restore_after,
            not_ready_since=self.memory.not_ready_since,
            gone_since=self.memory.gone_since,
            seen_generation=stored.seen_generation,
        )

    def plan(self, name: str) -> Plan[Action]:
        """What the controller would do now."""
        observed = self.look(name)
        return carried_out(decide(observed), observed, self.stored[name].conditions)

    def planned(self, name: str) -> tuple[Write, ...]:
        """What the reconciler would write and do now, in order."""
        observed = self.look(name)
        return in_order(decide(observed), observed, self.stored[name].conditions)

    def pass_over(self, name: str) -> bool:
        """One pass; whether it did anything."""
        if name not in self.stored:
            return False
        observed = self.look(name)
        writes = in_order(decide(observed), observed, self.stored[name].conditions)
        for write in writes:
            self.before(write)
            self._act(name, write)
            self.after(write)
        for ip in observed.outcomes:
            if self.memory.outcomes.get(ip) is observed.outcomes[ip]:
                del self.memory.outcomes[ip]
        return bool(writes)

    def settle(self, seconds: float = 0.0, passes: int = 60) -> None:
        """Let time go by, then run passes until nothing more is planned."""
        self.now += seconds
        for _ in range(passes):
            busy = [self.pass_over(name) for name in list(self.stored)]
            if not any(busy):
                return
            self.now += 1.0
        plans = {name: self.planned(name) for name in self.stored}
        raise AssertionError(f"does not come to rest: {plans}")

    def crash(self) -> None:
        """Lose all that only the process knew."""
        down = {n.uid: self.now for n in self.nodes.values() if not n.ready}
        self.memory = Memory(not_ready_since=down)

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
        return _run(self.provider.machine(machine_id))

    def labelled(self) -> dict[str, str]:
        """The nodes that say they hold an address, with the address's label."""
        return {
            node.name: node.labels.get(IP_LABEL, "")
            for node in self.nodes.values()
            if node.labels.get(READY_LABEL) == "true"
        }

    def _miss(self, node_ref: NodeReference | None) -> None:
        node = self.nodes.get(node_ref.name) if node_ref else None
        if node_ref and (node is None or node.uid != node_ref.uid):
            self.memory.gone_since.setdefault(node_ref.uid, self.now)

    def _read(self, stored: Stored, conflicts: Iterable[str]) -> dict[str, CloudState]:
        held = {r.ip for r in stored.records if r.ours}
        wanted = () if stored.allocation.deleting else stored.allocation.addresses
        asked = sorted((held | set(wanted)) - set(conflicts))
        if not asked:
            return {}
        try:
            answer = _run(self.provider.snapshot(asked))
        except CloudError as error:
            return dict.fromkeys(asked, Unread(reason_for(error), str(error)))
        return {ip: Present(answer[ip]) if ip in answer else Absent() for ip in asked}

    def _conflicts(self, name: str) -> dict[str, str]:
        mine = self._claims(name)
        conflicts = {}
        for ip in mine:
            asking = [
                self.stored[other].allocation for other in self.stored if ip in self._claims(other)
            ]
            first = winner([Claim(one.created, one.uid, one.name) for one in asking])
            if first and first.name != name:
                conflicts[ip] = first.name
        return conflicts

    def _claims(self, name: str) -> set[str]:
        stored = self.stored[name]
        held = {r.ip for r in stored.records if r.ours}
        return held | set(stored.allocation.addresses)

    def _restores_elsewhere(self, name: str) -> set[str]:
        others = [one for other, one in self.stored.items() if other != name]
        return {ref.name for one in others for r in one.records for ref in r.restorable}

    def _strays(self) -> list[str]:
        for stored in self.stored.values():
            fresh = stored.seen_generation == stored.allocation.generation
            unsure = any(r.phase in (Phase.PENDING, Phase.UNKNOWN) for r in stored.records)
            if not fresh or unsure or stored.allocation.problem:
                return []
        living = {stored.allocation.uid for stored in self.stored.values()}
        held = {self.where(ip) for ip in self.cloud.holders}
        held |= {r.node_ref.name for s in self.stored.values() for r in s.records if r.node_ref}
        return [
            node.name
            for node in self.nodes.values()
            if (node.owner or node.labels.get(READY_LABEL) == "true")
            and node.owner not in living
            and node.name not in held
        ]

    def _misplaced(self, allocation: Allocation) -> list[MisplacedPod]:
        return [
            MisplacedPod(key, f"uid-{key}", node_name)
            for key, node_name in self.pods.items()
            if allocation.evict_misplaced
            and key.startswith(f"{allocation.name}/")
            and node_name in self.nodes
            and not labelled(self.nodes[node_name])
        ]

    def _spoken_for(self, cloud_states: Iterable[CloudState]) -> set[str]:
        records = (record for stored in self.stored.values() for record in stored.records)
        node_refs = (node_ref for r in records for node_ref in (r.node_ref, r.previous))
        read = {self.where(r.address.ip) for r in cloud_states if isinstance(r, Present)}
        return {name for name in read if name} | {
            node_ref.name for node_ref in node_refs if node_ref
        }

    def _taken(self, name: str) -> dict[str, str]:
        return {
            record.node_ref.name: other
            for other, stored in self.stored.items()
            if other != name
            for record in stored.records
            if record.node_ref
        }

    def _act(self, name: str, action: Write) -> None:
        stored = self.stored[name]
        match action:
            case AddFinalizer():
                stored.allocation = replace(stored.allocation, finalizer=True)
            case RemoveFinalizer():
                del self.stored[name]
            case LabelNode() | UnlabelNode() | RemoveTaint():
                self._change_node(action, stored.allocation.uid)
            case WriteStatus(records, conditions):
                stored.records, stored.conditions = records, conditions
                stored.seen_generation = stored.allocation.generation
            case Mutate():
                self._mutate(action)
            case EvictPod(pod):
                del self.pods[pod.key]
            case _:
                pass
        self.writes.append(action)

    def _change_node(self, change: NodeChange, owner: str) -> None:
        node = self.nodes.get(change.node.name)
        if node is None or node.uid != change.node.uid:
            return
        match change:
            case LabelNode(_, ip):
                label_changes = {READY_LABEL: "true", IP_LABEL: label_value(ip)}
                node = replace(node, labels={**node.labels, **label_changes}, owner=owner)
            case UnlabelNode():
                kept = {k: v for k, v in node.labels.items() if k not in (READY_LABEL, IP_LABEL)}
                node = replace(node, labels=kept, owner="")
            case RemoveTaint(_, key):
                node = replace(node, taints=tuple(one for one in node.taints if one != key))
        self.nodes[node.name] = node

    def _mutate(self, mutate: Mutate) -> None:
        uid = mutate.node_ref.uid if mutate.node_ref else ""
        ended = partial(Outcome, mutate.mutation, mutate.allocation)
        try:
            done = _run(carry_out(self.provider, mutate, poll_seconds=0.0))
        except CloudError as error:
            if mutate.mutation is Mutation.RESTORE:
                self.memory.restore_after.setdefault(mutate.ip, {})[uid] = self.now + 2.0
            elif node_at_fault(error):
                self.memory.avoided.setdefault(mutate.ip, {})[uid] = self.now + 60.0
            self.memory.outcomes[mutate.ip] = ended(error, uid, retry_in=2.0)
        else:
            self.memory.outcomes[mutate.ip] = ended(None, uid, must_record_first=not done)


_LOOP = asyncio.new_event_loop()


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    return _LOOP.run_until_complete(coroutine)


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
