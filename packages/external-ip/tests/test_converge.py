"""Services in virtual time: a crash after every change, and lives at random."""

from __future__ import annotations

import random
from typing import Any

import pytest
from lab_services import CLASS, NS, put_pool, put_service
from service_checks import (
    claims_say_who_uses_them,
    ips_of,
    no_address_has_two_records,
    no_address_is_promised_twice,
    no_two_claims_have_one,
    nothing_is_leaked,
    reason_of,
)

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_api.ipclaim import IPCLAIMS
from moorage_api.ipclaimpool import IPCLAIMPOOLS
from moorage_external_ip.controller import allocation_alone
from moorage_external_ip.kinds import SERVICES
from moorage_external_ip.settings import ExternalIpSettings
from moorage_kube.client.kinds import NODES
from moorage_testing.apiserver import ApiServer
from moorage_testing.harness import (
    Scenario,
    World,
    crash_after_every_change,
    live_many,
    managed,
)
from moorage_testing.harness.troubles import refuse_writes, set_the_clock, sometimes_twice

LIVES = 40
NAMES = "abcdefghij"
OTHER_CLASS = "example.com/lb"
Raw = dict[str, Any]


def scenario(quiet_seconds: float = 700.0) -> Scenario:
    """By default, rest is long enough that a claim that was lost is believed to be gone."""
    return Scenario(
        managed(ExternalIpSettings.model_validate({}), allocation_alone),
        arrange,
        edits=(delete_a_service, ask_for_another, leave_the_type, enlarge_the_pool),
        happenings=(
            make_or_delete_a_service,
            edit_a_service,
            edit_the_pool,
            lose_a_claim,
            make_or_delete_a_claim_by_hand,
            empty_a_status,
            give_a_node_an_address,
            refuse_writes,
            set_the_clock,
        ),
        always=(no_address_has_two_records, no_address_is_promised_twice, no_two_claims_have_one),
        at_rest=(every_service_is_served, nothing_is_leaked, claims_say_who_uses_them),
        quiet_seconds=quiet_seconds,
        view=who_has_an_address,
    )


def service(server: ApiServer, name: str, key: str = "", port: int = 80, **fields: Any) -> None:
    notes = {"moorage.dev/sharing-key": key} if key else {}
    notes |= fields.pop("notes", {})
    ports = [{"protocol": "TCP", "port": port}]
    put_service(server, name, meta={"annotations": notes}, ports=ports, **fields)


def arrange(server: ApiServer) -> None:
    put_pool(server, cidr="192.168.0.0/29", reuseDelaySeconds=40)
    put_pool(server, "six", cidr="2001:db8::/125")
    service(server, "a")
    service(server, "b", "key", 80)
    service(server, "c", "key", 81)
    service(server, "d", ipFamilies=["IPv4", "IPv6"], ipFamilyPolicy="RequireDualStack")
    auto = {"external-ip": "auto"}
    service(server, "e", type="NodePort", loadBalancerClass=None, notes=auto)
    service(server, "foreign", loadBalancerClass=OTHER_CLASS)


def delete_a_service(server: ApiServer) -> None:
    server.delete(SERVICES, "b", NS)


def ask_for_another(server: ApiServer) -> None:
    notes = {"moorage.dev/addresses": "192.168.0.6"}
    server.patch(SERVICES, "a", {"metadata": {"annotations": notes}}, NS)
    _announce(server)


def leave_the_type(server: ApiServer) -> None:
    change: Raw = {"metadata": {"annotations": {"external-ip": None}}}
    server.patch(SERVICES, "e", change, NS)
    spec = {"type": "ClusterIP", "loadBalancerClass": None}
    server.patch(SERVICES, "d", {"spec": spec}, NS)
    _announce(server)


def enlarge_the_pool(server: ApiServer) -> None:
    server.patch(IPCLAIMPOOLS, "pool", {"spec": {"cidr": "192.168.0.0/28"}})


# What may happen in a random life.


def make_or_delete_a_service(world: World, rng: random.Random) -> None:
    name = rng.choice(NAMES)
    if world.server.find(SERVICES, name, NS):
        world.server.delete(SERVICES, name, NS)
        return
    fields: Raw = rng.choice(
        (
            {},
            {"loadBalancerClass": None},
            {"key": "key", "port": rng.choice((80, 81, 82))},
            {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"},
            {"ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "PreferDualStack"},
            {"type": "NodePort", "loadBalancerClass": None, "notes": {"external-ip": "auto"}},
        )
    )
    service(world.server, name, **fields)


def edit_a_service(world: World, rng: random.Random) -> None:
    name = rng.choice(NAMES)
    if not world.server.find(SERVICES, name, NS):
        return
    asked = rng.choice((None, "192.168.0.2", "192.168.0.3"))
    key = rng.choice((None, "key", "other"))
    notes = {"moorage.dev/addresses": asked, "moorage.dev/sharing-key": key}
    kind = rng.choice(({}, {"type": "ClusterIP", "loadBalancerClass": None}, _usual()))
    world.server.patch(SERVICES, name, {"metadata": {"annotations": notes}, "spec": kind}, NS)
    _announce(world.server)


def edit_the_pool(world: World, rng: random.Random) -> None:
    cidr = rng.choice(("192.168.0.0/29", "192.168.0.0/30", "192.168.0.0/28", "192.168.1.0/30"))
    world.server.patch(IPCLAIMPOOLS, "pool", {"spec": {"cidr": cidr}})
    _announce(world.server)


def lose_a_claim(world: World, rng: random.Random) -> None:
    claims = world.server.all_of(IPCLAIMS)
    if claims:
        world.server.delete(IPCLAIMS, rng.choice(claims)["metadata"]["name"])


def make_or_delete_a_claim_by_hand(world: World, rng: random.Random) -> None:
    last = rng.choice((2, 3))
    name = f"192-168-0-{last}-29"
    known = world.server.find(IPCLAIMS, name)
    if known is None:
        world.server.put(IPCLAIMS, name, spec={"cidr": f"192.168.0.{last}/29"})
    elif not known["metadata"].get("annotations"):
        world.server.delete(IPCLAIMS, name)


def empty_a_status(world: World, rng: random.Random) -> None:
    raw = world.server.find(SERVICES, rng.choice(NAMES), NS)
    if raw is not None and raw.get("status"):
        status = raw["status"] | {"loadBalancer": {}}
        fields = {"metadata": raw["metadata"], "spec": raw["spec"], "status": status}
        world.server.put(SERVICES, raw["metadata"]["name"], NS, **fields)


def give_a_node_an_address(world: World, rng: random.Random) -> None:
    addresses = [{"type": "InternalIP", "address": f"192.168.0.{rng.randint(1, 9)}"}]
    world.server.put(NODES, "n1", status={"addresses": addresses})


def _usual() -> Raw:
    return {"type": "LoadBalancer", "loadBalancerClass": CLASS}


def _announce(server: ApiServer) -> None:
    """Nodes have the addresses of all claims that there are: what placement and agents do."""
    for claim in server.all_of(IPCLAIMS):
        status = claim.get("status") or {}
        ready = {"type": "Ready", "status": "True", "reason": "Announced", "message": ""}
        others = [one for one in status.get("conditions", ()) if one["type"] != "Ready"]
        changed = status | {"conditions": [*others, ready]}
        fields = {"metadata": claim["metadata"], "spec": claim["spec"], "status": changed}
        server.put(IPCLAIMS, claim["metadata"]["name"], **fields)


# What must hold.


def who_has_an_address(server: ApiServer) -> object:
    """Who gets which one depends on who comes first; that each has one does not."""
    return {
        "services": {
            raw["metadata"]["name"]: (
                len(ips_of(raw)),
                reason_of(raw),
                len(raw["spec"].get("externalIPs") or ()),
                raw["metadata"].get("annotations", {}).keys(),
            )
            for raw in server.all_of(SERVICES)
        },
        "uses": sorted(
            sorted(one["name"] for one in raw["spec"]["services"])
            for raw in server.all_of(IPCLAIMS)
        ),
        "records": len(server.all_of(IPALLOCATIONS)),
        "pools": [raw["status"] | {"conditions": ""} for raw in server.all_of(IPCLAIMPOOLS)],
    }


def every_service_is_served(server: ApiServer) -> None:
    pools = {raw["metadata"]["name"]: raw["status"] for raw in server.all_of(IPCLAIMPOOLS)}
    for raw in server.all_of(SERVICES):
        name, spec = raw["metadata"]["name"], raw["spec"]
        if spec.get("loadBalancerClass") == OTHER_CLASS:
            assert "status" not in raw or not ips_of(raw)
            continue
        reason = reason_of(raw)
        if reason == "PoolExhausted":
            assert "0" in {pools["pool"]["free"], pools["six"]["free"]}, (name, pools)
        else:
            known = ("", "Assigned", "AddressInUse", "RequestRefused", "KeptFormer")
            assert reason in (*known, "SharingConflict"), (name, reason)
        if reason == "Assigned" and spec["type"] == "LoadBalancer":
            assert ips_of(raw), name


# Two runs for each of so many changes: on a busy machine more than five minutes.
@pytest.mark.timeout(1200)
def test_it_survives_a_crash_after_every_change() -> None:
    # A reservation whose claim never came ends after five minutes, and nothing takes longer.
    assert crash_after_every_change(lambda: scenario(330.0)) > 30


@pytest.mark.timeout(1200)
def test_it_comes_to_rest_after_random_lives() -> None:
    live_many(lambda: sometimes_twice(scenario()), range(LIVES))
