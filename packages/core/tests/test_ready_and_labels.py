"""Ready says that pods can be scheduled to the address: the node bears its label."""

from __future__ import annotations

import pytest
from core_builders import IP1, IP2
from simulation import Simulation
from virtual_core import Lab, play

from moorage_core.actions import LabelNode
from moorage_core.model import Phase
from moorage_kube.client.kinds import NODES
from moorage_testing.clouds.memory import ONE_CALL, TWO_STEPS, MemoryCloud

CLOUDS = pytest.mark.parametrize("capabilities", [ONE_CALL, TWO_STEPS])


@CLOUDS
@pytest.mark.parametrize("flaps", range(4))
def test_harm_16_ready_waits_for_the_label_after_an_outage_of_the_api_server(
    capabilities: object, flaps: int
) -> None:
    cloud = MemoryCloud(capabilities)  # type: ignore[arg-type]  # one of the two above
    early: list[str] = []

    async def story(lab: Lab) -> None:
        lab.server.after.append(lambda _: check(lab))
        lab.add_node("n1")
        cloud.after_mutation = lambda op: lab.stop_api_server() if op == "attach" else None
        lab.allocate(IP1)
        await lab.world.pass_time(20.0)
        cloud.after_mutation = None
        lab.start_api_server()
        # It comes back by and by: changes of nodes are refused for some time yet.
        lab.server.fail("PATCH", status=503, times=flaps, path="/nodes/n1")
        await lab.until(lambda: lab.condition().get("status") == "True", "Ready", 200)

    def check(lab: Lab) -> None:
        if lab.condition().get("status") == "True" and lab.labelled() != {"n1"}:
            early.append(str(lab.status()))

    play(story, cloud)
    assert early == []


async def bound(lab: Lab) -> None:
    lab.add_node("n1")
    lab.allocate(IP1)
    await lab.until(lambda: lab.condition().get("status") == "True", "Ready", 30)
    assert lab.settled(IP1, "n1")
    assert lab.status()["bound"] == 1


def test_harm_16_a_label_that_is_refused_keeps_it_from_being_ready() -> None:
    async def story(lab: Lab) -> None:
        lab.server.fail("PATCH", status=403, times=1000, path="/nodes/n1")
        lab.add_node("n1")
        lab.allocate(IP1)
        await lab.until(lambda: lab.record(IP1).get("phase") == "Bound", "the address", 30)
        await lab.world.pass_time(10.0)
        ready = lab.condition()
        assert (ready["status"], ready["reason"]) == ("False", "NodeNotLabelled")
        assert "node n1" in ready["message"]
        assert lab.status()["bound"] == 0
        lab.start_api_server()
        await lab.until(lambda: lab.condition()["status"] == "True", "Ready", 70)
        assert lab.labelled() == {"n1"}

    play(story)


def test_harm_16_a_label_that_somebody_removes_comes_back_and_ready_says_so() -> None:
    async def story(lab: Lab) -> None:
        await bound(lab)
        lab.server.fail("PATCH", status=503, times=2, path="/nodes/n1")
        lab.server.patch(NODES, "n1", {"metadata": {"labels": {"ip.ready": None}}})
        await lab.until(lambda: lab.condition()["reason"] == "Labelling", "to be said", 5)
        assert lab.record(IP1)["phase"] == "Bound"
        await lab.until(lambda: lab.condition()["status"] == "True", "Ready", 30)
        assert lab.labelled() == {"n1"}
        assert len(lab.events("Bound")) == 1

    play(story)


def test_harm_16_in_every_pass_ready_is_true_only_with_all_labels() -> None:
    simulation = Simulation()
    for name in ("n1", "n2"):
        simulation.add_node(name)
    simulation.allocate("a", IP1, IP2)
    labelled: list[int] = []

    def check(action: object) -> None:
        if isinstance(action, LabelNode):
            labelled.append(simulation.stored["a"].conditions[0].status == "True")

    simulation.before = check
    simulation.settle()
    assert labelled == [False, False]
    ready = simulation.stored["a"].conditions[0]
    assert (ready.status, ready.reason) == ("True", "AllBound")
    assert simulation.record("a", IP1).phase is Phase.BOUND
