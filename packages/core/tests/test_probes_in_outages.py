"""How often a cloud that gives no answer is asked: often where an address has to move."""

from __future__ import annotations

import random

import pytest
from core_builders import IP1
from virtual_core import Lab, play

from moorage_provider.errors import Throttled, Unavailable
from moorage_testing.faults import Fault

PROBE_SECONDS = 10.0
OUTAGE_SECONDS = 400.0


def reads(lab: Lab) -> int:
    return sum(call.op == "snapshot" for call in lab.cloud.faults.calls)


async def bound(lab: Lab) -> None:
    lab.add_node("n1")
    lab.add_node("n2")
    lab.allocate(IP1)
    await lab.until(lambda: lab.settled(IP1, "n1"), "the address to be there", 30)


@pytest.mark.parametrize("seed", range(5))
def test_harm_18_a_drain_is_acted_on_soon_after_an_outage_of_the_cloud(seed: int) -> None:
    async def story(lab: Lab) -> None:
        random.seed(seed)
        await bound(lab)
        lab.cloud.faults.inject(Fault(op=".*", error=Unavailable("no answer"), times=None))
        await lab.world.pass_time(OUTAGE_SECONDS)
        lab.cordon("n1")
        await lab.world.pass_time(5.0 * seed)
        lab.cloud.faults.clear()
        await lab.until(lambda: lab.settled(IP1, "n2"), "the move", PROBE_SECONDS + 2.0)

    play(story)


def test_harm_18_it_is_asked_often_only_while_an_address_has_to_move() -> None:
    async def story(lab: Lab) -> None:
        await bound(lab)
        lab.cloud.faults.inject(Fault(op=".*", error=Unavailable("no answer"), times=None))
        await lab.world.pass_time(OUTAGE_SECONDS)
        before = reads(lab)
        await lab.world.pass_time(OUTAGE_SECONDS)
        calm = reads(lab) - before
        lab.cordon("n1")
        await lab.world.pass_time(OUTAGE_SECONDS)
        urgent = reads(lab) - before - calm
        assert calm <= OUTAGE_SECONDS / 45 + 1, calm
        assert OUTAGE_SECONDS / PROBE_SECONDS <= urgent <= OUTAGE_SECONDS / 5, urgent
        lab.cordon("n1", on=False)
        await lab.world.pass_time(60.0)
        before = reads(lab)
        await lab.world.pass_time(OUTAGE_SECONDS)
        assert reads(lab) - before <= OUTAGE_SECONDS / 45 + 1

    play(story)


def test_harm_18_a_cloud_that_says_when_to_come_back_is_not_asked_before() -> None:
    async def story(lab: Lab) -> None:
        await bound(lab)
        slow = Throttled("slow down", retry_after=50.0)
        lab.cloud.faults.inject(Fault(op="snapshot", error=slow, times=None))
        lab.cordon("n1")
        await lab.world.pass_time(60.0)
        before = reads(lab)
        await lab.world.pass_time(OUTAGE_SECONDS)
        assert reads(lab) - before <= OUTAGE_SECONDS / 50 + 1

    play(story)
