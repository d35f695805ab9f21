"""Net-attach-defs on a real API server without any policy: the finalizer alone holds them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from lab_nad_cluster import CONFIG, Lab, nad_lab

from moorage_endpoints import names
from moorage_endpoints.nads.names import MARKER
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.waiting import PATIENCE, wait_for


@pytest.fixture
def bare(cluster: EmbeddedCluster) -> Iterator[Lab]:
    yield from nad_lab(cluster, policies=False)


def test_na_38_held_by_the_finalizer_also_while_no_controller_runs(bare: Lab) -> None:
    child = bare.start()
    bare.nad("net")
    bare.pod("user", "net")
    bare.wait_held("net")
    assert child.stop() == 0
    assert bare.refusal("net") == ""
    assert bare.is_leaving("net")
    bare.start()
    wait_for(lambda: "HeldByPods" in bare.reasons("net"), PATIENCE, "its Event")
    found = bare.find("net")
    assert found is not None
    assert found["spec"] == {"config": CONFIG}
    bare.remove_pod("user")
    bare.wait_gone("net")


def test_na_42_release_all_leaves_no_finalizer(bare: Lab) -> None:
    leader = bare.start()
    for name in ("one", "two"):
        bare.nad(name)
    bare.pod("all", "one,two")
    bare.wait_held("one")
    bare.wait_held("two")
    assert leader.stop() == 0, leader.log_tail()
    assert bare.refusal("one") == ""
    release = bare.start("--release-all")
    wait_for(lambda: not release.alive, PATIENCE, "it to end")
    assert release.returncode == 0, release.log_tail()
    assert bare.find("one") is None
    two = bare.find("two")
    assert two is not None
    assert not two["metadata"].get("finalizers")
    assert MARKER not in two["metadata"].get("annotations", {})


def test_na_42_release_all_gives_a_handed_over_service_its_selector_back(bare: Lab) -> None:
    services = f"/api/v1/namespaces/{bare.users}/services"
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{bare.users}/endpointslices"
    notes = {names.NETWORKS: "net", names.MODE: "handover"}
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    meta = {"name": "web", "annotations": notes}
    bare.nad("net")
    bare.cluster.request(
        "POST", services, {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
    )

    def service() -> dict[str, Any]:
        return bare.cluster.request("GET", f"{services}/web")

    def managers() -> list[str]:
        labels = f"{names.SERVICE_LABEL}=web"
        found = bare.cluster.request("GET", f"{slices}?labelSelector={labels}")["items"]
        return [one["metadata"]["labels"][names.MANAGED_BY_LABEL] for one in found]

    leader = bare.start()
    wait_for(lambda: "selector" not in service()["spec"], PATIENCE, "the handover")
    wait_for(lambda: managers() == [names.MANAGER], PATIENCE, "its slices alone")
    assert leader.stop() == 0, leader.log_tail()
    release = bare.start("--release-all")
    wait_for(lambda: not release.alive, PATIENCE, "it to end")
    assert release.returncode == 0, release.log_tail()
    assert service()["spec"]["selector"] == {"app": "web"}
    assert names.REMEMBERED not in service()["metadata"]["annotations"]
    assert managers() == [names.KUBERNETES]
