"""An object goes with its controller, and says which one that is."""

from __future__ import annotations

from typing import Any

from moorage_kube.client.kinds import CONFIGMAPS, DEPLOYMENTS
from moorage_kube.writes.owners import controller_uid, owner_reference
from moorage_kube.writes.subject import Subject
from moorage_testing.apiserver import ApiServer


def map_with(*owners: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "child", "namespace": "shop", "ownerReferences": [*owners]}}


def test_a_child_goes_with_its_owner() -> None:
    server = ApiServer()
    owner = server.create(DEPLOYMENTS, {"metadata": {"name": "owner", "namespace": "shop"}})
    reference = owner_reference(DEPLOYMENTS, Subject.of(owner))
    server.create(CONFIGMAPS, map_with(reference))
    server.delete(DEPLOYMENTS, "owner", "shop")
    assert server.find(CONFIGMAPS, "child", "shop") is None


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
