"""The webhooks of moorage-endpoints, called by a real API server through their Service."""

from __future__ import annotations

import re
from typing import Any

from lab_endpoints import EndpointsLab

from moorage_endpoints import names
from moorage_testing.processes import Child
from moorage_testing.waiting import PATIENCE, wait_for


def serve(lab: EndpointsLab, host: str, kind: str, entry: dict[str, Any], flag: str) -> Child:
    """The controller with a webhook, in a configuration of this kind, at an address of ours.

    The API server learns of it a moment later.
    """
    configuration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": lab.namespace},
        "webhooks": [entry],
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": lab.namespace, "namespace": lab.namespace},
        "spec": {"ports": [{"name": "https", "port": 443, "targetPort": "https"}]},
    }
    lab.cluster.apply([service, configuration])
    child = lab.start(flag, "--webhook-port", "0", "--webhook-name", lab.namespace)
    wait_for(lambda: "webhooks listen on" in child.log.read_text(), PATIENCE, "the webhook")
    found = re.search(r"webhooks listen on [^\"]*:(\d+)\"", child.log.read_text())
    assert found is not None
    labels = {"labels": {names.SERVICE_LABEL: lab.namespace}}
    where = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": lab.namespace, "namespace": lab.namespace, **labels},
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": int(found[1]), "protocol": "TCP"}],
        "endpoints": [{"addresses": [host], "conditions": {"ready": True}}],
    }
    lab.cluster.apply([where])
    return child
