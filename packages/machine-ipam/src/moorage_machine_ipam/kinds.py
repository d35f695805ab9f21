"""Kinds of others that addresses for machines are asked for, and given, with."""

from __future__ import annotations

from moorage_domain.kinds import Kind

GROUP = "ipam.cluster.x-k8s.io"
VERSIONS = ("v1beta2", "v1beta1")
"""Those that are known here, the newest first."""
OLDEST = VERSIONS[-1]

MACHINES = Kind("machine.openshift.io", "v1beta1", "machines", "Machine", namespaced=True)
"""Of OpenShift; those of Cluster API are another kind of that name."""
CLUSTERS = Kind("cluster.x-k8s.io", "v1beta1", "clusters", "Cluster", namespaced=True)


def claims(version: str) -> Kind:
    """What a machine asks for an address with."""
    return Kind(GROUP, version, "ipaddressclaims", "IPAddressClaim", namespaced=True)


def addresses(version: str) -> Kind:
    """What a machine reads its address from; it has the name of the claim."""
    return Kind(GROUP, version, "ipaddresses", "IPAddress", namespaced=True)
