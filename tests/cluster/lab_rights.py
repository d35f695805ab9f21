"""The core controller's own rights, and nothing more, for the ServiceAccount it runs under."""

from __future__ import annotations

from typing import Any

from moorage_core.rbac import RULES
from moorage_domain.rbac import cluster_role, role


def bindings(full_name: str) -> list[dict[str, Any]]:
    """The controller's own ClusterRole and Role, bound to its ServiceAccount."""
    namespace, account = full_name.split("/")
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    group = "rbac.authorization.k8s.io"
    wide, narrow = cluster_role(account, RULES), role(account, RULES)
    narrow["metadata"]["namespace"] = namespace
    return [
        wide,
        narrow,
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": account},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": account},
            "subjects": [subject],
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": account, "namespace": namespace},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": account},
            "subjects": [subject],
        },
    ]
