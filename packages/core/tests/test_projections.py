"""Objects are cut to what decisions rest on, and what is written down is read back the same."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from core_builders import ASKS, raw_allocation, raw_node, raw_owned, raw_pod, record
from hypothesis import given
from hypothesis import strategies as st

from moorage_api.netipallocation import AddressStatus
from moorage_core.caches import Caches
from moorage_core.model import (
    AddressRecord,
    Allocation,
    DrainMode,
    ForeignPolicy,
    NodeReference,
    Phase,
    Preference,
    Workload,
)
from moorage_core.projections import (
    FINALIZER,
    OwnedView,
    PodView,
    project_allocation,
    project_node,
    project_owned,
    project_pod,
)
from moorage_core.recorded import record_from_wire
from moorage_core.status import record_to_wire
from moorage_domain.nodes import Node
from moorage_domain.taints import Taint

IP = "203.0.113.10"
WORDS = st.text(max_size=20)
NAMES = st.text(min_size=1, max_size=20)
NODE_REFERENCES = st.builds(NodeReference, NAMES, WORDS, WORDS)
PLACES = st.none() | NODE_REFERENCES
SECONDS = st.integers(min_value=0, max_value=4_000_000_000).map(float)
RECORDS = st.builds(
    AddressRecord,
    ip=NAMES,
    phase=st.sampled_from(Phase),
    reason=WORDS,
    message=WORDS,
    node_ref=PLACES,
    previous=PLACES,
    cloud_ref=WORDS,
    operation=WORDS,
    attempts=st.integers(min_value=0, max_value=1000),
    next_attempt=SECONDS,
    observed_at=SECONDS,
    since=SECONDS,
    restore_pending=st.lists(NODE_REFERENCES, max_size=3).map(tuple),
)


@given(one=RECORDS)
def test_a_record_is_read_back_as_it_was_written(one: AddressRecord) -> None:
    assert record_from_wire(AddressStatus.model_validate(record_to_wire(one))) == one


def test_an_empty_record_takes_no_room_on_the_wire() -> None:
    assert record_to_wire(AddressRecord(IP)) == {
        "ip": IP, "phase": "Pending", "reason": "", "message": "", "since": "",
    }  # fmt: skip


def test_a_record_is_written_with_the_names_of_the_api() -> None:
    one = AddressRecord(
        IP, Phase.ATTACHING, "Moving", "on its way", NodeReference("n2", "u2", "p2"),
        NodeReference("n1", "u1", "p1"), "eipalloc-1", "move/r1", 2, 61.0, 60.0, 59.0,
        last_failure="slow down",
    )  # fmt: skip
    assert record_to_wire(one) == {
        "ip": IP, "phase": "Attaching", "reason": "Moving", "message": "on its way",
        "nodeName": "n2", "nodeUID": "u2", "providerID": "p2",
        "previousNode": "n1", "previousNodeUID": "u1", "previousProviderID": "p1",
        "cloudRef": "eipalloc-1", "operation": "move/r1", "attempts": 2, "lastFailure": "slow down",
        "nextAttempt": "1970-01-01T00:01:01Z", "observedAt": "1970-01-01T00:01:00Z",
        "since": "1970-01-01T00:00:59Z",
    }  # fmt: skip


def test_pending_restores_and_mutations_under_way_survive_the_status() -> None:
    one = AddressRecord(
        IP,
        operation="attach/r1",
        handle="project/zone/operation-1",
        last_failure="slow down",
        restore_pending=(NodeReference("n1", "u1", "p1"),),
    )
    wire = record_to_wire(one)
    assert wire["handle"] == "project/zone/operation-1"
    assert wire["owed"] == [{"nodeName": "n1", "nodeUID": "u1", "providerID": "p1"}]
    assert record_from_wire(AddressStatus.model_validate(wire)) == one


def test_the_node_that_has_the_address_is_owed_its_own_by_its_name_alone() -> None:
    n1, of_the_same_name = NodeReference("n1", "u1", "p1"), NodeReference("n1", "", "")
    one = AddressRecord(IP, node_ref=n1, restore_pending=(n1, of_the_same_name))
    wire = record_to_wire(one)
    assert wire["owed"] == [
        {"nodeName": "n1"},
        {"nodeName": "n1", "nodeUID": "", "providerID": ""},
    ]
    assert record_from_wire(AddressStatus.model_validate(wire)) == one


@pytest.mark.parametrize("wire", [{"phase": "Bogus"}, {"phase": "Pending", "since": "yesterday"}])
def test_an_entry_somebody_else_wrote_is_observed_again(wire: dict[str, Any]) -> None:
    assert record_from_wire(AddressStatus(ip=IP, **wire)) == AddressRecord(IP)


def test_a_node_is_cut_to_what_decides() -> None:
    raw = raw_node(
        "n1",
        cordoned=True,
        labels={"pool": "a", "topology.kubernetes.io/zone": "z1"},
        annotations={"moorage.dev/owner": "uid-a", "other": "x"},
    )
    assert project_node(raw) == Node(
        "n1",
        "uid-n1",
        "memory://vm-n1",
        {"pool": "a", "topology.kubernetes.io/zone": "z1"},
        owner="uid-a",
        zone="z1",
        ready=True,
        unschedulable=True,
    )


def test_harm_06_preferences_are_read_and_absent_in_old_objects() -> None:
    assert project_allocation(raw_allocation("a", IP)).allocation.preferred == ()
    entries = [{"weight": 100, "matchLabels": {"disk": "ssd", "a": "b"}}]
    spec = {"placement": {"preferredLabels": entries, "ignoreExcludeLabel": True}}
    found = project_allocation(raw_allocation("a", IP, spec=spec)).allocation
    assert found.preferred == (Preference(100, (("a", "b"), ("disk", "ssd"))),)
    assert found.ignore_exclude_label


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"weight": 0, "matchLabels": {"a": "b"}}, "weight"),
        ({"weight": 101, "matchLabels": {"a": "b"}}, "weight"),
        ({"weight": 1, "matchLabels": {}}, "matchLabels"),
        ({"matchLabels": {"a": "b"}}, "weight"),
    ],
)
def test_harm_06_a_preference_without_a_sound_weight_is_refused(
    entry: dict[str, Any], field: str
) -> None:
    spec = {"placement": {"preferredLabels": [entry]}}
    problem = project_allocation(raw_allocation("a", IP, spec=spec)).allocation.problem
    assert problem.startswith(f"spec.placement.preferredLabels.0.{field}: ")


def test_a_bare_node_is_unready_and_on_no_machine() -> None:
    raw = {"metadata": {"name": "n1", "uid": "u", "labels": None}, "spec": {"taints": None}}
    assert project_node(raw) == Node("n1", "u", ready=False)


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [
        ([{"type": "Ready", "status": "True"}], True),
        ([{"type": "Ready", "status": "Unknown"}], False),
        ([{"type": "MemoryPressure", "status": "True"}], False),
        ([{"type": "Ready", "status": "False"}, {"type": "Other", "status": "True"}], False),
        (None, False),
    ],
)
def test_only_the_condition_ready_makes_a_node_ready(conditions: object, *, ready: bool) -> None:
    raw = raw_node("n1") | {"status": {"conditions": conditions}}
    assert project_node(raw).ready is ready


def test_a_node_leaves_for_a_taint_that_says_so_and_for_no_other() -> None:
    raw = raw_node("n1")
    raw["spec"]["taints"] = [{"key": "dedicated", "effect": "NoSchedule"}]
    assert project_node(raw).leaving == ""
    raw["spec"]["taints"].append({"key": "karpenter.sh/disrupted", "effect": "NoSchedule"})
    assert (project_node(raw).leaving, project_node(raw).draining) == ("", "karpenter.sh/disrupted")
    raw["spec"]["taints"].append({"key": "node.kubernetes.io/out-of-service", "value": "x"})
    assert project_node(raw).leaving == "node.kubernetes.io/out-of-service"


def test_a_taint_has_key_value_and_effect() -> None:
    raw = raw_node("n1")
    raw["spec"]["taints"] = [
        {"key": "dedicated", "value": "edge", "effect": "NoExecute"},
        {"key": "bare", "effect": "PreferNoSchedule"},
    ]
    assert project_node(raw).taints == (
        Taint("dedicated", "edge", "NoExecute"),
        Taint("bare", effect="PreferNoSchedule"),
    )


def test_harm_01_a_node_without_a_network_is_ready_and_says_so() -> None:
    node = project_node(raw_node("n1", network_unavailable=True))
    assert node.ready
    assert node.network_unavailable
    assert not project_node(raw_node("n1")).network_unavailable


def test_harm_02_a_node_that_is_being_deleted_says_so() -> None:
    assert project_node(raw_node("n1", deletionTimestamp="2026-01-01T00:00:00Z")).deleting
    assert not project_node(raw_node("n1")).deleting


def test_the_taints_of_a_node_keep_their_order_and_number() -> None:
    raw = raw_node("n1", taints=("b", "a", "b"))
    assert project_node(raw).taint_keys == ("b", "a", "b")


def test_the_zone_of_old_clusters_is_read_where_there_is_no_other() -> None:
    old, new = "failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"
    assert project_node(raw_node("n1", labels={old: "z0"})).zone == "z0"
    assert project_node(raw_node("n1", labels={old: "z0", new: "z1"})).zone == "z1"


def test_a_pod_is_where_it_runs_and_whose_it_is() -> None:
    assert project_pod(raw_pod("p", "n1", "uid-rs")) == PodView("n1", "uid-rs", daemon=False)
    assert project_pod(raw_pod("p", "n1", "uid-ds", "DaemonSet")) == PodView(
        "n1", "uid-ds", daemon=True
    )
    assert project_pod(raw_pod("p", "n1")) == PodView("n1", "", daemon=False)


def test_an_owner_that_does_not_control_a_pod_is_not_its_owner() -> None:
    raw = raw_pod("p", "n1", "uid-ds", "DaemonSet")
    raw["metadata"]["ownerReferences"][0]["controller"] = False
    assert project_pod(raw) == PodView("n1", "", daemon=False)


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {}},
        {"spec": {"nodeName": ""}},
        {"status": {"phase": "Succeeded"}},
        {"status": {"phase": "Failed"}},
    ],
)
def test_a_pod_that_runs_nowhere_does_not_count(change: dict[str, Any]) -> None:
    assert project_pod(raw_pod("p", "n1", "uid-rs") | change) is None


def test_the_mirror_of_a_static_pod_does_not_count() -> None:
    raw = raw_pod("p", "n1")
    raw["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    assert project_pod(raw) is None


def required(*terms: object) -> dict[str, Any]:
    """A node affinity; each term is a list of (key, operator, values)."""
    selector = {
        "nodeSelectorTerms": [
            {"matchExpressions": [{"key": k, "operator": o, "values": v} for k, o, v in term]}
            for term in cast("tuple[list[tuple[str, str, list[str]]], ...]", terms)
        ]
    }
    given = {"requiredDuringSchedulingIgnoredDuringExecution": selector}
    return {"affinity": {"nodeAffinity": given}}


READY, ZONE = ("ip.ready", "In", ["true"]), ("zone", "In", ["z1"])


@pytest.mark.parametrize(
    "spec",
    [
        ASKS,
        {"nodeSelector": {"zone": "z1", "ip.ready": "true"}},
        {"nodeSelector": {"moorage.dev/ip": "203-0-113-10"}},
        required([READY]),
        required([ZONE, READY]),
        required([READY], [("moorage.dev/ip", "In", ["203-0-113-10", "203-0-113-11"])]),
        required([("ip.ready", "Exists", [])]),
        required([ZONE]) | ASKS,
    ],
)
def test_a_pod_that_asks_for_an_address_keeps_its_uid(spec: dict[str, Any]) -> None:
    raw = raw_pod("p", "n1", "uid-rs", **spec)
    assert project_pod(raw) == PodView("n1", "uid-rs", daemon=False, uid="uid-p")
    raw["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"  # it leaves already
    since = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert project_pod(raw) == PodView("n1", "uid-rs", daemon=False, terminating_since=since)


@pytest.mark.parametrize(
    "spec",
    [
        {"nodeSelector": None, "affinity": None},
        {"nodeSelector": {"zone": "z1"}},
        {"nodeSelector": {"ip.ready": "false"}},
        {"affinity": {"podAffinity": {}}},
        required(),
        required([]),
        required([READY], [ZONE]),  # a node of the zone is good enough
        required([("ip.ready", "DoesNotExist", [])]),
        required([("ip.ready", "NotIn", ["true"])]),
        required([("ip.ready", "In", ["true", "false"])]),
        {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{}]}}},
    ],
)
def test_a_pod_that_would_only_come_back_has_no_uid(spec: dict[str, Any]) -> None:
    raw = raw_pod("p", "n1", "uid-rs", **spec)
    assert project_pod(raw) == PodView("n1", "uid-rs", daemon=False)


def test_a_terminating_pod_counts_until_it_is_gone() -> None:
    raw = raw_pod("p", "n1", "uid-rs")
    raw["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    since = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert project_pod(raw) == PodView("n1", "uid-rs", daemon=False, terminating_since=since)


def test_a_workload_is_its_uid_and_its_controllers() -> None:
    assert project_owned(raw_owned("rs", "uid-rs", "uid-d")) == OwnedView("uid-rs", "uid-d")
    assert project_owned(raw_owned("d", "uid-d")) == OwnedView("uid-d", "")


def test_an_allocation_with_every_field() -> None:
    raw = raw_allocation(
        "a",
        IP,
        generation=7,
        finalizers=["other/one", FINALIZER],
        spec={
            "workloadRef": {"kind": "StatefulSet", "namespace": "shop", "name": "web"},
            "deploymentRef": {"name": "ignored"},
            "nodeSelector": {"z": "1", "b": "2"},
            "cloud": {"provider": "aws", "region": "eu-west-1", "zones": ["b", "a"]},
            "reconcileInterval": 60,
            "releasePolicy": "Retain",
            "foreignPolicy": "IfUnmanaged",
            "failover": {"notReadySeconds": 5, "nodeGoneSeconds": 6, "drain": "Immediate"},
            "evictMisplacedPods": True,
            "settledTaint": "example.com/pending",
        },
    )
    view = project_allocation(raw)
    assert view.allocation == Allocation(
        name="a",
        uid="uid-a",
        created="2026-01-01T00:00:00Z",
        generation=7,
        addresses=(IP,),
        workload=Workload("StatefulSet", "shop", "web"),
        selector=(("b", "2"), ("z", "1")),
        provider="aws",
        region="eu-west-1",
        zones=frozenset({"a", "b"}),
        interval=60.0,
        retain=True,
        foreign=ForeignPolicy.IF_UNMANAGED,
        not_ready_after=5.0,
        gone_after=6.0,
        drain=DrainMode.IMMEDIATE,
        evict_misplaced=True,
        settled_taint="example.com/pending",
        finalizer=True,
    )
    assert view.subject.finalizers == ("other/one", FINALIZER)


def test_an_allocation_of_the_first_version_means_what_it_meant() -> None:
    raw = raw_allocation("a", IP, spec={"deploymentRef": {"name": "web"}})
    allocation = project_allocation(raw).allocation
    assert allocation.workload == Workload("Deployment", "default", "web")
    assert (allocation.interval, allocation.retain) == (30.0, False)
    assert (allocation.not_ready_after, allocation.gone_after) == (40.0, 60.0)
    assert allocation.drain is DrainMode.WORKLOAD_GONE
    assert allocation.foreign is ForeignPolicy.NEVER
    assert (allocation.evict_misplaced, allocation.settled_taint) == (False, "")
    assert not allocation.finalizer


def test_addresses_are_compared_in_one_spelling_and_bad_ones_are_listed() -> None:
    raw = raw_allocation("a", "2001:0db8::0001", "10.0.0.1", " 203.0.113.10", IP, "nonsense")
    allocation = project_allocation(raw).allocation
    assert allocation.addresses == ("2001:db8::1", IP)
    assert [text for text, _ in allocation.invalid] == ["10.0.0.1", "nonsense"]
    assert "10.0.0.0/8" in allocation.invalid[0][1]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"cloud": {}}, "spec.cloud.provider"),
        ({"cloud": {"provider": ""}}, "spec.cloud.provider"),
        ({"reservedIPs": None}, "spec.reservedIPs"),
        ({"reconcileInterval": 1}, "spec.reconcileInterval"),
        ({"failover": {"drain": "Never"}}, "spec.failover.drain"),
    ],
)
def test_a_spec_that_cannot_be_carried_out_names_its_field(
    spec: dict[str, Any], message: str
) -> None:
    assert project_allocation(raw_allocation("a", IP, spec=spec)).allocation.problem.startswith(
        message
    )


def test_an_object_without_a_spec_is_a_problem_and_no_crash() -> None:
    raw = raw_allocation("a")
    del raw["spec"], raw["status"]
    view = project_allocation(raw)
    assert view.allocation.problem
    assert (view.records, view.conditions, view.observed_generation) == ((), (), 0)


def test_deletion_and_forced_release_are_read() -> None:
    gone: dict[str, Any] = {"deletionTimestamp": "2026-01-02T00:00:00Z"}
    forced: dict[str, Any] = {"annotations": {"moorage.dev/force-release": "true"}}
    plain = project_allocation(raw_allocation("a", IP)).allocation
    both = project_allocation(raw_allocation("a", IP, **gone, **forced)).allocation
    other: dict[str, Any] = {"annotations": {"moorage.dev/force-release": "false"}}
    assert (plain.deleting, plain.force_release) == (False, False)
    assert (both.deleting, both.force_release) == (True, True)
    assert not project_allocation(raw_allocation("a", IP, **other)).allocation.force_release


def test_the_status_is_remembered_with_the_version_it_was_read_at() -> None:
    bound = record(IP, "n1")
    raw = raw_allocation("a", IP, records=(bound,), resourceVersion="42")
    raw["status"]["observedGeneration"] = 3
    raw["status"]["conditions"] = [
        {"type": "Ready", "status": "True", "reason": "AllBound", "lastTransitionTime": "t"}
    ]
    view = project_allocation(raw)
    assert (view.records, view.observed_generation) == ((bound,), 3)
    assert view.subject.resource_version == "42"
    assert [(c.type, c.status, c.reason) for c in view.conditions] == [
        ("Ready", "True", "AllBound")
    ]


def test_a_status_that_makes_no_sense_is_as_good_as_none() -> None:
    raw = raw_allocation("a", IP) | {"status": {"addresses": [{"phase": 5}]}}
    assert project_allocation(raw).records == ()


def preference(labels: int) -> dict[str, Any]:
    """One entry of ``preferredLabels``."""
    return {"weight": 1, "matchLabels": {f"k{number}": "v" for number in range(labels)}}


def large(number: int, length: int) -> dict[str, Any]:
    """A version of one allocation with very many labels, short ones: they take most memory."""
    selector = {f"{number}-{label}": "" for label in range(length)}
    preferred = [{"weight": 1, "matchLabels": selector}]
    spec = {"nodeSelector": {"pool": "a"}, "placement": {"preferredLabels": preferred}}
    return raw_allocation("a", IP, spec=spec, resourceVersion=str(number + 1))


def test_sec_03_versions_of_an_object_that_are_no_more_take_no_memory() -> None:
    store = Caches().allocations
    store.apply(large(0, 1))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(1, 5000):
            store.apply(large(number, 60))
        store.apply(large(5000, 1))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # All of it takes 48 MB; pydantic keeps a bounded number of short texts.
    assert after - before < 4_000_000


def test_sec_03_what_an_object_that_is_gone_said_goes_with_it() -> None:
    store = Caches().allocations
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(5000):
            store.apply(large(number, 60))
            store.forget("a")
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 4_000_000
    assert len(store) == 0


def test_a_spec_that_did_not_change_is_not_read_again() -> None:
    raw = large(0, 3)
    newer = raw | {"metadata": raw["metadata"] | {"generation": 7}}
    first = project_allocation(raw)
    again = project_allocation(newer, before=first)
    assert again.allocation.generation == 7
    assert again.allocation.preferred is first.allocation.preferred
    assert again == project_allocation(newer)
    other = project_allocation(large(1, 3), before=again)
    assert other.allocation == project_allocation(large(1, 3)).allocation
    assert other.allocation != again.allocation


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (
            {"placement": {"preferredLabels": [preference(64), preference(64), preference(1)]}},
            "spec.placement.preferredLabels: Value error, 129 labels in all; there may be 128",
        ),
        (
            {"nodeSelector": {"k" * 1_000_000: "v"}},
            f"spec.nodeSelector.{'k' * 64}.[key]: String should have at most 317 characters",
        ),
        (
            {"nodeSelector": {f"k{number}": "v" for number in range(65)}},
            "spec.nodeSelector: Dictionary should have at most 64 items after validation, not more",
        ),
    ],
    ids=["preferences", "key", "labels"],
)
def test_sec_03_a_spec_that_an_older_schema_let_through_is_bounded_all_the_same(
    spec: dict[str, Any], problem: str
) -> None:
    assert project_allocation(raw_allocation("a", IP, spec=spec)).allocation.problem == problem


def test_the_largest_preferences_are_read() -> None:
    spec = {"placement": {"preferredLabels": [preference(64), preference(64)]}}
    view = project_allocation(raw_allocation("a", IP, spec=spec))
    assert view.allocation.problem == ""
    assert [len(one.labels) for one in view.allocation.preferred] == [64, 64]
