"""The kinds of DANM as CRDs, for control planes that have none of it."""

from __future__ import annotations

from typing import Any

Raw = dict[str, Any]

_KINDS = (
    ("DanmEp", "danmeps", "Namespaced"),
    ("DanmNet", "danmnets", "Namespaced"),
    ("TenantNetwork", "tenantnetworks", "Namespaced"),
    ("ClusterNetwork", "clusternetworks", "Cluster"),
)
# A group of that ending is kept for Kubernetes itself, unless this says that somebody agreed.
_APPROVAL = {"api-approved.kubernetes.io": "unapproved, as DANM's releases have it"}


def danm_crds(group: str = "danm.k8s.io") -> list[Raw]:
    """All of one API group; any field is taken, as DANM's own do it."""
    return [_crd(group, *names) for names in _KINDS]


def _crd(group: str, kind: str, plural: str, scope: str) -> Raw:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": anything}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    meta: Raw = {"name": f"{plural}.{group}"}
    if group.endswith(".k8s.io"):
        meta["annotations"] = _APPROVAL
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": meta,
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [version],
        },
    }
