"""What goes wrong in a cluster, and what is right then: errors, strangers, restarts, races."""

from __future__ import annotations

from typing import Any

import pytest
from endpoints_lab import NS, Lab, entry, play, status

from moorage_endpoints import names
from moorage_endpoints.kinds import NADS, SERVICES, SLICES
from moorage_endpoints.networks.status import STATUS_ANNOTATION
from moorage_kube.client.kinds import NODES
from moorage_testing.apiserver import Fault

Raw = dict[str, Any]


def served(lab: Lab, pods: int = 2, **fields: Any) -> None:
    lab.service(**fields)
    for number in range(pods):
        lab.pod(f"db-{number}", f"10.1.0.{number + 1}")


def test_na_32_conflict_409() -> None:
    async def story(lab: Lab) -> None:
        served(lab)
        await lab.settle()
        (one,) = lab.slices()
        lab.server.faults.append(Fault("PUT", 409, {"reason": "Conflict"}, times=3))
        lab.server.patch(SLICES, one["metadata"]["name"], {"metadata": {"labels": {"x": "y"}}}, NS)
        lab.pod("db-2", "10.1.0.3")
        await lab.settle()
        assert lab.addresses() == ["10.1.0.1", "10.1.0.2", "10.1.0.3"]
        assert len(lab.slices()) == 1

    play(story)


def test_sec_tenant_a_service_leads_to_no_address_outside_of_what_is_allowed() -> None:
    """A pod's owner writes its network status, and names the API server, a node, a neighbour."""

    async def story(lab: Lab) -> None:
        lab.service()
        lab.pod("db-0", "10.1.0.1", "192.0.2.1")
        lab.pod("db-1", "192.0.2.1")
        await lab.settle()
        assert lab.addresses() == ["10.1.0.1"]
        (event,) = lab.events("NoAddressOnNetwork")
        assert "192.0.2.1 is outside of --allow-addresses" in event["message"]
        lab.attach("db-0", "10.1.1.1")
        await lab.settle()
        assert lab.addresses() == []

    play(story, allow_addresses="10.1.0.0/24, 2001:db8::/64")


def test_na_33_api_down_60s() -> None:
    async def story(lab: Lab) -> None:
        served(lab)
        await lab.settle()
        lab.server.faults.append(Fault("", 503, {"reason": "ServiceUnavailable"}, times=100_000))
        lab.server.cut_watches()
        lab.attach("db-0", "10.1.0.77")
        lab.delete_pod("db-1")
        await lab.world.pass_time(60.0)
        lab.server.faults.clear()
        lab.server.forget_history()
        # The longest pauses of an informer, which finds its version too old, and of the queue.
        await lab.world.pass_time(30.0 + 30.0 + 60.0)
        assert lab.addresses() == ["10.1.0.77"]

    play(story)


def test_na_34_create_succeeded_but_timed_out() -> None:
    async def story(lab: Lab) -> None:
        lab.server.faults.append(Fault("POST", drop="after", times=2))
        served(lab)
        await lab.settle()
        assert len(lab.slices()) == 1
        assert lab.addresses() == ["10.1.0.1", "10.1.0.2"]

    play(story)


def test_na_35_restart_zero_writes() -> None:
    async def story(lab: Lab) -> None:
        for number in range(5):
            lab.service(f"web-{number}")
        served(lab, 10)
        await lab.settle()
        lab.writes()
        await lab.restart()
        assert lab.writes() == []
        await lab.world.kill()
        lab.delete_pod("db-0")
        lab.pod("db-77", "10.1.0.77")
        lab.server.delete(SERVICES, "web-0", NS)
        lab.world.begin()
        await lab.settle()
        assert "10.1.0.1" not in lab.addresses()
        assert "10.1.0.77" in lab.addresses()
        assert len(lab.writes()) == 5
        assert lab.slices("web-0") == []

    play(story)


def test_na_36_foreign_edit_restored() -> None:
    async def story(lab: Lab) -> None:
        served(lab)
        await lab.settle()
        (one,) = lab.slices()
        name, good = one["metadata"]["name"], one["endpoints"]
        edits: list[Raw] = [
            {"endpoints": []},
            {"endpoints": [{"addresses": ["192.0.2.1"], "conditions": {"ready": True}}]},
            {"endpoints": [good[0] | {"addresses": ["10.1.0.1", "10.9.9.9"]}, good[1]]},
            {"endpoints": [good[0] | {"deprecatedTopology": {"a": "b"}}, good[1]]},
            {"metadata": {"labels": {"team": "x"}}},
        ]
        for edit in edits:
            lab.server.patch(SLICES, name, edit, NS)
            await lab.world.pass_time(1.0)
            (now,) = lab.slices()
            assert (now["endpoints"], now["metadata"]["labels"]) == (
                good,
                one["metadata"]["labels"],
            )
        lab.server.delete(SLICES, name, NS)
        await lab.world.pass_time(1.0)
        assert lab.addresses() == ["10.1.0.1", "10.1.0.2"]
        await lab.settle()

    play(story)


@pytest.mark.parametrize(
    "labels",
    [
        {names.MANAGED_BY_LABEL: "somebody"},
        {names.MANAGED_BY_LABEL: None},
        {names.SERVICE_LABEL: None},
        {names.SERVICE_LABEL: None, names.MANAGED_BY_LABEL: None},
    ],
)
def test_na_36_foreign_edit_restored_of_the_labels_that_make_it_ours(
    labels: dict[str, str | None],
) -> None:
    async def story(lab: Lab) -> None:
        served(lab)
        await lab.settle()
        (one,) = lab.slices()
        lab.server.patch(SLICES, one["metadata"]["name"], {"metadata": {"labels": labels}}, NS)
        await lab.world.pass_time(1.0)
        (now,) = lab.server.all_of(SLICES, NS)
        assert now["metadata"]["labels"] == one["metadata"]["labels"]
        assert now["metadata"]["uid"] == one["metadata"]["uid"]

    play(story)


def test_na_36_a_slice_that_was_given_to_another_service_goes() -> None:
    async def story(lab: Lab) -> None:
        served(lab)
        await lab.settle()
        (one,) = lab.slices()
        labels = {names.SERVICE_LABEL: "gone"}
        lab.server.patch(SLICES, one["metadata"]["name"], {"metadata": {"labels": labels}}, NS)
        await lab.settle()
        assert lab.slices("gone") == []
        assert lab.addresses() == ["10.1.0.1", "10.1.0.2"]

    play(story)


def test_a_service_that_is_being_deleted_serves_until_it_is_gone() -> None:
    async def story(lab: Lab) -> None:
        served(lab, meta={"finalizers": ["example.com/load-balancer"]})
        await lab.settle()
        lab.server.delete(SERVICES, "web", NS)
        lab.delete_pod("db-0")
        await lab.settle()
        assert lab.addresses() == ["10.1.0.2"]
        (one,) = lab.slices()
        lab.writes()
        lab.server.delete(SLICES, one["metadata"]["name"], NS)
        await lab.settle()
        assert lab.writes() == []

    play(story)


def test_na_36_foreign_slice_untouched() -> None:
    async def story(lab: Lab) -> None:
        labels = {names.SERVICE_LABEL: "web", names.MANAGED_BY_LABEL: "example.com"}
        foreign: Raw = {"addressType": "IPv4", "endpoints": [{"addresses": ["192.0.2.1"]}]}
        lab.server.put(SLICES, "theirs", NS, metadata={"labels": labels}, **foreign)
        before = lab.server.find(SLICES, "theirs", NS)
        served(lab)
        await lab.settle()
        assert lab.server.find(SLICES, "theirs", NS) == before
        (event,) = lab.events("ForeignSlices")
        assert "example.com writes slices" in event["message"]

    play(story)


def test_na_36_a_name_that_somebody_else_has_is_avoided() -> None:
    async def story(lab: Lab) -> None:
        served(lab)
        await lab.settle()
        (one,) = lab.slices()
        name = one["metadata"]["name"]
        lab.server.remove(SLICES, name, NS)
        lab.server.put(SLICES, name, NS, metadata={"labels": {}}, addressType="IPv4", endpoints=[])
        await lab.settle()
        (mine,) = lab.slices()
        assert mine["metadata"]["name"] == name[:-1] + "2"
        (event,) = lab.events("ForeignSlices")
        assert name in event["message"]

    play(story)


def test_na_36_orphans_swept() -> None:
    async def story(lab: Lab) -> None:
        served(lab)
        await lab.settle()
        body = dict(lab.slices()[0])
        for service, uid in (("web", "uid-of-before"), ("gone", "uid-gone")):
            labels = {names.SERVICE_LABEL: service, names.MANAGED_BY_LABEL: names.MANAGER}
            owner = [{"kind": "Service", "name": service, "uid": uid, "controller": True}]
            about: Raw = {"labels": labels, "ownerReferences": owner}
            fields = {"addressType": "IPv4", "endpoints": body["endpoints"], "ports": []}
            lab.server.put(SLICES, f"{service}-0", NS, metadata=about, **fields)
        await lab.settle()
        assert lab.slices("gone") == []
        (left,) = lab.slices()
        assert left["metadata"]["name"] == body["metadata"]["name"]

    play(story)


def test_a_service_that_is_made_anew_gets_slices_of_its_own() -> None:
    async def story(lab: Lab) -> None:
        served(lab)
        await lab.settle()
        raw = lab.find()
        fields = {"metadata": raw["metadata"] | {"uid": "u-2"}, "spec": raw["spec"]}
        lab.server.put(SERVICES, "web", NS, uid="u-2", **fields)
        await lab.settle()
        (one,) = lab.slices()
        assert one["metadata"]["ownerReferences"][0]["uid"] == "u-2"
        assert lab.addresses() == ["10.1.0.1", "10.1.0.2"]

    play(story)


@pytest.mark.parametrize(
    ("first", "second", "published"),
    [
        ({}, {"ready": False}, "db-0"),
        ({"ready": False}, {}, "db-1"),
        ({"meta": {"deletionTimestamp": "2027-01-01T00:00:09Z"}}, {}, "db-1"),
        (
            {"meta": {"deletionTimestamp": "2027-01-01T00:00:09Z"}},
            {"ready": False},
            "db-0",
        ),
        ({"meta": {"creationTimestamp": "2027-01-01T00:00:05Z"}}, {}, "db-0"),
        ({}, {"meta": {"creationTimestamp": "2027-01-01T00:00:05Z"}}, "db-1"),
    ],
)
def test_of_pods_with_one_address_the_one_that_lives_is_published(
    first: Raw, second: Raw, published: str
) -> None:
    async def story(lab: Lab) -> None:
        lab.service()
        for name, fields in (("db-0", first), ("db-1", second)):
            meta = {"labels": {"app": "db"}, "annotations": {}} | fields.get("meta", {})
            meta["annotations"] = {STATUS_ANNOTATION: status("10.1.0.1")}
            lab.pod(name, "10.1.0.1", **(fields | {"meta": meta}))
        await lab.settle()
        (one,) = lab.endpoints()
        assert one["targetRef"]["name"] == published

    play(story)


def test_pods_that_come_one_after_the_other_make_one_event() -> None:
    async def story(lab: Lab) -> None:
        lab.service()
        for number in range(5):
            lab.pod(f"db-{number}", status=[])
            await lab.settle()
        (event,) = lab.events("NoAddressOnNetwork")
        assert event["message"].startswith("db-0: it is not attached")
        for number in range(5):
            lab.attach(f"db-{number}", f"10.1.0.{number + 1}")
        await lab.settle()
        lab.attach("db-3")
        await lab.settle()
        messages = {one["message"] for one in lab.events("NoAddressOnNetwork")}
        assert len(messages) == 2
        assert any(one.startswith("db-3: the entry of shop/net") for one in messages)

    play(story)


def test_a_duplicate_address_is_said() -> None:
    async def story(lab: Lab) -> None:
        lab.service()
        lab.pod("db-0", "10.1.0.1")
        lab.pod("db-1", "10.1.0.1")
        await lab.settle()
        (event,) = lab.events("DuplicateAddress")
        assert event["message"] == "10.1.0.1 belongs to db-1, and db-0 has it, too"

    play(story)


def test_a_status_that_becomes_unreadable_counts_for_half_a_minute_more() -> None:
    async def story(lab: Lab) -> None:
        served(lab, 1)
        await lab.settle()
        lab.edit_pod("db-0", {"metadata": {"annotations": {STATUS_ANNOTATION: "["}}})
        await lab.world.pass_time(20.0)
        assert lab.addresses() == ["10.1.0.1"]
        (event,) = lab.events("NetworkStatusUnreadable")
        assert "its last addresses are kept for now" in event["message"]
        await lab.world.pass_time(20.0)
        assert lab.addresses() == []
        lab.attach("db-0", "10.1.0.2")
        await lab.settle()
        assert lab.addresses() == ["10.1.0.2"]

    play(story)


def test_a_status_that_becomes_empty_counts_at_once() -> None:
    async def story(lab: Lab) -> None:
        served(lab, 1)
        await lab.settle()
        lab.edit_pod("db-0", {"metadata": {"annotations": {STATUS_ANNOTATION: "[]"}}})
        await lab.world.pass_time(2.0)
        assert lab.addresses() == []

    play(story)


def test_one_spoiled_entry_leaves_the_others() -> None:
    async def story(lab: Lab) -> None:
        lab.service()
        lab.pod("db-0", status=[{"name": ""}, 7, entry(), entry("10.1.0.5", interface="net2")])
        await lab.settle()
        assert lab.addresses() == ["10.1.0.5"]

    play(story)


def test_a_pod_that_moves_from_one_service_to_another_leaves_the_first() -> None:
    async def story(lab: Lab) -> None:
        served(lab, 1)
        lab.service("other", notes={names.SELECTOR: "app in (other, more)"})
        await lab.settle()
        lab.edit_pod("db-0", {"metadata": {"labels": {"app": "more"}}})
        await lab.settle()
        assert (lab.addresses("web"), lab.addresses("other")) == ([], ["10.1.0.1"])

    play(story)


def test_a_selector_without_values_finds_pods() -> None:
    async def story(lab: Lab) -> None:
        served(lab, 1, notes={names.SELECTOR: "app,!old"})
        await lab.settle()
        assert lab.addresses() == ["10.1.0.1"]
        lab.edit_pod("db-0", {"metadata": {"labels": {"old": "x"}}})
        await lab.settle()
        assert lab.addresses() == []

    play(story)


def test_networks_that_are_missing_or_far_from_nodes_are_said() -> None:
    async def story(lab: Lab) -> None:
        lab.network("shop/far", routable=False)
        lab.service("far", notes={names.NETWORKS: "far"})
        lab.service("headless", notes={names.NETWORKS: "far"}, clusterIP="None")
        lab.service("missing", notes={names.NETWORKS: "nowhere/none"})
        lab.service("web")
        await lab.settle()
        assert "shop/far" in lab.events("NotNodeRoutable", "far")[0]["message"]
        assert "nowhere/none" in lab.events("NoSuchNetwork", "missing")[0]["message"]
        for name in ("headless", "web"):
            assert lab.events("NotNodeRoutable", name) == []
            assert lab.events("NoSuchNetwork", name) == []
        lab.server.remove(NADS, "net", NS)
        await lab.settle()
        assert lab.events("NoSuchNetwork", "web")

    play(story)


def test_a_rollout_of_ten_pods_takes_few_writes() -> None:
    async def story(lab: Lab) -> None:
        served(lab, 10)
        await lab.settle()
        lab.writes()
        for number in range(10):
            lab.pod(f"new-{number}", f"10.1.1.{number + 1}", ready=False)
            await lab.world.pass_time(0.03)
            lab.ready(f"new-{number}", ready=True)
            lab.terminate(f"db-{number}")
            await lab.world.pass_time(0.03)
            lab.delete_pod(f"db-{number}")
            await lab.world.pass_time(0.03)
        await lab.settle()
        assert len(lab.addresses()) == 10
        assert len(lab.writes()) <= 30

    play(story)


def test_in_a_namespace_that_ends_nothing_is_tried_again_and_again() -> None:
    async def story(lab: Lab) -> None:
        message = "unable to create new content in namespace shop because it is being terminated"
        refusal = {"reason": "Forbidden", "message": message}
        lab.server.faults.append(Fault("POST", 403, refusal, times=1000))
        served(lab)
        await lab.world.pass_time(120.0)
        creates = [one for one in lab.writes() if "endpointslices" in one]
        assert creates == []  # the fault answers before the work is done
        asked = [one for one in lab.server.requests("POST") if "endpointslices" in one.path]
        assert len(asked) == 1

    play(story)


def test_a_node_that_is_gone_leaves_endpoints_without_a_zone() -> None:
    async def story(lab: Lab) -> None:
        lab.node("n1", "a")
        served(lab, 1)
        await lab.settle()
        assert lab.endpoints()[0]["zone"] == "a"
        lab.server.remove(NODES, "n1")
        await lab.settle()
        assert "zone" not in lab.endpoints()[0]

    play(story)


def test_a_dry_run_writes_nothing() -> None:
    async def story(lab: Lab) -> None:
        served(lab, selector={"app": "db"})
        await lab.settle()
        assert lab.writes() == []

    play(story, dry_run=True, selector_services="handover")


def test_a_dry_run_of_one_service_writes_nothing_for_it() -> None:
    async def story(lab: Lab) -> None:
        served(lab, notes={"moorage.dev/dry-run": "true"})
        lab.service("other")
        await lab.settle()
        assert lab.slices() == []
        assert lab.addresses("other") == ["10.1.0.1", "10.1.0.2"]

    play(story)
