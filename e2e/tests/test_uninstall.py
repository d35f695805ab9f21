"""The release goes: addresses stay, until they are cleaned up on purpose."""

from __future__ import annotations

from e2e.tests.installation import CHART, NAMESPACE, RELEASE, Installation
from e2e.tests.leftovers import everything, wait_left

CRD = "CustomResourceDefinition /netipallocations.netinfra.darkbrains.com"
KEY = f"Secret {NAMESPACE}/moorage-core-status-key"
THEIRS = f"Secret {NAMESPACE}/aws-credentials"
# A Helm built from its module, as here, renders for Kubernetes 1.20 where it is not told.
VERSION = ("--kube-version", "1.36.3")


def test_it_leaves_nothing_but_its_kind_and_key_and_takes_no_address_away(
    bound: Installation, before: set[str]
) -> None:
    node, writes = bound.holder, bound.cloud_writes
    bound.run_helm("uninstall", RELEASE, "--wait")
    bound.wait(lambda: not bound.pods, "the controller to be gone")
    wait_left(bound.cluster, before, {CRD, KEY, THEIRS})
    assert (bound.holder, bound.cloud_writes) == (node, writes)
    assert bound.allocation["status"]["addresses"][0]["nodeName"] == node


def test_the_clean_up_of_the_readme_takes_every_address_away(
    bound: Installation, before: set[str]
) -> None:
    bound.run_helm("uninstall", RELEASE, "--wait")
    parts = ("serviceaccount", "rbac", "status-key", "clean-up")
    shown = [f"--show-only=charts/core/templates/{part}.yaml" for part in parts]
    values = bound.values(cleanUp={"enabled": True, "deleteCrds": True})
    manifest = bound.helm.run(
        "template", RELEASE, str(CHART), "-n", NAMESPACE, *shown, *VERSION, values=values
    )
    bound.kubectl.run("apply", "-f-", stdin=manifest)
    bound.wait(lambda: CRD not in everything(bound.cluster), "the CRD to be gone")
    assert bound.holder == ""
    bound.kubectl.run(
        "wait", "-n", NAMESPACE, "--for=condition=Complete", "--timeout=60s",
        "job/moorage-core-clean-up",
    )  # fmt: skip
    bound.kubectl.run("delete", "-f-", stdin=manifest)
    wait_left(bound.cluster, before, {THEIRS})
