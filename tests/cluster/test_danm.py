"""moorage-danm on a real API server, under its own rights, killed at each step and doubled."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from lab_danm_cluster import DanmLab, danm_lab

from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.waiting import PATIENCE, wait_for

STEPS = 4
"""Taken from the endpoint, marked as free, finalizer off, endpoint deleted."""


@pytest.fixture
def lab(cluster: EmbeddedCluster) -> Iterator[DanmLab]:
    with danm_lab(cluster) as lab:
        yield lab


def with_old(lab: DanmLab) -> tuple[str, str]:
    """A pod with a static address on a node that is about to die; both nodes."""
    lab.net("net", "10.0.0.0/24")
    dead, living = lab.node("a"), lab.node("b")
    lab.add(lab.pod("old", dead, network="net", ip="10.0.0.5"))
    return dead, living


def test_a_replacement_gets_the_static_address_of_a_pod_on_a_dead_node(lab: DanmLab) -> None:
    dead, living = with_old(lab)
    lab.started()
    lab.fence(dead)
    lab.add(lab.pod("new", living, network="net", ip="10.0.0.5"))
    wait_for(lambda: not lab.endpoints("old"), PATIENCE, "the old endpoint to go")
    assert lab.bits("net") == {5}
    assert lab.leaks() == []


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_rec_crash_at_each_step_as_processes(lab: DanmLab, step: int) -> None:
    dead, living = with_old(lab)
    crashing = lab.start({"CRASH_AFTER": str(step)})
    wait_for(lambda: '"working"' in crashing.log.read_text(), PATIENCE, "it to lead")
    lab.fence(dead)
    wait_for(lambda: not crashing.alive, PATIENCE, "it to kill itself")
    assert crashing.returncode == -signal.SIGKILL
    # CNIs work on: some address is taken, and where it is free already that of the dead pod.
    lab.add(lab.pod("other", living, network="net", ip="dynamic"))
    if step > 1:
        lab.add(lab.pod("new", living, network="net", ip="10.0.0.5"))
    lab.start()
    if step == 1:
        lab.add(lab.pod("new", living, network="net", ip="10.0.0.5"))
    wait_for(lambda: not lab.endpoints("old"), PATIENCE, "the old endpoint to go")
    assert lab.bits("net") == {1, 5}
    assert lab.leaks() == []


def test_rec_two_leaders_as_processes(lab: DanmLab) -> None:
    """One is frozen in the middle of its write; when it goes on the address is somebody's again."""
    dead, living = with_old(lab)
    frozen = lab.start({"WAIT": "yes"})
    wait_for(lambda: '"working"' in frozen.log.read_text(), PATIENCE, "it to lead")
    lab.fence(dead)
    wait_for(lambda: "about to mark" in frozen.log.read_text(), PATIENCE, "it to be about to write")
    frozen.send(signal.SIGSTOP)
    # The endpoint says what was begun; the next one ends it.
    lab.started()
    lab.add(lab.pod("new", living, network="net", ip="10.0.0.5"))
    wait_for(lambda: not lab.endpoints("old"), PATIENCE, "the old endpoint to go")
    frozen.send(signal.SIGCONT)
    # Its Lease has run out meanwhile: it writes nothing more, or what it wrote was held off.
    wait_for(lambda: not frozen.alive or "change 2" in frozen.log.read_text(), 30.0, "it to go on")
    assert lab.bits("net") == {5}
    assert lab.leaks() == []


def test_two_that_lead_at_the_same_time_free_nothing_twice(lab: DanmLab) -> None:
    lab.net("net", "10.0.0.0/24")
    dead, living = lab.node("a"), lab.node("b")
    for number in range(8):
        lab.add(lab.pod(f"old-{number}", dead, network="net", ip=f"10.0.0.{20 + number}"))
    lab.started()
    lab.started()
    lab.fence(dead)
    for number in range(8):
        lab.add(lab.pod(f"new-{number}", living, network="net", ip=f"10.0.0.{20 + number}"))
    wait_for(lambda: len(lab.items("danmeps")) == 8, PATIENCE, "the old endpoints to go")
    assert lab.bits("net") == set(range(20, 28))
    assert lab.leaks() == []
