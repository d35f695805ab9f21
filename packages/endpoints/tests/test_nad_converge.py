"""Net-attach-defs in virtual time: a crash after every change, and lives at random."""

from __future__ import annotations

import random
from typing import Any

import pytest
from lab_nads import BRIDGE, NS

from moorage_endpoints.controller import setup
from moorage_endpoints.kinds import NADS
from moorage_endpoints.nads.names import ALLOW_DELETE, FINALIZER, MARKER, NETWORKS, PROTECT
from moorage_endpoints.projections.pods import pod_of
from moorage_endpoints.settings import EndpointsSettings
from moorage_kube.client.kinds import NAMESPACES, PODS
from moorage_testing.apiserver import ApiServer
from moorage_testing.harness import (
    Scenario,
    World,
    crash_after_every_change,
    live_many,
    managed,
)

LIVES = 40
NAMES = "abcd"
Raw = dict[str, Any]


def scenario(**settings: Any) -> Scenario:
    return Scenario(
        managed(EndpointsSettings.model_validate(settings), setup),
        arrange,
        edits=(delete_a_used_one, use_another_one, free_the_first, leave_them_all),
        happenings=(make_or_delete_a_nad, start_or_stop_a_pod, plug, allow_or_forbid),
        at_rest=(used_ones_are_held, nothing_else_is_held),
        quiet_seconds=30.0,
        view=state,
    )


def nad(server: ApiServer, name: str, **meta: Any) -> None:
    body = {"metadata": {"name": name, **meta}, "spec": {"config": BRIDGE}}
    server.create(NADS, body, NS)


def pod(server: ApiServer, name: str, networks: str) -> None:
    meta = {"annotations": {NETWORKS: networks}}
    server.put(PODS, name, NS, metadata=meta, status={"phase": "Running"})


def arrange(server: ApiServer) -> None:
    server.create(NAMESPACES, {"metadata": {"name": NS}})
    nad(server, "a")
    nad(server, "b", finalizers=["example.com/theirs"])
    nad(server, "c", labels={PROTECT: "false"})
    pod(server, "one", "a,c")
    pod(server, "two", "a")


def delete_a_used_one(server: ApiServer) -> None:
    server.delete(NADS, "a", NS)


def use_another_one(server: ApiServer) -> None:
    pod(server, "three", "b")


def free_the_first(server: ApiServer) -> None:
    for name in ("one", "two"):
        server.remove(PODS, name, NS)


def leave_them_all(server: ApiServer) -> None:
    server.remove(PODS, "three", NS)


# What may happen in a random life.


def make_or_delete_a_nad(world: World, rng: random.Random) -> None:
    name = rng.choice(NAMES)
    if world.server.find(NADS, name, NS):
        world.server.delete(NADS, name, NS)
    else:
        nad(world.server, name)


def start_or_stop_a_pod(world: World, rng: random.Random) -> None:
    name = rng.choice(("one", "two", "three"))
    if world.server.find(PODS, name, NS):
        world.server.remove(PODS, name, NS)
    else:
        pod(world.server, name, ",".join(rng.sample(NAMES, rng.randint(1, 3))))


def plug(world: World, rng: random.Random) -> None:
    name = rng.choice(("one", "two", "three"))
    if world.server.find(PODS, name, NS):
        networks = rng.choice((*NAMES, "a,,", "not there"))
        change = {"metadata": {"annotations": {NETWORKS: networks}}}
        world.server.patch(PODS, name, change, NS)


def allow_or_forbid(world: World, rng: random.Random) -> None:
    name = rng.choice(NAMES)
    if world.server.find(NADS, name, NS):
        value = rng.choice(("true", None))
        change = {"metadata": {"annotations": {ALLOW_DELETE: value}}}
        world.server.patch(NADS, name, change, NS)


# What must hold.


def state(server: ApiServer) -> object:
    return {raw["metadata"]["name"]: _held(raw) for raw in server.all_of(NADS)}


def _held(raw: Raw) -> tuple[bool, bool]:
    meta = raw["metadata"]
    return FINALIZER in meta.get("finalizers", ()), MARKER in meta.get("annotations", {})


def _is_protected(raw: Raw) -> bool:
    meta = raw["metadata"]
    free = meta.get("annotations", {}).get(ALLOW_DELETE) == "true"
    return not free and meta.get("labels", {}).get(PROTECT) != "false"


def _used(server: ApiServer) -> frozenset[str]:
    return frozenset().union(*(pod_of(raw).nads for raw in server.all_of(PODS)))


def used_ones_are_held(server: ApiServer) -> None:
    used = _used(server)
    for raw in server.all_of(NADS):
        name = raw["metadata"]["name"]
        # To what is already going none can be added.
        going = "deletionTimestamp" in raw["metadata"]
        if f"{NS}/{name}" in used and _is_protected(raw) and not going:
            assert _held(raw) == (True, True), f"{name} is used and not held"


def nothing_else_is_held(server: ApiServer) -> None:
    used = _used(server)
    for raw in server.all_of(NADS):
        name = raw["metadata"]["name"]
        if f"{NS}/{name}" not in used or not _is_protected(raw):
            assert _held(raw) == (False, False), f"{name} is held for nobody"
            theirs = raw["metadata"].get("finalizers")
            assert theirs or "deletionTimestamp" not in raw["metadata"], f"{name} hangs"


def resurrecting() -> Scenario:
    """One that is deleted while it is used comes back, unless the controller died meanwhile."""
    return Scenario(
        managed(EndpointsSettings.model_validate({"protect_nads": "resurrect"}), setup),
        arrange,
        happenings=(make_or_delete_a_nad, start_or_stop_a_pod, plug, allow_or_forbid),
        at_rest=(none_is_held,),
        quiet_seconds=30.0,
    )


def none_is_held(server: ApiServer) -> None:
    assert set(map(_held, server.all_of(NADS))) <= {(False, False)}


def test_a_crash_after_every_change() -> None:
    assert crash_after_every_change(scenario) == 4


@pytest.mark.parametrize("first", range(0, LIVES, 20))
def test_lives_at_random(first: int) -> None:
    live_many(scenario, range(first, first + 20))


def test_lives_at_random_that_resurrect() -> None:
    live_many(resurrecting, range(20))
