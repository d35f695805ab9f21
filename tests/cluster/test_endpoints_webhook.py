"""The webhook on Services, on a real API server: no default address ever shows."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from lab_endpoints import EndpointsLab, opened
from lab_endpoints_webhook import serve

from moorage_endpoints import names
from moorage_endpoints.registration import service_webhook
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.processes import Child
from moorage_testing.waiting import PATIENCE, wait_for

NOTES = {names.NETWORKS: "net"}


@pytest.fixture(name="lab")
def _lab(cluster: EmbeddedCluster) -> Iterator[EndpointsLab]:
    with opened(cluster) as lab:
        yield lab
        cluster.kubectl(
            "delete", "mutatingwebhookconfiguration", lab.namespace, "--ignore-not-found"
        )


def registered(lab: EndpointsLab, host: str) -> Child:
    """The controller with its webhook, and the API server that asks it."""
    entry = service_webhook(lab.namespace, lab.namespace)
    child = serve(lab, host, "MutatingWebhookConfiguration", entry, "--webhook-services")
    wait_for(lambda: _asks(lab), PATIENCE, "the API server to ask the webhook")
    return child


def _asks(lab: EndpointsLab) -> bool:
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "probe", "annotations": NOTES},
        "spec": {"selector": {"app": "probe"}, "ports": [{"port": 80}]},
    }
    answer = lab.cluster.request("POST", lab.path("services") + "?dryRun=All", body)
    return "selector" not in answer["spec"]


def test_na_27_webhook_strips_selector(lab: EndpointsLab, host: str) -> None:
    registered(lab, host)
    # A dry run leaves nothing.
    assert not lab.exists("services", "probe")
    lab.pods("web", "10.1.0.1")
    lab.service("web", NOTES)
    raw = lab.get("web")
    assert "selector" not in raw["spec"]
    assert json.loads(raw["metadata"]["annotations"][names.REMEMBERED]) == {"app": "web"}
    lab.has("web", "10.1.0.1")
    assert lab.managers("web") == {names.MANAGER}
    # Applied again, it is the same again.
    manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": lab.namespace, "annotations": NOTES},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    lab.cluster.apply([manifest])
    assert "selector" not in lab.get("web")["spec"]
    # Services of others are never sent.
    lab.service("other")
    assert lab.get("other")["spec"]["selector"] == {"app": "other"}


def test_what_got_past_the_webhook_is_handed_over_later(lab: EndpointsLab, host: str) -> None:
    child = registered(lab, host)
    child.stop()
    lab.pods("web", "10.1.0.1")
    lab.service("web", NOTES)
    assert lab.get("web")["spec"]["selector"] == {"app": "web"}
    wait_for(lambda: lab.ready_addresses("web"), PATIENCE, "Kubernetes to serve it")
    lab.start("--selector-services", "handover")
    lab.has("web", "10.1.0.1")
    wait_for(lambda: lab.managers("web") == {names.MANAGER}, PATIENCE, "only ours to be left")
