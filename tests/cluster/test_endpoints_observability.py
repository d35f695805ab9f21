"""Metrics, alerts and the dashboard of running endpoints, as a real Prometheus sees them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from lab_nad_cluster import Lab, nad_lab
from lab_prometheus import check_dashboard, need_tools, undescribed

from moorage_endpoints import names
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.processes import Child
from moorage_testing.waiting import PATIENCE, wait_for

# The first run of all builds Prometheus, which is no part of any test: a slow machine takes longer.
pytestmark = pytest.mark.timeout(1200, func_only=True)


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    need_tools()


@pytest.fixture
def lab(cluster: EmbeddedCluster) -> Iterator[Lab]:
    yield from nad_lab(cluster, policies=False)


@pytest.fixture
def leader(lab: Lab) -> Child:
    """With a pod on a network, and a Service on it of which nodes may not reach the endpoints."""
    lab.nad("net")
    status = [{"name": f"{lab.users}/net", "interface": "net1", "ips": ["192.0.2.9"]}]
    notes = {
        "k8s.v1.cni.cncf.io/networks": "net",
        "k8s.v1.cni.cncf.io/network-status": json.dumps(status),
    }
    meta = {"name": "web-0", "labels": {"app": "web"}, "annotations": notes}
    spec = {"containers": [{"name": "main", "image": "fake"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
    lab.cluster.request("POST", f"/api/v1/namespaces/{lab.users}/pods", pod)
    wanted = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    chosen = {names.NETWORKS: "net", names.MODE: "handover"}
    service = {"apiVersion": "v1", "kind": "Service", "spec": wanted}
    service |= {"metadata": {"name": "web", "annotations": chosen}}
    lab.cluster.request("POST", f"/api/v1/namespaces/{lab.users}/services", service)
    child = lab.start()
    lab.wait_held("net")
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{lab.users}/endpointslices"
    ours = f"{slices}?labelSelector={names.MANAGED_BY_LABEL}={names.MANAGER}"
    wait_for(lambda: lab.cluster.request("GET", ours)["items"], PATIENCE, "a slice")
    return child


def test_every_series_is_described_and_named_as_it_should_be(leader: Child) -> None:
    assert undescribed("endpoints", leader) == set()


def test_every_panel_shows_something_and_no_alert_is_pending(leader: Child) -> None:
    check_dashboard("endpoints", leader)
