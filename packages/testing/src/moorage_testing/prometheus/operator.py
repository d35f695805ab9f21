"""The kinds of the Prometheus operator, which a chart's objects for it need; without a schema."""

from typing import Any

KINDS = ("PodMonitor", "ServiceMonitor", "PrometheusRule")
GROUP = "monitoring.coreos.com"


def crds() -> list[dict[str, Any]]:
    """Their CustomResourceDefinitions."""
    return [_crd(kind) for kind in KINDS]


def _crd(kind: str) -> dict[str, Any]:
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [version],
        },
    }
