"""What the protection of net-attach-defs may do in the cluster."""

from __future__ import annotations

from moorage_domain.rbac import PolicyRule

NAD_RULES: tuple[PolicyRule, ...] = (
    PolicyRule(
        group="k8s.cni.cncf.io",
        resources=("network-attachment-definitions",),
        verbs=("list", "watch", "patch"),
        why="keep the finalizer and the mark on a net-attach-def while pods use it",
    ),
    PolicyRule(
        group="",
        resources=("pods",),
        verbs=("list", "watch"),
        why="read which net-attach-defs pods use",
    ),
    PolicyRule(
        group="",
        resources=("namespaces",),
        verbs=("list", "watch"),
        why="hold nothing in a namespace that is being deleted",
    ),
)
"""What it needs always."""

RESURRECT_RULES: tuple[PolicyRule, ...] = (
    PolicyRule(
        group="k8s.cni.cncf.io",
        resources=("network-attachment-definitions",),
        verbs=("create",),
        why="with --protect-nads=resurrect, create a net-attach-def again",
    ),
)
"""And with --protect-nads=resurrect."""

TEMPLATE_RULES: tuple[PolicyRule, ...] = (
    PolicyRule(
        group="apps",
        resources=("deployments", "statefulsets", "daemonsets"),
        verbs=("list", "watch"),
        why="with --protect-templates, read which net-attach-defs pod templates name",
    ),
)
"""And with --protect-templates."""
