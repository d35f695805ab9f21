"""What placement may do in the cluster, beside what the other rooms may."""

from __future__ import annotations

from moorage_domain.rbac import PolicyRule

PLACEMENT_RULES: tuple[PolicyRule, ...] = (
    PolicyRule(
        group="coordination.k8s.io",
        resources=("leases",),
        verbs=("get", "list", "watch"),
        why="see which node agents are live; be sure of it before an address leaves a node",
        namespaced=True,
    ),
    PolicyRule(
        group="",
        resources=("nodes",),
        verbs=("list", "watch"),
        why="which nodes are selected, excluded, leaving or without a network",
    ),
    PolicyRule(
        group="discovery.k8s.io",
        resources=("endpointslices",),
        verbs=("list", "watch"),
        why="an address of Services with policy Local goes where they have endpoints",
    ),
    PolicyRule(
        group="ipcontroller.ext",
        resources=("ipclaims",),
        verbs=("list", "watch", "patch"),
        why="write which node has an address",
    ),
    PolicyRule(
        group="ipcontroller.ext",
        resources=("ipclaims/status",),
        verbs=("patch",),
        why="say where an address is, and why it is nowhere",
    ),
    PolicyRule(
        group="ipcontroller.ext",
        resources=("ipnodes",),
        verbs=("list", "watch", "create"),
        why="show people what is known of each node's agent",
    ),
    PolicyRule(
        group="ipcontroller.ext",
        resources=("ipnodes/status",),
        verbs=("patch",),
        why="the same, as it changes",
    ),
)
"""Of the scheduler."""
