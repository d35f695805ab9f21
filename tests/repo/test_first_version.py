"""Every public name of ip-address-controller still exists: one row for each name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from moorage_api.crds import crd
from moorage_api.netipallocation import DEFINITION
from moorage_core.decide.node_labels import READY_LABEL
from moorage_core.metrics import VERSION_VARIABLE, Replica
from moorage_core.settings import CoreSettings
from moorage_kube.manager.settings import load
from moorage_kube.telemetry.metrics import ProbedRegistry
from moorage_testing.prometheus import alerts

from .files import ROOT
from .series import of_core as series

DASHBOARDS = ROOT / "dashboards" / "core"

# Without the label `cluster`, which every one has where CLUSTER_NAME is set.
METRICS = [
    ("netipallocation_crd_status", "gauge", {"crd_name"}),
    ("netipallocation_reserved_ips_total", "gauge", {"crd_name"}),
    ("netipallocation_attached_ips_total", "gauge", {"crd_name"}),
    ("netipallocation_unattached_ips_total", "gauge", {"crd_name"}),
    ("netipallocation_ip_attached", "gauge", {"crd_name", "ip", "node"}),
    ("netipallocation_node_cordoned", "gauge", {"node"}),
    ("netipallocation_node_ip_ready", "gauge", {"node", "crd_name"}),
    ("netipallocation_controller_is_leader", "gauge", {"pod_name"}),
    ("netipallocation_controller_ready", "gauge", {"pod_name"}),
    ("netipallocation_controller_healthy", "gauge", {"pod_name"}),
    ("netipallocation_controller_info", "gauge", {"pod_name", "version"}),
    ("netipallocation_reconcile_total", "counter", {"crd_name", "status"}),
    ("netipallocation_ip_attach_total", "counter", {"crd_name", "status"}),
    ("netipallocation_ip_detach_total", "counter", {"crd_name", "status"}),
    ("netipallocation_gcp_api_errors_total", "counter", {"operation", "error_type"}),
    ("netipallocation_reconcile_duration_seconds", "histogram", {"crd_name"}),
]

VARIABLES = [
    ("LEASE_NAME", "ip-address-controller-leader", "lease_name", "ip-address-controller-leader"),
    ("LEASE_DURATION", "60", "lease_duration", 60.0),
    ("METRICS_PORT", "9998", "metrics_port", 9998),
    ("CLUSTER_NAME", "gke-prod", "cluster_name", "gke-prod"),
]

# Path below `spec`, type, and the rest of its schema.
FIELDS: list[tuple[str, str, dict[str, Any]]] = [
    # Not required any more: its place may be taken by reservedIPSelector.
    ("reservedIPs", "array", {"required": False}),
    ("reservedIPs[]", "string", {}),
    ("workloadRef", "object", {"required": False}),
    ("workloadRef.kind", "string", {"required": True}),
    ("workloadRef.name", "string", {"required": True}),
    ("workloadRef.namespace", "string", {"required": False, "default": "default"}),
    ("deploymentRef", "object", {"required": False}),
    ("deploymentRef.name", "string", {"required": True}),
    ("deploymentRef.namespace", "string", {"required": False}),
    ("nodeSelector", "object", {"required": False}),
    ("cloud", "object", {"required": True}),
    ("cloud.provider", "string", {}),  # required by its README, not by its schema
    ("cloud.region", "string", {"required": False}),
    ("cloud.zones", "array", {"required": False}),
    ("cloud.zones[]", "string", {}),
    ("reconcileInterval", "integer", {"required": False, "default": 30}),
]

ALERTS = [
    ("NetIPAllocationNoLeader", "critical", "2m"),
    ("NetIPAllocationCRDUnhealthy", "critical", "5m"),
    ("NetIPAllocationUnattachedIPsWarning", "warning", "5m"),
    ("NetIPAllocationUnattachedIPsCritical", "critical", "10m"),
    ("NetIPAllocationGCPAPIErrors", "warning", ""),
    ("NetIPAllocationNodeCordonedWithIP", "warning", "5m"),
    ("NetIPAllocationHighReconcileErrorRate", "warning", "5m"),
    ("NetIPAllocationSlowReconciliation", "warning", "5m"),
    ("NetIPAllocationControllerNotReady", "warning", "5m"),
    # In its file, and not in its README, which gives no time for those with "5m" or "".
    ("NetIPAllocationControllerDown", "critical", "2m"),
    ("NetIPAllocationIPAttachFailures", "warning", ""),
    ("NetIPAllocationIPDetachFailures", "warning", ""),
    ("NetIPAllocationLeaderChanged", "info", ""),
    ("NetIPAllocationIPReallocated", "info", ""),
    ("NetIPAllocationAvailabilitySLOBreach", "warning", "5m"),
    ("NetIPAllocationReconcileLatencySLOBreach", "warning", "5m"),
]

PANELS = [
    "Leader", "Ready", "Healthy", "Allocations", "Reserved", "Unattached",
    "Leader Election History", "Controller Pods Status", "CRD Status Overview",
]  # fmt: skip


def field(path: str) -> dict[str, Any]:
    """The schema of a field of the spec, with ``required`` from its parent object."""
    (version,) = crd(DEFINITION)["spec"]["versions"]
    found: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    required = False
    for name in path.replace("[]", ".[]").split("."):
        required = name in found.get("required", ())
        found = found["items"] if name == "[]" else found["properties"][name]
    return {**found, "required": required}


@pytest.mark.parametrize(("name", "kind", "labels"), METRICS)
def test_a_metric_keeps_its_name_type_and_labels(name: str, kind: str, labels: set[str]) -> None:
    described = {one: (its_kind, set(its_labels)) for one, its_kind, its_labels, _ in series()}
    assert described[name] == (kind, labels)


@pytest.mark.parametrize(("variable", "text", "setting", "value"), VARIABLES)
def test_an_environment_variable_is_read(
    variable: str, text: str, setting: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert getattr(load(CoreSettings, []), setting) != value
    monkeypatch.setenv(variable, text)
    assert getattr(load(CoreSettings, []), setting) == value


def test_the_variable_of_the_version_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert VERSION_VARIABLE == "CONTROLLER_VERSION"
    monkeypatch.setenv("CONTROLLER_VERSION", "1.1.0")
    registry = ProbedRegistry()
    registry.register(Replica("p", "0", lambda: True, registry, None).collector())
    labels = {"pod_name": "p", "version": "1.1.0"}
    assert registry.get_sample_value("netipallocation_controller_info", labels) == 1


def test_the_port_is_the_same() -> None:
    assert load(CoreSettings, []).metrics_port == 9999


@pytest.mark.parametrize(("path", "kind", "more"), FIELDS)
def test_a_field_keeps_its_name_type_and_default(
    path: str, kind: str, more: dict[str, Any]
) -> None:
    found = field(path)
    assert found["type"] == kind
    assert {name: found.get(name) for name in more} == more


def test_a_workload_is_of_one_of_the_three_kinds() -> None:
    assert set(field("workloadRef.kind")["enum"]) == {"Deployment", "StatefulSet", "DaemonSet"}


def test_the_selector_is_a_map_to_strings() -> None:
    assert field("nodeSelector")["additionalProperties"]["type"] == "string"


def test_the_kind_keeps_its_names() -> None:
    spec = crd(DEFINITION)["spec"]
    names = spec["names"]
    assert (spec["group"], spec["scope"]) == ("netinfra.darkbrains.com", "Cluster")
    assert [version["name"] for version in spec["versions"]] == ["v1alpha1"]
    assert (names["kind"], names["plural"]) == ("NetIPAllocation", "netipallocations")
    assert names["shortNames"] == ["nia"]


def test_nodes_are_labelled_as_they_were() -> None:
    assert READY_LABEL == "ip.ready"


@pytest.mark.parametrize(("name", "severity", "waits"), ALERTS)
def test_an_alert_keeps_its_name_severity_and_duration(
    name: str, severity: str, waits: str
) -> None:
    (found,) = (one for one in alerts(DASHBOARDS / "rules.yaml") if one.name == name)
    assert (found.labels["severity"], found.waits) == (severity, waits)


@pytest.mark.parametrize("title", PANELS)
def test_a_panel_keeps_its_name(title: str) -> None:
    board = json.loads((DASHBOARDS / "grafana.json").read_text("utf-8"))
    assert title in [panel["title"] for panel in board["panels"]]
