"""The kind Machine, as far as addresses and lifecycle hooks are concerned."""

from __future__ import annotations

from typing import Any

GROUP = "machine.openshift.io"


def machine_crd(*start_lists: str) -> dict[str, Any]:
    """OpenShift's own drops every list of hooks but two; forks have ``start_lists`` as well.

    Source: machine/v1beta1/types_machine.go of openshift/api.
    """
    text = {"type": "string"}
    entry = {
        "type": "object",
        "required": ["name", "owner"],
        "properties": {
            "name": text | {"minLength": 3, "maxLength": 256},
            "owner": text | {"minLength": 3, "maxLength": 512},
        },
    }
    hooks = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": entry,
    }
    lists = dict.fromkeys((*start_lists, "preDrain", "preTerminate"), hooks)
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    spec = {
        "authoritativeAPI": text | {"enum": ["MachineAPI", "ClusterAPI"]},
        "lifecycleHooks": {"type": "object", "properties": lists},
        "providerSpec": {"type": "object", "properties": {"value": anything}},
    }
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": spec}, "status": anything},
    }
    version = {
        "name": "v1beta1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    names = {"plural": "machines", "singular": "machine", "kind": "Machine"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"machines.{GROUP}"},
        "spec": {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }
