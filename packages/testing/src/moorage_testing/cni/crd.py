"""NetworkAttachmentDefinition, with the names and the schema of the standard's version 1.3."""

from __future__ import annotations

from typing import Any

GROUP = "k8s.cni.cncf.io"
PLURAL = "network-attachment-definitions"


def nad_crd() -> dict[str, Any]:
    """The CustomResourceDefinition: a spec with a text, and no status."""
    config = {"type": "string", "description": "The config of CNI, as JSON."}
    spec = {"type": "object", "properties": {"config": config}}
    text = {"type": "string"}
    properties = {"apiVersion": text, "kind": text, "metadata": {"type": "object"}, "spec": spec}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "plural": PLURAL,
                "singular": "network-attachment-definition",
                "kind": "NetworkAttachmentDefinition",
                "shortNames": ["net-attach-def"],
            },
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
                }
            ],
        },
    }
