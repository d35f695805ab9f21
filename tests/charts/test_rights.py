"""What a token of one of our ServiceAccounts is worth to whoever has stolen it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helm import Helm, Object, named
from value_sets import EVERYTHING, PARTS, SETS, only

# Whoever may write one of another name has taken over the cluster, or another installation.
NAMED = {
    "configmaps", "customresourcedefinitions", "mutatingwebhookconfigurations", "secrets",
    "validatingwebhookconfigurations",
}  # fmt: skip
# RBAC has no names for these; a policy has.
NAMELESS_VERBS = {"create", "list", "watch"}
WEBHOOKS = ("machineIpam", "endpoints", "danm")


def rules(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Every rule of a release, with the name of its role."""
    for one in objects:
        if one["kind"] in ("ClusterRole", "Role"):
            for rule in one["rules"]:
                yield one["metadata"]["name"], rule


def holders(objects: list[Object], resource: str) -> set[str]:
    """Roles that may do anything with a resource, without the namespace in front."""
    found = (name for name, rule in rules(objects) if resource in rule["resources"])
    return {name.rpartition(".")[2] for name in found}


@pytest.mark.parametrize("name", SETS)
def test_sec_06_no_right_has_a_wildcard(newest: Helm, name: str) -> None:
    for role, rule in rules(newest.render(SETS[name])):
        for field in ("apiGroups", "resources", "verbs"):
            assert "*" not in rule[field], role


@pytest.mark.parametrize("name", SETS)
def test_sec_06_what_has_a_known_name_is_granted_by_that_name(newest: Helm, name: str) -> None:
    for role, rule in rules(newest.render(SETS[name])):
        if NAMED & set(rule["resources"]) and not set(rule["verbs"]) <= NAMELESS_VERBS:
            assert rule.get("resourceNames"), role


@pytest.mark.parametrize("part", WEBHOOKS)
def test_sec_06_of_webhook_configurations_only_its_own_may_be_patched(
    newest: Helm, part: str
) -> None:
    objects = newest.render(only(part, EVERYTHING[part] | {"webhook": {"enabled": True}}
                                 if part == "danm" else EVERYTHING[part]))  # fmt: skip
    kinds = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
    there = {one for kind in kinds for one in named(objects, kind)}
    granted = [
        rule for _, rule in rules(objects) if "mutatingwebhookconfigurations" in rule["resources"]
    ]
    for rule in granted:
        assert rule["verbs"] == ["get", "patch"]
        assert there & set(rule["resourceNames"])
        # The other name is the one that it would have without a release.
        assert {one.rpartition(".")[2] for one in rule["resourceNames"]} == {
            one.rpartition(".")[2] for one in there
        }


def test_sec_06_events_and_evictions_are_granted_only_where_they_are_used(newest: Helm) -> None:
    objects = newest.render(SETS["all-on"])
    # The admission service of DANM tells whoever asks, and nobody else.
    controllers = {f"moorage-{one}" for one in PARTS.values()}
    assert holders(objects, "events") == controllers
    assert holders(objects, "pods/eviction") == {"moorage-core"}


@pytest.mark.parametrize("part", PARTS)
def test_sec_06_every_part_is_held_by_policies_that_fail_closed(newest: Helm, part: str) -> None:
    objects = newest.render(only(part))
    policies = named(objects, "ValidatingAdmissionPolicy")
    assert policies
    assert {one["spec"]["failurePolicy"] for one in policies.values()} == {"Fail"}
    bound = named(objects, "ValidatingAdmissionPolicyBinding")
    assert {one["spec"]["policyName"] for one in bound.values()} == policies.keys()
    assert {tuple(one["spec"]["validationActions"]) for one in bound.values()} == {("Deny",)}
    assert not named(newest.render(only(part, {"policies": {"enabled": False}})),
                     "ValidatingAdmissionPolicy")  # fmt: skip
