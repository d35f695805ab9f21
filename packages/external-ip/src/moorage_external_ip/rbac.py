"""What external-ip may do in the cluster."""

from __future__ import annotations

from moorage_domain.rbac import MANAGER_RULES, PolicyRule
from moorage_external_ip.placement.rbac import PLACEMENT_RULES

SERVICE_RULES: tuple[PolicyRule, ...] = (
    PolicyRule(
        group="",
        resources=("services",),
        verbs=("list", "watch", "patch"),
        why="read who wants an address; with the annotation external-ip: auto, put it into"
        " spec.externalIPs",
    ),
    PolicyRule(
        group="",
        resources=("services/status",),
        verbs=("patch",),
        why="say which addresses a Service has, or why it has none",
    ),
    PolicyRule(
        group="",
        resources=("namespaces",),
        verbs=("list", "watch"),
        why="pools select namespaces by their labels",
    ),
    PolicyRule(
        group="",
        resources=("nodes",),
        verbs=("list", "watch"),
        why="no address of a node is ever given to a Service",
    ),
    PolicyRule(
        group="networking.k8s.io",
        resources=("servicecidrs",),
        verbs=("list", "watch"),
        why="no address of the cluster's own Services is ever given to one from outside",
    ),
    PolicyRule(
        group="ipcontroller.ext",
        resources=("ipclaims",),
        verbs=("get", "list", "watch", "create", "patch", "delete"),
        why="one object for each address says which Services use it; make sure that a claim is"
        " gone before its address is released",
    ),
    PolicyRule(
        group="ipcontroller.ext",
        resources=("ipclaims/status",),
        verbs=("patch",),
        why="say whether a claim's address is one of its pool",
    ),
    PolicyRule(
        group="ipcontroller.ext",
        resources=("ipclaimpools",),
        verbs=("list", "watch", "patch"),
        why="read the ranges; keep the finalizer while addresses are in use",
    ),
    PolicyRule(
        group="ipcontroller.ext",
        resources=("ipclaimpools/status",),
        verbs=("patch",),
        why="say how many addresses there are",
    ),
    PolicyRule(
        group="moorage.dev",
        resources=("ipallocations",),
        verbs=("get", "list", "watch", "create", "patch", "delete"),
        why="one object for each address in use: the API server lets only one create it",
    ),
)
"""Of Services, claims and pools."""

RULES: tuple[PolicyRule, ...] = (*MANAGER_RULES, *SERVICE_RULES, *PLACEMENT_RULES)
"""All of them."""

CLEAN_UP_RULES: tuple[PolicyRule, ...] = (
    PolicyRule(
        group="ipcontroller.ext",
        resources=("ipnodes",),
        verbs=("delete",),
        why="clean-up: nothing of ours is left but the pools",
    ),
)
"""What ``moorage-external-ip clean-up`` needs besides."""
