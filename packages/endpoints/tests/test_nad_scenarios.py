"""Net-attach-defs stay as long as pods use them: NA-38 to NA-43, and what others ran into."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from lab_nads import BRIDGE, NS, Lab, play, status_annotation

from moorage_domain.admission import Allowed, Denied
from moorage_endpoints.kinds import NADS
from moorage_endpoints.nads.names import (
    ALLOW_DELETE,
    CLUSTER_CONTROLLERS,
    DEFAULT_NETWORK,
    FINALIZER,
    MARKER,
    NETWORKS,
    PROTECT,
)
from moorage_kube.client.kinds import EVENTS, NAMESPACES, PODS
from moorage_testing.apiserver import Fault

FOO = "foo-network"


def test_na_38_nad_finalizer_holds() -> None:
    async def story(lab: Lab) -> None:
        lab.nad()
        lab.pod("a")
        await lab.settle()
        assert lab.held() == "default/a"
        lab.delete()
        await lab.settle()
        raw = lab.find()
        assert raw is not None
        assert raw["spec"] == {"config": BRIDGE}, "a new pod can be attached"
        assert lab.events() == [("net", "HeldByPods")]
        assert "default/a" in lab.message("HeldByPods")
        lab.pod("b")
        lab.remove_pod("a")
        await lab.settle()
        assert lab.find() is not None, "b still uses it"
        lab.remove_pod("b")
        await asyncio.sleep(2.0)
        assert lab.find() is None

    play(story)


def test_na_38_it_is_held_while_no_controller_runs() -> None:
    async def story(lab: Lab) -> None:
        lab.nad()
        lab.pod()
        await lab.settle()
        await lab.stop()
        lab.delete()
        assert lab.find() is not None
        lab.remove_pod()
        lab.start()
        await lab.settle()
        assert lab.find() is None

    play(story)


def test_na_38_writes_only_when_the_first_user_comes_and_the_last_one_goes() -> None:
    async def story(lab: Lab) -> None:
        lab.nad()
        await lab.settle()
        assert lab.writes == 0
        for number in range(20):
            lab.pod(f"pod-{number}")
        await lab.settle()
        assert lab.writes == 1
        for number in range(19):
            lab.remove_pod(f"pod-{number}")
        lab.annotate_pod({"example.com/note": "x"}, "pod-19")
        await lab.settle()
        await lab.world.restart()
        await lab.settle()
        assert lab.writes == 1
        lab.remove_pod("pod-19")
        await lab.settle()
        assert (lab.writes, lab.held()) == (2, "")

    play(story)


def test_na_38_what_others_put_on_it_stays() -> None:
    async def story(lab: Lab) -> None:
        own = {"example.com/a": "b"}
        lab.nad(finalizers=["example.com/theirs"], annotations=own)
        lab.pod()
        await lab.settle()
        lab.remove_pod()
        await lab.settle()
        raw = lab.find()
        assert raw is not None
        assert raw["metadata"]["finalizers"] == ["example.com/theirs"]
        assert raw["metadata"]["annotations"] == own

    play(story)


def test_na_38_a_finalizer_taken_off_by_force_is_put_on_again() -> None:
    async def story(lab: Lab) -> None:
        lab.nad()
        lab.pod()
        await lab.settle()
        lab.edit({"metadata": {"finalizers": None}})
        await lab.settle()
        assert lab.held() == "default/pod"

    play(story)


def test_na_39_nad_denied_with_users_named() -> None:
    async def story(lab: Lab) -> None:
        old = lab.nad()
        for name in "abcd":
            lab.pod(name)
        await lab.settle()
        answer = lab.ask("DELETE", old=old)
        assert isinstance(answer, Denied)
        assert "default/net is in use by default/a, default/b, default/c and 1 more" in (
            answer.message
        )
        assert f"{ALLOW_DELETE}=true" in answer.message
        allowed = {**old, "metadata": {**old["metadata"], "annotations": {ALLOW_DELETE: "true"}}}
        assert lab.ask("DELETE", old=allowed) == Allowed()
        for user in CLUSTER_CONTROLLERS:
            assert lab.ask("DELETE", old=old, user=user) == Allowed()
        lab.end_namespace(NS)
        await lab.settle()
        assert lab.ask("DELETE", old=old) == Allowed()

    play(story, webhook_nads=True)


@pytest.mark.parametrize("body", [{}, {"spec": None}, {"spec": {}}], ids=["bare", "null", "empty"])
def test_na_39_also_without_spec_annotations_and_labels(body: dict[str, Any]) -> None:
    async def story(lab: Lab) -> None:
        old = lab.server.create(NADS, {"metadata": {"name": "net"}, **body}, NS)
        await lab.settle()
        assert lab.ask("DELETE", old=old) == Allowed()
        lab.pod()
        await lab.settle()
        assert lab.held() == "default/pod"
        assert isinstance(lab.ask("DELETE", old=old), Denied)
        lab.remove_pod()
        await lab.settle()
        assert lab.held() == ""

    play(story, webhook_nads=True)


def test_na_39_allow_delete_passes() -> None:
    async def story(lab: Lab) -> None:
        lab.nad()
        lab.pod()
        await lab.settle()
        lab.delete()
        await lab.settle()
        assert lab.find() is not None
        lab.edit({"metadata": {"annotations": {ALLOW_DELETE: "true"}}})
        await lab.settle()
        assert lab.find() is None

    play(story)


def test_na_39_namespace_deletion_completes_though_no_event_can_be_created() -> None:
    async def story(lab: Lab) -> None:
        lab.namespace("other")
        lab.nad(namespace="other")
        lab.pod(networks="other/net")
        await lab.settle()
        assert lab.held("net", "other") == "default/pod"
        refusal = {"kind": "Status", "reason": "Forbidden", "code": 403, "message": "terminating"}
        lab.server.faults.append(Fault("POST", 403, refusal, path="/events", times=10**6))
        lab.end_namespace("other")
        await lab.settle()
        assert lab.find("net", "other") is None
        assert lab.server.all_of(EVENTS) == []

    play(story)


def test_na_39_namespace_deletion_is_told_where_it_can_be() -> None:
    async def story(lab: Lab) -> None:
        lab.nad(finalizers=["example.com/theirs"])
        lab.pod()
        await lab.settle()
        lab.end_namespace(NS)
        await lab.settle()
        assert lab.held() == ""
        assert lab.events() == [("net", "ReleasedForNamespaceDeletion")]

    play(story)


def test_na_40_nad_default_network_reference() -> None:
    async def story(lab: Lab) -> None:
        lab.nad("wide", "kube-system")
        lab.nad("wide", NS)
        lab.pod(networks="", **{DEFAULT_NETWORK: "wide"})
        await lab.settle()
        assert (lab.held("wide", "kube-system"), lab.held("wide", NS)) == ("default/pod", "")

    play(story)


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_na_40_completed_pod_is_no_user(phase: str) -> None:
    async def story(lab: Lab) -> None:
        lab.nad()
        lab.pod()
        await lab.settle()
        lab.pod_phase("Pending")
        await lab.settle()
        assert lab.held()
        lab.pod_phase(phase)
        await lab.settle()
        assert lab.held() == ""

    play(story)


def test_na_40_cross_namespace_user() -> None:
    async def story(lab: Lab) -> None:
        lab.nad()
        lab.nad(namespace="apps")
        lab.pod(networks="default/net@eth7", namespace="apps")
        await lab.settle()
        assert (lab.held(), lab.held(namespace="apps")) == ("apps/pod", "")

    play(story)


def test_na_40_a_terminating_pod_counts_until_it_is_gone() -> None:
    async def story(lab: Lab) -> None:
        lab.nad()
        lab.pod()
        await lab.settle()
        raw = lab.server.find(PODS, "pod", NS)
        assert raw is not None
        leaving = {**raw["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
        lab.server.put(PODS, "pod", NS, metadata=leaving, status={"phase": "Running"})
        await lab.settle()
        assert lab.held() == "default/pod"

    play(story)


@pytest.mark.parametrize(
    "still",
    [{NETWORKS: None}, {NETWORKS: "net,,"}, {NETWORKS: "[]"}],
    ids=["taken off", "unreadable", "emptied"],
)
def test_the_network_status_of_a_running_pod_keeps_its_nad(still: dict[str, Any]) -> None:
    async def story(lab: Lab) -> None:
        lab.nad()
        lab.pod(**status_annotation("default/net"))
        await lab.settle()
        lab.annotate_pod(still)
        await lab.settle()
        assert lab.held() == "default/pod"
        lab.annotate_pod(status_annotation())
        await lab.settle()
        assert lab.held() == ""

    play(story)


def test_a_network_that_is_plugged_into_a_running_pod_is_kept() -> None:
    async def story(lab: Lab) -> None:
        lab.nad()
        lab.pod(networks="")
        await lab.settle()
        assert lab.held() == ""
        lab.annotate_pod({NETWORKS: "net"})
        await lab.settle()
        assert lab.held() == "default/pod"

    play(story)


def test_a_nad_that_comes_after_its_pod_is_kept() -> None:
    async def story(lab: Lab) -> None:
        lab.pod()
        await lab.settle()
        lab.nad()
        await lab.settle()
        assert lab.held() == "default/pod"

    play(story)


def test_a_label_takes_a_nad_out_of_protection() -> None:
    async def story(lab: Lab) -> None:
        lab.nad(labels={PROTECT: "false"})
        lab.pod()
        await lab.settle()
        assert lab.held() == ""
        lab.edit({"metadata": {"labels": {PROTECT: None}}})
        await lab.settle()
        assert lab.held()
        lab.edit({"metadata": {"labels": {PROTECT: "false"}}})
        await lab.settle()
        assert lab.held() == ""

    play(story)


def test_a_change_while_in_use_is_told() -> None:
    async def story(lab: Lab) -> None:
        lab.nad()
        await lab.settle()
        lab.edit({"spec": {"config": ""}})
        await lab.settle()
        assert lab.events() == []
        lab.pod()
        await lab.settle()
        lab.edit({"spec": {"config": BRIDGE}})
        await lab.settle()
        assert lab.events() == [("net", "ChangedWhileInUse")]

    play(story)


def test_na_41_resurrect_brings_it_back_as_it_was() -> None:
    async def story(lab: Lab) -> None:
        old = lab.nad(labels={"a": "b"}, annotations={"c": "d"})
        lab.pod()
        await lab.settle()
        assert lab.held() == "", "no finalizer: it goes, and comes back"
        lab.delete()
        await lab.settle()
        raw = lab.find()
        assert raw is not None
        assert raw["metadata"]["uid"] != old["metadata"]["uid"]
        kept = ("labels", "annotations")
        assert [raw["metadata"][key] for key in kept] == [old["metadata"][key] for key in kept]
        assert raw["spec"] == old["spec"]
        assert lab.events() == [("net", "Resurrected")]

    play(story, protect_nads="resurrect")


def _owned(lab: Lab) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "1"}
    lab.nad(ownerReferences=[owner])


def _in_ending_namespace(lab: Lab) -> None:
    lab.nad()
    raw = lab.server.find(NAMESPACES, NS)
    assert raw is not None
    leaving = {**raw["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
    lab.server.put(NAMESPACES, NS, metadata=leaving)


@pytest.mark.parametrize(
    "arrange",
    [
        _owned,
        _in_ending_namespace,
        lambda lab: lab.nad(annotations={ALLOW_DELETE: "true"}),
        lambda lab: lab.nad(labels={PROTECT: "false"}),
    ],
    ids=["owner gone", "terminating namespace", "allow-delete", "not protected"],
)
def test_na_41_resurrect_guards(arrange: Callable[[Lab], None]) -> None:
    async def story(lab: Lab) -> None:
        arrange(lab)
        lab.pod()
        await lab.settle()
        lab.delete()
        await lab.settle()
        assert lab.find() is None
        assert lab.writes == 0

    play(story, protect_nads="resurrect")


def test_na_41_already_recreated_by_the_user_stays_theirs() -> None:
    async def story(lab: Lab) -> None:
        lab.nad()
        lab.pod()
        await lab.settle()
        lab.delete()
        await asyncio.sleep(0.5)
        lab.nad(config="")
        await lab.settle()
        raw = lab.find()
        assert raw is not None
        assert raw["spec"] == {"config": ""}
        assert lab.writes == 0

    play(story, protect_nads="resurrect")


def test_na_41_who_deletes_it_again_and_again_means_it() -> None:
    async def story(lab: Lab) -> None:
        lab.nad()
        lab.pod()
        for _ in range(3):
            await lab.settle()
            lab.delete()
        await lab.settle()
        assert lab.find() is not None
        lab.delete()
        await lab.settle()
        assert lab.find() is None
        lab.nad()
        await lab.world.pass_time(700.0)
        lab.delete()
        await lab.settle()
        assert lab.find() is not None, "ten minutes later it may come back again"

    play(story, protect_nads="resurrect")


def test_na_41_nobody_misses_what_no_pod_uses() -> None:
    async def story(lab: Lab) -> None:
        lab.nad()
        lab.delete()
        await lab.settle()
        assert lab.find() is None

    play(story, protect_nads="resurrect")


@pytest.mark.parametrize("mode", ["resurrect", "off"])
def test_another_mode_takes_off_what_the_former_one_has_put_on(mode: str) -> None:
    async def story(lab: Lab) -> None:
        lab.nad(finalizers=[FINALIZER], annotations={MARKER: "default/pod"})
        lab.pod()
        await lab.settle()
        assert lab.held() == ""

    play(story, protect_nads=mode)


def test_na_42_release_all() -> None:
    async def story(lab: Lab) -> None:
        for name in ("a", "b", "c"):
            lab.nad(name)
        lab.pod(networks="a,b")
        await lab.settle()
        await lab.stop()
        lab.delete("a")
        await lab.release_all()
        assert lab.find("a") is None
        for name in ("b", "c"):
            assert lab.held(name) == ""
        assert lab.find("c", NS) is not None

    play(story)


def test_na_42_what_cannot_be_changed_keeps_no_other_one_held() -> None:
    async def story(lab: Lab) -> None:
        lab.nad("a")
        lab.nad("b")
        lab.pod(networks="a,b")
        await lab.settle()
        await lab.stop()
        refusal = {"kind": "Status", "reason": "Invalid", "message": "no", "code": 422}
        path = "/network-attachment-definitions/a"
        lab.server.faults.append(Fault("PATCH", 422, refusal, path=path, times=10**6))
        await lab.release_all()
        assert lab.held("b") == ""
        assert lab.held("a") == "default/pod"

    play(story)


def test_na_43_the_second_example_of_the_seed() -> None:
    """Delete foo-network under its pod, find it there again, clean up in the right order."""

    async def story(lab: Lab) -> None:
        config = {"cniVersion": "0.3.0", "name": FOO, "type": "bridge", "bridge": "br0"}
        lab.nad(FOO, config=json.dumps(config))
        lab.pod("demo", f"{FOO}, {FOO}")
        await lab.settle()
        lab.delete(FOO)
        await lab.settle()
        assert lab.find(FOO) is not None
        lab.remove_pod("demo")
        await lab.settle()
        lab.delete(FOO)
        await lab.settle()
        assert lab.find(FOO) is None

    play(story, protect_nads="resurrect")


def test_a_dry_run_writes_nothing() -> None:
    async def story(lab: Lab) -> None:
        lab.nad()
        lab.pod()
        await lab.settle()
        assert lab.held() == ""
        assert lab.writes == 0
        assert lab.ask("DELETE", old=lab.find()) == Allowed()

    play(story, dry_run=True, webhook_nads=True)


def test_it_works_where_multus_comes_later() -> None:
    async def story(lab: Lab) -> None:
        lab.server.faults.append(Fault("", 404, path="/network-attachment-definitions"))
        lab.pod()
        await lab.settle()
        lab.nad()
        await lab.world.pass_time(120.0)
        assert lab.held() == "default/pod"

    play(story)
