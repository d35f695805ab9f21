"""What the agent may do in the cluster."""

from __future__ import annotations

from moorage_domain.rbac import EVENT_RULES, PolicyRule

RULES: tuple[PolicyRule, ...] = (
    *EVENT_RULES,
    PolicyRule(
        group="ipcontroller.ext",
        resources=("ipclaims",),
        verbs=("list", "watch"),
        why="read which addresses this node shall have",
    ),
    PolicyRule(
        group="ipcontroller.ext",
        resources=("ipclaims/status",),
        verbs=("patch",),
        why="say what this node does with an address",
    ),
    PolicyRule(
        group="",
        resources=("nodes",),
        verbs=("get",),
        why="own the Lease by the Node, and see at the end whether the node is drained",
    ),
    PolicyRule(
        group="coordination.k8s.io",
        resources=("leases",),
        verbs=("get", "create", "patch", "delete"),
        why="say that this node lives, which links it has, and that it leaves",
        namespaced=True,
    ),
)
"""What the agent needs."""
