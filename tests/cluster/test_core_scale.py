"""Many nodes and addresses at once: what rest costs, and a leader that dies amid a failover."""

from __future__ import annotations

import math
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from core_lab import BRIEF_LEASE, GROUP, CoreLab, Pool

from moorage_testing.faults import Call, Fault
from moorage_testing.processes import Child
from moorage_testing.waiting import PATIENCE, wait_for

RESYNCS = 3
RESYNC_SECONDS = 5
AT_ONCE = 3
# What the leader asks for last takes longer than a takeover: it comes true when the successor has
# begun to ask for the same.
SLOW_SECONDS, SLOWEST_SECONDS = 1.0, 15.0
CALLS = ("--cloud-calls", str(AT_ONCE), "--cloud-timeout", "60")


@pytest.fixture
def children(lab: CoreLab) -> Iterator[list[Child]]:
    """Controllers of one test, ended with it, and nothing left for the next one's."""
    started: list[Child] = []
    yield started
    lab.emulator.faults.clear()
    lab.clear()
    for child in started:
        child.stop()


@dataclass(frozen=True)
class Rest:
    """What happens while the cloud is read a few times and nothing is to be done.

    Attributes:
        reads: calls to the cloud, by operation.
        writes: counters of the controller's writes to the API server, but for the Lease's.
        versions: of every node's and allocation's labels and status.
    """

    reads: Counter[str]
    writes: tuple[list[str], list[str]]
    versions: tuple[Any, Any]


def rest(lab: CoreLab, core: Child, pool: Pool, name: str) -> Rest:
    """Watch it for some resyncs."""
    writes, version = lab.rests(core), state(lab, pool, name)
    begun = len(lab.emulator.faults.ops())
    lab.wait_for_reads(RESYNCS)
    reads = Counter(lab.emulator.faults.ops(begun))
    return Rest(reads, (writes, lab.writes(core)), (version, state(lab, pool, name)))


def state(lab: CoreLab, pool: Pool, name: str) -> tuple[str, dict[str, str]]:
    """The allocation's version and the labels of the nodes."""
    version = lab.cluster.request("GET", f"{GROUP}/{name}")["metadata"]["resourceVersion"]
    return version, lab.labelled(pool)


def test_j1_rest_costs_one_read_however_many_nodes_there_are(
    lab: CoreLab, children: list[Child]
) -> None:
    core = lab.started()
    children.append(core)
    lab.clear()
    pool, ips = lab.pool(6), lab.addresses(5)
    name = lab.allocate(pool, ips)
    for ip in ips:
        lab.wait_bound(name, ip)
    few = rest(lab, core, pool, name)
    lab.grow(pool, 60)
    many = rest(lab, core, pool, name)
    for one in (few, many):
        assert one.reads == {"DescribeAddresses": RESYNCS}
        assert one.writes[0] == one.writes[1] != []
        assert one.versions[0] == one.versions[1]


class Failover:
    """20 addresses on 40 nodes, half of whose nodes are about to vanish in a slow cloud."""

    def __init__(self, lab: CoreLab) -> None:
        """Bind them all; a controller is at work."""
        self.lab = lab
        self.pool, self.ips = lab.pool(40), lab.addresses(20)
        self.name = lab.allocate(self.pool, self.ips)
        wait_for(lambda: len(self.bound()) == len(self.ips), PATIENCE, "all to be bound")
        self.before = self.holders()
        self.leaving = {self.before[ip] for ip in self.ips[::2]}
        self.calls = len(lab.emulator.faults.calls)

    def begin(self) -> None:
        """Every change takes its time now; the nodes say that they leave."""
        for seconds, times in ((SLOW_SECONDS, 6), (SLOWEST_SECONDS, AT_ONCE), (SLOW_SECONDS, None)):
            slow = Fault(op="AssociateAddress", delay_seconds=seconds, times=times)
            self.lab.emulator.faults.inject(slow)
        for node in self.leaving:
            self.lab.taint(node, "aws-node-termination-handler/spot-itn")

    def holders(self) -> dict[str, str]:
        """The node of each address, by the cloud."""
        return {ip: self.lab.where(self.pool, ip) for ip in self.ips}

    def moved(self) -> set[str]:
        """The addresses that are elsewhere now, by the cloud."""
        return {ip for ip, node in self.holders().items() if node != self.before[ip]}

    def half_done(self) -> bool:
        """Whether half of the moves are over, and as many under way as may be at once."""
        moved = self.moved()
        begun = {ip for ip, _ in self.asked()} - moved
        return len(moved) >= len(self.leaving) // 2 and len(begun) == AT_ONCE

    def bound(self) -> dict[str, str]:
        """The node of each address that is Bound, by the status."""
        records = self.lab.status(self.name).get("addresses", [])
        return {one["ip"]: one["nodeName"] for one in records if one["phase"] == "Bound"}

    def at_rest(self) -> bool:
        """Whether all are bound where they may stay and the labels say so."""
        bound = self.bound()
        nodes = set(bound.values())
        there = len(bound) == len(self.ips) and not nodes & self.leaving
        return there and set(self.lab.labelled(self.pool)) == nodes

    def asked(self) -> list[tuple[str, str]]:
        """Address and target of each association that was asked for since it began."""
        ips = {reference: ip for ip, reference in self.lab.emulator.world.addresses().items()}
        calls: Sequence[Call] = self.lab.emulator.faults.calls[self.calls :]
        changes = [call for call in calls if not call.op.startswith("Describe")]
        assert {call.op for call in changes} <= {"AssociateAddress"}
        return [
            (ips[call.params["AllocationId"]], call.params["NetworkInterfaceId"])
            for call in changes
        ]


def test_j2_a_leader_that_dies_amid_a_failover_moves_nothing_twice(
    lab: CoreLab, children: list[Child]
) -> None:
    leader = lab.started("", *BRIEF_LEASE, *CALLS)
    children.append(leader)
    lab.clear()
    failover = Failover(lab)
    children.append(lab.start("", *BRIEF_LEASE, *CALLS))
    failover.begin()
    wait_for(failover.half_done, PATIENCE, "half of the moves")
    leader.send(signal.SIGKILL)
    wait_for(lambda: not leader.alive, PATIENCE, "the leader to die")
    done, before = failover.moved(), failover.asked()
    wait_for(failover.at_rest, PATIENCE, "the successor to finish")
    lab.wait_for_reads(math.ceil(SLOWEST_SECONDS / RESYNC_SECONDS))
    assert failover.at_rest()

    assert failover.bound() == failover.holders()
    assert len(set(failover.holders().values())) == len(failover.ips)
    assert set(failover.holders().values()) <= set(failover.pool.names)
    assert failover.moved() == {
        ip for ip in failover.ips if failover.before[ip] in failover.leaving
    }
    asked = failover.asked()
    times = Counter(ip for ip, _ in asked)
    # An address goes to one target, whoever asks for it; what nobody had to move was left alone.
    assert len(set(asked)) == len(times)
    assert times.keys() == failover.moved()
    # Only what was in the dead leader's hand may be asked for a second time.
    in_hand = {ip for ip, _ in before} - done
    assert 0 < len(done) < len(failover.leaving)
    assert {ip for ip, count in times.items() if count > 1} <= in_hand
    assert max(times.values()) <= 2
    assert len(in_hand) <= AT_ONCE
