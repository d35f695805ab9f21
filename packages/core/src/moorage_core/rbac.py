"""What the core controller may do in the cluster."""

from __future__ import annotations

from moorage_domain.rbac import MANAGER_RULES, PolicyRule

RULES: tuple[PolicyRule, ...] = (
    *MANAGER_RULES,
    PolicyRule(
        group="netinfra.darkbrains.com",
        resources=("netipallocations",),
        verbs=("list", "watch", "patch"),
        why="read what is wanted; keep the finalizer that lets addresses be released first",
    ),
    PolicyRule(
        group="netinfra.darkbrains.com",
        resources=("netipallocations/status",),
        verbs=("patch",),
        why="write the intention down before the cloud is changed, and what came of it",
    ),
    PolicyRule(
        group="",
        resources=("nodes",),
        verbs=("list", "watch", "patch"),
        why="choose healthy nodes; label those that hold an address, take the settled taint off",
    ),
    PolicyRule(
        group="",
        resources=("pods",),
        verbs=("list", "watch"),
        why="an address stays on a cordoned node while the workload's pods run there",
    ),
    PolicyRule(
        group="",
        resources=("pods/eviction",),
        verbs=("create",),
        why="with spec.evictMisplacedPods, have pods leave nodes that hold no address",
    ),
    PolicyRule(
        group="apps",
        resources=("deployments", "statefulsets", "daemonsets", "replicasets"),
        verbs=("list", "watch"),
        why="follow the chain of owners from a pod to its workload; where its pods may run",
    ),
)
"""What the controller needs."""

CLEAN_UP_RULES: tuple[PolicyRule, ...] = (
    PolicyRule(
        group="netinfra.darkbrains.com",
        resources=("netipallocations",),
        verbs=("delete",),
        why="clean-up: every address comes off its node",
    ),
)
"""What ``moorage-core clean-up`` needs besides."""

STATUS_KEY_RULES: tuple[PolicyRule, ...] = (
    PolicyRule(
        group="",
        resources=("secrets",),
        verbs=("get", "patch"),
        why="the key by which it knows what it wrote into a status; only the Secret of that",
    ),
)
"""What it needs in its own namespace, of one Secret; the chart says which."""

DELETE_CRDS_RULES: tuple[PolicyRule, ...] = (
    PolicyRule(
        group="apiextensions.k8s.io",
        resources=("customresourcedefinitions",),
        verbs=("delete",),
        why="clean-up --delete-crds: nothing of ours is left",
        names=("netipallocations.netinfra.darkbrains.com",),
    ),
)
"""What ``moorage-core clean-up --delete-crds`` needs besides."""
