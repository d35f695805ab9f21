"""Random lives of claims whose Cluster moves away and back, with the process up and down."""

from __future__ import annotations

import random
from typing import Any

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_api.ippool import IPPOOLS
from moorage_domain.kinds import Kind
from moorage_machine_ipam.controller import setup
from moorage_machine_ipam.kinds import CLUSTERS, addresses, claims
from moorage_machine_ipam.settings import MachineIpamSettings
from moorage_testing.apiserver import ApiServer
from moorage_testing.harness import Scenario, World, live_many, managed

LIVES = 15
NS = "machines"
CLAIMS, ADDRESSES = claims("v1beta1"), addresses("v1beta1")
REF = {"apiGroup": IPPOOLS.group, "kind": "IPPool", "name": "lab"}
MOVED = {"clusterctl.cluster.x-k8s.io/delete-for-move": ""}
REQUEST = "moorage.dev/ip-address"
NAMES = "abcd"
OTHERS = "wxyz"


class Stage:
    """The scenario, and what lives in another cluster."""

    def __init__(self) -> None:
        self.elsewhere: dict[str, str] = {}
        """Addresses that moved away, by the claim's name."""
        self.is_away = False
        self.came_back: dict[str, str] = {}
        """Addresses that claims brought along, by their names."""

    def scenario(self) -> Scenario:
        return Scenario(
            managed(MachineIpamSettings.model_validate({}), setup),
            self.arrange,
            happenings=(self.move, self.make_or_delete, self.recreate, toggle_a_reservation),
            always=(
                no_address_is_given_twice,
                self.what_is_elsewhere_is_nobodys,
            ),
            at_rest=(
                self.nothing_is_leaked,
                self.what_came_back_is_as_it_was,
                every_claim_says_how_it_is,
            ),
            quiet_seconds=4000.0,
        )

    def arrange(self, server: ApiServer) -> None:
        spec = {"address-cidr": "192.168.101.64/28", "prefix": 23, "gateway": "192.168.100.1"}
        server.put(IPPOOLS, "lab", NS, spec=spec | {"reuse-delay-seconds": 40})
        server.put(CLUSTERS, "prod", NS, spec={})
        for name in NAMES:
            create(server, name, spec={"clusterName": "prod"})

    async def move(self, world: World, rng: random.Random) -> None:
        """There, or back; sometimes while the process is down, sometimes in the middle of it."""
        down = rng.random() < 0.4
        if down:
            await world.kill()
        seconds = 0.0 if down else rng.choice((0.0, 0.5, 700.0))
        await (self.back(world, seconds) if self.is_away else self.there(world, seconds))
        if down:
            world.begin()

    async def there(self, world: World, seconds: float) -> None:
        server = world.server
        server.patch(CLUSTERS, "prod", {"spec": {"paused": True}}, NS)
        self.came_back.clear()
        for name in NAMES:
            raw = server.find(ADDRESSES, name, NS)
            if raw is None or (server.find(CLAIMS, name, NS) or {}).get("status") is None:
                continue  # It has no address yet.
            self.elsewhere[name] = raw["spec"]["address"]
        for kind in (ADDRESSES, CLAIMS):
            for name in NAMES:
                if server.find(kind, name, NS):
                    await take_away(world, kind, name, seconds)
        await take_away(world, CLUSTERS, "prod", seconds)
        self.is_away = True

    async def back(self, world: World, seconds: float) -> None:
        server = world.server
        server.put(CLUSTERS, "prod", NS, spec={"paused": True})
        for name in NAMES:
            create(server, name, spec={"clusterName": "prod"})
            await pause(world, seconds)
        for name, address in self.elsewhere.items():
            give(server, name, address)
            await pause(world, seconds)
        self.came_back = self.elsewhere
        self.elsewhere = {}
        self.is_away = False
        server.patch(CLUSTERS, "prod", {"spec": {"paused": False}}, NS)

    def make_or_delete(self, world: World, rng: random.Random) -> None:
        name = rng.choice(OTHERS if self.is_away else NAMES + OTHERS)
        self.came_back.pop(name, None)
        if world.server.find(CLAIMS, name, NS):
            world.server.delete(CLAIMS, name, NS)
        else:
            create(world.server, name, spec={"clusterName": "prod"} if name in NAMES else {})

    def recreate(self, world: World, rng: random.Random) -> None:
        """By force, at once; it asks for the address that it had, for another one, or for any."""
        name = rng.choice(OTHERS)
        raw = world.server.find(ADDRESSES, name, NS)
        if world.server.find(CLAIMS, name, NS):
            world.server.remove(CLAIMS, name, NS)
        if raw is not None and rng.random() < 0.5:
            world.server.remove(ADDRESSES, name, NS)
        had = raw["spec"]["address"] if raw else ""
        asked = rng.choice(("", had, "192.168.101.70"))
        create(world.server, name, **({"annotations": {REQUEST: asked}} if asked else {}))

    def what_is_elsewhere_is_nobodys(self, server: ApiServer) -> None:
        if not self.is_away:
            return
        for raw in server.all_of(ADDRESSES):
            address = raw["spec"]["address"]
            assert address not in self.elsewhere.values(), f"{address} is in use elsewhere"

    def what_came_back_is_as_it_was(self, server: ApiServer) -> None:
        for name, address in self.came_back.items():
            raw = server.find(ADDRESSES, name, NS)
            assert raw is not None, name
            assert raw["spec"]["address"] == address, name

    def nothing_is_leaked(self, server: ApiServer) -> None:
        there = {raw["metadata"]["uid"] for raw in server.all_of(CLAIMS)}
        kept = set(self.elsewhere.values()) if self.is_away else set()
        for raw in server.all_of(IPALLOCATIONS):
            owner, phase = raw["spec"].get("owner"), (raw.get("status") or {}).get("phase")
            if phase == "Moved":
                kept.discard(raw["spec"]["address"])
            elif owner is not None:
                assert phase == "Bound", raw
                assert owner["uid"] in there, f"{raw['spec']['address']} is leaked"
        assert not kept, f"{kept} of another cluster can be given out"


def create(server: ApiServer, name: str, spec: dict[str, Any] | None = None, **meta: Any) -> None:
    if server.find(CLAIMS, name, NS):
        return
    body = {"apiVersion": CLAIMS.api_version, "kind": CLAIMS.name}
    wanted = {"poolRef": REF, **(spec or {})}
    metadata = {"name": name, "namespace": NS, **meta}
    server.create(CLAIMS, {**body, "spec": wanted, "metadata": metadata})


def give(server: ApiServer, name: str, address: str) -> None:
    """As ``clusterctl`` writes what it has read in the other cluster."""
    meta = {"name": name, "namespace": NS, "annotations": {"moorage.dev/claim-uid": "elsewhere"}}
    spec = {"address": address, "prefix": 23, "poolRef": REF, "claimRef": {"name": name}}
    body = {"apiVersion": ADDRESSES.api_version, "kind": ADDRESSES.name, "metadata": meta}
    if not server.find(ADDRESSES, name, NS):
        server.create(ADDRESSES, body | {"spec": spec})


async def take_away(world: World, kind: Kind, name: str, seconds: float) -> None:
    """Mark it, take the finalizers off, delete it; the mark replaces all annotations."""
    for change in ({"annotations": MOVED}, {"finalizers": None}):
        raw = world.server.find(kind, name, NS)
        if raw is None:
            return
        meta: dict[str, Any] = dict(change)
        if "annotations" in change:
            gone = dict.fromkeys(raw["metadata"].get("annotations") or {})
            meta = {"annotations": {**gone, **MOVED}}
        world.server.patch(kind, name, {"metadata": meta}, NS)
        await pause(world, seconds)
    if world.server.find(kind, name, NS):
        world.server.delete(kind, name, NS)
    await pause(world, seconds)


async def pause(world: World, seconds: float) -> None:
    if seconds:
        await world.pass_time(seconds)


def toggle_a_reservation(world: World, rng: random.Random) -> None:
    """A person holds an address, or does not any more."""
    number = rng.choice((68, 69, 70))
    name, address = f"default-c0a865{number:02x}", f"192.168.101.{number}"
    found = world.server.find(IPALLOCATIONS, name)
    if found is None:
        body = {"apiVersion": IPALLOCATIONS.api_version, "kind": IPALLOCATIONS.name}
        spec = {"address": address, "network": "default"}
        world.server.create(IPALLOCATIONS, body | {"metadata": {"name": name}, "spec": spec})
    elif "owner" not in found["spec"] and (found.get("status") or {}).get("phase") != "Moved":
        world.server.delete(IPALLOCATIONS, name)


# What must hold.


def no_address_is_given_twice(server: ApiServer) -> None:
    given: dict[str, str] = {}
    for raw in server.all_of(ADDRESSES):
        address = raw["spec"]["address"]
        assert address not in given, f"{address} is that of {given[address]}, too"
        given[address] = raw["metadata"]["name"]


def every_claim_says_how_it_is(server: ApiServer) -> None:
    for raw in server.all_of(CLAIMS):
        (ready,) = raw["status"]["conditions"]
        name, reason = raw["metadata"]["name"], ready["reason"]
        if reason == "Allocated":
            assert server.find(ADDRESSES, name, NS), name
        else:
            assert reason in ("AllocationFailed", "AddressConflict"), f"{name}: {ready}"


def test_it_comes_to_rest_after_moves() -> None:
    live_many(lambda: Stage().scenario(), range(LIVES))
