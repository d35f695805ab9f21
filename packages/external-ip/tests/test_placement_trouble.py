"""A node whose agent cannot have an address is left for one that can; in virtual time."""

from __future__ import annotations

from typing import Any

import pytest
from placement_lab import Lab, run

NO_RIGHT = {"state": "Refused", "message": "the kernel allows no change of addresses"}
FOREIGN = "0a:0b:0c:0d:0e:0f"


def said(state: str, mac: str = "", message: str = "") -> dict[str, Any]:
    return {"state": state, "mac": mac, "message": message}


def moves(lab: Lab) -> list[tuple[str, str]]:
    return [(old, new) for _, old, new in lab.moves]


@pytest.mark.parametrize("state", ["Refused", "Conflict", "NoLink", "Yielded"])
def test_an_address_leaves_a_node_that_says_for_a_moment_that_it_cannot_have_it(state: str) -> None:
    async def play(lab: Lab) -> None:
        claim = lab.claim("10.0.0.1")
        await lab.passes(2.0)
        first = lab.on(claim)
        mac = FOREIGN if state in ("Conflict", "Yielded") else ""
        lab.agents[first].refuses[claim] = said(state, mac, "it says why")
        lab.agents[first].look_at(claim)
        await lab.passes(2.5)
        assert (lab.on(claim), lab.reason(claim)) == (first, state)
        await lab.until(lambda: lab.on(claim) not in ("", first), "it moves", 1.5)
        second = lab.on(claim)
        await lab.passes(1.0)
        assert lab.reason(claim) == "Announced"
        assert lab.agents[second].holds(claim)
        # Where the next node has it at once, the status never said that one had refused it.
        assert lab.condition(claim, "Rejected").get("status") != "True"
        assert not lab.find(claim)["status"].get("tried")
        (event,) = lab.events("Moved")
        assert f"({first}: {state}: it says why)" in event["message"]
        await lab.passes(1000.0)
        assert moves(lab) == [(first, second)]

    run(play)


def test_what_is_over_within_a_moment_moves_nothing() -> None:
    async def play(lab: Lab) -> None:
        claim = lab.claim("10.0.0.1")
        await lab.passes(2.0)
        for _ in range(5):
            lab.report(claim, lab.on(claim), said("NoLink"))
            await lab.passes(2.0)
            lab.report(claim, lab.on(claim), said("Announced"))
            await lab.passes(2.0)
        assert moves(lab) == []

    run(play)


def test_that_an_agent_asks_again_between_refusals_does_not_begin_the_moment_anew() -> None:
    async def play(lab: Lab) -> None:
        claim = lab.claim("10.0.0.1")
        await lab.passes(2.0)
        first = lab.on(claim)
        for _ in range(3):
            lab.report(claim, first, said("Conflict", FOREIGN))
            await lab.passes(1.2)
            if lab.on(claim) == first:
                lab.report(claim, first, said("Probing"))
                await lab.passes(0.15)
        assert lab.on(claim) != first

    run(play)


def test_each_node_is_tried_once_and_the_claim_says_what_each_said() -> None:
    async def play(lab: Lab) -> None:
        for name, agent in lab.agents.items():
            agent.refuses[""] = said("Refused", message=f"{name} says no")
        claim = lab.claim("10.0.0.1")
        await lab.passes(300.0)
        assert len(moves(lab)) == 2
        assert sorted({node for move in moves(lab) for node in move}) == ["n1", "n2", "n3"]
        rejected = lab.condition(claim, "Rejected")
        assert (rejected["status"], rejected["reason"]) == ("True", "RejectedByNodes")
        assert all(f"{name}: Refused: {name} says no" in rejected["message"] for name in lab.agents)
        assert lab.reason(claim) == "Refused"
        assert lab.reason(claim, "Scheduled") == "KeptForLackOfNodes"
        # Whoever said no longest ago is asked again after ten minutes, one at a time.
        await lab.passes(700.0)
        assert 3 <= len(moves(lab)) <= 5
        lab.agents["n2"].refuses.clear()
        await lab.passes(1300.0)
        assert (lab.on(claim), lab.reason(claim)) == ("n2", "Announced")
        assert lab.condition(claim, "Rejected")["status"] == "False"

    run(play)


def test_a_machine_that_two_nodes_hear_is_looked_for_on_no_third() -> None:
    async def play(lab: Lab) -> None:
        for agent in lab.agents.values():
            agent.refuses[""] = said("Conflict", FOREIGN, f"{FOREIGN} answers for the address")
        claim = lab.claim("10.0.0.1")
        await lab.passes(600.0)
        assert len(moves(lab)) == 1
        assert lab.reason(claim) == "Conflict"
        assert lab.condition(claim, "Rejected")["message"].count("Conflict") == 2

    run(play, nodes=5)


def test_a_node_that_refuses_everything_is_left_by_all_and_the_others_share() -> None:
    async def play(lab: Lab) -> None:
        lab.agents["n1"].refuses[""] = NO_RIGHT
        claims = [lab.claim(f"10.0.1.{number}") for number in range(1, 61)]
        await lab.passes(30.0)
        assert {lab.reason(claim) for claim in claims} == {"Announced"}
        assert lab.spread()["n1"] == 0
        assert abs(lab.spread()["n2"] - lab.spread()["n3"]) <= 1
        writes = len(lab.world.changes)
        await lab.passes(120.0)
        assert len(lab.world.changes) == writes

    run(play)


def test_a_new_scheduler_knows_who_was_tried() -> None:
    async def play(lab: Lab) -> None:
        for agent in lab.agents.values():
            agent.refuses[""] = NO_RIGHT
        lab.claim("10.0.0.1")
        await lab.passes(30.0)
        assert len(moves(lab)) == 2
        await lab.world.kill()
        lab.world.begin()
        await lab.passes(120.0)
        assert len(moves(lab)) == 2

    run(play)


def test_nobody_is_left_while_its_agent_cannot_hear_of_it() -> None:
    async def play(lab: Lab) -> None:
        claim = lab.claim("10.0.0.1")
        await lab.passes(2.0)
        holder = lab.agents[lab.on(claim)]
        lab.report(claim, holder.node, said("Yielded", FOREIGN))
        holder.restart_gracefully(30.0)
        await lab.passes(20.0)
        assert moves(lab) == []

    run(play)


def test_an_address_that_its_node_has_as_one_of_its_own_goes_nowhere_else() -> None:
    """Every other node would hear it, and it may be what the first version left on the link."""

    async def play(lab: Lab) -> None:
        claim = lab.claim("10.0.0.1")
        await lab.passes(2.0)
        holder = lab.agents[lab.on(claim)]
        holder.links[0]["subnets"].append("10.0.0.1/24")
        holder.refuses[claim] = said("Refused", "", "10.0.0.1 is an address of the node itself")
        holder.say()
        holder.look_at(claim)
        await lab.passes(60.0)
        assert moves(lab) == []
        assert lab.reason(claim) == "Refused"
        assert "of the node itself" in lab.condition(claim, "Rejected")["message"]
        # Once it is gone from the link the node takes it.
        holder.links[0]["subnets"].pop()
        del holder.refuses[claim]
        holder.look_at(claim)
        await lab.passes(1.0)
        assert (lab.on(claim), lab.reason(claim)) == (holder.node, "Announced")

    run(play)


def test_the_answer_of_a_node_that_said_no_is_not_expected() -> None:
    async def play(lab: Lab) -> None:
        claim = lab.claim("10.0.0.1")
        await lab.passes(2.0)
        first = lab.on(claim)
        lab.agents[first].refuses[claim] = NO_RIGHT
        lab.agents[first].look_at(claim)
        await lab.passes(5.0)
        assert lab.on(claim) != first
        # Its MAC among those that may answer would have two nodes hold the address.
        assert not lab.find(claim)["spec"].get("previous")

    run(play)
