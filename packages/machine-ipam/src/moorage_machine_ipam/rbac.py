"""What machine-ipam may do in the cluster."""

from __future__ import annotations

from moorage_domain.rbac import MANAGER_RULES, WEBHOOK_CERTIFICATE_RULES, PolicyRule

RULES: tuple[PolicyRule, ...] = (
    *MANAGER_RULES,
    PolicyRule(
        group="ipam.cluster.x-k8s.io",
        resources=("ipaddressclaims",),
        verbs=("get", "list", "watch", "patch"),
        why="read who wants an address; keep the finalizer that lets it be released first; make"
        " sure that an owner is gone before its address is released",
    ),
    PolicyRule(
        group="ipam.cluster.x-k8s.io",
        resources=("ipaddressclaims/status",),
        verbs=("patch",),
        why="say which address a claim has, or why it has none",
    ),
    PolicyRule(
        group="ipam.cluster.x-k8s.io",
        resources=("ipaddresses",),
        verbs=("list", "watch", "create", "patch", "delete"),
        why="tell machines their address; put owners back after a restore",
    ),
    PolicyRule(
        group="ipamcontroller.openshift.io",
        resources=("ippools",),
        verbs=("list", "watch", "patch"),
        why="read the ranges; keep the finalizer while addresses are in use",
    ),
    PolicyRule(
        group="ipamcontroller.openshift.io",
        resources=("ippools/status",),
        verbs=("patch",),
        why="say how many addresses there are",
    ),
    PolicyRule(
        group="moorage.dev",
        resources=("ipallocations",),
        verbs=("get", "list", "watch", "create", "patch", "delete"),
        why="one object for each address in use: the API server lets only one create it",
    ),
    PolicyRule(
        group="cluster.x-k8s.io",
        resources=("clusters",),
        verbs=("list", "watch"),
        why="with --watch-clusters, nothing is allocated for a Cluster that is paused",
    ),
)
"""What the controller needs for claims."""

MACHINE_RULES: tuple[PolicyRule, ...] = (
    PolicyRule(
        group="machine.openshift.io",
        resources=("machines",),
        verbs=("get", "list", "watch", "patch"),
        why="with --hook-config or --watch-machines, read which addresses Machines name; with"
        " --hook-config, write addresses and hooks; make sure that a Machine is gone before its"
        " addresses are released",
    ),
)
"""And with --hook-config or --watch-machines; --release-all takes hooks off with them."""

WEBHOOK_RULES = WEBHOOK_CERTIFICATE_RULES
"""And with --webhook-machines, unless its certificate is in files."""

ALL_RULES = (*RULES, *MACHINE_RULES, *WEBHOOK_RULES)
"""All of them."""
