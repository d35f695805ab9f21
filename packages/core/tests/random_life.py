"""A random life of a small cluster: what happens to it, what goes wrong, and what must hold."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Literal

from accidents import ApiError, Crash
from random_nodes import NODES, TAINT, RandomNodes
from simulation import Simulation

from moorage_core.actions import Mutate, RemoveTaint
from moorage_core.carry_out import has_own_address
from moorage_core.decide.node_labels import IP_LABELS, READY_LABELS
from moorage_core.model import AddressRecord, Phase, Workload
from moorage_core.pods import EvictPod, MisplacedPod
from moorage_provider.errors import CloudError, Denied, Throttled, Unavailable
from moorage_provider.protocol import MachineHolder, OtherHolder
from moorage_testing.clouds.memory import ONE_CALL, TWO_STEPS, MemoryCloud
from moorage_testing.faults import Fault

ADDRESSES = [f"203.0.113.{n}" for n in range(10, 14)]
FORBIDDEN = Denied("a policy of the organisation forbids it", "Policy", "constraints/example")
REST_SECONDS = 600.0
RETRY_SECONDS = 60.0
PASSES_A_MINUTE = 6
"""Of one allocation at rest, at most."""
WORKLOADS = [Workload(kind, "default", "web") for kind in ("Deployment", "DaemonSet")]


def in_memory(rng: random.Random) -> Simulation:
    """A memory cloud of a random kind."""
    capabilities, steps = rng.choice((ONE_CALL, TWO_STEPS)), rng.choice((0, 0, 1, 3))
    return Simulation(
        MemoryCloud(capabilities, operation_steps=steps, frees_on_termination=rng.random() < 0.7)
    )


class Run(RandomNodes):
    """One random life of a small cluster, by default on a memory cloud."""

    def __init__(
        self, seed: int, make_simulation: Callable[[random.Random], Simulation] | None = None
    ) -> None:
        rng = random.Random(seed)
        super().__init__(rng, (make_simulation or in_memory)(rng))
        self.simulation.mutation_seconds = self.rng.choice((0.0, 0.3, 4.0, 25.0))
        self.meddled: set[str] = set()
        """Machines that got an address by hand, or whose pending restore was dropped."""
        for name in NODES[: self.rng.randint(1, 5)]:
            self.add(name)

    def live(self) -> None:
        """A few events, each followed by some passes with accidents; checked all along."""
        for _ in range(self.rng.randint(2, 8)):
            self.rng.choice(
                (
                    self.allocate, self.allocate, self.delete, self.cordon, self.break_node,
                    self.lose_node, self.lose_machine, self.add_node, self.detach_by_hand,
                    self.move_by_hand, self.workload, self.recreate, self.run_pods, self.rename,
                    self.spoil_row, self.add_interface, self.misplace, self.forbid,
                    self.taint, self.lose_network, self.delete_slowly, self.lose_zone, self.exclude,
                    self.lie, self.impersonate,
                )
            )()  # fmt: skip
            self.pass_time(self.rng.choice((0, 1, 20, 90)))
            self.passes_with_accidents()
            self.check_always()
        self.rest()

    def pass_time(self, seconds: int) -> None:
        """Let time go by, for what the cloud has under way too: a step of it takes a second."""
        self.simulation.now += seconds
        for _ in range(min(seconds, 5)):
            self.simulation.cloud.step()

    def forbid(self) -> None:
        """A policy of the organisation forbids some machines a public address, or all may again."""
        cloud = self.simulation.cloud
        if self.rng.random() < 0.4:
            cloud.end_restrictions()
        else:
            cloud.restrict_addresses(*(m for m in cloud.machine_ids if self.rng.random() < 0.5))

    # What happens to the cluster.

    def allocate(self) -> None:
        name = self.rng.choice(("a", "b"))
        stored = self.simulation.stored.get(name)
        if stored and stored.allocation.deleting:
            return
        chosen = self.rng.sample(ADDRESSES, self.rng.randint(1, 3))
        retain = self.rng.random() < 0.1
        if retain:
            self.excused |= {*chosen, *(r.ip for r in stored.records)} if stored else {*chosen}
        self.simulation.allocate(
            name, *chosen, retain=retain, settled_taint=TAINT,
            evict_misplaced=self.rng.random() < 0.7, workload=self.rng.choice(WORKLOADS),
            drain_timeout=(None, 0.0, 20.0, 300.0)[int(self.simulation.now) % 4],
        )  # fmt: skip
        self.excuse_pending_restores()

    def delete(self) -> None:
        if self.simulation.stored:
            self.simulation.delete(self.rng.choice(sorted(self.simulation.stored)))

    def detach_by_hand(self) -> None:
        if ips := sorted(self.simulation.cloud.holders):
            self.simulation.cloud.assign(self.rng.choice(ips), None)

    def move_by_hand(self) -> None:
        cloud = self.simulation.cloud
        taken = {h.machine_id for h in cloud.holders.values() if isinstance(h, MachineHolder)}
        free = [m for m in cloud.machine_ids if m not in taken | self.simulation.odd]
        if cloud.holders and free:
            targets: list[str | OtherHolder] = [*free, OtherHolder("load balancer lb-1")]
            target = self.rng.choice(targets)
            ip = self.rng.choice(sorted(cloud.holders))
            self.excused.add(ip)
            if isinstance(target, str):
                self.meddled.add(target)
            cloud.assign(ip, target)

    def spoil_row(self) -> None:
        """The cloud describes an address in a way that nobody understands, or not any more."""
        if held := sorted(self.simulation.cloud.holders):
            ip = self.rng.choice(held)
            self.simulation.cloud.spoil(ip, spoiled=self.rng.random() < 0.6)

    def workload(self) -> None:
        self.simulation.busy = {name for name in self.simulation.nodes if self.rng.random() < 0.4}

    def run_pods(self) -> None:
        """Pods that ask for an address run on some nodes, wherever one is."""
        for number in range(self.rng.randint(1, 3)):
            if name := self.some_node():
                self.simulation.pods[f"{self.rng.choice(('a', 'b'))}/p{number}"] = name

    # What goes wrong meanwhile.

    def passes_with_accidents(self) -> None:
        simulation = self.simulation
        simulation.before, simulation.after = self.api_error, self.crash
        if self.rng.random() < 0.5:
            simulation.cloud.faults.inject(self.cloud_fault())
        for _ in range(self.rng.randint(1, 8)):
            try:
                simulation.work(self.rng.choice((0, 1, 5)))
            except Crash:
                simulation.crash()
            except ApiError:
                pass
            simulation.cloud.step()
        simulation.before, simulation.after = self.check, lambda _: None
        simulation.cloud.faults.clear()

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
            (Throttled("throttled"), Unavailable("no answer"), CloudError("failed"), FORBIDDEN)
        )
        kind = self.rng.choice(("error", "after", "late"))
        if kind == "late" and op in ("attach", "move", "detach", "prepare"):
            late = self.rng.choice((CloudError("failed late"), FORBIDDEN))
            return Fault(op=op, late_error=late)
        drop: Literal["after"] | None = "after" if kind == "after" else None
        return Fault(op=op, error=error, drop=drop, times=self.rng.choice((1, 2, 5)))

    # What must hold.

    def check(self, action: object) -> None:
        """Before every single action."""
        match action:
            case Mutate():
                self.check_intention(action)
            case RemoveTaint(node):
                assert node.name in map(self.simulation.where, self.simulation.cloud.holders)
            case EvictPod(pod):
                self.check_eviction(pod)
            case _:
                pass

    def check_eviction(self, pod: MisplacedPod) -> None:
        """No address is there, and one is where the pod can go."""
        allocation = self.simulation.stored[pod.key.partition("/")[0]].allocation
        where = {self.simulation.where(ip) for ip in allocation.addresses}
        assert allocation.evict_misplaced
        assert pod.node_name not in where
        assert pod.node_name not in self.simulation.labelled()
        assert where & self.simulation.labelled().keys()
        node_refs = {r.node_ref for s in self.simulation.stored.values() for r in s.records}
        assert pod.node_name not in {node_ref.name for node_ref in node_refs if node_ref}

    def check_intention(self, mutate: Mutate) -> None:
        stored = self.simulation.stored[mutate.allocation]
        record = next(record for record in stored.records if record.ip == mutate.ip)
        assert record.operation == f"{mutate.mutation}/{mutate.request_id}"

    def check_always(self) -> None:
        """No address is bound on two nodes, and no foreign holder was disturbed."""
        bound: dict[str, set[str]] = {}
        for stored in self.simulation.stored.values():
            for record in stored.records:
                if record.phase is Phase.BOUND and record.node_ref:
                    bound.setdefault(record.ip, set()).add(record.node_ref.uid)
        assert all(len(nodes) == 1 for nodes in bound.values()), bound
        self.excuse_pending_restores()

    def excuse_pending_restores(self) -> None:
        """A pending restore is dropped with a retained address, or one that another takes over."""
        stored = self.simulation.stored.values()
        listed = [ip for s in stored for ip in s.allocation.addresses]
        records = [record for s in stored for record in s.records]
        for record in records:
            claims = listed.count(record.ip), [r.ip for r in records].count(record.ip)
            if record.ip in self.excused or max(claims) > 1:
                machine_id = self.simulation.provider.machine_id
                ids = (machine_id(ref.provider_id) for ref in record.restore_pending)
                self.meddled |= set(filter(None, ids))

    def rest(self) -> None:
        """With no more faults, every address finds its place and stays there."""
        simulation = self.simulation
        simulation.cloud.end_restrictions()
        for ip in simulation.cloud.holders:
            simulation.cloud.spoil(ip, spoiled=False)
        simulation.clockwork.due.clear()  # the next regular read shows it
        simulation.settle(seconds=700, passes=100)
        simulation.settle(seconds=100, passes=100)
        simulation.writes.clear()
        passes = simulation.clockwork.passes
        simulation.settle(seconds=REST_SECONDS)
        self.check_rest(simulation.clockwork.passes - passes)
        # One that was put by hand beside another one may stay there, where no other node is free.
        ours = {ip: one for ip, one in simulation.cloud.holders.items() if ip not in self.excused}
        holders = [one for one in ours.values() if isinstance(one, MachineHolder)]
        assert len(holders) == len(set(holders)), ours
        for stored in simulation.stored.values():
            for record in stored.records:
                self.check_at_rest(record)
        self.check_labels()
        self.check_taints_and_pods()
        self.check_nothing_leaked()
        self.check_own_addresses()

    def check_rest(self, passes: int) -> None:
        """Nothing is written and few passes are made; a hopeless node is tried now and then."""
        simulation = self.simulation
        stored = simulation.stored.values()
        addresses = sum(len(one.records) for one in stored)
        hopeless = len(self.hopeless_nodes())
        mutations = [action for action in simulation.writes if isinstance(action, Mutate)]
        assert hopeless or not simulation.writes, simulation.writes
        tries = hopeless * addresses * (REST_SECONDS / RETRY_SECONDS + 1)
        assert len(mutations) <= tries, mutations
        assert passes <= PASSES_A_MINUTE * len(stored) * (REST_SECONDS / 60 + tries), passes

    def hopeless_nodes(self) -> list[str]:
        """Nodes that seem usable, on machines that are gone, odd or hold what nobody wants."""
        simulation = self.simulation
        known = {r.ip for one in simulation.stored.values() for r in one.records}
        others = {
            h.machine_id
            for ip, h in simulation.cloud.holders.items()
            if isinstance(h, MachineHolder) and ip not in known
        }
        usable = set(simulation.cloud.machine_ids) - others - simulation.odd
        nodes = simulation.nodes.values()
        return [n.name for n in nodes if n.ready and simulation.machine_of(n) not in usable]

    def check_at_rest(self, record: AddressRecord) -> None:
        simulation = self.simulation
        ip, phase = record.ip, record.phase
        if phase is Phase.BOUND:
            assert not getattr(simulation.cloud.holder(ip), "misplaced", ""), record
        if phase in (Phase.BOUND, Phase.HOLDING):
            node_name = record.node_ref.name if record.node_ref else None
            assert simulation.where(ip) == node_name or record.reason in (
                "NodeGone", "NoEligibleNode", "MassNotReady",
            ), record  # fmt: skip
            self.check_is_left(record)
        else:
            # It says why, and no usable node was left free for it.
            tried = record.node_ref and record.node_ref.name in self.hopeless_nodes()
            assert tried or record.reason in ("NoEligibleNode", "Conflict", "InUseByForeign"), (
                record
            )
            if tried or record.reason == "NoEligibleNode":
                assert not self.free_nodes(), (record, self.free_nodes())

    def check_is_left(self, record: AddressRecord) -> None:
        """An address stays on a drained node for its pods, or for want of another node."""
        node = self.simulation.nodes.get(record.node_ref.name) if record.node_ref else None
        if node is None or node.ready is False:
            return
        if record.phase is Phase.BOUND:
            assert not self.is_drained(node), (record, node)
        if record.reason == "WorkloadRunning":
            assert node.name in self.simulation.busy, (record, node)

    def free_nodes(self) -> list[str]:
        simulation = self.simulation
        used = {simulation.where(ip) for ip in simulation.cloud.holders}
        used |= {
            r.node_ref.name for s in simulation.stored.values() for r in s.records if r.node_ref
        }
        busy = self.machines(name for name in used if name)
        # Of two objects of one machine nobody knows which it is: neither gets an address.
        objects = Counter(map(simulation.machine_of, simulation.nodes.values()))
        alive = {m for m in simulation.cloud.machine_ids if objects[m] == 1} - busy
        return [
            node.name
            for node in simulation.nodes.values()
            if self.is_usable(node) and simulation.machine_of(node) in alive - simulation.odd
        ]  # fmt: skip

    def check_nothing_leaked(self) -> None:
        """What nobody wants any more is on no machine."""
        wanted = {ip for s in self.simulation.stored.values() for ip in s.allocation.addresses}
        held = {
            ip for ip, h in self.simulation.cloud.holders.items() if isinstance(h, MachineHolder)
        }
        assert held - wanted - self.excused == set()

    def check_own_addresses(self) -> None:
        """No machine is left without a public address by us, and none gets one it never had."""
        cloud = self.simulation.cloud
        excused = self.meddled | self.simulation.odd | self.simulation.refused
        for machine_id in set(cloud.machine_ids) - excused:
            machine = self.simulation.ask_machine(machine_id)
            if machine_id in self.private:
                assert not has_own_address(machine), machine
            else:
                assert machine.public_ip or machine_id in self.kept_free(), machine

    def kept_free(self) -> set[str | None]:
        """Machines whose own is still owed: one put beside it by hand may take its place."""
        simulation = self.simulation
        records = (r for stored in simulation.stored.values() for r in stored.records)
        refs = (ref for record in records for ref in record.restore_pending)
        owed = {simulation.provider.machine_id(ref.provider_id) for ref in refs}
        holders = [simulation.cloud.holders[ip] for ip in self.excused]
        return owed & {one.machine_id for one in holders if isinstance(one, MachineHolder)}

    def check_taints_and_pods(self) -> None:
        """Where an address is bound there is no taint; misplaced pods left if they had a choice."""
        simulation = self.simulation
        records = [r for stored in simulation.stored.values() for r in stored.records]
        bound = {r.node_ref.name for r in records if r.node_ref and r.phase is Phase.BOUND}
        assert not any(TAINT in simulation.nodes[name].taint_keys for name in bound)
        named = {r.node_ref.name for r in records if r.node_ref}
        tried = set(self.hopeless_nodes()) & named
        for name, stored in simulation.stored.items():
            if not stored.allocation.evict_misplaced:
                continue
            if all(r.phase is Phase.BOUND for r in stored.records) and stored.records:
                pods = {node for key, node in simulation.pods.items() if key.startswith(f"{name}/")}
                # An address that cannot be had may still come to the node that is tried for it.
                assert self.machines(pods - tried) <= self.machines(simulation.labelled())

    def machines(self, names: Iterable[str]) -> set[str]:
        """The machines behind those of these nodes that are there."""
        nodes = (self.simulation.nodes.get(name) for name in names)
        return {self.simulation.machine_of(node) for node in nodes if node}

    def check_labels(self) -> None:
        """A node says it holds an address exactly when a living allocation's is on it.

        One that it is to leave may have lost its labels to a try: there they only come off. On its
        machine, but beside its own address, is not on it, unless nothing is to move now.
        """
        where, cloud = self.simulation.where, self.simulation.cloud
        records = [r for stored in self.simulation.stored.values() for r in stored.records]
        in_place = [r for r in records if not getattr(cloud.holder(r.ip), "misplaced", "")]
        settled = {
            r.node_ref.name for r in in_place if r.node_ref and where(r.ip) == r.node_ref.name
        }
        refs = [(r.ip, r.previous) for r in records]
        refs += [(r.ip, r.node_ref) for r in records if r.phase is Phase.HOLDING]
        kept = {ref.name for ip, ref in refs if ref and where(ip) == ref.name}
        assert settled <= set(self.simulation.labelled()) <= settled | kept
        for name, node in self.simulation.nodes.items():
            for keys in (READY_LABELS, IP_LABELS):
                same = len(set(map(node.labels.get, keys))) == 1
                assert same or name in kept - settled, node.labels
