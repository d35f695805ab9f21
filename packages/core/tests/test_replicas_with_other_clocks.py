"""A successor whose clock is right believes no time that a clock which was ahead has written."""

from __future__ import annotations

import pytest
from core_builders import IP1
from virtual_core import Lab, play

from moorage_provider.errors import Denied, Unavailable
from moorage_testing.clouds.memory import ONE_CALL, TWO_STEPS, MemoryCloud
from moorage_testing.faults import Fault
from moorage_testing.virtual_time import set_wall_clock

AHEAD = pytest.mark.parametrize("ahead_seconds", [600.0, 3600.0, 86_400.0])
SOON_SECONDS = 5.0
LONGEST_REFUSAL_SECONDS = 400.0


async def replace_leader(lab: Lab) -> None:
    """The leader dies, and one whose clock is right follows it."""
    await lab.world.kill()
    set_wall_clock(0.0)
    lab.world.begin()


@AHEAD
def test_harm_14_a_successor_does_not_wait_for_a_clock_that_was_ahead(ahead_seconds: float) -> None:
    async def story(lab: Lab) -> None:
        set_wall_clock(ahead_seconds)
        lab.cloud.faults.inject(Fault(op="attach", error=Unavailable("no answer"), times=3))
        lab.add_node("n1")
        lab.allocate(IP1)
        await lab.until(lambda: lab.record(IP1).get("attempts") == 3, "three failures", 30)
        assert lab.record(IP1)["nextAttempt"]
        lab.cloud.faults.clear()
        await replace_leader(lab)
        await lab.until(lambda: lab.settled(IP1, "n1"), "the address to be there", SOON_SECONDS)

    play(story)


@AHEAD
def test_harm_14_a_deletion_does_not_wait_for_a_clock_that_was_ahead(ahead_seconds: float) -> None:
    async def story(lab: Lab) -> None:
        lab.add_node("n1")
        lab.allocate(IP1)
        await lab.until(lambda: lab.settled(IP1, "n1"), "the address to be there", 30)
        set_wall_clock(ahead_seconds)
        lab.cloud.faults.inject(Fault(op="detach", error=Unavailable("no answer"), times=3))
        lab.delete()
        await lab.until(lambda: lab.record(IP1).get("attempts") == 3, "three failures", 30)
        lab.cloud.faults.clear()
        await replace_leader(lab)
        await lab.until(lambda: not lab.status(), "the object to go", SOON_SECONDS)
        assert lab.where(IP1) == ""

    play(story)


@AHEAD
def test_harm_14_a_refusal_holds_no_longer_than_it_was_meant_to(ahead_seconds: float) -> None:
    async def story(lab: Lab) -> None:
        set_wall_clock(ahead_seconds)
        lab.cloud.faults.inject(Fault(op="attach", error=Denied("no right"), times=1))
        lab.add_node("n1")
        lab.allocate(IP1)
        await lab.until(lambda: lab.record(IP1).get("attempts") == 1, "the refusal", 30)
        await replace_leader(lab)
        took = await lab.until(lambda: lab.settled(IP1, "n1"), "the address to be there", 60)
        assert took > SOON_SECONDS, "the wait itself is still kept"

    play(story)


@AHEAD
def test_harm_14_a_change_without_an_answer_and_a_restore_wait_no_longer(
    ahead_seconds: float,
) -> None:
    async def story(lab: Lab) -> None:
        lab.add_node("n1")
        lab.add_node("n2")
        lab.allocate(IP1)
        await lab.until(lambda: lab.settled(IP1, "n1"), "the address to be there", 30)
        set_wall_clock(ahead_seconds)
        lab.cloud.faults.inject(Fault(op="restore", error=Unavailable("no answer"), times=3))
        lab.cordon("n1")
        await lab.until(lambda: lab.settled(IP1, "n2"), "the move", 30)
        assert lab.record(IP1)["owed"]
        lab.cloud.faults.clear()
        await replace_leader(lab)
        await lab.until(lambda: "n1" not in owed(lab), "the restore", SOON_SECONDS)

    play(story, MemoryCloud(TWO_STEPS))


def owed(lab: Lab) -> list[str]:
    """The nodes that are to get a public address of their own again when the address leaves."""
    return [one["nodeName"] for one in lab.record(IP1).get("owed") or ()]


def test_harm_14_the_leader_itself_survives_its_clock_being_set_back() -> None:
    async def story(lab: Lab) -> None:
        set_wall_clock(3600.0)
        lab.cloud.faults.inject(Fault(op="attach", error=Unavailable("no answer"), times=3))
        lab.add_node("n1")
        lab.allocate(IP1)
        await lab.until(lambda: lab.record(IP1).get("attempts") == 3, "three failures", 30)
        set_wall_clock(0.0)
        await lab.until(lambda: lab.settled(IP1, "n1"), "the address to be there", 2 * SOON_SECONDS)

    play(story, MemoryCloud(ONE_CALL))
