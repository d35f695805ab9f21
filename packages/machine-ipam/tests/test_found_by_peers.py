"""Faults that users of other tools for addresses have reported, tried on this one."""

from __future__ import annotations

from typing import Any

import pytest
from lab_claims import NS, Lab, play

from moorage_api.ippool import IPPOOLS
from moorage_testing.apiserver import Fault

REQUEST = "moorage.dev/ip-address"
FIRST = "192.168.100.2"
SIXTH = "2001:db8:1::5"
V6: dict[str, Any] = {"address_cidr": "2001:db8:1::/64", "prefix": 64, "gateway": "fe80::1"}


async def recreate(lab: Lab, name: str, **meta: Any) -> None:
    """A claim is replaced by another one of its name while nobody looks."""
    await lab.stop()
    lab.patch_claim(name, {"metadata": {"finalizers": None}})
    lab.delete_claim(name)
    lab.claim(name, **meta)
    lab.start()


def test_a_recreated_claim_that_asks_for_its_address_gets_it() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        asks = {REQUEST: "192.168.100.77"}
        lab.claim("vip", annotations=asks)
        await lab.settle()
        lab.server.delete(lab.addresses, "vip", NS)
        await lab.settle()
        await recreate(lab, "vip", annotations=asks)
        lab.server.remove(lab.addresses, "vip", NS)
        await lab.world.pass_time(600.0)
        assert lab.address("vip") == "192.168.100.77"

    play(story)


def test_a_recreated_claim_gets_the_address_that_is_kept_for_its_name() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reserved={"vip": "192.168.100.77"})
        lab.claim("vip")
        await lab.settle()
        await recreate(lab, "vip")
        lab.server.remove(lab.addresses, "vip", NS)
        await lab.world.pass_time(600.0)
        assert lab.address("vip") == "192.168.100.77"

    play(story)


def test_a_recreated_claim_does_not_wait_for_ever_for_the_only_address() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(address_cidr="192.168.100.64/32", prefix=24, reuse_delay_seconds=60)
        lab.claim("a")
        await lab.settle()
        await recreate(lab, "a")
        lab.server.remove(lab.addresses, "a", NS)
        await lab.world.pass_time(600.0)
        assert lab.address("a") == "192.168.100.64"

    play(story)


def test_a_recreated_claim_that_asks_for_what_it_cannot_have_gives_up_what_it_had() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reuse_delay_seconds=0)
        lab.claim("a")
        await lab.settle()
        lab.claim("b")
        await lab.settle()
        await recreate(lab, "b", annotations={REQUEST: FIRST})
        lab.server.remove(lab.addresses, "b", NS)
        await lab.world.pass_time(600.0)
        assert lab.reason("b") == "AllocationFailed"
        assert lab.held() == {FIRST}

    play(story)


def test_a_claim_has_the_address_that_is_kept_for_it_as_soon_as_it_is_free() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reserved={"vip": "192.168.100.77"}, reuse_delay_seconds=400)
        lab.claim("vip")
        await lab.settle()
        lab.delete_claim("vip")
        await lab.world.pass_time(2.0)
        lab.claim("vip")
        await lab.world.pass_time(390.0)
        assert lab.reason("vip") == "AllocationFailed"
        await lab.world.pass_time(15.0)
        assert lab.address("vip") == "192.168.100.77"

    play(story)


def test_two_names_that_one_address_is_kept_for() -> None:
    """https://github.com/metal3-io/ip-address-manager/issues/1440."""

    async def story(lab: Lab) -> None:
        lab.pool(reserved={"a": "192.168.100.77", "b": "192.168.100.77"})
        lab.claim("a")
        await lab.settle()
        lab.claim("b")
        await lab.settle()
        assert lab.address("a") == "192.168.100.77"
        assert lab.reason("b") == "AllocationFailed"
        assert "machines/a" in lab.condition("b")["message"]

    play(story)


@pytest.mark.parametrize("text", ["2001:0db8:1::0005", "2001:DB8:1:0::5"])
def test_an_ipv6_address_is_the_same_in_every_spelling(text: str) -> None:
    """https://github.com/metal3-io/ip-address-manager/issues/1244, projectcalico/calico#5044."""

    async def story(lab: Lab) -> None:
        await lab.stop()
        lab.pool(**V6, reserved={"kept": text.replace("5", "6")}, reuse_delay_seconds=0)
        lab.claim("a", "kept", "b")
        lab.put_address("a", text)
        lab.start()
        await lab.world.pass_time(1500.0)
        assert lab.address("kept") == "2001:db8:1::6"
        assert {one["spec"]["address"] for one in lab.records("Bound")} == {
            SIXTH, "2001:db8:1::6", lab.address("b"),
        }  # fmt: skip
        assert lab.reason("a") == "Allocated"

    play(story)


@pytest.mark.parametrize("cidr", ["192.168.100.200/28", "192.168.100.1/24"])
def test_a_range_that_does_not_begin_at_its_first_address_gives_nothing_away(cidr: str) -> None:
    """Whoever wrote .200/28 did not mean .192 to .207."""

    async def story(lab: Lab) -> None:
        lab.pool(address_cidr=cidr)
        lab.claim("a")
        await lab.settle()
        assert lab.reason("a") == "PoolNotReady"
        assert cidr in lab.condition("a")["message"]

    play(story)


@pytest.mark.parametrize("cidr", ["192.168.100.112/28", "192.168.100.120/31", "192.168.100.0/26"])
def test_no_edit_of_a_pool_changes_the_address_of_anybody(cidr: str) -> None:
    """cilium/cilium#40358 #41458, metallb/metallb#2449 #2723."""

    async def story(lab: Lab) -> None:
        lab.pool(address_cidr="192.168.100.120/29")
        lab.claim("a", "b", "c", "d")
        await lab.settle()
        before = {name: lab.address(name) for name in "abcd"}
        lab.edit_pool(address_cidr=cidr)
        await lab.settle()
        lab.delete_claim("b")
        await lab.stop()
        lab.start()
        await lab.settle()
        assert {name: lab.address(name) for name in "acd"} == {name: before[name] for name in "acd"}

    play(story)


def test_a_pool_that_is_replaced_gives_away_what_the_new_one_says() -> None:
    """projectcalico/libcalico#56, metallb/metallb#1591."""

    async def story(lab: Lab) -> None:
        lab.pool()
        lab.claim("a")
        await lab.settle()
        lab.server.remove(IPPOOLS, "lab", NS)
        lab.claim("b")
        await lab.settle()
        assert lab.reason("b") == "PoolNotReady"
        lab.pool(address_cidr="192.168.100.2/32")
        await lab.settle()
        assert (lab.address("a"), lab.reason("b")) == (FIRST, "PoolExhausted")
        lab.edit_pool(address_cidr="192.168.100.64/28")
        await lab.settle()
        assert (lab.address("a"), lab.address("b")) == (FIRST, "192.168.100.64")

    play(story)


def test_who_is_created_and_deleted_in_a_loop_keeps_nobody_from_an_address() -> None:
    """kubernetes-sigs/cluster-api-ipam-provider-in-cluster#332 has the reuse delay itself."""

    async def story(lab: Lab) -> None:
        lab.pool(address_cidr="192.168.100.64/30", prefix=24, reuse_delay_seconds=300)
        for number in range(8):
            lab.claim(f"loop-{number}")
            await lab.world.pass_time(5.0)
            lab.delete_claim(f"loop-{number}")
            await lab.world.pass_time(1.0)
        lab.claim("patient")
        await lab.world.pass_time(5.0)
        assert lab.reason("patient") == "PoolExhausted"
        assert "comes free at" in lab.condition("patient")["message"]
        for number in range(8, 60):
            lab.claim(f"loop-{number}")
            await lab.world.pass_time(5.0)
            lab.delete_claim(f"loop-{number}")
            await lab.world.pass_time(1.0)
        assert lab.address("patient")

    play(story)


@pytest.mark.parametrize("finalizer", ["foregroundDeletion", "orphan"])
def test_a_claim_deleted_in_the_foreground_goes(finalizer: str) -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reuse_delay_seconds=0)
        lab.claim("a")
        await lab.settle()
        raw = lab.find_claim("a")
        assert raw is not None
        ours = raw["metadata"]["finalizers"]
        lab.patch_claim("a", {"metadata": {"finalizers": [*ours, finalizer]}})
        lab.delete_claim("a")
        await lab.settle()
        lab.patch_claim("a", {"metadata": {"finalizers": ours}})
        await lab.settle()
        assert lab.find_claim("a") is None
        assert lab.records() == []

    play(story)


def test_a_pool_that_changes_its_family_is_said_on_its_claims() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.claim("a")
        await lab.settle()
        lab.server.remove(IPPOOLS, "lab", NS)
        lab.pool(**V6)
        await lab.settle()
        lab.server.delete(lab.addresses, "a", NS)
        before = len(lab.server.asked)
        await lab.world.pass_time(600.0)
        assert lab.reason("a") == "AddressConflict"
        assert FIRST in lab.condition("a")["message"]
        assert len(lab.server.asked) - before < 1000
        assert lab.held("Bound") == {FIRST}

    play(story)


def test_an_ip_address_of_another_family_is_said_on_its_claim() -> None:
    async def story(lab: Lab) -> None:
        await lab.stop()
        lab.pool()
        lab.claim("a")
        lab.put_address("a", SIXTH)
        lab.start()
        await lab.world.pass_time(600.0)
        assert lab.reason("a") == "AddressConflict"
        assert SIXTH in lab.condition("a")["message"]

    play(story)


def test_numbers_are_true_in_each_of_two_pools_with_one_range() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(address_cidr="192.168.100.0/28")
        lab.pool("two", address_cidr="192.168.100.0/28")
        lab.pool("else", address_cidr="192.168.100.0/28", network="else")
        lab.claim("a", "b")
        lab.claim("c", pool="two")
        await lab.settle()
        lab.delete_claim("b")
        await lab.settle()
        await lab.world.pass_time(30.0)
        for name in ("lab", "two"):
            found = lab.pool_status(name)
            numbers = {key: found[key] for key in ("total", "used", "free", "quarantined")}
            assert numbers == {"total": "14", "used": 3, "free": "11", "quarantined": 1}, name
        assert lab.pool_status("else")["free"] == "14"

    play(story)


def test_an_address_that_somebody_names_is_not_given_out_before_its_time() -> None:
    async def story(lab: Lab) -> None:
        once: dict[str, Any] = {"when_only_quarantined": "Reuse", "reuse_delay_seconds": 86_400}
        lab.pool(address_cidr="192.168.100.64/31", prefix=24, **once)
        lab.claim("a")
        await lab.settle()
        lab.claim("b")
        await lab.settle()
        lab.delete_claim("a")
        await lab.world.pass_time(5.0)
        lab.delete_claim("b")
        await lab.settle()
        lab.put_address("by-hand", "192.168.100.64")
        lab.claim("c")
        await lab.settle()
        assert lab.address("c") == "192.168.100.65", "released later, but nobody has it"
        lab.claim("d")
        await lab.settle()
        assert lab.reason("d") == "PoolExhausted"

    play(story)


def test_who_waits_for_the_address_that_is_kept_for_it_is_woken() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reuse_delay_seconds=20)
        lab.claim("a")
        await lab.settle()
        lab.edit_pool(reserved={"vip": FIRST})
        lab.claim("vip")
        await lab.world.pass_time(10.0)
        assert lab.reason("vip") == "AllocationFailed"
        lab.delete_claim("a")
        await lab.world.pass_time(25.0)
        assert lab.address("vip") == FIRST

    play(story)


def test_a_pool_that_was_restored_long_ago_gives_addresses_away_after_a_restart() -> None:
    async def story(lab: Lab) -> None:
        labels = {"velero.io/restore-name": "nightly"}
        meta = {"name": "lab", "namespace": NS, "labels": labels}
        spec = {"address-cidr": "192.168.100.0/24", "prefix": 24, "gateway": "192.168.100.1"}
        body = {"apiVersion": IPPOOLS.api_version, "kind": IPPOOLS.name, "metadata": meta}
        lab.server.create(IPPOOLS, body | {"spec": spec})
        lab.claim("a")
        await lab.world.pass_time(700.0)
        assert lab.address("a") == FIRST
        await lab.world.pass_time(700.0)
        await lab.stop()
        lab.start()
        lab.claim("b", labels=labels)
        lab.claim("c")
        await lab.world.pass_time(10.0)
        assert lab.reason("b") == "Restoring", "that one has just come"
        assert lab.address("c") == "192.168.100.3"

    play(story)


def test_claims_that_cannot_be_asked_for_keep_their_addresses() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reuse_delay_seconds=0)
        lab.claim("a")
        await lab.settle()
        message = "the server could not find the requested resource"
        body = {"kind": "Status", "reason": "NotFound", "message": message}
        path = "/ipaddressclaims/a"
        lab.server.faults.append(Fault("GET", 404, body, path=path, times=10**6))
        lab.server.remove(lab.claims, "a", NS)
        await lab.world.pass_time(3000.0)
        assert lab.held("Bound") == {FIRST}
        assert lab.server.find(lab.addresses, "a", NS) is not None
        lab.server.faults.clear()
        await lab.world.pass_time(1500.0)
        assert lab.held() == set()

    play(story)


def test_a_claim_of_nobody_holds_its_address_for_ever() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reuse_delay_seconds=0)
        lab.claim("vip")
        lab.put_record("192.168.100.3", "c0a86403")
        await lab.settle()
        lab.claim("b")
        await lab.world.pass_time(3000.0)
        assert lab.address("vip") == FIRST
        assert lab.address("b") == "192.168.100.4"
        assert lab.held("Bound") == {FIRST, "192.168.100.3", "192.168.100.4"}

    play(story)
