"""Random lives of agents on one segment: no address is ever on two nodes, and all come to rest."""

from __future__ import annotations

import pytest
from segment import STEP, Controller, Node, World, at_rest, new_world, without_announcements

from moorage_node_agent.model import Policy

LIVES = 20
SECONDS = 60.0
HEALED_SECONDS = 90.0
OVERLAP = 0.5
"""Seconds in which two nodes may have an address after one was cut from the API server."""
HOLD = without_announcements(Policy())
WITHDRAW = without_announcements(Policy(withdraw=True))


def disturb(world: World, controller: Controller, faults: tuple[str, ...]) -> None:
    """Perhaps one thing happens."""
    dice = world.dice
    if dice.random() > 0.03:
        return
    node, fault = dice.choice(world.nodes), dice.choice(faults)
    if fault == "kill":
        node.alive = False
    elif fault == "freeze":
        node.frozen = not node.frozen
    elif fault == "cut":
        node.cut = not node.cut
    elif fault == "restart" and not node.alive:
        node.start()
    elif fault == "move":
        controller.move(dice.choice(sorted(world.placed, key=str)))


def live(world: World, controller: Controller, seconds: float) -> list[tuple[float, str]]:
    """Let time pass; the moments at which an address was on two nodes."""
    doubled = []
    for _ in range(round(seconds / STEP)):
        world.now += STEP
        for node in world.dice.sample(world.nodes, len(world.nodes)):
            node.step()
            doubled += [
                (world.now, str(one)) for one in world.placed if len(world.holders(one)) > 1
            ]
        controller.step()
    return sorted(set(doubled))


def disturbed(
    world: World, controller: Controller, faults: tuple[str, ...]
) -> list[tuple[float, str]]:
    doubled = []
    for _ in range(round(SECONDS / STEP)):
        disturb(world, controller, faults)
        doubled += live(world, controller, STEP)
    return doubled


def heal(world: World) -> None:
    for node in world.nodes:
        node.cut = node.frozen = False
        if not node.alive:
            node.start()


def comes_to_rest(world: World, controller: Controller) -> bool:
    for _ in range(round(HEALED_SECONDS / STEP)):
        _revive(world.nodes)
        live(world, controller, STEP)
        if at_rest(world):
            return True
    return False


def _revive(nodes: list[Node]) -> None:
    """An agent that dies between two actions is started again."""
    for node in nodes:
        if not node.alive:
            node.start()


@pytest.mark.parametrize("seed", range(LIVES))
def test_killed_and_frozen_agents_never_leave_an_address_on_two_nodes(seed: int) -> None:
    world = new_world(seed, HOLD)
    controller = Controller(world)
    assert disturbed(world, controller, ("kill", "freeze", "restart", "move", "restart")) == []
    heal(world)
    assert comes_to_rest(world, controller), world


@pytest.mark.parametrize("seed", range(LIVES))
def test_with_withdraw_cut_agents_never_do_either(seed: int) -> None:
    world = new_world(seed, WITHDRAW)
    controller = Controller(world)
    assert disturbed(world, controller, ("kill", "cut", "restart", "move", "cut")) == []
    heal(world)
    assert comes_to_rest(world, controller), world


@pytest.mark.parametrize("seed", range(LIVES))
def test_with_hold_cut_agents_yield_within_half_a_second_of_the_new_holder(seed: int) -> None:
    world = new_world(seed, HOLD)
    world.deadly = 0.0  # killed while it is cut, nobody is left to yield: its kernel holds on
    controller = Controller(world)
    moments = disturbed(world, controller, ("cut", "cut", "move"))
    for address in {one for _, one in moments}:
        times = [at for at, one in moments if one == address]
        longest = run = 0.0
        for before, after in zip([-1.0, *times], times, strict=False):
            run = run + STEP if after - before < 1.5 * STEP else STEP
            longest = max(longest, run)
        assert longest <= OVERLAP, (address, times)
    heal(world)
    assert comes_to_rest(world, controller), world
