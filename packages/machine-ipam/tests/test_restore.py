"""After a restore or a move every claim has the address that its IPAddress names."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import pytest
from lab_claims import NS, Lab, play

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_api.ippool import IPPOOLS
from moorage_machine_ipam.kinds import CLUSTERS
from moorage_testing.apiserver import Refusal

RESTORED = {"velero.io/restore-name": "nightly"}
REF = {"apiGroup": IPPOOLS.group, "kind": "IPPool", "name": "lab"}
KINDS = ("pool", "claim", "address", "record")
MOVED = {"clusterctl.cluster.x-k8s.io/delete-for-move": ""}


def owner(uid: str = "of-before", name: str = "a") -> dict[str, str]:
    return {
        "apiVersion": "ipam.cluster.x-k8s.io/v1beta1", "kind": "IPAddressClaim", "namespace": NS,
        "name": name, "uid": uid,
    }  # fmt: skip


def restore(lab: Lab, what: str, labels: dict[str, str]) -> None:
    """As a backup tool does it: without status, finalizers and owners, with a new uid.

    What is there already it leaves as it is.
    """
    with contextlib.suppress(Refusal):
        _create(lab, what, labels)


def _create(lab: Lab, what: str, labels: dict[str, str]) -> None:
    match what:
        case "pool":
            lab.pool()
        case "claim":
            lab.claim("a", labels=labels)
        case "address":
            lab.put_address("a", "192.168.100.50", labels=labels)
        case _:
            lab.put_record("192.168.100.50", "c0a86432", owner=owner())


def is_whole(lab: Lab) -> None:
    assert lab.address("a") == "192.168.100.50"
    raw = lab.find_claim("a")
    given = lab.server.find(lab.addresses, "a", NS)
    assert raw is not None
    assert given is not None
    assert raw["metadata"]["finalizers"] == ["moorage.dev/release-address"]
    owners = {one["uid"] for one in given["metadata"]["ownerReferences"]}
    assert raw["metadata"]["uid"] in owners
    assert lab.held() == {"192.168.100.50"}


@pytest.mark.parametrize("seconds", [0.0, 20.0, 120.0])
@pytest.mark.parametrize("order", list(itertools.permutations(KINDS)), ids="-".join)
def test_restored_in_any_order(order: tuple[str, ...], seconds: float) -> None:
    async def story(lab: Lab) -> None:
        for what in order:
            restore(lab, what, RESTORED)
            await lab.world.pass_time(seconds)
        await lab.settle()
        is_whole(lab)
        await lab.world.pass_time(7200.0)
        is_whole(lab)

    play(story)


@pytest.mark.parametrize(
    "order",
    [one for one in itertools.permutations(KINDS) if one.index("record") < one.index("claim")],
    ids="-".join,
)
def test_restored_by_a_tool_without_labels_while_the_record_is_there(
    order: tuple[str, ...],
) -> None:
    async def story(lab: Lab) -> None:
        for what in order:
            restore(lab, what, {})
            await lab.world.pass_time(10.0)
        await lab.settle()
        is_whole(lab)

    play(story)


def test_a_restored_claim_that_never_had_an_address_gets_one_at_last() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.claim("a", labels=RESTORED)
        await lab.world.pass_time(300.0)
        assert lab.reason("a") == "Restoring"
        await lab.world.pass_time(400.0)
        assert lab.address("a") == "192.168.100.2"

    play(story)


def test_where_facts_contradict_each_other_nothing_is_allocated() -> None:
    async def story(lab: Lab) -> None:
        await lab.stop()
        lab.pool()
        lab.put_record("192.168.100.50", "c0a86432", owner=owner(name="somebody"))
        lab.claim("a", "somebody")
        lab.put_address("a", "192.168.100.50")
        lab.start()
        await lab.settle()
        assert lab.reason("a") == "AddressConflict"
        message = lab.condition("a")["message"]
        assert "IPAddress a says 192.168.100.50" in message
        assert "default-c0a86432" in message
        assert "machines/somebody" in message
        assert lab.held() >= {"192.168.100.50"}
        lab.server.delete(lab.addresses, "a", NS)
        await lab.world.pass_time(700.0)
        assert lab.address("a") not in ("", "192.168.100.50")

    play(story)


def test_an_address_that_a_person_has_reserved_is_no_claims() -> None:
    async def story(lab: Lab) -> None:
        await lab.stop()
        lab.pool()
        lab.put_record("192.168.100.50", "c0a86432")
        lab.claim("a")
        lab.put_address("a", "192.168.100.50")
        lab.start()
        await lab.settle()
        assert lab.reason("a") == "AddressConflict"
        assert "reserved by a person" in lab.condition("a")["message"]

    play(story)


def test_an_ip_address_without_an_address_is_named() -> None:
    async def story(lab: Lab) -> None:
        await lab.stop()
        lab.pool()
        lab.claim("a")
        lab.put_address("a", "192.168.100.999")
        lab.start()
        await lab.settle()
        assert lab.reason("a") == "AddressConflict"
        assert '"192.168.100.999"' in lab.condition("a")["message"]
        assert lab.records() == []

    play(story)


def test_what_moved_to_another_cluster_is_given_to_nobody_here() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(reuse_delay_seconds=0)
        lab.claim("a")
        await lab.settle()
        assert lab.address("a") == "192.168.100.2"
        for kind in (lab.addresses, lab.claims):
            change: dict[str, Any] = {"metadata": {"annotations": MOVED}}
            lab.server.patch(kind, "a", change, NS)
            lab.server.patch(kind, "a", {"metadata": {"finalizers": None}}, NS)
            lab.server.delete(kind, "a", NS)
        await lab.settle()
        lab.claim("b")
        await lab.world.pass_time(7200.0)
        assert lab.held("Moved") == {"192.168.100.2"}
        assert lab.address("b") == "192.168.100.3"
        lab.server.delete(IPALLOCATIONS, "default-c0a86402")
        lab.claim("c")
        await lab.settle()
        assert lab.address("c") == "192.168.100.2"

    play(story)


def test_a_pool_that_moved_may_go() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.claim("a")
        await lab.settle()
        lab.server.patch(IPPOOLS, "lab", {"metadata": {"annotations": MOVED}}, NS)
        lab.server.delete(IPPOOLS, "lab", NS)
        await lab.settle()
        assert lab.server.find(IPPOOLS, "lab", NS) is None
        assert "192.168.100.2" in lab.held("Bound")

    play(story)


def test_at_the_target_of_a_move_addresses_are_adopted_unchanged() -> None:
    async def story(lab: Lab) -> None:
        lab.server.put(CLUSTERS, "prod", NS, spec={"paused": True})
        lab.pool()
        lab.create_claim("a", {"poolRef": REF, "clusterName": "prod"})
        await lab.world.pass_time(30.0)
        lab.create_claim("other", {"poolRef": REF})
        lab.put_address("a", "192.168.100.3")
        await lab.settle()
        assert lab.reason("a") == ""
        assert lab.address("other") == "192.168.100.2"
        lab.claim("third")
        await lab.settle()
        assert lab.address("third") == "192.168.100.4", "that of the IPAddress is left out"
        lab.server.patch(CLUSTERS, "prod", {"spec": {"paused": False}}, NS)
        await lab.settle()
        assert lab.address("a") == "192.168.100.3"

    play(story, watch_clusters=True)


def test_nothing_is_allocated_before_the_cluster_is_there() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.create_claim("a", {"poolRef": REF, "clusterName": "prod"})
        await lab.settle()
        assert lab.reason("a") == "ClusterMissing"
        lab.delete_claim("a")
        await lab.settle()
        assert lab.find_claim("a") is None, "a claim can be deleted without its Cluster"
        lab.create_claim("b", {"poolRef": REF, "clusterName": "prod"})
        await lab.settle()
        lab.server.put(CLUSTERS, "prod", NS, spec={})
        await lab.settle()
        assert lab.address("b") == "192.168.100.2"

    play(story, watch_clusters=True)
