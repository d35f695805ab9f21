"""Faults that reports of similar tools, and reading with bad intentions, have found in this one."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from lab_claims import NS, Lab, play

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_api.ippool import IPPOOLS
from moorage_machine_ipam.kinds import CLUSTERS
from moorage_testing.apiserver import Fault

MOVED = {"clusterctl.cluster.x-k8s.io/delete-for-move": ""}
RESTORED = {"velero.io/restore-name": "nightly"}
LAST = "192.168.100.64"


def one(lab: Lab, **spec: Any) -> None:
    """A pool of a single address."""
    lab.pool(address_cidr=f"{LAST}/32", prefix=24, **spec)


def owner(uid: str) -> dict[str, str]:
    return {
        "apiVersion": "ipam.cluster.x-k8s.io/v1beta1", "kind": "IPAddressClaim", "namespace": NS,
        "name": "a", "uid": uid,
    }  # fmt: skip


def record(lab: Lab, name: str, address: str, since: str = "", **spec: Any) -> None:
    """An IPAllocation by any name; with a time it was released then."""
    body: dict[str, Any] = {
        "apiVersion": IPALLOCATIONS.api_version,
        "kind": IPALLOCATIONS.name,
        "metadata": {"name": name},
        "spec": {"address": address, "network": "default", **spec},
    }
    if since:
        body["status"] = {"phase": "Quarantined", "since": since}
    lab.server.create(IPALLOCATIONS, body)


async def vanish(lab: Lab, name: str) -> None:
    """A claim goes without a word while the controller is down."""
    await lab.stop()
    lab.patch_claim(name, {"metadata": {"finalizers": None}})
    lab.delete_claim(name)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST", 429, path="ipallocations"),
        Fault("POST", 503, path="ipallocations"),
        Fault("POST", drop="before", path="ipallocations"),
        Fault("POST", drop="after", path="ipallocations"),
    ],
    ids=["429", "503", "lost", "done and lost"],
)
@pytest.mark.parametrize("asked", ["", LAST], ids=["any", "this one"])
def test_one_failed_create_of_the_last_address_is_no_deadlock(fault: Fault, asked: str) -> None:
    async def story(lab: Lab) -> None:
        one(lab)
        lab.server.faults.append(fault)
        lab.claim("a", annotations={"moorage.dev/ip-address": asked} if asked else {})
        await lab.world.pass_time(600.0)
        assert lab.address("a") == LAST
        assert len(lab.records()) == 1

    fault.times = 1
    play(story)


def test_a_record_whose_name_is_another_address_blocks_nobody() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        record(lab, "default-c0a86402", "192.168.100.9")
        lab.claim("a")
        await lab.settle()
        assert lab.address("a") == "192.168.100.3"

    play(story)


def test_a_reservation_by_any_name_is_no_claims() -> None:
    async def story(lab: Lab) -> None:
        await lab.stop()
        lab.pool()
        record(lab, "printer", "192.168.100.50")
        lab.claim("a", "b")
        lab.put_address("a", "192.168.100.50")
        lab.start()
        await lab.settle()
        assert lab.reason("a") == "AddressConflict"
        assert lab.address("b") == "192.168.100.2"
        assert len([raw for raw in lab.records() if raw["spec"]["address"].endswith(".50")]) == 1

    play(story)


def test_a_released_address_can_be_reserved_by_taking_its_owner_off() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.claim("a")
        await lab.settle()
        lab.delete_claim("a")
        await lab.settle()
        lab.server.patch(IPALLOCATIONS, "default-c0a86402", {"spec": {"owner": None}})
        await lab.world.pass_time(7200.0)
        assert lab.held() == {"192.168.100.2"}

    play(story)


def test_what_moved_stays_reserved_also_where_its_status_is_lost() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reuse_delay_seconds=0)
        lab.claim("a")
        await lab.settle()
        lab.patch_claim("a", {"metadata": {"annotations": MOVED}})
        lab.patch_claim("a", {"metadata": {"finalizers": None}})
        lab.delete_claim("a")
        await lab.settle()
        (raw,) = lab.records("Moved")
        assert "owner" not in raw["spec"]
        lab.server.patch(IPALLOCATIONS, raw["metadata"]["name"], {"status": None})
        await lab.world.pass_time(7200.0)
        assert lab.held() == {"192.168.100.2"}

    play(story)


def test_an_ip_address_that_moves_first_is_not_written_again() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.claim("a")
        await lab.settle()
        lab.server.patch(lab.addresses, "a", {"metadata": {"annotations": MOVED}}, NS)
        lab.server.delete(lab.addresses, "a", NS)
        await lab.world.pass_time(2.0)
        lab.patch_claim("a", {"metadata": {"annotations": MOVED, "finalizers": None}})
        lab.delete_claim("a")
        await lab.settle()
        assert lab.held("Moved") == {"192.168.100.2"}
        assert lab.server.find(lab.addresses, "a", NS) is None

    play(story)


def test_the_ip_address_of_a_claim_that_vanished_goes_too() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reuse_delay_seconds=0)
        lab.claim("a")
        await lab.settle()
        await vanish(lab, "a")
        lab.start()
        await lab.world.pass_time(3600.0)
        assert lab.server.all_of(lab.addresses) == []
        lab.claim("b")
        await lab.settle()
        assert lab.address("b") == "192.168.100.2"

    play(story)


def test_a_hand_made_ip_address_without_a_claim_is_left_alone() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.put_address("by-hand", "192.168.100.2")
        await lab.world.pass_time(7200.0)
        assert lab.server.find(lab.addresses, "by-hand", NS) is not None

    play(story)


def test_a_typo_in_a_pool_frees_nothing_and_accuses_nobody() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.pool("two")
        lab.put_address("by-hand", "192.168.100.2")
        lab.claim("a")
        await lab.settle()
        lab.edit_pool(gateway="10.0.0.1")
        lab.claim("x", pool="two")
        await lab.settle()
        assert lab.address("a") == "192.168.100.3"
        assert lab.address("x") == "192.168.100.4"

    play(story)


@pytest.mark.parametrize("how", ["vanishes", "network"])
def test_live_claims_stay_as_they_are_whatever_happens_to_their_pool(how: str) -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.claim("a")
        await lab.settle()
        if how == "vanishes":
            lab.server.remove(IPPOOLS, "lab", NS)
        else:
            lab.edit_pool(network="red")
        await lab.settle()
        assert lab.reason("a") == "Allocated"

    play(story)


def test_a_claim_recreated_on_another_pool_gets_an_address_of_that_one() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.pool("two", address_cidr="10.1.0.0/24", gateway="10.1.0.1", network="two")
        lab.claim("a")
        await lab.settle()
        await vanish(lab, "a")
        lab.claim("a", pool="two")
        lab.start()
        await lab.world.pass_time(60.0)
        assert lab.reason("a") == "AddressConflict"
        await lab.world.pass_time(1200.0)
        assert lab.address("a") == "10.1.0.2"

    play(story)


def test_a_namesake_of_another_provider_does_not_keep_the_address() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reuse_delay_seconds=0)
        lab.claim("a")
        await lab.settle()
        await vanish(lab, "a")
        ref = {"apiGroup": "ipam.cluster.x-k8s.io", "kind": "InClusterIPPool", "name": "lab"}
        lab.create_claim("a", {"poolRef": ref})
        lab.start()
        await lab.world.pass_time(3600.0)
        assert lab.records() == []

    play(story)


def test_a_record_for_any_claim_of_a_name_waits_for_that_claim() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reuse_delay_seconds=0)
        lab.put_record("192.168.100.50", "c0a86432", owner=owner(""))
        await lab.world.pass_time(7200.0)
        assert lab.held("Bound") == {"192.168.100.50"}
        lab.claim("a")
        await lab.settle()
        assert lab.address("a") == "192.168.100.50"

    play(story)


def test_a_shorter_reuse_delay_counts_at_once() -> None:
    async def story(lab: Lab) -> None:
        one(lab, reuse_delay_seconds=86_400)
        lab.claim("a")
        await lab.settle()
        lab.delete_claim("a")
        lab.claim("b")
        await lab.settle()
        lab.edit_pool(reuse_delay_seconds=30)
        await lab.world.pass_time(60.0)
        assert lab.address("b") == LAST

    play(story)


@pytest.mark.parametrize(
    "ahead", [86_400.0, 250 * 365 * 86_400.0, None], ids=["a day", "250 years", "no time"]
)
def test_a_time_of_release_that_cannot_be_delays_nobody(ahead: float | None) -> None:
    async def story(lab: Lab) -> None:
        one(lab, reuse_delay_seconds=60)
        at = (
            "soon"
            if ahead is None
            else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + ahead))
        )
        record(lab, "default-c0a86440", LAST, at, owner=owner("of-before"))
        lab.claim("c")
        await lab.world.pass_time(600.0)
        assert lab.address("c") == LAST

    play(story)


def test_a_waiter_in_a_dry_run_keeps_nobody_from_an_address() -> None:
    async def story(lab: Lab) -> None:
        one(lab, reuse_delay_seconds=0)
        lab.claim("a")
        await lab.settle()
        lab.claim("dry")
        await lab.world.pass_time(2.0)
        lab.claim("next")
        await lab.settle()
        lab.patch_claim("dry", {"metadata": {"annotations": {"moorage.dev/dry-run": "true"}}})
        lab.delete_claim("a")
        await lab.settle()
        assert lab.address("next") == LAST

    play(story)


def test_a_dry_run_says_on_the_claim_what_would_be_done_until_it_is_none() -> None:
    async def story(lab: Lab) -> None:
        one(lab)
        lab.claim("a", annotations={"moorage.dev/dry-run": "true"})
        await lab.settle()
        said = lab.condition("a", of="DryRun")
        assert said["message"] == "would allocate an address; write the IPAddress"
        assert lab.records() == []
        lab.patch_claim("a", {"metadata": {"annotations": None}})
        await lab.settle()
        assert (lab.address("a"), lab.condition("a", of="DryRun")["status"]) == (LAST, "False")

    play(story)


def test_a_release_among_many_waiters_makes_few_writes() -> None:
    async def story(lab: Lab) -> None:
        one(lab, reuse_delay_seconds=400)
        lab.claim("a")
        await lab.settle()
        lab.claim(*(f"w{number:02}" for number in range(40)))
        await lab.world.pass_time(700.0)
        before = len(lab.world.changes)
        lab.delete_claim("a")
        await lab.world.pass_time(900.0)
        statuses = [one for one in lab.world.changes[before:] if one.endswith("/status")]
        assert len([one for one in statuses if "ipaddressclaims" in one]) < 40

    play(story)


def test_an_address_taken_over_counts_for_the_pool_of_its_new_owner() -> None:
    async def story(lab: Lab) -> None:
        one(lab, reuse_delay_seconds=86_400)
        lab.claim("a")
        await lab.settle()
        lab.delete_claim("a")
        lab.pool(
            "two", address_cidr=f"{LAST}/32", prefix=24, when_only_quarantined="Reuse",
            reuse_delay_seconds=86_400,
        )  # fmt: skip
        lab.claim("b", pool="two")
        await lab.settle()
        assert lab.address("b") == LAST
        lab.server.delete(IPPOOLS, "two", NS)
        await lab.settle()
        assert lab.server.find(IPPOOLS, "two", NS) is not None, "its address is in use"

    play(story)


def test_a_claim_is_not_served_before_the_cluster_it_names_is_known_not_to_be_paused() -> None:
    async def story(lab: Lab) -> None:
        lab.server.put(CLUSTERS, "prod", NS, spec={"paused": True})
        lab.pool()
        ref = {"apiGroup": IPPOOLS.group, "kind": "IPPool", "name": "lab"}
        lab.create_claim("a", {"poolRef": ref, "clusterName": "prod"})
        await lab.settle()
        assert lab.records() == []

    play(story)


def test_a_restored_pool_gives_nothing_away_while_more_may_follow() -> None:
    async def story(lab: Lab) -> None:
        body = {"address-cidr": "192.168.100.0/24", "prefix": 24, "gateway": "192.168.100.1"}
        raw = {"apiVersion": IPPOOLS.api_version, "kind": IPPOOLS.name, "spec": body}
        meta = {"name": "lab", "namespace": NS, "labels": RESTORED}
        lab.server.create(IPPOOLS, raw | {"metadata": meta})
        lab.claim("new")
        await lab.world.pass_time(60.0)
        lab.claim("a", labels=RESTORED)
        lab.put_address("a", "192.168.100.2", labels=RESTORED)
        await lab.world.pass_time(1200.0)
        assert lab.address("a") == "192.168.100.2"
        assert lab.address("new") == "192.168.100.3"

    play(story)


def test_a_conflict_that_a_person_resolves_is_seen_at_once() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.put_record("192.168.100.50", "c0a86432")
        lab.put_address("a", "192.168.100.50")
        lab.claim("a")
        await lab.settle()
        assert lab.reason("a") == "AddressConflict"
        lab.server.delete(IPALLOCATIONS, "default-c0a86432")
        await asyncio.sleep(10.0)
        assert lab.address("a") == "192.168.100.50"

    play(story)


def test_many_owners_that_vanished_are_believed_after_a_day() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reuse_delay_seconds=0)
        lab.claim(*(f"m{number}" for number in range(11)))
        await lab.settle()
        for number in range(11):
            lab.patch_claim(f"m{number}", {"metadata": {"finalizers": None}})
            lab.server.remove(lab.claims, f"m{number}", NS)
        await lab.world.pass_time(7200.0)
        assert len(lab.held("Bound")) == 11
        await lab.world.pass_time(86_400.0)
        assert lab.records() == []

    play(story)
