"""``clusterctl move``, write by write as its mover.go does it, with our process up and down."""

from __future__ import annotations

from typing import Any

import pytest
from lab_claims import NS, Lab, play

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_api.ippool import IPPOOLS
from moorage_domain.kinds import Kind
from moorage_machine_ipam.kinds import CLUSTERS

MOVED = {"clusterctl.cluster.x-k8s.io/delete-for-move": ""}
REF = {"apiGroup": IPPOOLS.group, "kind": "IPPool", "name": "lab"}
FIRST = "192.168.100.2"


def claim(lab: Lab, name: str = "a") -> None:
    lab.create_claim(name, {"poolRef": REF, "clusterName": "prod"})


def pause(lab: Lab, *, paused: bool = True) -> None:
    lab.server.patch(CLUSTERS, "prod", {"spec": {"paused": paused}}, NS)


async def running(lab: Lab, **pool: Any) -> None:
    """A Cluster whose claim has the first address of the pool."""
    lab.server.put(CLUSTERS, "prod", NS, spec={})
    lab.pool(**pool)
    claim(lab)
    await lab.settle()
    assert lab.address("a") == FIRST


async def remove(lab: Lab, kind: Kind, name: str, seconds: float = 0.0) -> None:
    """Three writes; the first puts the mark in the place of all annotations."""
    raw = lab.server.find(kind, name, NS)
    assert raw is not None
    gone = dict.fromkeys(raw["metadata"].get("annotations") or {})
    lab.server.patch(kind, name, {"metadata": {"annotations": gone | MOVED}}, NS)
    await lab.world.pass_time(seconds)
    lab.server.patch(kind, name, {"metadata": {"finalizers": None}}, NS)
    await lab.world.pass_time(seconds)
    lab.server.delete(kind, name, NS)
    await lab.world.pass_time(seconds)


async def move_away(lab: Lab, seconds: float = 0.0) -> None:
    pause(lab)
    for kind in (lab.addresses, lab.claims):
        await remove(lab, kind, "a", seconds)
    await remove(lab, CLUSTERS, "prod", seconds)


@pytest.mark.parametrize("seconds", [0.0, 1.0, 45.0])
def test_an_address_that_moved_away_is_given_to_nobody(seconds: float) -> None:
    async def story(lab: Lab) -> None:
        await running(lab, reuse_delay_seconds=0)
        await move_away(lab, seconds)
        lab.claim("b")
        await lab.world.pass_time(3000.0)
        assert lab.held("Moved") == {FIRST}
        assert lab.address("b") == "192.168.100.3"

    play(story)


def test_an_address_that_moved_away_while_nobody_looked_is_given_to_nobody() -> None:
    async def story(lab: Lab) -> None:
        await running(lab, reuse_delay_seconds=0)
        await lab.stop()
        await move_away(lab)
        lab.start()
        lab.claim("b")
        await lab.world.pass_time(3000.0)
        assert lab.held("Moved") == {FIRST}
        assert lab.address("b") == "192.168.100.3"
        (raw,) = lab.records("Moved")
        assert "Cluster machines/prod" in raw["status"]["message"]
        lab.server.delete(IPALLOCATIONS, raw["metadata"]["name"])
        lab.claim("c")
        await lab.settle()
        assert lab.address("c") == FIRST

    play(story)


def test_a_claim_that_vanished_from_a_cluster_that_is_there_gave_its_address_up() -> None:
    async def story(lab: Lab) -> None:
        await running(lab, reuse_delay_seconds=0)
        await lab.stop()
        lab.patch_claim("a", {"metadata": {"finalizers": None}})
        lab.delete_claim("a")
        lab.start()
        await lab.world.pass_time(1500.0)
        assert lab.records() == []

    play(story)


def test_a_claim_that_vanished_from_a_paused_cluster_may_be_on_its_way() -> None:
    async def story(lab: Lab) -> None:
        await running(lab, reuse_delay_seconds=0)
        await lab.stop()
        pause(lab)
        for kind in (lab.addresses, lab.claims):
            await remove(lab, kind, "a")
        lab.start()
        await lab.world.pass_time(3000.0)
        assert lab.held() == {FIRST}, "a long move is not over before its Cluster goes"
        await remove(lab, CLUSTERS, "prod")
        await lab.world.pass_time(3000.0)
        assert lab.held("Moved") == {FIRST}

    play(story)


def test_what_comes_back_has_the_address_it_had() -> None:
    async def story(lab: Lab) -> None:
        await running(lab)
        await move_away(lab)
        await lab.world.pass_time(1500.0)
        lab.server.put(CLUSTERS, "prod", NS, spec={"paused": True})
        claim(lab)
        await lab.world.pass_time(20.0)
        lab.put_address("a", FIRST, annotations={"moorage.dev/claim-uid": "of-elsewhere"})
        await lab.world.pass_time(20.0)
        pause(lab, paused=False)
        await lab.settle()
        assert lab.address("a") == FIRST
        (raw,) = lab.records()
        assert "message" not in raw["status"], "nobody shall delete it now"

    play(story)


def test_a_claim_of_its_name_without_the_ip_address_does_not_get_what_moved_away() -> None:
    async def story(lab: Lab) -> None:
        await running(lab)
        await move_away(lab)
        lab.server.put(CLUSTERS, "prod", NS, spec={})
        claim(lab)
        await lab.world.pass_time(1500.0)
        assert lab.address("a") == "192.168.100.3"
        assert lab.held("Moved") == {FIRST}

    play(story)


@pytest.mark.parametrize("minutes", [1, 30, 300])
def test_at_the_target_an_ip_address_stays_however_long_the_move_takes(minutes: int) -> None:
    async def story(lab: Lab) -> None:
        lab.server.put(CLUSTERS, "prod", NS, spec={"paused": True})
        lab.pool()
        claim(lab)
        lab.put_address("a", "192.168.100.50", annotations={"moorage.dev/claim-uid": "of-source"})
        await lab.world.pass_time(minutes * 60.0)
        assert lab.server.find(lab.addresses, "a", NS) is not None
        pause(lab, paused=False)
        await lab.settle()
        assert lab.address("a") == "192.168.100.50"

    play(story)


def test_a_pool_that_goes_for_a_move_does_not_get_our_finalizer_again() -> None:
    async def story(lab: Lab) -> None:
        await running(lab)
        await lab.world.pass_time(10.0)
        pause(lab)
        await remove(lab, lab.addresses, "a", 5.0)
        await remove(lab, lab.claims, "a", 5.0)
        gone = {"metadata": {"annotations": MOVED, "finalizers": None}}
        lab.server.patch(IPPOOLS, "lab", gone, NS)
        await lab.world.pass_time(30.0)
        raw = lab.server.find(IPPOOLS, "lab", NS)
        assert raw is not None
        assert not raw["metadata"].get("finalizers")

    play(story)


def test_what_was_restored_and_not_yet_adopted_moves_too() -> None:
    async def story(lab: Lab) -> None:
        lab.server.put(CLUSTERS, "prod", NS, spec={"paused": True})
        lab.pool(reuse_delay_seconds=0)
        lab.put_record("192.168.100.50", "c0a86432", owner={
            "apiVersion": lab.claims.api_version, "kind": "IPAddressClaim", "namespace": NS,
            "name": "a", "uid": "of-before",
        })  # fmt: skip
        claim(lab)
        lab.put_address("a", "192.168.100.50")
        await lab.world.pass_time(60.0)
        await move_away(lab, 1.0)
        await lab.world.pass_time(3000.0)
        assert lab.held("Moved") == {"192.168.100.50"}

    play(story)
