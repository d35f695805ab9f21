"""What the admission service may do in the cluster: read; it has a ServiceAccount of its own."""

from __future__ import annotations

from moorage_danm.kinds import GROUPS
from moorage_domain.rbac import WEBHOOK_CERTIFICATE_RULES, PolicyRule

LIST = ("list", "watch")

RULES: tuple[PolicyRule, ...] = (
    PolicyRule(
        group="",
        resources=("nodes",),
        verbs=LIST,
        why="say whether the node of whoever has an address is ready",
    ),
    PolicyRule(
        group="",
        resources=("pods",),
        verbs=LIST,
        why="say whether the pod that has an address is there",
    ),
    *(
        PolicyRule(
            group=group,
            resources=("danmeps", "danmnets", "tenantnetworks", "clusternetworks"),
            verbs=LIST,
            why="say who has an address, and which ones a network gives away",
        )
        for group in GROUPS
    ),
)
"""What it needs in every mode."""

DEMAND_RULES: tuple[PolicyRule, ...] = tuple(
    PolicyRule(
        group=group,
        resources=("danmeps",),
        verbs=("patch",),
        why="ask the controller for the address of an endpoint, by an annotation",
    )
    for group in GROUPS
)
"""What it needs in mode sync besides; a policy holds it to that one annotation."""

CERTIFICATE_RULES = WEBHOOK_CERTIFICATE_RULES
"""What it needs besides where it makes its certificates itself."""
