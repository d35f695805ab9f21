"""RBAC rules as data, from which the charts' roles are generated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """What a controller may do with some resources, and why it needs to.

    Attributes:
        group: API group, ``""`` for the core group.
        resources: plurals, with ``/subresource`` where one is meant.
        verbs: RBAC verbs.
        why: for the reader of the chart.
        namespaced: needed only in the controller's own namespace.
        names: the only objects that are meant; empty: all of the resources.
    """

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    why: str
    namespaced: bool = False
    names: tuple[str, ...] = ()


LEASE_RULES: tuple[PolicyRule, ...] = (
    PolicyRule(
        group="coordination.k8s.io",
        resources=("leases",),
        verbs=("get", "create", "update"),
        why="one replica leads, the others stand by",
        namespaced=True,
    ),
)
"""What leader election uses; a process without one needs none of it."""

EVENT_RULES: tuple[PolicyRule, ...] = (
    PolicyRule(
        group="",
        resources=("events",),
        verbs=("create", "patch"),
        why="tell people once why an object is as it is",
    ),
)
"""What Events need."""

MANAGER_RULES: tuple[PolicyRule, ...] = (*LEASE_RULES, *EVENT_RULES)
"""What :mod:`moorage_kube` itself uses with an election; without one, :data:`EVENT_RULES`.

Kopf adds nothing to these: it reads the discovery documents, which every authenticated client
may, and lists and watches the kinds that a controller names in its own rules.
"""

WEBHOOK_CERTIFICATE_RULES: tuple[PolicyRule, ...] = (
    PolicyRule(
        group="",
        resources=("secrets",),
        verbs=("get", "create", "update"),
        why="replicas share the webhook's certificate and renew it",
        namespaced=True,
    ),
    PolicyRule(
        group="admissionregistration.k8s.io",
        resources=("validatingwebhookconfigurations", "mutatingwebhookconfigurations"),
        verbs=("get", "patch"),
        why="the API server trusts the webhook by the caBundle written there",
    ),
)
"""What self-managed certificates of a webhook server need; the other two ways need nothing."""


def cluster_role(name: str, rules: Iterable[PolicyRule]) -> dict[str, Any]:
    """The ClusterRole: all rules that are not bound to the controller's own namespace."""
    return _role("ClusterRole", name, (rule for rule in rules if not rule.namespaced))


def role(name: str, rules: Iterable[PolicyRule]) -> dict[str, Any]:
    """The Role for the controller's own namespace: the namespaced rules."""
    return _role("Role", name, (rule for rule in rules if rule.namespaced))


def _role(kind: str, name: str, rules: Iterable[PolicyRule]) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "rules": _rules(rules),
    }


def _rules(rules: Iterable[PolicyRule]) -> list[dict[str, list[str]]]:
    """One rule for each group, set of names and set of verbs, sorted, without duplicates."""
    verbs_of: dict[tuple[str, tuple[str, ...], str], set[str]] = {}
    for rule in rules:
        for resource in rule.resources:
            verbs_of.setdefault((rule.group, rule.names, resource), set()).update(rule.verbs)
    resources_of: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (group, names, resource), verbs in sorted(verbs_of.items()):
        resources_of.setdefault((group, tuple(sorted(verbs)), names), []).append(resource)
    return [
        {"apiGroups": [group], "resources": resources, "verbs": list(verbs)}
        | ({"resourceNames": list(names)} if names else {})
        for (group, verbs, names), resources in sorted(
            resources_of.items(), key=lambda rule: (rule[0][0], rule[1])
        )
    ]
