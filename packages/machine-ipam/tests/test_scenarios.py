"""Named scenarios of research/machine-ipam.md: races R1 to R20 and the acceptance rows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from lab_claims import GATEWAY, NS, Lab, play

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_api.ippool import IPPOOLS
from moorage_machine_ipam.projections import FINALIZER
from moorage_testing import virtual_time
from moorage_testing.apiserver import Asked, Fault
from moorage_testing.harness import World


def small(lab: Lab, **spec: Any) -> None:
    """A pool of two addresses, .64 and .65."""
    lab.pool(address_cidr="192.168.100.64/31", prefix=24, **spec)


def test_alloc_first_is_usable() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.claim("a")
        await lab.settle()
        assert lab.address("a") == "192.168.100.2"

    play(story)


def test_alloc_subrange_edges() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(address_cidr="192.168.101.64/28", prefix=23)
        lab.claim(*(f"m{number}" for number in range(16)))
        await lab.settle()
        given = {lab.address(f"m{number}") for number in range(16)}
        assert given == {f"192.168.101.{last}" for last in range(64, 80)}

    play(story)


@pytest.mark.parametrize(("length", "usable"), [(31, 2), (32, 1)])
def test_alloc_slash31_32(length: int, usable: int) -> None:
    async def story(lab: Lab) -> None:
        lab.pool(address_cidr=f"10.0.0.4/{length}", prefix=length, gateway="")
        lab.claim("a", "b", "c")
        await lab.settle()
        assert len(lab.held()) == usable
        reasons = sorted(lab.reason(name) for name in "abc")
        assert reasons == ["Allocated"] * usable + ["PoolExhausted"] * (3 - usable)

    play(story)


def test_alloc_exclusions() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(
            address_cidr="192.168.100.0/28",
            prefix=24,
            exclude=["192.168.100.4/30", "192.168.100.9-192.168.100.11", "192.168.100.14"],
        )
        lab.claim(*(f"m{number}" for number in range(16)))
        await lab.settle()
        assert lab.held() == {f"192.168.100.{last}" for last in (2, 3, 8, 12, 13, 15)}

    play(story)


def test_alloc_requested_ip() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        for name, asked in (
            ("mine", "192.168.100.77"),
            ("taken", "192.168.100.77"),
            ("outside", "10.9.9.9"),
            ("gateway", GATEWAY),
            ("nonsense", "192.168.100.256"),
        ):
            lab.claim(name, annotations={"moorage.dev/ip-address": asked})
            await lab.settle()
        assert lab.address("mine") == "192.168.100.77"
        for name in ("taken", "outside", "gateway", "nonsense"):
            assert lab.reason(name) == "AllocationFailed", name
        assert lab.held() == {"192.168.100.77"}
        assert "belongs to IPAddressClaim machines/mine" in lab.condition("taken")["message"]
        assert lab.events("IPAddressClaim", "taken") == [("Warning", "AllocationFailed")]

    play(story)


def test_an_address_kept_for_one_claim_is_given_to_no_other() -> None:
    async def story(lab: Lab) -> None:
        small(lab, reserved={"b": "192.168.100.64"})
        lab.claim("a", "c")
        await lab.settle()
        assert lab.held() == {"192.168.100.65"}
        lab.claim("b")
        await lab.settle()
        assert lab.address("b") == "192.168.100.64"

    play(story)


def test_alloc_dual_stack_two_pools() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.pool("six", address_cidr="2001:db8::/64", prefix=64, gateway="fe80::1")
        lab.claim("m-0-0")
        lab.claim("m-0-1", pool="six")
        await lab.settle()
        assert (lab.address("m-0-0"), lab.address("m-0-1")) == ("192.168.100.2", "2001:db8::1")
        given = lab.server.find(lab.addresses, "m-0-1", NS)
        assert given is not None
        assert (given["spec"]["prefix"], given["spec"]["gateway"]) == (64, "fe80::1")

    play(story)


def test_uniq_overlapping_pools() -> None:
    async def story(lab: Lab) -> None:
        lab.pool("one", address_cidr="192.168.100.16/29", prefix=24)
        lab.pool("two", address_cidr="192.168.100.16/28", prefix=24)
        lab.claim(*(f"a{number}" for number in range(8)), pool="one")
        lab.claim(*(f"b{number}" for number in range(16)), pool="two")
        await lab.settle()
        assert len(lab.held()) == 16
        for name in ("one", "two"):
            conditions = {one["type"]: one for one in lab.pool_status(name)["conditions"]}
            assert conditions["Overlapping"]["status"] == "True"
            assert lab.pool_status(name)["free"] == "0"

    play(story)


def test_events_tell_when_a_pool_becomes_full_and_is_well_again() -> None:
    async def story(lab: Lab) -> None:
        small(lab, nearly_full_percent=90, reuse_delay_seconds=0)
        lab.claim("a")
        await lab.settle()
        assert lab.events("IPPool", "lab") == [("Normal", "Ready")]
        lab.claim("b")
        await lab.settle()
        assert set(lab.events("IPPool", "lab")[1:]) == {
            ("Warning", "AboveThreshold"),
            ("Warning", "NoneFree"),
        }
        lab.delete_claim("b")
        await lab.settle()
        assert set(lab.events("IPPool", "lab")[3:]) == {
            ("Normal", "BelowThreshold"),
            ("Normal", "SomeFree"),
        }

    play(story)


def test_events_tell_of_pools_that_share_addresses_and_of_an_edit_under_them() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(address_cidr="192.168.100.16/28", prefix=24)
        lab.claim("a")
        await lab.settle()
        lab.pool("other", address_cidr="192.168.100.16/29", prefix=24)
        await lab.settle()
        assert lab.events("IPPool", "lab")[1:] == lab.events("IPPool", "other")[1:] == [
            ("Warning", "SharedAddresses")
        ]  # fmt: skip
        lab.edit_pool(address_cidr="192.168.100.32/28", prefix=24)
        await lab.settle()
        assert set(lab.events("IPPool", "lab")[2:]) == {
            ("Normal", "Alone"),
            ("Warning", "AddressesOutside"),
        }
        assert lab.address("a") == "192.168.100.16"
        conditions = {one["type"]: one for one in lab.pool_status()["conditions"]}
        assert "192.168.100.16 (IPAddressClaim machines/a)" in conditions["OutOfRange"]["message"]
        lab.delete_claim("a")
        await lab.world.pass_time(400.0)
        assert lab.events("IPPool", "lab")[4:] == [("Normal", "AllInside")]
        assert lab.pool_status()["outOfRange"] == 0

    play(story)


def test_addresses_outside_are_counted_also_where_the_pool_is_edited_back() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(address_cidr="192.168.100.16/28", prefix=24)
        lab.claim("a", "b", "c")
        await lab.settle()
        for cidr, outside in (
            ("192.168.100.18/31", 2), ("192.168.100.32/28", 3), ("192.168.100.16/28", 0),
        ):  # fmt: skip
            lab.edit_pool(address_cidr=cidr)
            await lab.settle()
            assert lab.pool_status()["outOfRange"] == outside
        assert lab.held() == {f"192.168.100.{last}" for last in (16, 17, 18)}

    play(story)


def test_uniq_same_cidr_two_networks() -> None:
    async def story(lab: Lab) -> None:
        lab.pool("red", network="red")
        lab.pool("blue", network="blue")
        lab.claim("r", pool="red")
        lab.claim("b", pool="blue")
        await lab.settle()
        assert lab.address("r") == lab.address("b") == "192.168.100.2"

    play(story)


def test_uniq_cross_namespace() -> None:
    async def story(lab: Lab) -> None:
        for namespace in (NS, "other"):
            lab.pool(namespace=namespace, address_cidr="192.168.100.8/29", prefix=24)
        lab.claim("a", "b")
        lab.claim("a", "b", namespace="other")
        await lab.settle()
        given = {lab.address(name, ns) for name in "ab" for ns in (NS, "other")}
        assert len(given - {""}) == 4
        assert (lab.pool_status()["used"], lab.pool_status()["free"]) == (4, "4")

    play(story)


def test_restart_list_failure() -> None:
    async def story(lab: Lab) -> None:
        small(lab)
        lab.claim("a")
        await lab.settle()
        await lab.stop()
        lab.server.faults.append(Fault("GET", 500, path="ipallocations", times=40))
        lab.claim("b")
        lab.start()
        await lab.world.pass_time(10.0)
        assert lab.reason("b") == ""
        await lab.world.pass_time(1200.0)
        assert {lab.address("a"), lab.address("b")} == {"192.168.100.64", "192.168.100.65"}

    play(story)


def test_release_reuse_delay() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reuse_delay_seconds=300)
        lab.claim("a")
        await lab.settle()
        lab.delete_claim("a")
        await lab.settle()
        assert lab.find_claim("a") is None
        assert lab.held("Quarantined") == {"192.168.100.2"}
        lab.claim("b")
        await lab.settle()
        assert lab.address("b") == "192.168.100.3"
        await lab.world.pass_time(400.0)
        lab.claim("c")
        await lab.settle()
        assert lab.address("c") == "192.168.100.2"

    play(story)


def test_release_offline_delete_r7() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.claim("a")
        await lab.settle()
        await lab.stop()
        lab.delete_claim("a")
        assert lab.find_claim("a") is not None, "the finalizer holds it"
        lab.start()
        await lab.settle()
        assert lab.find_claim("a") is None
        assert lab.held("Bound") == set()

    play(story)


def test_claim_create_then_delete() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reuse_delay_seconds=0)
        lab.claim("a")
        lab.delete_claim("a")
        lab.claim("b")
        await asyncio.sleep(0.01)
        lab.delete_claim("b")
        await lab.settle()
        assert lab.server.all_of(lab.claims) == []
        assert lab.server.all_of(lab.addresses) == []
        assert lab.records() == []

    play(story)


@pytest.mark.parametrize(
    "ref",
    [
        {"apiGroup": "ipam.cluster.x-k8s.io", "kind": "InClusterIPPool", "name": "lab"},
        {"apiGroup": "installer.openshift.io", "kind": "IPPool", "name": "default-0"},
        {"kind": "IPPool", "name": "lab"},
        {"apiGroup": None, "kind": "IPPool", "name": "lab"},
        None,
    ],
    ids=["in-cluster", "installer", "without group", "null group", "none"],
)
def test_claim_foreign_ignored_and_claim_nil_apigroup(ref: Any) -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.create_claim("theirs", {"poolRef": ref})
        spec = {
            "address": "192.168.100.9",
            "prefix": 24,
            "poolRef": ref,
            "claimRef": {"name": "theirs"},
        }
        lab.server.put(lab.addresses, "theirs", NS, spec=spec)
        lab.claim("ours")
        await lab.settle()
        lab.delete_claim("theirs")
        await lab.settle()
        assert lab.server.find(lab.addresses, "theirs", NS) is not None
        assert lab.address("ours") == "192.168.100.2"
        assert len(lab.records()) == 1

    play(story)


@pytest.mark.parametrize("kind", ["IPPool", "ippools", "ippool", "IPPools"])
def test_claim_kind_plural(kind: str) -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.claim("a", kind=kind)
        await lab.settle()
        assert lab.address("a"), "with the reference repeated letter by letter"

    play(story)


def test_claim_conditions() -> None:
    async def story(lab: Lab) -> None:
        small(lab)
        lab.claim("a", "b", "c")
        lab.claim("lost", pool="nowhere")
        await lab.settle()
        assert sorted(lab.reason(name) for name in "abc") == [
            "Allocated", "Allocated", "PoolExhausted",
        ]  # fmt: skip
        assert lab.reason("lost") == "PoolNotReady"
        assert "nowhere" in lab.condition("lost")["message"]
        lab.pool("nowhere", address_cidr="10.0.0.0/29", prefix=29, gateway="")
        await lab.settle()
        assert lab.address("lost") == "10.0.0.1"

    play(story)


def test_claim_fairness_wake_r15() -> None:
    async def story(lab: Lab) -> None:
        small(lab, reuse_delay_seconds=60)
        lab.claim("a", "b")
        await lab.settle()
        for name in ("w3", "w1", "w2"):
            lab.claim(name)
            await lab.world.pass_time(2.0)
        await lab.settle()
        assert {lab.reason(name) for name in ("w1", "w2", "w3")} == {"PoolExhausted"}
        lab.delete_claim("a")
        await lab.world.pass_time(30.0)
        message = lab.condition("w3")["message"]
        assert "comes free at" in message
        assert "0 older" not in message
        await lab.world.pass_time(33.0)
        assert lab.reason("w3") == "Allocated", "the oldest one"
        assert {lab.reason("w1"), lab.reason("w2")} == {"PoolExhausted"}

    play(story)


def test_the_order_of_waiters_outlives_a_restart() -> None:
    async def story(lab: Lab) -> None:
        small(lab, reuse_delay_seconds=0)
        lab.claim("a", "b")
        await lab.settle()
        for name in ("z", "y", "x"):
            lab.claim(name)
            await lab.world.pass_time(2.0)
        await lab.stop()
        lab.delete_claim("a")
        lab.start()
        await lab.settle()
        assert [lab.reason(name) for name in "zyx"] == [
            "Allocated", "PoolExhausted", "PoolExhausted",
        ]  # fmt: skip

    play(story)


def test_claim_paused_r17() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.claim("a", annotations={"cluster.x-k8s.io/paused": "true"})
        await lab.settle()
        raw = lab.find_claim("a")
        assert raw is not None
        assert "status" not in raw
        assert "finalizers" not in raw["metadata"]
        lab.patch_claim("a", {"metadata": {"annotations": None}})
        await lab.settle()
        assert lab.address("a") == "192.168.100.2"

    play(story)


def test_a_paused_waiter_keeps_nobody_from_an_address() -> None:
    async def story(lab: Lab) -> None:
        small(lab, reuse_delay_seconds=0)
        lab.claim("a", "b")
        await lab.settle()
        lab.claim("paused")
        await lab.world.pass_time(2.0)
        lab.claim("next")
        await lab.settle()
        lab.patch_claim("paused", {"metadata": {"annotations": {"cluster.x-k8s.io/paused": ""}}})
        lab.delete_claim("a")
        await lab.settle()
        assert lab.reason("next") == "Allocated"

    play(story)


def test_pool_delete_guard_r13() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reuse_delay_seconds=0)
        lab.claim("a")
        await lab.settle()
        lab.server.delete(IPPOOLS, "lab", NS)
        lab.claim("late")
        await lab.settle()
        (ready,) = (one for one in lab.pool_status()["conditions"] if one["type"] == "Ready")
        assert ready["reason"] == "InUse"
        assert "192.168.100.2 (IPAddressClaim machines/a)" in ready["message"]
        assert lab.address("a") == "192.168.100.2"
        assert lab.reason("late") == "PoolNotReady"
        lab.delete_claim("a")
        await lab.settle()
        assert lab.server.find(IPPOOLS, "lab", NS) is None

    play(story)


def test_pool_edit_live() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.claim("a")
        await lab.settle()
        lab.edit_pool(prefix=25, gateway="192.168.100.126", address_cidr="192.168.100.0/25")
        lab.claim("b")
        await lab.settle()
        spec = (lab.server.find(lab.addresses, "b", NS) or {})["spec"]
        assert (spec["address"], spec["prefix"], spec["gateway"]) == (
            "192.168.100.1", 25, "192.168.100.126",
        )  # fmt: skip
        assert lab.address("a") == "192.168.100.2"

    play(story)


def test_pool_shrunk_or_gateway_moved_into_the_range_r14() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reuse_delay_seconds=0)
        lab.claim("a", "b", "c")
        await lab.settle()
        lab.edit_pool(address_cidr="192.168.100.3/32", gateway="192.168.100.4", ranges=[])
        await lab.settle()
        assert {lab.address(name) for name in "abc"} == {
            "192.168.100.2", "192.168.100.3", "192.168.100.4",
        }  # fmt: skip
        status = lab.pool_status()
        assert (status["total"], status["used"], status["outOfRange"]) == ("1", 1, 2)
        for name in "abc":
            lab.delete_claim(name)
        lab.claim("d", "e")
        await lab.settle()
        assert lab.held() == {"192.168.100.3"}

    play(story)


def test_pool_status_counts() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.claim(*(f"m{number}" for number in range(10)))
        await lab.settle()
        lab.delete_claim("m0")
        await lab.settle()
        status = lab.pool_status()
        counts = {
            key: value
            for key, value in status.items()
            if key not in ("conditions", "observedGeneration")
        }
        assert counts == {
            "total": "253", "used": 10, "free": "243",
            "quarantined": 1, "outOfRange": 0, "waiting": 0,
        }  # fmt: skip

    play(story)


def test_addr_recreate_r9() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.claim("a", "b")
        await lab.settle()
        before = lab.address("b")
        lab.server.delete(lab.addresses, "b", NS)
        await lab.settle()
        assert lab.address("b") == before

    play(story)


@pytest.mark.parametrize("version", ["v1beta1", "v1beta2"])
def test_contract_v1beta1_v1beta2(version: str) -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reuse_delay_seconds=0)
        lab.claim("a")
        await lab.settle()
        raw = lab.find_claim("a")
        assert raw is not None
        assert set(raw["status"]) == {"addressRef", "conditions"}
        assert raw["status"]["addressRef"] == {"name": "a"}
        (ready,) = raw["status"]["conditions"]
        assert set(ready) == {"type", "status", "reason", "message", "lastTransitionTime"}
        given = lab.server.find(lab.addresses, "a", NS)
        assert given is not None
        owners = {
            one["kind"]: one.get("controller", False)
            for one in given["metadata"]["ownerReferences"]
        }
        assert owners == {"IPAddressClaim": True, "IPPool": False}
        assert given["apiVersion"] == f"ipam.cluster.x-k8s.io/{version}"
        lab.delete_claim("a")
        await lab.settle()
        assert lab.server.all_of(lab.claims) + lab.server.all_of(lab.addresses) == []
        assert lab.records() == []

    play(story, version=version)


def test_import_seed_state() -> None:
    async def story(lab: Lab) -> None:
        await lab.stop()
        lab.pool(address_cidr="192.168.101.64/26", prefix=23)
        for number in range(50):
            lab.claim(f"m{number}")
            lab.put_address(f"m{number}", f"192.168.101.{64 + number}")
            lab.patch_claim(f"m{number}", {"status": {"addressRef": {"name": f"m{number}"}}})
        lab.start()
        await lab.settle()
        for number in range(50):
            assert lab.address(f"m{number}") == f"192.168.101.{64 + number}"
        lab.claim("new")
        await lab.settle()
        assert lab.address("new") == "192.168.101.114"

    play(story)


def crashed(at: str, *, done: bool) -> Lab:
    """A lab whose controller dies at the first change whose text contains this."""
    calm = Lab()

    async def whole() -> list[str]:
        calm.pool()
        calm.start()
        calm.claim("a")
        await calm.settle()
        await calm.stop()
        return calm.world.changes

    changes = virtual_time.run(whole())
    number = next(index for index, one in enumerate(changes, 1) if at in one)
    lab = Lab()
    lab.world = World(lab.scenario, number, done=done)
    return lab


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize(
    "at",
    ["PATCH /apis/ipam", "POST /apis/moorage.dev", "POST /apis/ipam", "ipaddressclaims/a/status"],
    ids=["finalizer", "record-r1", "address-r2", "status"],
)
def test_a_crash_after_each_step_changes_nothing_r1_r2(at: str, *, done: bool) -> None:
    lab = crashed(at, done=done)

    async def whole() -> None:
        lab.pool()
        lab.start()
        lab.claim("a")
        await lab.settle()
        assert lab.world.crashed
        assert lab.address("a") == "192.168.100.2"
        assert len(lab.records()) == 1
        await lab.stop()

    virtual_time.run(whole())


def test_another_replica_allocates_at_once_r3() -> None:
    """Two that lead at the same time, as after a partition: the API server lets one have it."""

    async def story(lab: Lab) -> None:
        other = Lab()
        other.world.server = lab.world.server
        lab.pool()
        other.start()
        lab.claim(*(f"m{number}" for number in range(100)))
        await lab.settle()
        assert len({lab.address(f"m{number}") for number in range(100)} - {""}) == 100
        await other.stop()

    play(story)


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_create_that_times_out_is_looked_up_r5(drop: Any) -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.server.faults.append(Fault("POST", drop=drop, path="ipallocations", times=3))
        lab.claim("a")
        await lab.settle()
        assert lab.address("a") == "192.168.100.2"
        assert len(lab.records()) == 1

    play(story)


def test_a_claim_that_goes_while_its_address_is_unknown_leaks_none_r5() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reuse_delay_seconds=0)
        lab.server.faults.append(Fault("POST", drop="after", path="ipallocations", times=1))
        lab.server.faults.append(Fault("WATCH", 500, path="ipallocations", times=2))
        lab.claim("a")
        await asyncio.sleep(0.2)
        lab.delete_claim("a")
        await lab.settle()
        assert lab.records() == []
        assert lab.find_claim("a") is None

    play(story)


@pytest.mark.parametrize("drop", [None, "before", "after"])
@pytest.mark.parametrize("again", [False, True])
def test_a_claim_that_goes_before_its_finalizer_is_on_leaks_none_r5(
    drop: Any,
    again: bool,  # noqa: FBT001 - a case
) -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        await lab.settle()

        def vanish(asked: Asked) -> None:
            if asked.verb == "PATCH" and asked.path.endswith("/ipaddressclaims/a"):
                lab.server.before.clear()
                lab.delete_claim("a")
                if again:
                    lab.claim("a")

        lab.server.before.append(vanish)
        if drop:
            lab.server.faults.append(Fault("POST", drop=drop, path="ipallocations"))
        lab.claim("a")
        await lab.settle()
        # Nobody knew the address: it does not even rest.
        assert len(lab.records()) == again
        assert (lab.address("a") != "") is again
        # Nor does its successor wait for anything.
        assert lab.events("IPAddressClaim", "a") == []

    play(story)


def test_an_address_that_somebody_may_have_been_told_is_not_taken_back_r5() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        await lab.settle()
        # That it is there, only the one who reads it knows.
        lab.server.faults.append(Fault("POST", drop="after", path="/ipaddresses"))
        lab.server.faults.append(Fault("WATCH", path="/ipaddresses", times=100))
        await lab.server.end_watches()
        await asyncio.sleep(0.5)
        lab.claim("a")
        await asyncio.sleep(0.5)
        lab.server.remove(lab.claims, "a", NS)
        await lab.settle()
        assert lab.held("Bound") == {"192.168.100.2"}

    play(story)


def test_nor_is_one_that_another_replica_has_told_r5() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        await lab.settle()
        lab.server.faults.append(Fault("PATCH", 503, path="/ipaddressclaims/a", times=100))
        lab.claim("a")
        await asyncio.sleep(0.5)
        raw = lab.find_claim("a")
        assert raw is not None
        annotations = {"moorage.dev/claim-uid": raw["metadata"]["uid"]}
        lab.put_address("a", "192.168.100.2", annotations=annotations)
        await asyncio.sleep(0.5)
        lab.server.remove(lab.claims, "a", NS)
        await lab.settle()
        assert lab.held("Bound") == {"192.168.100.2"}

    play(story)


def test_nobody_is_told_an_address_before_the_finalizer_is_on() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        await lab.settle()

        def check(asked: Asked) -> None:
            if asked.verb == "POST" and asked.path.endswith("/ipaddresses"):
                raw = lab.find_claim("a")
                assert raw is not None
                assert raw["metadata"]["finalizers"] == [FINALIZER]

        lab.server.before.append(check)
        lab.server.faults.append(Fault("PATCH", 503, path="/ipaddressclaims/a", times=3))
        lab.claim("a")
        await lab.settle()
        assert lab.address("a") == "192.168.100.2"

    play(story)


def test_the_finalizer_and_the_record_are_written_at_the_same_time() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        await lab.settle()
        for verb, path in (("PATCH", "/ipaddressclaims/a"), ("POST", "/ipallocations")):
            lab.server.faults.append(Fault(verb, 0, path=path, delay_seconds=2.0))
        lab.claim("a")
        await asyncio.sleep(3.0)
        assert lab.address("a") == "192.168.100.2"

    play(story)


def test_a_claim_that_is_deleted_before_it_is_seen_gets_nothing_r6() -> None:
    async def story(lab: Lab) -> None:
        await lab.stop()
        lab.pool()
        lab.claim("a", finalizers=["example.com/other"])
        lab.delete_claim("a")
        lab.start()
        await lab.settle()
        raw = lab.find_claim("a")
        assert raw is not None
        assert raw["metadata"]["finalizers"] == ["example.com/other"]
        assert lab.records() == []

    play(story)


def test_a_claim_that_is_recreated_is_another_owner_r8() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.claim("a")
        await lab.settle()
        lab.delete_claim("a")
        await lab.settle()
        lab.claim("a")
        await lab.settle()
        assert lab.address("a") == "192.168.100.3"
        assert lab.held("Quarantined") == {"192.168.100.2"}

    play(story)


def test_a_claim_recreated_without_a_word_releases_what_its_namesake_had_r8() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.claim("a")
        await lab.settle()
        await lab.stop()
        lab.patch_claim("a", {"metadata": {"finalizers": None}})
        lab.delete_claim("a")
        lab.server.delete(lab.addresses, "a", NS)
        lab.claim("a")
        lab.start()
        await lab.settle()
        assert lab.reason("a") == "Restoring", "it may come from a backup"
        await lab.world.pass_time(60.0)
        assert lab.address("a") == "192.168.100.3"
        assert lab.held("Quarantined") == {"192.168.100.2"}

    play(story)


def test_a_bad_claim_among_good_ones_r16() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.pool("bad", address_cidr="192.168.100.0/24", prefix=24, gateway="10.0.0.1")
        lab.claim("x", pool="bad")
        lab.claim("y", annotations={"moorage.dev/ip-address": "\n"})
        lab.claim("a")
        await lab.settle()
        assert lab.address("a") == "192.168.100.2"
        assert lab.reason("x") == "PoolNotReady"
        assert "gateway" in lab.condition("x")["message"]
        assert lab.reason("y") == "AllocationFailed"

    play(story)


def test_ten_minutes_without_an_api_server_r18() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.claim("a")
        await lab.settle()
        faults = [
            Fault(verb, status, times=10_000) for verb, status in (("POST", 429), ("PATCH", 503))
        ]
        lab.server.faults += faults
        lab.claim("b")
        lab.delete_claim("a")
        await lab.world.pass_time(600.0)
        for fault in faults:
            lab.server.faults.remove(fault)
        await lab.world.pass_time(700.0)
        assert lab.address("b")
        assert lab.find_claim("a") is None
        assert lab.held("Bound") == {lab.address("b")}

    play(story)


def test_a_watch_that_is_too_old_is_listed_again_r19() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.claim("a", "b")
        await lab.settle()
        lab.server.forget_history()
        lab.server.cut_watches()
        lab.claim("c")
        await lab.settle()
        assert {lab.address(name) for name in "abc"} == {
            "192.168.100.2", "192.168.100.3", "192.168.100.4",
        }  # fmt: skip

    play(story)


def test_a_hand_made_address_is_left_out_r20() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.put_address("by-hand", "192.168.100.2")
        lab.claim("a")
        await lab.settle()
        assert lab.address("a") == "192.168.100.3"
        assert lab.pool_status()["used"] == 2

    play(story)


def test_a_person_can_hold_an_address() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reuse_delay_seconds=0)
        lab.put_record("192.168.100.2", "c0a86402")
        lab.claim("a")
        await lab.settle()
        assert lab.address("a") == "192.168.100.3"
        await lab.world.pass_time(7200.0)
        assert "192.168.100.2" in lab.held("Bound")
        lab.server.delete(IPALLOCATIONS, "default-c0a86402")
        lab.claim("b")
        await lab.settle()
        assert lab.address("b") == "192.168.100.2"

    play(story)


def test_an_owner_that_vanished_is_released_once_that_is_certain() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reuse_delay_seconds=0)
        lab.claim("a")
        await lab.settle()
        await lab.stop()
        lab.patch_claim("a", {"metadata": {"finalizers": None}})
        lab.delete_claim("a")
        lab.start()
        await lab.world.pass_time(500.0)
        assert lab.held("Bound") == {"192.168.100.2"}
        await lab.world.pass_time(300.0)
        assert lab.records() == []

    play(story)


def test_when_all_owners_vanish_at_once_none_is_believed() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reuse_delay_seconds=0)
        lab.claim(*(f"m{number}" for number in range(20)))
        await lab.settle()
        await lab.stop()
        for number in range(20):
            lab.patch_claim(f"m{number}", {"metadata": {"finalizers": None}})
            lab.delete_claim(f"m{number}")
        lab.start()
        await lab.world.pass_time(3600.0)
        assert len(lab.held("Bound")) == 20

    play(story)


def test_released_addresses_are_given_out_early_where_the_pool_says_so() -> None:
    async def story(lab: Lab) -> None:
        small(lab, reuse_delay_seconds=3600, when_only_quarantined="Reuse")
        lab.claim("a", "b")
        await lab.settle()
        first = lab.address("b")
        lab.delete_claim("b")
        await lab.world.pass_time(5.0)
        lab.delete_claim("a")
        await lab.world.pass_time(5.0)
        lab.claim("c")
        await lab.settle()
        assert lab.address("c") == first, "the one that was released first"

    play(story)


def test_release_after_vm_gone_r10() -> None:
    held = "machine.openshift.io/ip-claim-protection"

    async def story(lab: Lab) -> None:
        lab.pool(reuse_delay_seconds=0)
        lab.claim("a", finalizers=[held])
        await lab.settle()
        lab.delete_claim("a")
        lab.claim("b")
        await lab.world.pass_time(7200.0)
        assert lab.held("Bound") == {"192.168.100.2", "192.168.100.3"}
        assert lab.server.find(lab.addresses, "a", NS) is not None
        lab.patch_claim("a", {"metadata": {"finalizers": ["moorage.dev/release-address"]}})
        await lab.settle()
        assert lab.find_claim("a") is None
        assert lab.held() == {"192.168.100.3"}

    play(story)


def test_a_claim_that_is_deleted_while_paused_goes_when_it_is_resumed() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.claim("a")
        await lab.settle()
        paused = {"metadata": {"annotations": {"cluster.x-k8s.io/paused": ""}}}
        lab.patch_claim("a", paused)
        lab.delete_claim("a")
        await lab.settle()
        assert lab.held("Bound") == {"192.168.100.2"}
        lab.patch_claim("a", {"metadata": {"annotations": None}})
        await lab.settle()
        assert lab.find_claim("a") is None

    play(story)


def test_an_ip_address_of_another_provider_with_the_claims_name_is_left_alone() -> None:
    theirs = {"apiGroup": "other.example.com", "kind": "Pool", "name": "x"}

    async def story(lab: Lab) -> None:
        lab.pool()
        spec = {"address": "10.9.9.9", "prefix": 8, "claimRef": {"name": "a"}, "poolRef": theirs}
        lab.server.put(lab.addresses, "a", NS, spec=spec)
        lab.claim("a", "b")
        await lab.settle()
        assert lab.reason("a") == "AddressConflict"
        assert "Pool.other.example.com x" in lab.condition("a")["message"]
        assert lab.address("b") == "192.168.100.2"
        lab.delete_claim("a")
        await lab.settle()
        assert lab.find_claim("a") is None
        assert lab.server.find(lab.addresses, "a", NS) is not None

    play(story)


def test_release_all_lets_everything_go_and_gives_no_address_away() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.claim("a", finalizers=["example.com/other"])
        lab.claim("b")
        await lab.settle()
        held = lab.held()
        await lab.stop()
        await lab.release_all()
        raw = lab.find_claim("a")
        assert raw is not None
        assert raw["metadata"]["finalizers"] == ["example.com/other"]
        lab.delete_claim("b")
        lab.server.delete(IPPOOLS, "lab", NS)
        assert lab.find_claim("b") is None
        assert lab.server.find(IPPOOLS, "lab", NS) is None
        assert lab.held("Bound") == held

    play(story)


def test_a_pool_may_serve_what_the_installer_names() -> None:
    ref = {"apiGroup": "installer.openshift.io", "kind": "IPPool", "name": "default-0"}

    async def story(lab: Lab) -> None:
        lab.pool()
        lab.create_claim("a", {"poolRef": ref})
        lab.create_claim("b", {"poolRef": ref | {"name": "default-1"}})
        await lab.settle()
        assert lab.address("a") == "192.168.100.2", "with the reference repeated letter by letter"
        assert lab.reason("b") == ""
        assert lab.pool_status()["used"] == 1

    play(story, pool_aliases="installer.openshift.io/IPPool/default-0=lab")
