"""Claims in virtual time: a crash after every change, and lives at random."""

from __future__ import annotations

import random
from typing import Any

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_api.ippool import IPPOOLS
from moorage_machine_ipam import kinds
from moorage_machine_ipam.controller import setup
from moorage_machine_ipam.settings import MachineIpamSettings
from moorage_testing.apiserver import ApiServer
from moorage_testing.harness import (
    Scenario,
    World,
    crash_after_every_change,
    live_many,
    managed,
)

CLAIMS = kinds.claims("v1beta1")
ADDRESSES = kinds.addresses("v1beta1")
NS = "machines"
LIVES = 40


def scenario(**settings: Any) -> Scenario:
    return Scenario(
        managed(MachineIpamSettings.model_validate(settings), setup),
        arrange,
        edits=(delete_a_claim, delete_an_address, enlarge_the_pool),
        happenings=(make_or_delete_a_claim, lose_an_address, delete_a_foreign_claim, edit_the_pool),
        always=(no_address_has_two_owners, no_address_is_given_twice),
        at_rest=(every_claim_is_served, nothing_is_leaked),
        # An owner that vanished is believed to be gone after ten minutes.
        quiet_seconds=700.0,
        view=who_has_an_address,
    )


def pool(server: ApiServer, name: str = "lab", **spec: Any) -> None:
    wanted = {"address-cidr": "192.168.101.64/29", "prefix": 23, "gateway": "192.168.100.1"}
    server.put(IPPOOLS, name, NS, spec=wanted | {"reuse-delay-seconds": 40} | spec)


def claim(server: ApiServer, name: str, pool_name: str = "lab", **meta: Any) -> None:
    ref = {"apiGroup": IPPOOLS.group, "kind": "IPPool", "name": pool_name}
    body = {"apiVersion": CLAIMS.api_version, "kind": CLAIMS.name, "spec": {"poolRef": ref}}
    server.create(CLAIMS, body | {"metadata": {"name": name, "namespace": NS, **meta}})


def arrange(server: ApiServer) -> None:
    pool(server)
    for name in ("a", "b", "c"):
        claim(server, name)
    ref = {"apiGroup": "other.example.com", "kind": "IPPool", "name": "lab"}
    body = {"apiVersion": CLAIMS.api_version, "kind": CLAIMS.name, "spec": {"poolRef": ref}}
    server.create(CLAIMS, body | {"metadata": {"name": "foreign", "namespace": NS}})
    server.put(
        ADDRESSES,
        "foreign",
        NS,
        spec={
            "address": "192.168.101.66",
            "prefix": 24,
            "poolRef": ref,
            "claimRef": {"name": "foreign"},
        },
    )


def delete_a_claim(server: ApiServer) -> None:
    server.delete(CLAIMS, "a", NS)


def delete_an_address(server: ApiServer) -> None:
    server.delete(ADDRESSES, "b", NS)


def enlarge_the_pool(server: ApiServer) -> None:
    change = {"spec": {"ranges": ["192.168.101.80-192.168.101.81"], "gateway": "192.168.100.2"}}
    server.patch(IPPOOLS, "lab", change, NS)


# What may happen in a random life.


def make_or_delete_a_claim(world: World, rng: random.Random) -> None:
    name = rng.choice("abcdefghijkl")
    if world.server.find(CLAIMS, name, NS):
        world.server.delete(CLAIMS, name, NS)
    else:
        claim(world.server, name)


def lose_an_address(world: World, rng: random.Random) -> None:
    name = rng.choice("abcdefghijkl")
    if world.server.find(ADDRESSES, name, NS):
        world.server.delete(ADDRESSES, name, NS)


def delete_a_foreign_claim(world: World, _: random.Random) -> None:
    if world.server.find(CLAIMS, "foreign", NS):
        world.server.delete(CLAIMS, "foreign", NS)


def edit_the_pool(world: World, rng: random.Random) -> None:
    cidr = rng.choice(("192.168.101.64/29", "192.168.101.64/30", "192.168.101.64/28"))
    if world.server.find(IPPOOLS, "lab", NS):
        world.server.patch(IPPOOLS, "lab", {"spec": {"address-cidr": cidr}}, NS)


# What must hold.


def who_has_an_address(server: ApiServer) -> object:
    """Who gets which one depends on who comes first; that each has one does not."""
    return {
        "addresses": sorted(raw["metadata"]["name"] for raw in server.all_of(ADDRESSES)),
        "owners": sorted(raw["spec"]["owner"]["name"] for raw in server.all_of(IPALLOCATIONS)),
        "claims": {
            raw["metadata"]["name"]: (
                raw["metadata"].get("finalizers"),
                [one["reason"] for one in raw.get("status", {}).get("conditions", ())],
            )
            for raw in server.all_of(CLAIMS)
        },
        "pools": [raw["status"] | {"conditions": ""} for raw in server.all_of(IPPOOLS)],
    }


def no_address_has_two_owners(server: ApiServer) -> None:
    seen: dict[tuple[str, str], str] = {}
    for raw in server.all_of(IPALLOCATIONS):
        key = (raw["spec"]["network"], raw["spec"]["address"])
        assert key not in seen, f"{key} is in two records"
        seen[key] = raw["metadata"]["name"]


def no_address_is_given_twice(server: ApiServer) -> None:
    given: dict[str, str] = {}
    for raw in server.all_of(ADDRESSES):
        if raw["spec"]["poolRef"]["apiGroup"] != IPPOOLS.group:
            continue
        address = raw["spec"]["address"]
        assert address not in given, f"{address} is that of {given[address]}, too"
        given[address] = raw["metadata"]["name"]
        owners = [
            one["spec"]["owner"]["name"]
            for one in server.all_of(IPALLOCATIONS)
            if one["spec"]["address"] == address and one["status"]["phase"] == "Bound"
        ]
        assert owners == [raw["metadata"]["name"]], (
            f"{address} of {raw['metadata']['name']}: {owners}"
        )


def every_claim_is_served(server: ApiServer) -> None:
    waiting = []
    for raw in server.all_of(CLAIMS):
        meta = raw["metadata"]
        if raw["spec"]["poolRef"]["apiGroup"] != IPPOOLS.group:
            assert "status" not in raw
            assert "finalizers" not in meta
            continue
        (ready,) = (one for one in raw["status"]["conditions"] if one["type"] == "Ready")
        if ready["status"] == "True":
            address = server.find(ADDRESSES, raw["status"]["addressRef"]["name"], NS)
            assert address is not None
            assert address["metadata"]["ownerReferences"][0]["uid"] == meta["uid"]
        else:
            assert ready["reason"] == "PoolExhausted", ready
            waiting.append(meta["name"])
    (view,) = server.all_of(IPPOOLS)
    assert view["status"]["waiting"] == len(waiting)
    if waiting:
        assert view["status"]["free"] == "0", (waiting, view["status"])


def nothing_is_leaked(server: ApiServer) -> None:
    claims = {raw["metadata"]["uid"] for raw in server.all_of(CLAIMS)}
    records = server.all_of(IPALLOCATIONS)
    assert {raw["spec"]["owner"]["uid"] for raw in records} <= claims
    assert all(raw["status"]["phase"] == "Bound" for raw in records)


def test_it_survives_a_crash_after_every_change() -> None:
    assert crash_after_every_change(scenario) > 20


def test_it_comes_to_rest_after_random_lives() -> None:
    live_many(scenario, range(LIVES))
