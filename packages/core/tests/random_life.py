"""A random life of a small cluster: what happens to it, what goes wrong, and what must hold."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Literal

from accidents import ApiError, Crash
from simulation import Simulation

from moorage_core.actions import Mutate, RemoveTaint
from moorage_core.model import Phase, Record, Workload
from moorage_core.pods import EvictPod, MisplacedPod
from moorage_provider.errors import CloudError, Throttled, Unavailable
from moorage_provider.protocol import MachineHolder, OtherHolder
from moorage_testing.clouds.memory import ONE_CALL, TWO_STEPS, MemoryCloud
from moorage_testing.faults import Fault

ADDRESSES = [f"203.0.113.{n}" for n in range(10, 14)]
TAINT = "example.com/pending"
WORKLOAD = Workload("Deployment", "default", "web")
NODES = [f"n{n}" for n in range(1, 6)]


def in_memory(rng: random.Random) -> Simulation:
    """A memory cloud of a random kind."""
    traits = rng.choice((ONE_CALL, TWO_STEPS))
    steps = rng.choice((0, 0, 1, 3))
    return Simulation(
        MemoryCloud(traits, operation_steps=steps, frees_on_termination=rng.random() < 0.7)
    )


class Run:
    """One random life of a small cluster, on a memory cloud unless told otherwise."""

    # Whether the cloud lends a machine a public address that nobody reserved.
    lends = True

    def __init__(
        self, seed: int, make_world: Callable[[random.Random], Simulation] | None = None
    ) -> None:
        self.rng = random.Random(seed)
        self.world = (make_world or in_memory)(self.rng)
        self.private: set[str] = set()
        """Machines that never had a public address of their own."""
        self.meddled: set[str] = set()
        """Machines that somebody gave an address by hand, or whose debt was left to nobody."""
        self.machines_made = 0
        for name in NODES[: self.rng.randint(1, 5)]:
            self.add(name)
        self.excused: set[str] = set()
        """Addresses that may stay on a machine unwanted: retained, or put there by hand."""

    def live(self) -> None:
        """A few events, each followed by some passes with accidents; checked all along."""
        for _ in range(self.rng.randint(2, 8)):
            self.rng.choice(
                (
                    self.allocate, self.allocate, self.delete, self.cordon, self.break_node,
                    self.lose_node, self.lose_machine, self.add_node, self.detach_by_hand,
                    self.move_by_hand, self.workload, self.recreate, self.run_pods, self.rename,
                )
            )()  # fmt: skip
            self.pass_time(self.rng.choice((0, 1, 20, 90)))
            self.passes_with_accidents()
            self.check_always()
        self.rest()

    def pass_time(self, seconds: int) -> None:
        """Let time go by, for what the cloud has under way too: a step of it takes a second."""
        self.world.now += seconds
        for _ in range(min(seconds, 5)):
            self.world.cloud.step()

    # What happens to the cluster.

    def allocate(self) -> None:
        name = self.rng.choice(("a", "b"))
        stored = self.world.stored.get(name)
        if stored and stored.allocation.deleting:
            return
        chosen = self.rng.sample(ADDRESSES, self.rng.randint(1, 3))
        retain = self.rng.random() < 0.1
        if retain:
            self.excused |= {*chosen, *(r.ip for r in stored.records)} if stored else {*chosen}
        self.world.allocate(
            name, *chosen, retain=retain, settled_taint=TAINT,
            evict_misplaced=self.rng.random() < 0.7, workload=WORKLOAD,
        )  # fmt: skip
        self.excuse_debts()

    def delete(self) -> None:
        if self.world.stored:
            self.world.delete(self.rng.choice(sorted(self.world.stored)))

    def cordon(self) -> None:
        if name := self.some_node():
            self.world.change_node(name, unschedulable=self.rng.random() < 0.7)

    def break_node(self) -> None:
        if name := self.some_node():
            self.world.change_node(name, ready=self.rng.random() < 0.4)

    def lose_node(self) -> None:
        if name := self.some_node():
            self.world.remove_node(name)

    def lose_machine(self) -> None:
        if name := self.some_node():
            machine = self.world.machine_of(self.world.nodes[name])
            if machine in self.world.cloud.machine_ids:
                self.world.cloud.terminate(machine)
            self.world.change_node(name, ready=False)

    def recreate(self) -> None:
        self.lose_machine()
        if name := self.some_node():
            self.world.remove_node(name)
            self.add(name)

    def add_node(self) -> None:
        if missing := [name for name in NODES if name not in self.world.nodes]:
            self.add(missing[0])

    def rename(self) -> None:
        """A kubelet comes back under another name; its old object is left behind."""
        missing = [name for name in NODES if name not in self.world.nodes]
        name = self.some_node()
        if not name or not missing:
            return
        old = self.world.nodes[name]
        machine = self.world.machine_of(old)
        if machine in self.world.cloud.machine_ids:
            self.world.add_node(missing[0], machine=machine, provider_id=old.provider_id)
            self.world.change_node(name, ready=self.rng.random() < 0.3)

    def add(self, name: str) -> None:
        """A node on a new machine."""
        self.machines_made += 1
        public = self.rng.random() < 0.8
        taints = self.rng.choice(((), (TAINT,), (TAINT, "other", TAINT)))
        node = self.world.add_node(
            name, machine=f"vm-{self.machines_made}", with_public_ip=public, taints=taints
        )
        if not (public and self.lends):
            self.private.add(self.world.machine_of(node))

    def detach_by_hand(self) -> None:
        if ips := sorted(self.world.cloud.holders):
            self.world.cloud.assign(self.rng.choice(ips), None)

    def move_by_hand(self) -> None:
        cloud = self.world.cloud
        taken = {h.machine_id for h in cloud.holders.values() if isinstance(h, MachineHolder)}
        free = [m for m in cloud.machine_ids if m not in taken]
        if cloud.holders and free:
            targets: list[str | OtherHolder] = [*free, OtherHolder("load balancer lb-1")]
            target = self.rng.choice(targets)
            ip = self.rng.choice(sorted(cloud.holders))
            self.excused.add(ip)
            if isinstance(target, str):
                self.meddled.add(target)
            cloud.assign(ip, target)

    def workload(self) -> None:
        self.world.busy = {name for name in self.world.nodes if self.rng.random() < 0.4}

    def run_pods(self) -> None:
        """Pods that ask for an address run on some nodes, wherever one is."""
        for number in range(self.rng.randint(1, 3)):
            if name := self.some_node():
                self.world.pods[f"{self.rng.choice(('a', 'b'))}/p{number}"] = name

    def some_node(self) -> str:
        return self.rng.choice(sorted(self.world.nodes)) if self.world.nodes else ""

    # What goes wrong meanwhile.

    def passes_with_accidents(self) -> None:
        world = self.world
        world.before, world.after = self.api_error, self.crash
        if self.rng.random() < 0.5:
            world.cloud.faults.inject(self.cloud_fault())
        for _ in range(self.rng.randint(1, 8)):
            for name in list(world.stored):
                try:
                    world.pass_over(name)
                except Crash:
                    world.crash()
                except ApiError:
                    pass
            self.pass_time(self.rng.choice((0, 1, 5)))
        world.before, world.after = self.check, lambda _: None
        world.cloud.faults.clear()

    def api_error(self, action: object) -> None:
        if self.rng.random() < 0.05:
            raise ApiError
        self.check(action)

    def crash(self, _action: object) -> None:
        if self.rng.random() < 0.1:
            raise Crash

    def cloud_fault(self) -> Fault:
        op = self.rng.choice(("snapshot", "machine", "attach", "move", "detach", "prepare", ".*"))
        error = self.rng.choice(
            (Throttled("throttled"), Unavailable("no answer"), CloudError("failed"))
        )
        kind = self.rng.choice(("error", "after", "late"))
        if kind == "late" and op in ("attach", "move", "detach", "prepare"):
            return Fault(op=op, late_error=CloudError("failed late"))
        drop: Literal["after"] | None = "after" if kind == "after" else None
        return Fault(op=op, error=error, drop=drop, times=self.rng.choice((1, 2, 5)))

    # What must hold.

    def check(self, action: object) -> None:
        """Before every single action."""
        match action:
            case Mutate():
                self.check_intention(action)
            case RemoveTaint(node):
                assert node.name in {self.world.where(ip) for ip in self.world.cloud.holders}
            case EvictPod(pod):
                self.check_eviction(pod)
            case _:
                pass

    def check_eviction(self, pod: MisplacedPod) -> None:
        """No address is there, and one is where the pod can go."""
        allocation = self.world.stored[pod.key.partition("/")[0]].allocation
        where = {self.world.where(ip) for ip in allocation.addresses}
        assert allocation.evict_misplaced
        assert pod.node_name not in where
        assert pod.node_name not in self.world.labelled()
        assert where & self.world.labelled().keys()
        places = {r.place for s in self.world.stored.values() for r in s.records}
        assert pod.node_name not in {place.node_name for place in places if place}

    def check_intention(self, mutate: Mutate) -> None:
        stored = self.world.stored[mutate.allocation]
        record = next(record for record in stored.records if record.ip == mutate.ip)
        assert record.operation == f"{mutate.mutation}/{mutate.request_id}"

    def check_always(self) -> None:
        """No address is bound on two nodes, and no foreign holder was disturbed."""
        bound: dict[str, set[str]] = {}
        for stored in self.world.stored.values():
            for record in stored.records:
                if record.phase is Phase.BOUND and record.place:
                    bound.setdefault(record.ip, set()).add(record.place.node_uid)
        assert all(len(nodes) == 1 for nodes in bound.values()), bound
        self.excuse_debts()

    def excuse_debts(self) -> None:
        """What is owed is forgotten with a retained address, or one that another takes over."""
        stored = self.world.stored.values()
        listed = [ip for s in stored for ip in s.allocation.addresses]
        records = [record for s in stored for record in s.records]
        for record in records:
            claims = listed.count(record.ip), [r.ip for r in records].count(record.ip)
            if record.ip in self.excused or max(claims) > 1:
                ids = (self.world.provider.machine_id(owed.provider_id) for owed in record.owed)
                self.meddled |= set(filter(None, ids))

    def rest(self) -> None:
        """With nothing going wrong any more, everything finds its place and stays there."""
        world = self.world
        world.settle(seconds=700, passes=100)
        world.settle(seconds=100, passes=100)
        world.writes.clear()
        world.settle(seconds=30)
        assert world.writes == []
        holders = [h for h in world.cloud.holders.values() if isinstance(h, MachineHolder)]
        assert len(holders) == len(set(holders))
        for stored in world.stored.values():
            for record in stored.records:
                self.check_at_rest(record)
        self.check_labels()
        self.check_taints_and_pods()
        self.check_nothing_leaked()
        self.check_own_addresses()

    def check_at_rest(self, record: Record) -> None:
        world = self.world
        ip, phase = record.ip, record.phase
        if phase in (Phase.BOUND, Phase.HOLDING):
            node_name = record.place.node_name if record.place else None
            assert world.where(ip) == node_name or record.reason in (
                "NodeGone", "NoEligibleNode", "MassNotReady",
            ), record  # fmt: skip
        else:
            # What is not bound at rest says why, and no usable node was left free for it.
            assert record.reason in ("NoEligibleNode", "Conflict", "InUseByForeign"), record
            if record.reason == "NoEligibleNode":
                assert not self.free_nodes(), (record, self.free_nodes())

    def free_nodes(self) -> list[str]:
        world = self.world
        used = {world.where(ip) for ip in world.cloud.holders}
        used |= {r.place.node_name for s in world.stored.values() for r in s.records if r.place}
        busy = {world.machine_of(node) for node in world.nodes.values() if node.name in used}
        alive = set(world.cloud.machine_ids) - busy
        return [
            node.name
            for node in world.nodes.values()
            if node.ready and not node.unschedulable and world.machine_of(node) in alive
        ]  # fmt: skip

    def check_nothing_leaked(self) -> None:
        """What nobody wants any more is on no machine."""
        wanted = {ip for s in self.world.stored.values() for ip in s.allocation.addresses}
        held = {ip for ip, h in self.world.cloud.holders.items() if isinstance(h, MachineHolder)}
        assert held - wanted - self.excused == set()

    def check_own_addresses(self) -> None:
        """No machine is left without a public address by us, and none gets one it never had."""
        cloud = self.world.cloud
        for machine_id in set(cloud.machine_ids) - self.meddled:
            machine = self.world.ask_machine(machine_id)
            lent = bool(machine.public_ip) and not machine.public_ip_reserved
            if machine_id in self.private:
                assert not lent, machine
            else:
                assert machine.public_ip, machine

    def check_taints_and_pods(self) -> None:
        """Where an address is bound there is no taint; misplaced pods left if they had a choice."""
        world = self.world
        bound = {
            r.place.node_name
            for stored in world.stored.values()
            for r in stored.records
            if r.place and r.phase is Phase.BOUND
        }
        assert not any(TAINT in world.nodes[name].taints for name in bound)
        for name, stored in world.stored.items():
            if not stored.allocation.evict_misplaced:
                continue
            if all(r.phase is Phase.BOUND for r in stored.records) and stored.records:
                pods = {node for key, node in world.pods.items() if key.startswith(f"{name}/")}
                assert self.machines(pods) <= self.machines(world.labelled())

    def machines(self, names: Iterable[str]) -> set[str]:
        """The machines behind those of these nodes that are there."""
        nodes = (self.world.nodes.get(name) for name in names)
        return {self.world.machine_of(node) for node in nodes if node}

    def check_labels(self) -> None:
        """A node says it holds an address exactly when a living allocation's is on it."""
        held = {
            record.place.node_name
            for stored in self.world.stored.values()
            for record in stored.records
            if record.place and self.world.where(record.ip) == record.place.node_name
        }
        assert set(self.world.labelled()) <= held
