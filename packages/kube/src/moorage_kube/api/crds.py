"""The CustomResourceDefinitions of Moorage, from its wire types."""

from __future__ import annotations

from typing import Any

from moorage_kube.api.netipallocation import NetIPAllocationSpec, NetIPAllocationStatus
from moorage_kube.api.schema import structural
from moorage_kube.kinds import NETIPALLOCATIONS


def netipallocations() -> dict[str, Any]:
    """The CRD of NetIPAllocation."""
    kind = NETIPALLOCATIONS
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "scope": "Cluster",
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": ["nia"],
            },
            "versions": [
                {
                    "name": kind.version,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _COLUMNS,
                    "schema": {
                        "openAPIV3Schema": {
                            "description": "Reserved cloud addresses that healthy nodes of a"
                            " pool must hold.",
                            "type": "object",
                            "required": ["spec"],
                            "properties": {
                                "spec": structural(NetIPAllocationSpec),
                                "status": structural(NetIPAllocationStatus),
                            },
                        }
                    },
                }
            ],
        },
    }


def _column(name: str, kind: str, path: str) -> dict[str, str]:
    return {"name": name, "type": kind, "jsonPath": path}


_COLUMNS = [
    _column("Provider", "string", ".spec.cloud.provider"),
    _column("Reserved", "integer", ".status.reserved"),
    _column("Bound", "integer", ".status.bound"),
    _column("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
    _column("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason'),
    _column("Age", "date", ".metadata.creationTimestamp"),
]

ALL = (netipallocations,)
