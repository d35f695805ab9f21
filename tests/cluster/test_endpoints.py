"""Services over secondary networks beside the real controllers of Kubernetes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from lab_endpoints import EndpointsLab, opened, recorded

from moorage_endpoints import names
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.waiting import PATIENCE, wait_for

IPS = ("10.1.0.1", "10.1.0.2", "10.1.0.3")
NET = {names.NETWORKS: "net"}


@pytest.fixture(name="lab")
def _lab(cluster: EmbeddedCluster) -> Iterator[EndpointsLab]:
    with opened(cluster) as lab:
        yield lab


def served(lab: EndpointsLab) -> set[str]:
    """A Service and its pods, as Kubernetes serves them; returns the default addresses."""
    lab.pods("web", *IPS)
    lab.service("web")
    wait_for(lambda: len(lab.ready_addresses("web")) == len(IPS), PATIENCE, "Kubernetes to serve")
    return lab.ready_addresses("web")


def handed_over(lab: EndpointsLab) -> None:
    lab.annotate("web", networks="net", mode="handover")
    lab.has("web", *IPS)
    wait_for(lambda: lab.managers("web") == {names.MANAGER}, PATIENCE, "only ours to be left")


def test_na_26_handover_no_gap_and_na_25_annotation_removed(lab: EndpointsLab) -> None:
    lab.start()
    default = served(lab)
    with recorded(lab, "web") as there:
        handed_over(lab)
        wait_for(lambda: not lab.exists("endpoints", "web"), PATIENCE, "no Endpoints")
    assert len(there.unions) >= 3
    assert set() not in there.unions
    assert there.unions[-1] == set(IPS)
    raw = lab.get("web")
    assert "selector" not in raw["spec"]
    assert json.loads(raw["metadata"]["annotations"][names.REMEMBERED]) == {"app": "web"}
    assert names.MIRRORING not in lab.managers("web")
    with recorded(lab, "web") as back:
        lab.annotate("web", networks=None)
        lab.has("web", *default)
        wait_for(lambda: lab.managers("web") == {names.KUBERNETES}, PATIENCE, "theirs to be left")
    assert set() not in back.unions
    assert lab.get("web")["spec"]["selector"] == {"app": "web"}
    wait_for(lambda: lab.exists("endpoints", "web"), PATIENCE, "Endpoints to be back")


def test_na_29_no_fight(lab: EndpointsLab) -> None:
    child = lab.start()
    served(lab)
    handed_over(lab)
    wait_for(lambda: not lab.exists("endpoints", "web"), PATIENCE, "no Endpoints")
    before = lab.counted(child, "endpointslices", "update")
    with recorded(lab, "web") as churn:
        for number in range(20):
            pod, ready = number % 3, (number // 3) % 2 == 1
            lab.ready(f"web-{pod}", ready=ready)
            address = IPS[pod]
            wait_for(
                lambda: (address in lab.ready_addresses("web")) is ready,  # noqa: B023 - at once
                PATIENCE,
                "the change to be stored",
            )
        lab.attach("web-0", "10.1.0.77")
        wait_for(lambda: lab.with_address("web", "10.1.0.77"), PATIENCE, "it to be stored")
        lab.cluster.request("DELETE", lab.path("pods", "web-2") + "?gracePeriodSeconds=0")
        wait_for(lambda: not lab.with_address("web", IPS[2]), PATIENCE, "it to be gone")
        time.sleep(3.0)  # whoever fights would write once more
    writes = lab.counted(child, "endpointslices", "update") - before
    # The first is what was there when the watch began.
    assert {manager for manager, _ in churn.changes} == {names.MANAGER}
    assert writes == len(churn.changes) - 1
    assert writes <= 20 + 1 + 3  # kubelets mark a pod before it goes
    assert not lab.exists("endpoints", "web")


def test_na_28_companion_leaves_original_untouched(lab: EndpointsLab) -> None:
    lab.start()
    lab.pods("web", *IPS)
    lab.service("web", NET | {names.MODE: "companion"}, ipFamilyPolicy="PreferDualStack")
    version = lab.get("web")["metadata"]["resourceVersion"]
    lab.has("web-net", *IPS)
    companion = lab.get("web-net")
    assert companion["spec"]["clusterIP"] == "None"
    assert companion["spec"]["ipFamilyPolicy"] == "PreferDualStack"
    assert lab.managers("web") == {names.KUBERNETES}
    assert lab.get("web")["metadata"]["resourceVersion"] == version
    seen = companion["metadata"]["resourceVersion"]
    time.sleep(3.0)  # whatever is not as it was written would be written again
    assert lab.get("web-net")["metadata"]["resourceVersion"] == seen
    lab.cluster.request("DELETE", lab.path("services", "web"))
    wait_for(lambda: not lab.exists("services", "web-net"), PATIENCE, "it to be collected")
    wait_for(lambda: not lab.slices("web-net"), PATIENCE, "its slices to be collected")


def test_na_20_slices_of_100_and_na_21_last_slice_kept_empty(lab: EndpointsLab) -> None:
    child = lab.start()
    lab.service(
        "many",
        NET | {names.SELECTOR: "app=many"},
        selector=None,
        clusterIP="None",
        # Without it a headless Service without a selector has both families.
        ipFamilyPolicy="SingleStack",
        trafficDistribution="PreferClose",
    )
    wait_for(lambda: lab.slices("many"), PATIENCE, "an empty slice")
    assert [one["endpoints"] for one in lab.slices("many")] == [None]
    ips = [f"10.1.1.{number}" for number in range(1, 131)]
    lab.pods("many", *ips)
    lab.has("many", *ips)
    assert sorted(len(one["endpoints"]) for one in lab.slices("many")) == [30, 100]
    zones = {one["zone"] for raw in lab.slices("many") for one in raw["endpoints"]}
    assert zones == {"zone-a"}
    hints = [one.get("hints") for raw in lab.slices("many") for one in raw["endpoints"]]
    assert all(one == {"forZones": [{"name": "zone-a"}]} for one in hints)
    seen = [one["metadata"]["resourceVersion"] for one in lab.slices("many")]
    child.stop()
    lab.start()
    lab.attach("many-0", "10.1.1.200")
    lab.has("many", "10.1.1.200", *ips[1:])
    changed = [one["metadata"]["resourceVersion"] not in seen for one in lab.slices("many")]
    assert sorted(changed) == [False, True]


def test_na_43_seed_readme_walkthrough_of_an_endpoint(lab: EndpointsLab) -> None:
    """The first version's README, its example of br0 and hostnames, in the mode legacy."""
    lab.start("--selector-services", "legacy")
    lab.pods("hostnames", "192.168.0.51", network="default/br0")
    notes = {"k8s.v1.cni.cncf.io/networks": "default/br0"}
    lab.service("hostnames", notes, ports=[{"port": 80, "targetPort": 9376}])
    wait_for(lambda: "192.168.0.51" in described(lab), PATIENCE, "the Endpoints to be rewritten")
    text = described(lab)
    assert "Addresses:          192.168.0.51" in text
    assert "9376" in text
    wait_for(lambda: lab.messages("hostnames", "UpdatedToUseNetwork"), PATIENCE, "an Event of it")
    said = "Updated to use network default/br0: Endpoints update successful"
    wait_for(lambda: said in events_of(lab, "service"), PATIENCE, "the Event of the Service")
    wait_for(lambda: said in events_of(lab, "endpoints"), PATIENCE, "the Event of the Endpoints")
    # Kubernetes writes default addresses again, and is answered.
    lab.cluster.request(
        "PATCH", lab.path("services", "hostnames"), {"metadata": {"labels": {"a": "b"}}}
    )
    wait_for(lambda: "192.168.0.51" in described(lab), PATIENCE, "ours to be back")
    lab.annotate("hostnames", mode="report")
    wait_for(lambda: "192.168.0.51" not in described(lab), PATIENCE, "the default ones to be back")


def described(lab: EndpointsLab) -> str:
    """As the README says it can be verified."""
    return lab.cluster.kubectl("describe", "endpoints", "--namespace", lab.namespace)


def events_of(lab: EndpointsLab, kind: str) -> str:
    """What ``kubectl describe`` says of the Service, or of its Endpoints."""
    return lab.cluster.kubectl("describe", kind, "hostnames", "--namespace", lab.namespace)
