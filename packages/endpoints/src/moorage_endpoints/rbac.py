"""What endpoints may do in the cluster."""

from __future__ import annotations

from moorage_domain.rbac import MANAGER_RULES, WEBHOOK_CERTIFICATE_RULES, PolicyRule
from moorage_endpoints.nads.rbac import NAD_RULES, RESURRECT_RULES, TEMPLATE_RULES

RULES: tuple[PolicyRule, ...] = (
    *MANAGER_RULES,
    PolicyRule(
        group="",
        resources=("services",),
        verbs=("list", "watch", "create", "patch", "delete"),
        why="read which networks Services name; hand a Service over by keeping its selector in an"
        " annotation; make, mend and delete companions",
    ),
    PolicyRule(
        group="",
        resources=("pods",),
        verbs=("list", "watch"),
        why="read which addresses pods have in which network",
    ),
    PolicyRule(
        group="",
        resources=("nodes",),
        verbs=("list", "watch"),
        why="say in which zone each endpoint is",
    ),
    PolicyRule(
        group="discovery.k8s.io",
        resources=("endpointslices",),
        verbs=("list", "watch", "create", "update", "delete"),
        why="write the endpoints of Services; delete those that Kubernetes left behind when a"
        " Service was handed over",
    ),
    PolicyRule(
        group="discovery.k8s.io",
        resources=("endpointslices/restricted",),
        verbs=("create",),
        why="OpenShift asks for it where an endpoint is an address of a pod network",
    ),
    PolicyRule(
        group="",
        resources=("endpoints",),
        verbs=("list", "watch", "patch", "delete"),
        why="delete what Kubernetes left behind when a Service was handed over; in the mode legacy,"
        " rewrite them",
    ),
    PolicyRule(
        group="",
        resources=("endpoints/restricted",),
        verbs=("create",),
        why="OpenShift asks for it in the mode legacy",
    ),
    PolicyRule(
        group="k8s.cni.cncf.io",
        resources=("network-attachment-definitions",),
        verbs=("list", "watch"),
        why="say when a Service names a network that is not there",
    ),
    *NAD_RULES,
)
"""What the controller needs."""

WEBHOOK_RULES = WEBHOOK_CERTIFICATE_RULES
"""And with --webhook-services, unless its certificate is in files."""

ALL_RULES = (*RULES, *WEBHOOK_RULES, *RESURRECT_RULES, *TEMPLATE_RULES)
"""All of them."""
