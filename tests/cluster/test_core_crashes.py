"""Crashes, frozen leaders and orderly ends of the core controller, with real signals."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from core_lab import BRIEF_LEASE, MUTATIONS, CoreLab, Pool
from lab_crashes import CRASHING, dies

from moorage_testing.faults import Fault
from moorage_testing.harness.crashes import STRIDE
from moorage_testing.processes import Child
from moorage_testing.waiting import PATIENCE, wait_for

MOST_POINTS = 20


@pytest.fixture
def children() -> Iterator[list[Child]]:
    """Controllers of one test, ended with it."""
    started: list[Child] = []
    yield started
    for child in started:
        child.send(signal.SIGCONT)
        child.stop()


def bound(lab: CoreLab, children: list[Child]) -> tuple[Pool, str, str, str]:
    """One address at rest on one of two nodes; its controller has ended."""
    children.append(lab.started("", *BRIEF_LEASE))
    pool, (ip,) = lab.pool(2), lab.addresses(1)
    name = lab.allocate(pool, [ip])
    node = lab.wait_bound(name, ip)
    assert children.pop().stop() == 0
    return pool, ip, name, node


class Change:
    """Something that takes an allocation several writes, and how to see that it is over."""

    def __init__(self, lab: CoreLab, kind: str) -> None:
        """Arrange what comes before it; a controller is at work."""
        self.lab, self.kind = lab, kind
        self.pool, (self.ip,) = lab.pool(1 if kind == "bind" else 2), lab.addresses(1)
        self.name = f"a-{self.pool.label}"
        self.node = self.pool.names[0]
        if kind != "bind":
            lab.allocate(self.pool, [self.ip])
            self.node = lab.wait_bound(self.name, self.ip)

    def begin(self) -> None:
        """Ask for it; no controller is at work."""
        lab = self.lab
        self.calls = lab.associations([self.ip])
        match self.kind:
            case "bind":
                lab.allocate(self.pool, [self.ip])
            case "move":
                lab.cordon(self.node)
                (self.node,) = set(self.pool.names) - {self.node}
            case _:
                lab.delete(self.name)

    def over(self) -> bool:
        """Whether status and labels show the end."""
        lab = self.lab
        if self.kind == "release":
            return lab.gone(self.name) and not lab.labelled(self.pool)
        record = lab.record(self.name, self.ip)
        there = (record.get("phase"), record.get("nodeName")) == ("Bound", self.node)
        return there and set(lab.labelled(self.pool)) == {self.node}

    def check(self) -> None:
        """Nothing is lost, nothing is held twice, at most one call was repeated."""
        where = "" if self.kind == "release" else self.node
        assert self.lab.where(self.pool, self.ip) == where
        assert self.lab.associations([self.ip]) - self.calls <= 2


@pytest.mark.parametrize("kind", ["bind", "move", "release"])
def test_d1_a_crash_after_every_single_change_converges(
    lab: CoreLab, children: list[Child], kind: str
) -> None:
    children.append(lab.started(**lab.own_lease()))
    for point in range(1, MOST_POINTS, STRIDE):
        change = Change(lab, kind)
        assert children.pop().stop() == 0
        change.begin()
        crashing = lab.start(program=str(CRASHING), CRASH_AFTER=str(point), **lab.own_lease())
        children.append(crashing)
        died = dies(crashing, change.over)
        crashing.stop()
        children.append(lab.started(**lab.own_lease()))
        wait_for(change.over, PATIENCE, f"{kind} to be over after a crash at change {point}")
        change.check()
        if not died:
            assert point > 3, "a change of so few writes says nothing"
            return
    raise AssertionError(f"{kind} still crashes after {MOST_POINTS} changes")


def _moves_there_and_back(lab: CoreLab, pool: Pool, name: str, node: str) -> None:
    """What the successor does meanwhile; the address ends where the frozen leader last saw it."""
    ip = lab.status(name)["addresses"][0]["ip"]
    (target,) = set(pool.names) - {node}
    lab.wait_bound(name, ip, target)
    lab.cordon(node, on=False)
    lab.cordon(target)
    lab.wait_bound(name, ip, node)


def _wakes_and_changes_nothing(lab: CoreLab, leader: Child, ip: str) -> None:
    calls = lab.associations([ip])
    leader.send(signal.SIGCONT)
    wait_for(lambda: not leader.alive, PATIENCE, "the woken leader to give up")
    assert leader.returncode == 1, leader.log_tail()
    assert lab.associations([ip]) == calls


def test_d2_a_frozen_leader_changes_nothing_when_it_wakes(
    lab: CoreLab, children: list[Child]
) -> None:
    pool, ip, name, node = bound(lab, children)
    first = lab.started("", *BRIEF_LEASE)
    children.append(first)
    wait_for(
        lambda: "DescribeAddresses" in lab.emulator.faults.ops(), PATIENCE, "it to read the cloud"
    )
    second = lab.start("", *BRIEF_LEASE)
    children.append(second)
    first.send(signal.SIGSTOP)
    lab.cordon(node)
    _moves_there_and_back(lab, pool, name, node)
    _wakes_and_changes_nothing(lab, first, ip)
    assert lab.where(pool, ip) == node


def test_d2_a_leader_frozen_in_the_middle_of_a_mutation(
    lab: CoreLab, children: list[Child]
) -> None:
    pool, ip, name, node = bound(lab, children)
    first = lab.started("", *BRIEF_LEASE)
    children.append(first)
    second = lab.start("", *BRIEF_LEASE)
    children.append(second)
    # The answer is lost, so the SDK of the first would send its request again when it wakes.
    lab.emulator.faults.inject(Fault(op="AssociateAddress", delay_seconds=3.0, drop="before"))
    begun = len(lab.emulator.faults.ops())
    lab.cordon(node)
    wait_for(lambda: "AssociateAddress" in lab.emulator.faults.ops(begun), PATIENCE, "the move")
    first.send(signal.SIGSTOP)
    _moves_there_and_back(lab, pool, name, node)
    _wakes_and_changes_nothing(lab, first, ip)
    assert lab.where(pool, ip) == node


def test_d3_a_dead_leader_is_replaced_and_its_move_goes_on(
    lab: CoreLab, children: list[Child]
) -> None:
    pool, ip, name, node = bound(lab, children)
    first = lab.started("", *BRIEF_LEASE)
    children.append(first)
    children.append(lab.start("", *BRIEF_LEASE))
    first.send(signal.SIGKILL)
    lab.cordon(node)
    (target,) = set(pool.names) - {node}
    lab.wait_bound(name, ip, target)
    assert lab.where(pool, ip) == target


def test_d4_sigterm_finishes_the_step_in_hand(lab: CoreLab, children: list[Child]) -> None:
    pool, ip, name, node = bound(lab, children)
    first = lab.started("", *BRIEF_LEASE)
    children.append(first)
    second = lab.start("", *BRIEF_LEASE)
    children.append(second)
    lab.emulator.faults.inject(Fault(op="AssociateAddress", delay_seconds=2.0))
    begun = len(lab.emulator.faults.ops())
    lab.cordon(node)
    wait_for(lambda: "AssociateAddress" in lab.emulator.faults.ops(begun), PATIENCE, "the move")
    first.send(signal.SIGTERM)
    wait_for(lambda: not first.alive, PATIENCE, "the first to end")
    assert first.returncode == 0
    wait_for(lambda: lab.works(second), PATIENCE, "the second to work")
    (target,) = set(pool.names) - {node}
    lab.wait_bound(name, ip, target)
    moves = [op for op in lab.emulator.faults.ops(begun) if op in MUTATIONS]
    assert moves == ["AssociateAddress"]
    assert lab.where(pool, ip) == target
