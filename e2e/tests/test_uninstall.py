"""The release goes: addresses stay, until they are cleaned up on purpose."""

from __future__ import annotations

import contextlib

from e2e.clusters.cluster import Cluster
from e2e.tests.conftest import everything
from e2e.tests.installation import CHART, NAMESPACE, RELEASE, Installation
from moorage_testing.waiting import WaitTimeoutError, wait_for

CRD = "CustomResourceDefinition /netipallocations.netinfra.darkbrains.com"
KEPT = {CRD, f"Secret {NAMESPACE}/aws-credentials"}
# A Helm built from its module, as here, renders for Kubernetes 1.20 where it is not told.
VERSION = ("--kube-version", "1.36.3")
# What the test itself runs, and the heartbeats of nodes.
NOT_OURS = ("Deployment default/", "Pod default/", "Lease kube-")


def left(cluster: Cluster, before: set[str]) -> set[str]:
    """What was not there before, but for what Kubernetes puts into every namespace."""
    new = everything(cluster) - before
    return {
        one
        for one in new
        if not one.startswith(NOT_OURS) and not one.endswith(("/default", "/kube-root-ca.crt"))
    }


def wait_left(installation: Installation, before: set[str], wanted: set[str]) -> None:
    """Wait until that, and nothing else, is left."""
    with contextlib.suppress(WaitTimeoutError):
        wait_for(lambda: left(installation.cluster, before) == wanted, 30, "all else to be gone")
    assert left(installation.cluster, before) == wanted


def test_it_leaves_nothing_but_its_crd_and_takes_no_address_away(
    bound: Installation, before: set[str]
) -> None:
    node, writes = bound.holder, bound.cloud_writes
    bound.run_helm("uninstall", RELEASE, "--wait")
    bound.wait(lambda: not bound.pods, "the controller to be gone")
    wait_left(bound, before, KEPT)
    assert (bound.holder, bound.cloud_writes) == (node, writes)
    assert bound.allocation["status"]["addresses"][0]["nodeName"] == node


def test_the_clean_up_of_the_readme_takes_every_address_away(
    bound: Installation, before: set[str]
) -> None:
    bound.run_helm("uninstall", RELEASE, "--wait")
    parts = ("serviceaccount", "rbac", "clean-up")
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
    wait_left(bound, before, KEPT - {CRD})
