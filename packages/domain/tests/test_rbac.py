"""Roles are generated from rules: sorted, merged, split into cluster-wide and namespaced."""

from __future__ import annotations

from moorage_domain.rbac import (
    EVENT_RULES,
    LEASE_RULES,
    MANAGER_RULES,
    PolicyRule,
    cluster_role,
    role,
)


def test_rules_are_merged_by_group_and_verbs_and_sorted() -> None:
    rights = [
        PolicyRule("", ("pods",), ("watch", "list"), "see where work runs"),
        PolicyRule("", ("nodes", "nodes/status"), ("list", "watch"), "see where addresses go"),
        PolicyRule("", ("nodes",), ("patch",), "label them"),
        PolicyRule("apps", ("deployments",), ("list", "watch"), "see owners"),
    ]
    assert cluster_role("moorage-core", rights) == {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "moorage-core"},
        "rules": [
            {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "patch", "watch"]},
            {
                "apiGroups": [""],
                "resources": ["nodes/status", "pods"],
                "verbs": ["list", "watch"],
            },
            {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list", "watch"]},
        ],
    }


def test_the_order_of_the_rules_does_not_matter() -> None:
    assert cluster_role("x", MANAGER_RULES) == cluster_role("x", tuple(reversed(MANAGER_RULES)))


def test_a_process_without_an_election_has_no_right_to_leases() -> None:
    assert {*LEASE_RULES, *EVENT_RULES} == set(MANAGER_RULES)
    assert role("x", EVENT_RULES)["rules"] == []
    assert "leases" not in str(cluster_role("x", EVENT_RULES))


def test_the_rule_for_leases_is_in_the_namespaced_role_only() -> None:
    assert role("x", MANAGER_RULES)["rules"] == [
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "verbs": ["create", "get", "update"],
        }
    ]
    assert cluster_role("x", MANAGER_RULES)["rules"] == [
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]}
    ]


def test_a_rule_for_some_objects_gives_no_right_to_others() -> None:
    every = PolicyRule("apps", ("deployments",), ("get",), "read all")
    one = PolicyRule("apps", ("deployments",), ("delete",), "delete one", names=("old",))
    assert cluster_role("x", (one, every))["rules"] == [
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]},
        {
            "apiGroups": ["apps"],
            "resources": ["deployments"],
            "verbs": ["delete"],
            "resourceNames": ["old"],
        },
    ]
