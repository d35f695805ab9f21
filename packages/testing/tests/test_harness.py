"""The harness lets a good controller pass, and finds what is wrong with a bad one."""

from __future__ import annotations

import asyncio
import random

import pytest
from small_controller import MARK, SmallController, arrange

from moorage_kube.client.client import Client
from moorage_kube.client.kinds import CONFIGMAPS, NAMESPACES, SERVICE_ACCOUNTS
from moorage_testing.apiserver import ApiServer
from moorage_testing.harness import (
    Scenario,
    World,
    crash_after_every_change,
    left_behind,
    live,
    live_many,
)
from moorage_testing.virtual_time import run

SEEDS = 15


def scenario(fault: str = "") -> Scenario:
    """The small controller in its world."""

    async def start(client: Client, _: World) -> None:
        await SmallController(client, fault).run()

    return Scenario(
        start,
        arrange,
        edits=(turn, delete_one),
        happenings=(turn_at_random, recreate),
        always=(labels_are_sides,),
        at_rest=(in_step,),
    )


def turn(server: ApiServer) -> None:
    server.patch(NAMESPACES, "team", {"metadata": {"annotations": {MARK: "south"}}})


def delete_one(server: ApiServer) -> None:
    server.delete(CONFIGMAPS, "a", "team")


def turn_at_random(world: World, rng: random.Random) -> None:
    side = rng.choice(("north", "south", None))
    world.server.patch(NAMESPACES, "team", {"metadata": {"annotations": {MARK: side}}})


def recreate(world: World, rng: random.Random) -> None:
    """Delete a ConfigMap, and make another one of its name where it is gone."""
    name = rng.choice(("a", "b", "c"))
    if world.server.find(CONFIGMAPS, name, "team"):
        world.server.delete(CONFIGMAPS, name, "team")
    else:
        world.server.create(CONFIGMAPS, {"metadata": {"name": name, "namespace": "team"}})


def labels_are_sides(server: ApiServer) -> None:
    labels = [raw["metadata"].get("labels", {}) for raw in server.all_of(CONFIGMAPS)]
    assert all(one.get(MARK, "north") in ("north", "south") for one in labels), labels


def in_step(server: ApiServer) -> None:
    """Every ConfigMap has its account and its label, and no account is left alone."""
    namespace = server.find(NAMESPACES, "team")
    assert namespace is not None
    wanted = namespace["metadata"].get("annotations", {}).get(MARK)
    maps = {raw["metadata"]["name"]: raw for raw in server.all_of(CONFIGMAPS)}
    assert {raw["metadata"].get("labels", {}).get(MARK) for raw in maps.values()} <= {wanted}
    assert {raw["metadata"]["name"] for raw in server.all_of(SERVICE_ACCOUNTS)} == maps.keys()


def test_a_good_controller_survives_a_crash_after_every_change() -> None:
    # Two ConfigMaps with finalizer, account and label each; both turned; one deleted.
    assert crash_after_every_change(scenario, stride=1) == 6 + 2 + 2


def test_a_third_of_the_crashes_is_a_third() -> None:
    made: list[Scenario] = []

    def noted() -> Scenario:
        made.append(scenario())
        return made[-1]

    assert crash_after_every_change(noted, stride=3) == 10
    # Undisturbed; then seven of the twenty crashes, two at each change.
    assert len(made) == 1 + 7


def test_a_good_controller_survives_random_lives() -> None:
    live_many(scenario, range(SEEDS))


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        ("deaf", "ended with|assert"),
        ("leaks", "assert"),
        ("no finalizer", "assert"),
        ("hot", "requests a minute at rest"),
    ],
)
def test_a_bad_controller_is_found_out(fault: str, finding: str) -> None:
    with pytest.raises(AssertionError, match=finding):
        crash_after_every_change(lambda: scenario(fault), stride=1)


def test_a_seed_that_failed_is_named() -> None:
    with pytest.raises(AssertionError, match=r"^seed \d+: "):
        live_many(lambda: scenario("leaks"), range(SEEDS))


def test_the_same_seed_lives_the_same_life() -> None:
    lives: list[list[str]] = []

    def noted() -> Scenario:
        one = scenario()
        lives.append([])
        return Scenario(
            one.start,
            one.arrange,
            happenings=one.happenings,
            always=(lambda server: lives[-1].append(str(server.asked[-1])),),
        )

    live(noted(), 3)
    live(noted(), 3)
    assert lives[0] == lives[1] != []


def test_what_changes_beside_the_api_server_is_counted_and_crashed_at() -> None:
    clouds: list[list[str]] = []

    class Cloud:
        async def attach(self) -> str:
            clouds[-1].append("attach")
            return "done"

    async def start(client: Client, world: World) -> None:
        cloud = world.watched(Cloud(), "attach")
        while not clouds[-1]:
            await cloud.attach()
        if not (await client.get(CONFIGMAPS, "a", "team")).get("data"):
            world.server.put(CONFIGMAPS, "a", "team", data={"cloud": "attached"})
        await asyncio.Event().wait()

    def made() -> Scenario:
        clouds.append([])
        return Scenario(start, arrange)

    assert crash_after_every_change(made, stride=1) == 1
    undisturbed, after, before = clouds
    assert (undisturbed, after, before) == (["attach"],) * 3


def test_what_is_left_behind_is_reported() -> None:
    async def life() -> list[str]:
        world = World(scenario("leaks"))
        world.scenario.arrange(world.server)
        before = [path for path in world.server.objects if "/a" not in path]
        world.begin()
        await world.settle()
        delete_one(world.server)
        await world.settle()
        await world.kill()
        return [one for one in left_behind(world.server, before) if one.endswith("/a")]

    assert run(life()) == ["/api/v1/namespaces/team/serviceaccounts/a"]
