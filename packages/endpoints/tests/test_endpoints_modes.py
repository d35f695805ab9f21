"""Modes of Services with a selector, beside the controllers of Kubernetes: nobody sees a gap."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from endpoints_checks import addresses, is_in_mode, managers
from endpoints_lab import NS, Lab, Union, play

from moorage_endpoints import names
from moorage_endpoints.kinds import ENDPOINTS, SERVICES, SLICES
from moorage_testing.apiserver import Fault

MODES = ("handover", "companion", "legacy", "report", "none")
CHANGES = list(itertools.permutations(MODES, 2))
DEFAULT, SECONDARY = "10.244.0.7", "10.1.0.5"


def served(lab: Lab, mode: str | None = None, **fields: Any) -> None:
    """A Service with a selector, and a pod with an address in both networks."""
    lab.pod("db-0", SECONDARY, pod_ip=DEFAULT)
    notes = {names.SELECTOR: None, names.MODE: mode}
    lab.service(selector={"app": "db"}, notes=notes, **fields)


def set_mode(lab: Lab, mode: str) -> None:
    networks = None if mode == "none" else "net"
    lab.annotate(mode=None if mode == "none" else mode, networks=networks)


def test_na_26_handover_no_gap() -> None:
    async def story(lab: Lab) -> None:
        lab.service(selector={"app": "db"}, notes={names.NETWORKS: None, names.SELECTOR: None})
        for number in range(3):
            lab.pod(f"db-{number}", f"10.1.0.{number + 1}", pod_ip=f"10.244.0.{number + 1}")
        await lab.settle()
        union = Union(lab.server, "web")
        assert union.now() == {"10.244.0.1", "10.244.0.2", "10.244.0.3"}
        set_mode(lab, "handover")
        await lab.settle()
        assert union.seen
        assert frozenset() not in union.seen
        assert union.now() == {"10.1.0.1", "10.1.0.2", "10.1.0.3"}
        is_in_mode(lab.server, "web", "handover")
        assert json.loads(lab.find()["metadata"]["annotations"][names.REMEMBERED]) == {"app": "db"}

    play(story, kubernetes=True)


def test_na_26_the_selector_stays_until_a_secondary_address_is_ready() -> None:
    async def story(lab: Lab) -> None:
        served(lab)
        lab.attach("db-0")
        await lab.settle()
        set_mode(lab, "handover")
        await lab.settle()
        assert lab.find()["spec"]["selector"] == {"app": "db"}
        assert Union(lab.server, "web").now() == {DEFAULT}
        lab.attach("db-0", SECONDARY)
        await lab.settle()
        is_in_mode(lab.server, "web", "handover")

    play(story, kubernetes=True)


def test_na_26_while_the_selector_stays_rewritten_endpoints_are_those_of_kubernetes() -> None:
    async def story(lab: Lab) -> None:
        served(lab, "legacy")
        await lab.settle()
        assert lab.core_addresses() == [SECONDARY]
        lab.annotate(mode="handover", networks="nowhere")
        await lab.settle()
        assert lab.find()["spec"]["selector"] == {"app": "db"}
        assert lab.core_addresses() == [DEFAULT]

    play(story, kubernetes=True)


def test_na_25_annotation_removed() -> None:
    async def story(lab: Lab) -> None:
        served(lab, "handover")
        await lab.settle()
        is_in_mode(lab.server, "web", "handover")
        union = Union(lab.server, "web")
        set_mode(lab, "none")
        await lab.settle()
        assert lab.find()["spec"]["selector"] == {"app": "db"}
        is_in_mode(lab.server, "web", "none")
        assert frozenset() not in union.seen
        assert union.now() == {DEFAULT}

    play(story, kubernetes=True)


def test_na_25_annotation_removed_of_a_service_without_a_selector() -> None:
    async def story(lab: Lab) -> None:
        lab.service()
        lab.pod("db-0", SECONDARY)
        await lab.settle()
        lab.annotate(networks=None)
        await lab.settle()
        assert lab.slices() == []

    play(story, kubernetes=True)


def test_a_selector_that_is_back_already_is_not_overwritten() -> None:
    async def story(lab: Lab) -> None:
        served(lab, "handover")
        await lab.settle()
        lab.edit(
            spec={"selector": {"app": "other"}}, metadata={"annotations": {names.NETWORKS: None}}
        )
        await lab.settle()
        assert lab.find()["spec"]["selector"] == {"app": "other"}
        assert names.REMEMBERED not in lab.find()["metadata"]["annotations"]

    play(story, kubernetes=True)


@pytest.mark.parametrize(("old", "new"), CHANGES)
@pytest.mark.parametrize("restart", [False, True])
def test_a_change_of_mode_leaves_nothing_and_no_gap(old: str, new: str, restart: bool) -> None:  # noqa: FBT001 - a column of the table
    async def story(lab: Lab) -> None:
        served(lab)
        set_mode(lab, old)
        await lab.settle()
        is_in_mode(lab.server, "web", old)
        union = Union(lab.server, "web")
        if restart:
            await lab.world.kill()
        set_mode(lab, new)
        if restart:
            lab.world.begin()
        await lab.settle()
        is_in_mode(lab.server, "web", new)
        assert frozenset() not in union.seen
        lab.writes()
        await lab.restart()
        assert lab.writes() == []

    play(story, kubernetes=True)


@pytest.mark.parametrize(("old", "new"), CHANGES)
@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_write_that_fails_in_between_makes_no_gap(old: str, new: str, verb: str) -> None:
    async def story(lab: Lab) -> None:
        served(lab)
        set_mode(lab, old)
        await lab.settle()
        union = Union(lab.server, "web")
        lab.server.faults.append(Fault(verb, 500, {"reason": "InternalError"}, times=2))
        set_mode(lab, new)
        await lab.settle()
        lab.server.faults.clear()
        await lab.settle()
        is_in_mode(lab.server, "web", new)
        assert frozenset() not in union.seen

    play(story, kubernetes=True)


def test_na_28_companion_leaves_original_untouched() -> None:
    async def story(lab: Lab) -> None:
        served(
            lab,
            "companion",
            ipFamilyPolicy="SingleStack",
            publishNotReadyAddresses=True,
            trafficDistribution="PreferClose",
            sessionAffinity="None",
        )
        before = lab.find()["metadata"]["resourceVersion"]
        await lab.settle()
        assert lab.find()["metadata"]["resourceVersion"] == before
        companion = lab.find("web-net")
        assert companion["spec"] == {
            "clusterIP": "None",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "ports": [{"protocol": "TCP", "port": 80, "targetPort": 8080}],
            "publishNotReadyAddresses": True,
            "sessionAffinity": "None",
            "trafficDistribution": "PreferClose",
        }
        assert addresses(lab.server, "web-net") == [SECONDARY]
        assert addresses(lab.server, "web") == [DEFAULT]
        (event,) = lab.events("CompanionSynced")
        assert "web-net" in event["message"]
        lab.server.delete(SERVICES, "web", NS)
        await lab.settle()
        assert lab.server.find(SERVICES, "web-net", NS) is None
        assert lab.slices("web-net") == []

    play(story, kubernetes=True)


def test_the_companion_follows_its_service() -> None:
    async def story(lab: Lab) -> None:
        lab.network("shop/more")
        served(lab, "companion", meta={"labels": {"a": "1"}})
        lab.pod("db-1", "10.1.0.6", meta={"labels": {"app": "other"}}, pod_ip="10.244.0.8")
        await lab.settle()
        lab.edit(
            spec={"selector": {"app": "other"}, "ports": [{"port": 81}]},
            metadata={"labels": {"a": None, "b": "2"}},
        )
        await lab.settle()
        assert addresses(lab.server, "web-net") == ["10.1.0.6"]
        assert lab.find("web-net")["metadata"]["labels"] == {"b": "2"}
        (one,) = lab.slices("web-net")
        assert one["ports"] == [{"name": "", "port": 81, "protocol": "TCP"}]
        lab.annotate(networks="more")
        await lab.settle()
        assert lab.server.find(SERVICES, "web-net", NS) is None
        assert lab.server.find(SERVICES, "web-more", NS) is not None
        assert lab.writes()
        await lab.restart()
        assert lab.writes() == []

    play(story, kubernetes=True)


@pytest.mark.parametrize("key", [names.COMPANION_OF, names.NETWORKS, names.SELECTOR])
def test_a_companion_that_somebody_edited_is_mended(key: str) -> None:
    async def story(lab: Lab) -> None:
        served(lab, "companion")
        await lab.settle()
        lab.edit("web-net", metadata={"annotations": {key: None}}, spec={"ports": [{"port": 9}]})
        await lab.settle()
        assert key in lab.find("web-net")["metadata"]["annotations"]
        assert lab.find("web-net")["spec"]["ports"][0]["port"] == 80
        assert addresses(lab.server, "web-net") == [SECONDARY]
        assert lab.events("CompanionNameTaken") == []

    play(story, kubernetes=True)


def test_in_a_companion_pods_have_the_names_they_have_in_its_service() -> None:
    async def story(lab: Lab) -> None:
        served(lab, "companion")
        lab.pod("db-1", "10.1.0.6", spec={"hostname": "db-1", "subdomain": "web"})
        lab.pod("db-2", "10.1.0.7", spec={"hostname": "db-2", "subdomain": "web-net"})
        await lab.settle()
        assert [one.get("hostname") for one in lab.endpoints("web-net")] == [None, "db-1", None]

    play(story, kubernetes=True)


def test_a_companion_has_a_cluster_address_where_it_is_asked_for() -> None:
    async def story(lab: Lab) -> None:
        served(lab, "companion", sessionAffinity="ClientIP")
        await lab.settle()
        assert lab.find("web-net")["spec"]["clusterIP"] == "None"
        union = Union(lab.server, "web")
        lab.annotate(companion_address="cluster")
        await lab.settle()
        # The API server gives it one.
        assert "clusterIP" not in lab.find("web-net")["spec"]
        assert lab.find("web-net")["spec"]["sessionAffinity"] == "ClientIP"
        assert addresses(lab.server, "web-net") == [SECONDARY]
        (one,) = lab.slices("web-net")
        assert names.HEADLESS_LABEL not in one["metadata"]["labels"]
        lab.edit("web-net", spec={"clusterIP": "10.96.0.10"})
        lab.writes()
        await lab.settle()
        assert lab.writes() == []
        lab.annotate(companion_address="none")
        await lab.settle()
        assert lab.find("web-net")["spec"]["clusterIP"] == "None"
        assert addresses(lab.server, "web-net") == [SECONDARY]
        assert set(union.seen) == {frozenset({DEFAULT})}

    play(story, kubernetes=True)


def test_a_companion_with_a_cluster_address_says_that_nodes_must_reach_its_network() -> None:
    async def story(lab: Lab) -> None:
        lab.network("shop/far", routable=False)
        served(lab, "companion")
        lab.annotate(networks="far", companion_address="cluster")
        await lab.settle()
        assert lab.events("NotNodeRoutable", "web-far")

    play(story, kubernetes=True)


def test_a_companion_goes_once_kubernetes_serves_its_service_again() -> None:
    async def story(lab: Lab) -> None:
        served(lab, "companion")
        await lab.settle()
        (theirs,) = lab.slices("web", names.KUBERNETES)
        lab.server.remove(SLICES, theirs["metadata"]["name"], NS)
        set_mode(lab, "none")
        await lab.settle()
        is_in_mode(lab.server, "web", "none")

    play(story, kubernetes=True)


def test_a_service_that_has_the_companions_name_is_left_alone() -> None:
    async def story(lab: Lab) -> None:
        lab.service("web-net", notes={names.NETWORKS: None, names.SELECTOR: None})
        before = lab.find("web-net")
        served(lab, "companion")
        await lab.settle()
        assert lab.find("web-net") == before
        (event,) = lab.events("CompanionNameTaken")
        assert "web-net" in event["message"]
        lab.server.delete(SERVICES, "web-net", NS)
        await lab.settle()
        is_in_mode(lab.server, "web", "companion")

    play(story, kubernetes=True)


def test_report_touches_nothing_and_says_what_to_do() -> None:
    async def story(lab: Lab) -> None:
        served(lab)
        await lab.settle()
        assert lab.writes() == []
        (event,) = lab.events("SelectorConflict")
        assert "write moorage.dev/mode: handover, companion or legacy" in event["message"]

    play(story, kubernetes=True)


def test_na_29_no_fight() -> None:
    async def story(lab: Lab) -> None:
        assert lab.kubernetes is not None
        for number in range(10):
            lab.pod(f"db-{number}", f"10.1.0.{number + 1}", pod_ip=f"10.244.0.{number + 1}")
        lab.service(selector={"app": "db"}, notes={names.SELECTOR: None, names.MODE: "handover"})
        await lab.settle()
        lab.writes()
        lab.kubernetes.foreign_rewrites = lab.kubernetes.writes = 0
        for second in range(600):
            lab.ready(f"db-{second % 10}", ready=second % 20 >= 10)
            if second % 60 == 0:
                lab.kubernetes.resync()
            await lab.world.pass_time(1.0)
        await lab.settle()
        assert (lab.kubernetes.foreign_rewrites, lab.kubernetes.writes) == (0, 0)
        assert len(lab.writes()) == 600
        assert managers(lab.server, "web") == {names.MANAGER}

    play(story, kubernetes=True)


def test_a_straggler_of_kubernetes_just_after_the_handover_is_deleted() -> None:
    async def story(lab: Lab) -> None:
        served(lab, "handover")
        await lab.settle()
        uid = lab.find()["metadata"]["uid"]
        labels = {names.SERVICE_LABEL: "web", names.MANAGED_BY_LABEL: names.KUBERNETES}
        owner = [{"kind": "Service", "name": "web", "uid": uid, "controller": True}]
        lab.server.put(
            SLICES,
            "web-late",
            NS,
            metadata={"labels": labels, "ownerReferences": owner},
            addressType="IPv4",
            endpoints=[{"addresses": [DEFAULT]}],
        )
        lab.server.put(ENDPOINTS, "web", NS, subsets=[{"addresses": [{"ip": DEFAULT}]}])
        await lab.settle()
        is_in_mode(lab.server, "web", "handover")
        assert addresses(lab.server, "web") == [SECONDARY]

    play(story, kubernetes=True)


def test_who_puts_the_selector_back_again_and_again_is_answered_less_often() -> None:
    async def story(lab: Lab) -> None:
        served(lab, "handover")
        await lab.settle()
        lab.writes()
        for _ in range(30):
            lab.edit(spec={"selector": {"app": "db"}})
            await lab.world.pass_time(2.0)
        patches = [one for one in lab.writes() if one.startswith("PATCH")]
        # The handover itself was the first within this minute.
        assert 2 <= len(patches) <= 4
        (event,) = lab.events("SelectorContested")
        assert event["type"] == "Warning"
        await lab.world.pass_time(70.0)
        await lab.settle()
        is_in_mode(lab.server, "web", "handover")

    play(story, kubernetes=True)


def test_endpoints_that_people_made_for_a_service_without_a_selector_stay() -> None:
    async def story(lab: Lab) -> None:
        lab.service()
        lab.server.put(ENDPOINTS, "web", NS, subsets=[{"addresses": [{"ip": "192.0.2.1"}]}])
        await lab.settle()
        assert lab.core_addresses() == ["192.0.2.1"]
        assert managers(lab.server, "web") == {names.MANAGER, names.MIRRORING}

    play(story, kubernetes=True)


def test_the_mode_of_services_that_name_none_is_a_setting() -> None:
    async def story(lab: Lab) -> None:
        served(lab)
        await lab.settle()
        is_in_mode(lab.server, "web", "companion")

    play(story, kubernetes=True, selector_services="companion")


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        ({names.NETWORKS: "net,"}, "annotation moorage.dev/networks: item of network 2"),
        ({names.COMPANION_ADDRESS: "yes"}, '"yes" is neither; write none or cluster'),
        ({names.MODE: "magic"}, '"magic" is no mode; write one of handover, companion'),
        ({names.SELECTOR: "a b"}, "no part of a label selector"),
        ({names.REMEMBERED: "["}, "is no JSON object of labels"),
    ],
)
def test_what_cannot_be_read_changes_nothing_and_is_said_once(
    notes: dict[str, str], said: str
) -> None:
    async def story(lab: Lab) -> None:
        served(lab, "handover")
        await lab.settle()
        before = lab.slices()
        lab.writes()
        lab.edit(metadata={"annotations": notes})
        lab.delete_pod("db-0")
        await lab.settle()
        assert lab.writes() == []
        assert lab.slices() == before
        (event,) = lab.events("InvalidNetworkSelection")
        assert said in event["message"]
        assert event["count"] == 1

    play(story, kubernetes=True)


def test_an_external_name_has_no_endpoints() -> None:
    async def story(lab: Lab) -> None:
        lab.pod("db-0", SECONDARY)
        lab.service()
        await lab.settle()
        lab.edit(spec={"type": "ExternalName"})
        await lab.settle()
        assert lab.slices() == []
        assert lab.events("UnsupportedService")

    play(story)
