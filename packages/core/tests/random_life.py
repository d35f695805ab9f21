"""A random life of a small cluster: what happens to it, what goes wrong, and what must hold."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Literal

from accidents import ApiError, Crash
from simulation import Simulation

from moorage_core.actions import Mutate, RemoveTaint
from moorage_core.model import AddressRecord, Phase, Workload
from moorage_core.pods import EvictPod, MisplacedPod
from moorage_provider.errors import CloudError, Throttled, Unavailable
from moorage_provider.protocol import MachineHolder, OtherHolder
from moorage_testing.clouds.memory import ONE_CALL, TWO_STEPS, MemoryCloud
from moorage_testing.faults import Fault

ADDRESSES = [f"203.0.113.{n}" for n in range(10, 14)]
TAINT = "example.com/pending"
REST_SECONDS = 600.0
RETRY_SECONDS = 60.0
LOOKS_A_MINUTE = 6
"""Of one allocation at rest, at most."""
WORKLOAD = Workload("Deployment", "default", "web")
NODES = [f"n{n}" for n in range(1, 6)]


def in_memory(rng: random.Random) -> Simulation:
    """A memory cloud of a random kind."""
    capabilities = rng.choice((ONE_CALL, TWO_STEPS))
    steps = rng.choice((0, 0, 1, 3))
    return Simulation(
        MemoryCloud(capabilities, operation_steps=steps, frees_on_termination=rng.random() < 0.7)
    )


class Run:
    """One random life of a small cluster, on a memory cloud unless told otherwise."""

    # Whether the cloud lends a machine a public address that nobody reserved.
    lends = True

    def __init__(
        self, seed: int, make_world: Callable[[random.Random], Simulation] | None = None
    ) -> None:
        self.rng = random.Random(seed)
        self.observed = (make_world or in_memory)(self.rng)
        self.observed.mutation_seconds = self.rng.choice((0.0, 0.3, 4.0, 25.0))
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
        self.observed.now += seconds
        for _ in range(min(seconds, 5)):
            self.observed.cloud.step()

    # What happens to the cluster.

    def allocate(self) -> None:
        name = self.rng.choice(("a", "b"))
        stored = self.observed.stored.get(name)
        if stored and stored.allocation.deleting:
            return
        chosen = self.rng.sample(ADDRESSES, self.rng.randint(1, 3))
        retain = self.rng.random() < 0.1
        if retain:
            self.excused |= {*chosen, *(r.ip for r in stored.records)} if stored else {*chosen}
        self.observed.allocate(
            name, *chosen, retain=retain, settled_taint=TAINT,
            evict_misplaced=self.rng.random() < 0.7, workload=WORKLOAD,
        )  # fmt: skip
        self.excuse_pending_restores()

    def delete(self) -> None:
        if self.observed.stored:
            self.observed.delete(self.rng.choice(sorted(self.observed.stored)))

    def cordon(self) -> None:
        if name := self.some_node():
            self.observed.change_node(name, unschedulable=self.rng.random() < 0.7)

    def break_node(self) -> None:
        if name := self.some_node():
            self.observed.change_node(name, ready=self.rng.random() < 0.4)

    def lose_node(self) -> None:
        if name := self.some_node():
            self.observed.remove_node(name)

    def lose_machine(self) -> None:
        if name := self.some_node():
            machine = self.observed.machine_of(self.observed.nodes[name])
            if machine in self.observed.cloud.machine_ids:
                self.observed.cloud.terminate(machine)
            self.observed.change_node(name, ready=False)

    def recreate(self) -> None:
        self.lose_machine()
        if name := self.some_node():
            self.observed.remove_node(name)
            self.add(name)

    def add_node(self) -> None:
        if missing := [name for name in NODES if name not in self.observed.nodes]:
            self.add(missing[0])

    def rename(self) -> None:
        """A kubelet comes back under another name; its old object is left behind."""
        missing = [name for name in NODES if name not in self.observed.nodes]
        name = self.some_node()
        if not name or not missing:
            return
        old = self.observed.nodes[name]
        machine = self.observed.machine_of(old)
        if machine in self.observed.cloud.machine_ids:
            self.observed.add_node(missing[0], machine=machine, provider_id=old.provider_id)
            self.observed.change_node(name, ready=self.rng.random() < 0.3)

    def add(self, name: str) -> None:
        """A node on a new machine."""
        self.machines_made += 1
        public = self.rng.random() < 0.8
        taints = self.rng.choice(((), (TAINT,), (TAINT, "other", TAINT)))
        node = self.observed.add_node(
            name, machine=f"vm-{self.machines_made}", with_public_ip=public, taints=taints
        )
        if not (public and self.lends):
            self.private.add(self.observed.machine_of(node))

    def detach_by_hand(self) -> None:
        if ips := sorted(self.observed.cloud.holders):
            self.observed.cloud.assign(self.rng.choice(ips), None)

    def move_by_hand(self) -> None:
        cloud = self.observed.cloud
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
        self.observed.busy = {name for name in self.observed.nodes if self.rng.random() < 0.4}

    def run_pods(self) -> None:
        """Pods that ask for an address run on some nodes, wherever one is."""
        for number in range(self.rng.randint(1, 3)):
            if name := self.some_node():
                self.observed.pods[f"{self.rng.choice(('a', 'b'))}/p{number}"] = name

    def some_node(self) -> str:
        return self.rng.choice(sorted(self.observed.nodes)) if self.observed.nodes else ""

    # What goes wrong meanwhile.

    def passes_with_accidents(self) -> None:
        observed = self.observed
        observed.before, observed.after = self.api_error, self.crash
        if self.rng.random() < 0.5:
            observed.cloud.faults.inject(self.cloud_fault())
        for _ in range(self.rng.randint(1, 8)):
            try:
                observed.work(self.rng.choice((0, 1, 5)))
            except Crash:
                observed.crash()
            except ApiError:
                pass
            observed.cloud.step()
        observed.before, observed.after = self.check, lambda _: None
        observed.cloud.faults.clear()

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
                assert node.name in {self.observed.where(ip) for ip in self.observed.cloud.holders}
            case EvictPod(pod):
                self.check_eviction(pod)
            case _:
                pass

    def check_eviction(self, pod: MisplacedPod) -> None:
        """No address is there, and one is where the pod can go."""
        allocation = self.observed.stored[pod.key.partition("/")[0]].allocation
        where = {self.observed.where(ip) for ip in allocation.addresses}
        assert allocation.evict_misplaced
        assert pod.node_name not in where
        assert pod.node_name not in self.observed.labelled()
        assert where & self.observed.labelled().keys()
        node_refs = {r.node_ref for s in self.observed.stored.values() for r in s.records}
        assert pod.node_name not in {node_ref.name for node_ref in node_refs if node_ref}

    def check_intention(self, mutate: Mutate) -> None:
        stored = self.observed.stored[mutate.allocation]
        record = next(record for record in stored.records if record.ip == mutate.ip)
        assert record.operation == f"{mutate.mutation}/{mutate.request_id}"

    def check_always(self) -> None:
        """No address is bound on two nodes, and no foreign holder was disturbed."""
        bound: dict[str, set[str]] = {}
        for stored in self.observed.stored.values():
            for record in stored.records:
                if record.phase is Phase.BOUND and record.node_ref:
                    bound.setdefault(record.ip, set()).add(record.node_ref.uid)
        assert all(len(nodes) == 1 for nodes in bound.values()), bound
        self.excuse_pending_restores()

    def excuse_pending_restores(self) -> None:
        """What is owed is forgotten with a retained address, or one that another takes over."""
        stored = self.observed.stored.values()
        listed = [ip for s in stored for ip in s.allocation.addresses]
        records = [record for s in stored for record in s.records]
        for record in records:
            claims = listed.count(record.ip), [r.ip for r in records].count(record.ip)
            if record.ip in self.excused or max(claims) > 1:
                ids = (
                    self.observed.provider.machine_id(restore_pending.provider_id)
                    for restore_pending in record.restore_pending
                )
                self.meddled |= set(filter(None, ids))

    def rest(self) -> None:
        """With nothing going wrong any more, everything finds its place and stays there."""
        observed = self.observed
        observed.settle(seconds=700, passes=100)
        observed.settle(seconds=100, passes=100)
        observed.writes.clear()
        looks = observed.clockwork.looks
        observed.settle(seconds=REST_SECONDS)
        self.check_rest(observed.clockwork.looks - looks)
        holders = [h for h in observed.cloud.holders.values() if isinstance(h, MachineHolder)]
        assert len(holders) == len(set(holders))
        for stored in observed.stored.values():
            for record in stored.records:
                self.check_at_rest(record)
        self.check_labels()
        self.check_taints_and_pods()
        self.check_nothing_leaked()
        self.check_own_addresses()

    def check_rest(self, looks: int) -> None:
        """Nothing is written and little looked at; a hopeless node is tried now and then."""
        observed = self.observed
        stored = observed.stored.values()
        addresses = sum(len(one.records) for one in stored)
        hopeless = len(self.hopeless_nodes())
        mutations = [action for action in observed.writes if isinstance(action, Mutate)]
        assert hopeless or not observed.writes, observed.writes
        tries = hopeless * addresses * (REST_SECONDS / RETRY_SECONDS + 1)
        assert len(mutations) <= tries, mutations
        assert looks <= LOOKS_A_MINUTE * len(stored) * (REST_SECONDS / 60 + tries), looks

    def hopeless_nodes(self) -> list[str]:
        """Nodes that look usable, on machines that are gone or hold what nobody wants."""
        observed = self.observed
        known = {r.ip for one in observed.stored.values() for r in one.records}
        others = {
            h.machine_id
            for ip, h in observed.cloud.holders.items()
            if isinstance(h, MachineHolder) and ip not in known
        }
        usable = set(observed.cloud.machine_ids) - others
        nodes = observed.nodes.values()
        return [n.name for n in nodes if n.ready and observed.machine_of(n) not in usable]

    def check_at_rest(self, record: AddressRecord) -> None:
        observed = self.observed
        ip, phase = record.ip, record.phase
        if phase in (Phase.BOUND, Phase.HOLDING):
            node_name = record.node_ref.name if record.node_ref else None
            assert observed.where(ip) == node_name or record.reason in (
                "NodeGone", "NoEligibleNode", "MassNotReady",
            ), record  # fmt: skip
        else:
            # What is not bound at rest says why, and no usable node was left free for it.
            assert record.reason in ("NoEligibleNode", "Conflict", "InUseByForeign"), record
            if record.reason == "NoEligibleNode":
                assert not self.free_nodes(), (record, self.free_nodes())

    def free_nodes(self) -> list[str]:
        observed = self.observed
        used = {observed.where(ip) for ip in observed.cloud.holders}
        used |= {r.node_ref.name for s in observed.stored.values() for r in s.records if r.node_ref}
        busy = {observed.machine_of(node) for node in observed.nodes.values() if node.name in used}
        alive = set(observed.cloud.machine_ids) - busy
        return [
            node.name
            for node in observed.nodes.values()
            if node.ready and not node.unschedulable and observed.machine_of(node) in alive
        ]  # fmt: skip

    def check_nothing_leaked(self) -> None:
        """What nobody wants any more is on no machine."""
        wanted = {ip for s in self.observed.stored.values() for ip in s.allocation.addresses}
        held = {ip for ip, h in self.observed.cloud.holders.items() if isinstance(h, MachineHolder)}
        assert held - wanted - self.excused == set()

    def check_own_addresses(self) -> None:
        """No machine is left without a public address by us, and none gets one it never had."""
        cloud = self.observed.cloud
        for machine_id in set(cloud.machine_ids) - self.meddled:
            machine = self.observed.ask_machine(machine_id)
            must_record_first = bool(machine.public_ip) and not machine.public_ip_reserved
            if machine_id in self.private:
                assert not must_record_first, machine
            else:
                assert machine.public_ip, machine

    def check_taints_and_pods(self) -> None:
        """Where an address is bound there is no taint; misplaced pods left if they had a choice."""
        observed = self.observed
        bound = {
            r.node_ref.name
            for stored in observed.stored.values()
            for r in stored.records
            if r.node_ref and r.phase is Phase.BOUND
        }
        assert not any(TAINT in observed.nodes[name].taints for name in bound)
        for name, stored in observed.stored.items():
            if not stored.allocation.evict_misplaced:
                continue
            if all(r.phase is Phase.BOUND for r in stored.records) and stored.records:
                pods = {node for key, node in observed.pods.items() if key.startswith(f"{name}/")}
                assert self.machines(pods) <= self.machines(observed.labelled())

    def machines(self, names: Iterable[str]) -> set[str]:
        """The machines behind those of these nodes that are there."""
        nodes = (self.observed.nodes.get(name) for name in names)
        return {self.observed.machine_of(node) for node in nodes if node}

    def check_labels(self) -> None:
        """A node says it holds an address exactly when a living allocation's is on it."""
        held = {
            record.node_ref.name
            for stored in self.observed.stored.values()
            for record in stored.records
            if record.node_ref and self.observed.where(record.ip) == record.node_ref.name
        }
        assert set(self.observed.labelled()) == held
