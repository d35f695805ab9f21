"""D1 in each of the clouds: a crash after every single change of a move."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from core_lab import CoreLab
from lab_crashes import CRASHING, dies

from moorage_testing.harness.crashes import STRIDE
from moorage_testing.processes import Child
from moorage_testing.waiting import PATIENCE, wait_for

MOST_POINTS = 40


class Crashes:
    """Moves of one address, each with a crash at another point."""

    def __init__(self, lab: CoreLab) -> None:
        self.lab = lab
        self.pool, (self.ip,) = lab.pool(2), lab.addresses(1)
        self.name = lab.allocate(self.pool, [self.ip])

    def moves(self, point: int) -> bool:
        """Move it while the controller dies after that many changes; whether it did."""
        lab = self.lab
        node = lab.wait_bound(self.name, self.ip)
        (target,) = set(self.pool.names) - {node}
        lab.cordon(target, on=False)
        crashing = lab.start(program=str(CRASHING), CRASH_AFTER=str(point), **lab.own_lease())
        try:
            lab.cordon(node)
            died = self._dies(crashing, target)
        finally:
            crashing.stop()
        mends = lab.started(**lab.own_lease())
        try:
            lab.wait_bound(self.name, self.ip, target)
            assert lab.where(self.pool, self.ip) == target
            wait_for(
                self._restore_pending_only_for_the_holder,
                PATIENCE,
                "the old node to have its own address again",
            )
        finally:
            assert mends.stop() == 0, mends.log_tail()
        return died

    def _restore_pending_only_for_the_holder(self) -> bool:
        record = self.lab.record(self.name, self.ip)
        return {one["nodeName"] for one in record.get("owed", [])} <= {record["nodeName"]}

    def _dies(self, crashing: Child, target: str) -> bool:
        def over() -> bool:
            record = self.lab.record(self.name, self.ip)
            there = (record.get("phase"), record.get("nodeName")) == ("Bound", target)
            labelled = set(self.lab.labelled(self.pool)) == {target}
            return there and labelled and self._restore_pending_only_for_the_holder()

        return dies(crashing, over)


@pytest.fixture
def crashes(cloud_lab: CoreLab) -> Iterator[Crashes]:
    """An address at rest on a node; it is released at the end."""
    first = cloud_lab.started(**cloud_lab.own_lease())
    crashes = Crashes(cloud_lab)
    cloud_lab.wait_bound(crashes.name, crashes.ip)
    assert first.stop() == 0, first.log_tail()
    yield crashes
    last = cloud_lab.started(**cloud_lab.own_lease())
    cloud_lab.clear()
    assert last.stop() == 0, last.log_tail()


@pytest.mark.timeout(900)
def test_d1_a_crash_after_every_single_change_of_a_move_converges(crashes: Crashes) -> None:
    for point in range(1, MOST_POINTS, STRIDE):
        if not crashes.moves(point):
            assert point > 4, "a move of so few changes says nothing"
            return
    raise AssertionError(f"a move still crashes after {MOST_POINTS} changes")
