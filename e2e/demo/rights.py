"""What a controller of the demo may do: what it says it needs, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from moorage_domain.rbac import PolicyRule, cluster_role, role

CRDS = Path(__file__).parents[2] / "crds"
CONTROLLER_NAMESPACE = "moorage-system"
_RBAC = "rbac.authorization.k8s.io"

Object = dict[str, Any]


def controller_rights(controller: str, rules: Sequence[PolicyRule]) -> list[Object]:
    """Its own ClusterRole and Role, bound to its ServiceAccount."""
    objects = []
    for one in (cluster_role(controller, rules), role(controller, rules)):
        place = {} if one["kind"] == "ClusterRole" else {"namespace": CONTROLLER_NAMESPACE}
        one["metadata"] |= place
        binding = {
            "apiVersion": one["apiVersion"],
            "kind": f"{one['kind']}Binding",
            "metadata": {"name": controller} | place,
            "roleRef": {"apiGroup": _RBAC, "kind": one["kind"], "name": controller},
            "subjects": [
                {"kind": "ServiceAccount", "name": controller, "namespace": CONTROLLER_NAMESPACE}
            ],
        }
        objects += [one, binding]
    return objects
