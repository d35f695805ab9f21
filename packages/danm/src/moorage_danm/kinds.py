"""Kinds of DANM, in both of its API groups."""

from __future__ import annotations

import enum

from moorage_domain.kinds import Kind

GROUPS = ("danm.io", "danm.k8s.io")
"""The second one is that of every release; the first one came after them."""
VERSION = "v1"
ANNOTATIONS = tuple(f"{group}/interfaces" for group in GROUPS)
"""What a pod says which networks it wants; DANM looks for a key that contains one of these."""


class NetworkKind(enum.Enum):
    """The three kinds of networks; the value is ``kind:`` of a manifest and of an endpoint."""

    DANM_NET = "DanmNet"
    TENANT_NETWORK = "TenantNetwork"
    CLUSTER_NETWORK = "ClusterNetwork"

    # Networks are looked up all the time, and the hash of a member's name costs more than all else.
    __hash__ = object.__hash__

    @property
    def plural(self) -> str:
        """As in paths."""
        return f"{self.value.lower()}s"

    @property
    def namespaced(self) -> bool:
        """Whether each namespace has networks of its own."""
        return self is not NetworkKind.CLUSTER_NETWORK


def endpoints(group: str) -> Kind:
    """The endpoints of one group: one for each interface of a pod."""
    return Kind(group, VERSION, "danmeps", "DanmEp", namespaced=True)


def networks(group: str, kind: NetworkKind) -> Kind:
    """The networks of one group and kind."""
    return Kind(group, VERSION, kind.plural, kind.value, namespaced=kind.namespaced)
