"""The example controller in virtual time: it dies after every change, and lives at random."""

from __future__ import annotations

import random

from example_controller import COPIES, LABEL, ExampleSettings, setup

from moorage_domain.owners import controller_uid
from moorage_kube.client.kinds import CONFIGMAPS
from moorage_testing.apiserver import ApiServer
from moorage_testing.harness import (
    Scenario,
    World,
    crash_after_every_change,
    live_many,
    managed,
)

LIVES = 40
MENUS = {"x": {"soup": "leek"}, "y": {"soup": "pea", "fish": "cod"}, "z": {}}


def scenario() -> Scenario:
    return Scenario(
        managed(ExampleSettings.model_validate({}), setup),
        arrange,
        edits=(change_a_source, delete_a_copy, bring_a_source_back),
        happenings=(write_a_map, recreate_a_map, recreate_a_copy, take_a_label_off),
        always=(strangers_are_left_alone, labels_are_held_by_finalizers),
        at_rest=(copies_are_equal, labels_are_those_of_copies),
    )


def arrange(server: ApiServer) -> None:
    server.put(CONFIGMAPS, "menu", "shop", data=MENUS["x"])
    server.put(CONFIGMAPS, "stranger", "shop", data={"mine": "yes"})
    for name, source in (("a", "menu"), ("b", "late"), ("stranger", "menu")):
        copy(server, name, source)


def copy(server: ApiServer, name: str, source: str) -> None:
    body = {"apiVersion": COPIES.api_version, "kind": COPIES.name, "spec": {"source": source}}
    server.create(COPIES, body | {"metadata": {"name": name, "namespace": "shop"}})


def change_a_source(server: ApiServer) -> None:
    server.put(CONFIGMAPS, "menu", "shop", data=MENUS["y"])


def delete_a_copy(server: ApiServer) -> None:
    server.delete(COPIES, "a", "shop")


def bring_a_source_back(server: ApiServer) -> None:
    server.put(CONFIGMAPS, "late", "shop", data=MENUS["x"])


# What may happen in a random life.


def write_a_map(world: World, rng: random.Random) -> None:
    name = rng.choice(("menu", "late", "a", "b"))
    if world.server.find(CONFIGMAPS, name, "shop"):
        change = {"data": rng.choice(list(MENUS.values()))}
        world.server.patch(CONFIGMAPS, name, change, "shop")


def recreate_a_map(world: World, rng: random.Random) -> None:
    name = rng.choice(("menu", "late", "a", "b"))
    if world.server.find(CONFIGMAPS, name, "shop"):
        world.server.delete(CONFIGMAPS, name, "shop")
    elif name in ("menu", "late"):
        world.server.put(CONFIGMAPS, name, "shop", data=rng.choice(list(MENUS.values())))


def recreate_a_copy(world: World, rng: random.Random) -> None:
    name = rng.choice(("a", "b", "c"))
    if world.server.find(COPIES, name, "shop"):
        world.server.delete(COPIES, name, "shop")
    else:
        copy(world.server, name, rng.choice(("menu", "late")))


def take_a_label_off(world: World, rng: random.Random) -> None:
    name = rng.choice(("menu", "late"))
    if world.server.find(CONFIGMAPS, name, "shop"):
        world.server.patch(CONFIGMAPS, name, {"metadata": {"labels": None}}, "shop")


# What must hold.


def strangers_are_left_alone(server: ApiServer) -> None:
    stranger = server.find(CONFIGMAPS, "stranger", "shop")
    assert stranger is not None
    assert stranger["data"] == {"mine": "yes"}


def labelled(server: ApiServer) -> set[tuple[str, str]]:
    """The uids of copies in the labels of each ConfigMap."""
    return {
        (raw["metadata"]["name"], label.removeprefix(LABEL))
        for raw in server.all_of(CONFIGMAPS)
        for label in raw["metadata"].get("labels") or ()
    }


def labels_are_held_by_finalizers(server: ApiServer) -> None:
    """No copy is gone, or free to go, while its source carries its label."""
    held = {
        raw["metadata"]["uid"] for raw in server.all_of(COPIES) if raw["metadata"].get("finalizers")
    }
    assert {uid for _, uid in labelled(server)} <= held


def copies_are_equal(server: ApiServer) -> None:
    for raw in server.all_of(COPIES):
        meta = raw["metadata"]
        source = server.find(CONFIGMAPS, raw["spec"]["source"], "shop")
        child = server.find(CONFIGMAPS, meta["name"], "shop")
        (ready,) = (one for one in raw["status"]["conditions"] if one["type"] == "Ready")
        if meta["name"] == "stranger":
            assert ready["reason"] == ("NameTaken" if source else "SourceMissing")
        elif source is None:
            assert (ready["status"], ready["reason"]) == ("False", "SourceMissing")
        else:
            assert child is not None
            assert (ready["status"], ready["reason"]) == ("True", "Copied")
            assert (child.get("data") or {}) == (source.get("data") or {})
            assert controller_uid(child) == meta["uid"]


def labels_are_those_of_copies(server: ApiServer) -> None:
    ready = {
        (raw["spec"]["source"], raw["metadata"]["uid"])
        for raw in server.all_of(COPIES)
        if raw["status"]["conditions"][0]["reason"] == "Copied"
    }
    assert ready <= labelled(server)


def test_it_survives_a_crash_after_every_change() -> None:
    # Three finalizers and statuses; label, child and status of the first copy, and all three again
    # for a change of its source; its label off and its finalizer; the late source.
    assert crash_after_every_change(scenario) == 19


def test_it_comes_to_rest_after_random_lives() -> None:
    live_many(scenario, range(LIVES))


def test_a_dry_run_writes_the_status_and_nothing_else() -> None:
    dry = Scenario(
        managed(ExampleSettings.model_validate({"dry_run": True}), setup),
        arrange,
        at_rest=(nothing_but_statuses,),
    )
    assert crash_after_every_change(lambda: dry) == 3


def nothing_but_statuses(server: ApiServer) -> None:
    assert labelled(server) == set()
    assert server.find(CONFIGMAPS, "a", "shop") is None
    one = server.find(COPIES, "a", "shop")
    assert one is not None
    assert "finalizers" not in one["metadata"]
    (dry,) = (each for each in one["status"]["conditions"] if each["type"] == "DryRun")
    assert dry["message"] == "would label the source; write the copy"
