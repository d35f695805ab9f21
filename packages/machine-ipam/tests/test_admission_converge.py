"""Admission in virtual time: a crash after every change, and lives at random."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from lab_admission import STOCK, Admission, machine_body
from lab_machines import HOOK, NS, spec_of, written

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_kube.client.client import Client
from moorage_machine_ipam.controller import setup
from moorage_machine_ipam.kinds import MACHINES
from moorage_machine_ipam.settings import MachineIpamSettings
from moorage_testing.apiserver import ApiServer, Refusal
from moorage_testing.harness import Scenario, World, crash_after_every_change, live_many, managed
from moorage_testing.openshift import MachineController

LIVES = 15
MOST = 4
LAB = {"networkName": "lab"}
Raw = dict[str, Any]


class Stage:
    """A MachineSet of Machines with two devices, and all that makes VMs of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.replicas = 1
        self.admission = Admission(ApiServer())
        self.openshift = MachineController(lambda *_: {}, NS)
        self.quiet_seconds = 700.0
        """A reservation ends after five minutes, and so does a rest; a lost owner after ten."""

    def scenario(self) -> Scenario:
        self.path.write_text(STOCK, encoding="utf-8")
        values = {"hook_config": str(self.path), "webhook_machines": True}
        begin = managed(MachineIpamSettings.model_validate(values), setup)

        async def start(client: Client, world: World) -> None:
            self.admission.worlds = [world]
            await begin(client, world)

        return Scenario(
            start,
            self.arrange,
            edits=(self.scale_up, self.delete_one),
            happenings=(self.scale, self.delete_any, self.lose_one, self.quota, self.bad_network),
            always=(self.no_address_is_there_twice, every_address_is_recorded),
            at_rest=(self.all_are_served, nothing_is_leaked),
            quiet_seconds=self.quiet_seconds,
            view=how_many_have_what,
        )

    def arrange(self, server: ApiServer) -> None:
        self.replicas = 1
        self.admission = Admission(server)
        self.openshift = MachineController(server.request, NS)
        # Not of the controller's process: it outlives every crash.
        self.task = asyncio.get_running_loop().create_task(self.run(server), name="cluster")

    async def run(self, server: ApiServer) -> None:
        """The MachineSet's controller and that of Machines, for ever."""
        while True:
            await asyncio.sleep(7.0)
            self.openshift.step()
            here = [one for one in machines(server) if "deletionTimestamp" not in one["metadata"]]
            if len(here) > self.replicas:
                server.delete(MACHINES, here[-1]["metadata"]["name"], NS)
            elif len(here) < self.replicas:
                try:
                    await self.admission.create(
                        machine_body(prefix="worker-", spec=spec_of([LAB, LAB], {}))
                    )
                except Refusal:
                    await asyncio.sleep(20.0)

    def scale_up(self, _: ApiServer) -> None:
        self.replicas = 2

    def delete_one(self, server: ApiServer) -> None:
        server.delete(MACHINES, machines(server)[0]["metadata"]["name"], NS)

    # What may happen in a random life.

    def scale(self, _: World, rng: random.Random) -> None:
        self.replicas = rng.randint(0, MOST)

    def delete_any(self, world: World, rng: random.Random) -> None:
        if found := machines(world.server):
            world.server.delete(MACHINES, rng.choice(found)["metadata"]["name"], NS)

    def lose_one(self, world: World, rng: random.Random) -> None:
        """Somebody takes the finalizer off by force, and shuts the VM down."""
        if found := machines(world.server):
            meta = rng.choice(found)["metadata"]
            self.openshift.vms.pop(meta["uid"], None)
            world.server.remove(MACHINES, meta["name"], NS)

    def quota(self, _: World, rng: random.Random) -> None:
        """Some are refused after our answer."""
        self.admission.refused = rng.randint(1, 2)

    def bad_network(self, _: World, rng: random.Random) -> None:
        """Some of our answers do not arrive."""
        self.admission.lost = rng.randint(1, 2)

    # What must hold.

    def no_address_is_there_twice(self, server: ApiServer) -> None:
        named = [address for one in machines(server) for address in written(one)]
        assert len(named) == len(set(named)), named
        running = [address for vm in self.openshift.vms.values() for address in vm.addresses]
        assert len(running) == len(set(running)), running
        assert all(len(vm.addresses) == 2 for vm in self.openshift.vms.values()), "no DHCP"

    def all_are_served(self, server: ApiServer) -> None:
        here = machines(server)
        assert len(here) == self.replicas == len(self.openshift.vms)
        for one in here:
            assert len(written(one)) == 2
            assert one["spec"]["lifecycleHooks"] == {"preTerminate": [HOOK]}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "ipam-config.yaml")


def machines(server: ApiServer) -> list[Raw]:
    return server.all_of(MACHINES)


def every_address_is_recorded(server: ApiServer) -> None:
    """By its uid, or for its name until the controller has seen it."""
    owners = {
        one["spec"]["address"]: one["spec"].get("owner", {})
        for one in server.all_of(IPALLOCATIONS)
        if one["status"]["phase"] in ("Bound", "Reserved")
    }
    for one in machines(server):
        meta = one["metadata"]
        for address in written(one):
            owner = owners.get(address, {})
            mine = owner.get("uid") in (meta["uid"], "") and owner.get("name") == meta["name"]
            assert mine, f"{address} of {meta['name']} is that of {owner}"


def nothing_is_leaked(server: ApiServer) -> None:
    there = {one["metadata"]["uid"] for one in machines(server)}
    for one in server.all_of(IPALLOCATIONS):
        assert one["status"]["phase"] == "Bound", one
        assert one["spec"]["owner"]["uid"] in there, one


def how_many_have_what(server: ApiServer) -> object:
    """Which address it is may differ: one that was reserved by a dead process ends later."""
    phases = [one["status"]["phase"] for one in server.all_of(IPALLOCATIONS)]
    return len(machines(server)), sorted(phases)


def test_it_survives_a_crash_after_every_change(stage: Stage) -> None:
    assert crash_after_every_change(stage.scenario) > 12


def test_it_comes_to_rest_after_random_lives(stage: Stage) -> None:
    live_many(stage.scenario, range(LIVES))
