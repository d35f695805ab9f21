"""Machines in virtual time: a crash after every change, and lives at random."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_machines import (
    DUAL_CONFIG,
    FINALIZER,
    FOREIGN,
    HOOK,
    NS,
    create_machine,
    late_hooks,
    set_status,
    spec_of,
    written,
)

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_machine_ipam.controller import setup
from moorage_machine_ipam.kinds import MACHINES
from moorage_machine_ipam.settings import MachineIpamSettings
from moorage_testing.apiserver import ApiServer
from moorage_testing.harness import Scenario, World, crash_after_every_change, live_many, managed

LIVES = 30
NAMES = "abcdefgh"
LAB = {"networkName": "lab"}
START = {"preProvision": [FOREIGN, HOOK]}
SMALL = DUAL_CONFIG.replace("192.168.101.64/28", "192.168.101.64/29")
OTHER = SMALL.replace("192.168.101.64/29", "192.168.101.72/29")


class Stage:
    """The scenario, and the file of its configuration."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # An owner that vanished is believed to be gone after ten minutes.
        self.quiet_seconds = 700.0
        self.late: list[str] = []

    def write(self, text: str) -> None:
        self.path.write_text(text, encoding="utf-8")

    def scenario(self) -> Scenario:
        self.write(SMALL)
        settings = MachineIpamSettings.model_validate({"hook_config": str(self.path)})
        return Scenario(
            managed(settings, setup),
            self.arrange,
            edits=(delete_one, finish_all, self.other_range, one_more),
            happenings=(make_or_delete, go_on, lose_one, self.edit_the_file),
            always=(
                no_address_has_two_owners,
                what_is_written_is_bound,
                self.nothing_is_added_late,
            ),
            at_rest=(every_machine_is_served, nothing_is_leaked),
            quiet_seconds=self.quiet_seconds,
            view=who_has_what,
        )

    def arrange(self, server: ApiServer) -> None:
        self.late = late_hooks(server)
        for name, devices in (("a", [LAB]), ("b", [LAB, {"networkName": "b"}]), ("c", [LAB])):
            make(server, name, devices)
        create_machine(server, "static", spec_of([LAB | {"ipAddrs": ["192.168.101.65/23"]}], {}))

    def other_range(self, _: ApiServer) -> None:
        self.write(OTHER)

    def edit_the_file(self, _: World, rng: random.Random) -> None:
        self.write(rng.choice((SMALL, DUAL_CONFIG, OTHER)))

    def nothing_is_added_late(self, _: ApiServer) -> None:
        assert not self.late


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "ipam-config.yaml")


def make(server: ApiServer, name: str, devices: list[Any]) -> None:
    create_machine(server, name, spec_of(devices, START))


def delete_one(server: ApiServer) -> None:
    server.delete(MACHINES, "b", NS)


def finish_all(server: ApiServer) -> None:
    """Machine-api-operator lets those go that nothing holds."""
    for raw in machines(server):
        held = (raw["spec"].get("lifecycleHooks") or {}).get("preTerminate")
        if "deletionTimestamp" in raw["metadata"] and not held:
            server.patch(MACHINES, raw["metadata"]["name"], {"metadata": {"finalizers": None}}, NS)


def one_more(server: ApiServer) -> None:
    free = next(name for name in NAMES if not server.find(MACHINES, name, NS))
    make(server, free, [LAB, {"networkName": "b"}])


# What may happen in a random life.


def make_or_delete(world: World, rng: random.Random) -> None:
    name = rng.choice(NAMES)
    if world.server.find(MACHINES, name, NS):
        world.server.delete(MACHINES, name, NS)
    else:
        make(world.server, name, [LAB] * rng.randint(1, 2))


def go_on(world: World, rng: random.Random) -> None:
    """What machine-api-operator does next: VMs for those that nothing holds, or no VMs any more."""
    finish_all(world.server)
    for raw in machines(world.server):
        start = (raw["spec"].get("lifecycleHooks") or {}).get("preProvision", ())
        ours = HOOK in start
        phase = "Provisioning" if ours else rng.choice(("Provisioning", "Running"))
        if "deletionTimestamp" not in raw["metadata"]:
            found = [{"type": "InternalIP", "address": one} for one in written(raw)]
            set_status(world.server, raw["metadata"]["name"], phase=phase, addresses=found)


def lose_one(world: World, rng: random.Random) -> None:
    """Somebody takes the finalizer off by force."""
    name = rng.choice(NAMES)
    if rng.random() < 0.5 and world.server.find(MACHINES, name, NS):
        world.server.remove(MACHINES, name, NS)


# What must hold.


def machines(server: ApiServer) -> list[dict[str, Any]]:
    return server.all_of(MACHINES)


def records(server: ApiServer) -> Iterator[tuple[str, dict[str, Any], str]]:
    for raw in server.all_of(IPALLOCATIONS):
        yield raw["spec"]["address"], raw["spec"], raw["status"]["phase"]


def who_has_what(server: ApiServer) -> object:
    """The very same addresses, wherever the process died."""
    return {
        "machines": {
            raw["metadata"]["name"]: (written(raw), raw["spec"].get("lifecycleHooks"))
            for raw in machines(server)
        },
        "records": sorted(
            (address, spec["owner"]["name"], spec["slot"], phase)
            for address, spec, phase in records(server)
        ),
    }


def no_address_has_two_owners(server: ApiServer) -> None:
    seen: dict[str, str] = {}
    for raw in machines(server):
        for address in written(raw):
            assert address not in seen, f"{address} is that of {seen[address]}, too"
            seen[address] = raw["metadata"]["name"]


def what_is_written_is_bound(server: ApiServer) -> None:
    owners = {a: spec["owner"]["uid"] for a, spec, phase in records(server) if phase == "Bound"}
    for raw in machines(server):
        for address in written(raw):
            name = raw["metadata"]["name"]
            if name != "static":
                assert owners.get(address) == raw["metadata"]["uid"], f"{address} of {name}"


def every_machine_is_served(server: ApiServer) -> None:
    bound = {address for address, _, phase in records(server) if phase == "Bound"}
    for raw in machines(server):
        hooks = raw["spec"].get("lifecycleHooks") or {}
        if "deletionTimestamp" in raw["metadata"]:
            assert hooks.get("preProvision", []) in ([], [FOREIGN])
            assert not hooks.get("preTerminate")
        elif HOOK in hooks.get("preProvision", ()):
            assert len([one for one in bound if "." in one]) >= 4, "it could have been served"
            assert raw["metadata"]["name"] != "static"
        elif raw["metadata"]["name"] != "static":
            assert hooks == {"preProvision": [FOREIGN], "preTerminate": [HOOK]}
            assert len(written(raw)) == 2 * len(
                raw["spec"]["providerSpec"]["value"]["network"]["devices"]
            )
            assert raw["metadata"]["finalizers"] == [FINALIZER]


def nothing_is_leaked(server: ApiServer) -> None:
    there = {raw["metadata"]["uid"] for raw in machines(server)}
    for address, spec, phase in records(server):
        assert phase == "Bound", f"{address} is {phase}"
        assert spec["owner"]["uid"] in there, f"{address} of {spec['owner']['name']} is leaked"


@pytest.mark.timeout(1200)
def test_it_survives_a_crash_after_every_change(stage: Stage) -> None:
    # None vanishes: a released address comes free after five.
    stage.quiet_seconds = 320.0
    assert crash_after_every_change(stage.scenario) > 20


@pytest.mark.timeout(1200)
def test_it_comes_to_rest_after_random_lives(stage: Stage) -> None:
    live_many(stage.scenario, range(LIVES))
