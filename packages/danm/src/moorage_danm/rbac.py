"""What the reclaim controller may do in the cluster."""

from __future__ import annotations

from moorage_danm.kinds import GROUPS
from moorage_domain.rbac import MANAGER_RULES, PolicyRule

READ = ("get", "list", "watch")


def _of_group(group: str) -> tuple[PolicyRule, ...]:
    return (
        PolicyRule(
            group=group,
            resources=("danmeps",),
            verbs=("list", "watch", "patch", "delete"),
            why="find out who has which address; take it from an endpoint whose pod cannot run any"
            " more, and remove that endpoint",
        ),
        PolicyRule(
            group=group,
            resources=("danmnets", "tenantnetworks", "clusternetworks"),
            verbs=(*READ, "patch"),
            why="read which addresses are in use; mark one as free",
        ),
    )


RULES: tuple[PolicyRule, ...] = (
    *MANAGER_RULES,
    PolicyRule(
        group="",
        resources=("nodes",),
        verbs=READ,
        why="find out which nodes are gone, fenced or unreachable, and ask once more before an"
        " address is taken",
    ),
    PolicyRule(
        group="",
        resources=("pods",),
        verbs=READ,
        why="find out whether the pod of an endpoint is there, which addresses pods wait for, and"
        " whether a danm-cleaner runs",
    ),
    PolicyRule(
        group="coordination.k8s.io",
        resources=("leases",),
        verbs=READ,
        why="see whether kubelets renew their Leases in kube-node-lease",
    ),
    *(rule for group in GROUPS for rule in _of_group(group)),
)
"""What the controller needs."""
