"""What a release, or a test of one, has left in the cluster."""

from __future__ import annotations

import contextlib

from e2e.clusters.cluster import Cluster
from moorage_testing.cluster.kubectl import Object
from moorage_testing.waiting import WaitTimeoutError, wait_for

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


def wait_left(cluster: Cluster, before: set[str], wanted: set[str]) -> None:
    """Wait until that, and nothing else, is left."""
    with contextlib.suppress(WaitTimeoutError):
        wait_for(lambda: left(cluster, before) == wanted, 30, "all else to be gone")
    found = left(cluster, before)
    assert found == wanted, f"left: {found - wanted}, missing: {wanted - found}"


def everything(cluster: Cluster) -> set[str]:
    """The names of all objects that a release could leave behind."""
    kinds = (
        "crds,clusterroles,clusterrolebindings,validatingadmissionpolicies,"
        "validatingadmissionpolicybindings,validatingwebhookconfigurations,"
        "mutatingwebhookconfigurations,priorityclasses"
    )
    spaced = (
        "deployments,daemonsets,pods,jobs,services,configmaps,secrets,serviceaccounts,roles,"
        "rolebindings,networkpolicies,poddisruptionbudgets,leases"
    )
    found: list[Object] = [*cluster.kubectl.items(kinds), *cluster.kubectl.items(spaced, "-A")]
    return {
        f"{one['kind']} {one['metadata'].get('namespace', '')}/{one['metadata']['name']}"
        for one in found
    }
