"""An object says which one its controller is."""

from __future__ import annotations

from typing import Any

from moorage_domain.kinds import Kind
from moorage_domain.owners import controller_uid, owner_reference
from moorage_domain.subject import Subject

DEPLOYMENTS = Kind("apps", "v1", "deployments", "Deployment", namespaced=True)


def map_with(*owners: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "child", "namespace": "shop", "ownerReferences": [*owners]}}


def test_the_reference_names_that_very_object_as_the_controller() -> None:
    assert owner_reference(DEPLOYMENTS, Subject("owner", "shop", "u-1", "7")) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "owner",
        "uid": "u-1",
        "controller": True,
    }


def test_of_several_owners_the_controller_counts() -> None:
    other = {"uid": "u-0"}
    mine = owner_reference(DEPLOYMENTS, Subject("owner", "shop", "u-1", "7"))
    assert controller_uid(map_with(other, mine)) == "u-1"


def test_an_object_without_a_controller_has_none() -> None:
    assert controller_uid(map_with({"uid": "u-0"})) == ""
    assert controller_uid({"metadata": {"name": "alone"}}) == ""
