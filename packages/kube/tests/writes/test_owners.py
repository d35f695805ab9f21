"""An object goes with its controller."""

from __future__ import annotations

from moorage_domain.owners import owner_reference
from moorage_domain.subject import Subject
from moorage_kube.client.kinds import CONFIGMAPS, DEPLOYMENTS
from moorage_testing.apiserver import ApiServer


def test_a_child_goes_with_its_owner() -> None:
    server = ApiServer()
    owner = server.create(DEPLOYMENTS, {"metadata": {"name": "owner", "namespace": "shop"}})
    reference = owner_reference(DEPLOYMENTS, Subject.of(owner))
    meta = {"name": "child", "namespace": "shop", "ownerReferences": [reference]}
    server.create(CONFIGMAPS, {"metadata": meta})
    server.delete(DEPLOYMENTS, "owner", "shop")
    assert server.find(CONFIGMAPS, "child", "shop") is None
