"""Crashes, frozen leaders and orderly ends of the core controller, with real signals."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from core_lab import MUTATIONS, CoreLab, Pool

from moorage_testing.faults import Fault
from moorage_testing.processes import Child
from moorage_testing.waiting import wait_for

LEASE = ("--lease-duration", "3", "--lease-renew-deadline", "2", "--lease-retry", "0.5")
CRASHING = Path(__file__).parent / "crashing_core.py"
# Label off, intention, move, label on, result: what a move changes, plus one beyond its end.
POINTS = range(1, 7)


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
    children.append(lab.started("", *LEASE))
    pool, (ip,) = lab.pool(2), lab.addresses(1)
    name = lab.allocate(pool, [ip])
    node = lab.wait_bound(name, ip)
    assert children.pop().stop() == 0
    return pool, ip, name, node


@pytest.mark.parametrize("point", POINTS)
def test_d1_a_crash_after_every_single_change_converges(
    lab: CoreLab, children: list[Child], point: int
) -> None:
    pool, ip, name, node = bound(lab, children)
    calls = lab.associations([ip])
    (target,) = set(pool.names) - {node}
    lab.cordon(node)
    crashing = lab.start("", *LEASE, program=str(CRASHING), CRASH_AFTER=str(point))
    children.append(crashing)
    wait_for(
        lambda: not crashing.alive or (lab.record(name, ip).get("nodeName") == target
        and lab.record(name, ip)["phase"] == "Bound" and point == max(POINTS)),
        30,
        "the controller to die, or to be done",
    )  # fmt: skip
    if point < max(POINTS):
        assert crashing.returncode == -signal.SIGKILL
    else:
        assert crashing.alive, "a move changes more than is crashed after: add points"
        crashing.stop()
    children.append(lab.started("", *LEASE))
    lab.wait_bound(name, ip, target)
    assert lab.where(pool, ip) == target
    assert lab.associations([ip]) - calls <= 2  # the move, and one repeat
    assert set(lab.labelled(pool)) == {target}
    assert [r["ip"] for r in lab.status(name)["addresses"]] == [ip]


def test_d2_a_frozen_leader_changes_nothing_when_it_wakes(
    lab: CoreLab, children: list[Child]
) -> None:
    pool, ip, name, node = bound(lab, children)
    first = lab.started("", *LEASE)
    children.append(first)
    wait_for(lambda: "DescribeAddresses" in lab.emulator.faults.ops(), 10, "it to look")
    second = lab.start("", *LEASE)
    children.append(second)
    first.send(signal.SIGSTOP)
    lab.cordon(node)
    (target,) = set(pool.names) - {node}
    lab.wait_bound(name, ip, target)
    lab.cordon(node, on=False)
    lab.cordon(target)
    lab.wait_bound(name, ip, node)
    calls = lab.associations([ip])
    first.send(signal.SIGCONT)
    wait_for(lambda: not first.alive, 5, "the first to give up")
    assert first.returncode == 1
    assert lab.associations([ip]) == calls
    assert lab.where(pool, ip) == node


def test_d2_a_leader_frozen_in_the_middle_of_a_mutation(
    lab: CoreLab, children: list[Child]
) -> None:
    pool, ip, name, node = bound(lab, children)
    first = lab.started("", *LEASE)
    children.append(first)
    second = lab.start("", *LEASE)
    children.append(second)
    # The answer is lost, so the SDK of the first would send its request again when it wakes.
    lab.emulator.faults.inject(Fault(op="AssociateAddress", delay_seconds=1.0, drop="before"))
    begun = len(lab.emulator.faults.ops())
    lab.cordon(node)
    wait_for(lambda: "AssociateAddress" in lab.emulator.faults.ops(begun), 10, "the move")
    first.send(signal.SIGSTOP)
    (target,) = set(pool.names) - {node}
    lab.wait_bound(name, ip, target)
    lab.cordon(node, on=False)
    lab.cordon(target)
    lab.wait_bound(name, ip, node)
    calls = lab.associations([ip])
    first.send(signal.SIGCONT)
    wait_for(lambda: not first.alive, 10, "the first to give up")
    assert first.returncode == 1
    assert lab.associations([ip]) == calls
    assert lab.where(pool, ip) == node


def test_d3_a_dead_leader_is_replaced_and_its_move_goes_on(
    lab: CoreLab, children: list[Child]
) -> None:
    pool, ip, name, node = bound(lab, children)
    first = lab.started("", *LEASE)
    children.append(first)
    children.append(lab.start("", *LEASE))
    first.send(signal.SIGKILL)
    lab.cordon(node)
    (target,) = set(pool.names) - {node}
    lab.wait_bound(name, ip, target, seconds=3 + 2 + 3)
    assert lab.where(pool, ip) == target


def test_d4_sigterm_finishes_the_step_in_hand(lab: CoreLab, children: list[Child]) -> None:
    pool, ip, name, node = bound(lab, children)
    first = lab.started("", *LEASE)
    children.append(first)
    second = lab.start("", *LEASE)
    children.append(second)
    lab.emulator.faults.inject(Fault(op="AssociateAddress", delay_seconds=2.0))
    begun = len(lab.emulator.faults.ops())
    lab.cordon(node)
    wait_for(lambda: "AssociateAddress" in lab.emulator.faults.ops(begun), 10, "the move")
    first.send(signal.SIGTERM)
    wait_for(lambda: not first.alive, 2 + 3, "the first to end")
    assert first.returncode == 0
    wait_for(lambda: lab.works(second), 3, "the second to work")
    (target,) = set(pool.names) - {node}
    lab.wait_bound(name, ip, target)
    moves = [op for op in lab.emulator.faults.ops(begun) if op in MUTATIONS]
    assert moves == ["AssociateAddress"]
    assert lab.where(pool, ip) == target
