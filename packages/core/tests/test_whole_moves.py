"""A move is one intention: what was begun is finished, with or without the API server."""

from __future__ import annotations

import pytest
from core_builders import IP1
from virtual_core import Lab, play

from moorage_kube.client.kinds import NODES
from moorage_provider.errors import Throttled
from moorage_provider.protocol import Capabilities
from moorage_testing.clouds.memory import ONE_CALL, TWO_STEPS, MemoryCloud
from moorage_testing.faults import Fault

TWO_WRITES = Capabilities(moves_in_one_call=False, clears_target_first=False)
OUTAGE_SECONDS = 75.0


async def bound(lab: Lab, *others: str) -> None:
    """An address on n1, with n2 free."""
    for name in ("n1", "n2", *others):
        lab.add_node(name)
    lab.allocate(IP1)
    await lab.until(lambda: lab.settled(IP1, "n1"), "the address to be there", 30)


@pytest.mark.parametrize("operation_steps", [0, 3])
@pytest.mark.parametrize("capabilities", [TWO_STEPS, TWO_WRITES])
def test_harm_17_an_outage_of_the_api_server_does_not_stop_a_move_halfway(
    capabilities: Capabilities, operation_steps: int
) -> None:
    cloud = MemoryCloud(capabilities, operation_steps=operation_steps, latency_seconds=0.1)

    async def story(lab: Lab) -> None:
        await bound(lab)
        cloud.after_mutation = lambda op: lab.stop_api_server() if op == "detach" else None
        lab.cordon("n1")
        await lab.until(lambda: lab.where(IP1) == "", "the first step", 30)
        nobody = await lab.until(lambda: lab.where(IP1) == "n2", "the second step", 10)
        assert nobody <= 5.0
        await lab.world.pass_time(OUTAGE_SECONDS)
        assert lab.where(IP1) == "n2"
        lab.start_api_server()
        await lab.until(lambda: lab.settled(IP1, "n2"), "the status to say so", 120)
        assert [op for op, _ in cloud.mutations].count("detach") == 1

    play(story, cloud)


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.2, 0.5])
def test_harm_17_a_successor_finishes_what_a_dead_leader_left_halfway(seconds: float) -> None:
    cloud = MemoryCloud(TWO_STEPS, operation_steps=3, latency_seconds=0.1)

    async def story(lab: Lab) -> None:
        await bound(lab)
        lab.cordon("n1")
        await lab.until(lambda: lab.where(IP1) == "", "the first step", 30)
        await lab.world.pass_time(seconds)
        await lab.world.restart()
        await lab.until(lambda: lab.settled(IP1, "n2"), "the move", 60)

    play(story, cloud)


def test_harm_17_the_labels_come_off_before_the_address_leaves_and_else_nothing_leaves() -> None:
    cloud = MemoryCloud(TWO_STEPS)
    labelled: list[set[str]] = []

    async def story(lab: Lab) -> None:
        await bound(lab)
        cloud.after_mutation = lambda op: (
            labelled.append(lab.labelled()) if op == "detach" else None
        )
        lab.server.fail("PATCH", status=503, times=6, path="/nodes/n1")
        lab.cordon("n1")
        await lab.world.pass_time(1.0)
        assert lab.where(IP1) == "n1"
        assert lab.labelled() == {"n1"}
        await lab.until(lambda: lab.settled(IP1, "n2"), "the move", 120)

    play(story, cloud)
    assert labelled == [set()]


def test_harm_17_a_second_step_that_fails_is_tried_again() -> None:
    cloud = MemoryCloud(TWO_STEPS)

    async def story(lab: Lab) -> None:
        await bound(lab)
        cloud.faults.inject(Fault(op="attach", error=Throttled("slow down"), times=2))
        lab.cordon("n1")
        await lab.until(lambda: lab.settled(IP1, "n2"), "the move", 60)
        assert lab.record(IP1).get("attempts") is None

    play(story, cloud)


@pytest.mark.parametrize("capabilities", [ONE_CALL, TWO_STEPS, TWO_WRITES])
def test_harm_15_no_label_comes_off_for_a_target_that_is_unfit(capabilities: Capabilities) -> None:
    cloud = MemoryCloud(capabilities)
    patched: list[str] = []

    async def story(lab: Lab) -> None:
        await bound(lab)
        cloud.set_running("vm-n2", running=False)
        lab.server.after.append(
            lambda asked: (
                patched.append(str(asked))
                if asked.mutating and NODES.plural in asked.path
                else None
            )
        )
        lab.cordon("n1")
        patched.clear()
        await lab.world.pass_time(1800.0)
        assert lab.labelled() == {"n1"}
        assert patched == []
        tries = sum(call.op == "machine" for call in cloud.faults.calls)
        assert tries >= 5, "it is tried now and then"
        said = {reason: len(lab.events(reason)) for reason in ("Drained", "NoEligibleNode")}
        assert said == {"Drained": 1, "NoEligibleNode": 1}
        cloud.set_running("vm-n2", running=True)
        await lab.until(lambda: lab.settled(IP1, "n2"), "the move", 700)

    play(story, cloud)


@pytest.mark.parametrize("capabilities", [ONE_CALL, TWO_STEPS, TWO_WRITES])
def test_harm_15_what_is_tried_again_is_not_said_again(capabilities: Capabilities) -> None:
    cloud = MemoryCloud(capabilities)

    async def story(lab: Lab) -> None:
        await bound(lab)
        op = "move" if capabilities.moves_in_one_call else "detach"
        cloud.faults.inject(Fault(op=op, error=Throttled("slow down"), times=20))
        lab.cordon("n1")
        await lab.world.pass_time(600.0)
        assert len(lab.events("Drained")) == 1
        assert len(lab.events("Throttled")) == 1
        await lab.until(lambda: lab.settled(IP1, "n2"), "the move", 1800)
        lab.cordon("n1", on=False)
        lab.cordon("n2")
        await lab.until(lambda: lab.settled(IP1, "n1"), "the next move", 60)
        assert len(lab.events("Drained")) == 2, "what is new is said"

    play(story, cloud)


def test_one_status_says_that_an_address_is_there_and_its_node_labelled() -> None:
    written: list[str] = []

    async def story(lab: Lab) -> None:
        await bound(lab)
        lab.server.after.append(
            lambda asked: (
                written.append(lab.condition()["reason"])
                if asked.mutating and asked.path.endswith("/status")
                else None
            )
        )
        lab.cordon("n1")
        await lab.until(lambda: lab.settled(IP1, "n2"), "the move", 30)
        await lab.world.pass_time(60.0)

    play(story)
    # The last: n1 has a public address of its own again.
    assert written == ["Drained", "AllBound", "AllBound"]
