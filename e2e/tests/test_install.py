"""The chart is installed: with errors that it names, then as the README says."""

from __future__ import annotations

import pytest

from e2e.tests.installation import NAMESPACE, Installation
from moorage_testing.cluster.kubectl import Object
from moorage_testing.helm import HelmError


def test_a_typo_is_refused_with_its_path_and_installs_nothing(installation: Installation) -> None:
    with pytest.raises(HelmError) as refused:
        installation.upgrade(installation.values(replica=3))
    assert "core" in str(refused.value)
    assert "'replica' not allowed" in str(refused.value)
    assert installation.run_helm("list", "-q") == ""


def test_without_its_crd_it_is_not_ready_and_says_what_to_do(installation: Installation) -> None:
    installation.add_credentials()
    values = installation.values()
    installation.upgrade({**values, "crds": {"enabled": False}})

    def words() -> list[str]:
        pods = installation.pods
        lines = [line for pod in pods for line in installation.cluster.logs(pod).splitlines()]
        return [line for line in lines if "netipallocations" in line and "crds.enabled" in line]

    assert installation.wait(words, "the CRD to be missed")
    pods = installation.pods
    assert len(pods) == 2
    assert not any(map(installation.cluster.ready, pods))
    installation.upgrade(values)
    assert {_uid(one) for one in installation.wait_working()} == {_uid(one) for one in pods}


def test_without_rights_in_the_cloud_the_object_says_so(installation: Installation) -> None:
    values = installation.values()
    values["core"]["clouds"]["aws"]["existingSecret"] = ""
    installation.upgrade(values)
    installation.wait_working()
    installation.allocate()
    installation.wait(lambda: installation.reason() == "CredentialsRejected", "the reason")
    assert installation.cloud_writes == 0


def test_installed_as_the_readme_says_it_binds_the_address(bound: Installation) -> None:
    assert bound.bound_to() == bound.holder
    assert bound.reason() == "AllBound"
    nodes = {one["spec"]["nodeName"] for one in bound.pods}
    assert nodes == set(bound.cluster.nodes), "the replicas are spread"


def test_helm_test_says_that_it_works(bound: Installation) -> None:
    assert "Succeeded" in bound.run_helm("test", "moorage", "--timeout", "120s")


def test_installing_again_changes_nothing(bound: Installation) -> None:
    before, writes = bound.kubectl.items("all", "-n", NAMESPACE), bound.cloud_writes
    bound.upgrade()
    after = bound.kubectl.items("all", "-n", NAMESPACE)
    assert [_generation(one) for one in after] == [_generation(one) for one in before]
    assert bound.cloud_writes == writes


def _uid(one: Object) -> str:
    return str(one["metadata"]["uid"])


def _generation(one: Object) -> tuple[str, object]:
    return _uid(one), one["metadata"].get("generation")
