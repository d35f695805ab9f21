"""A control plane with the kinds of machine-ipam, a pool and claims; for the bench and the soak."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from moorage_api.crds import crd
from moorage_api.ipallocation import DEFINITION as IPALLOCATION
from moorage_api.ipallocation import IPALLOCATIONS
from moorage_api.ippool import DEFINITION as IPPOOL
from moorage_api.ippool import IPPOOLS
from moorage_kube.client.client import Client
from moorage_kube.client.kinds import resource_path
from moorage_machine_ipam import kinds
from moorage_testing.cluster import ApiError, EmbeddedCluster
from moorage_testing.cluster_api import ipam_crds
from moorage_testing.waiting import wait_for

from .framework import in_parallel

NAMESPACE = "machines"
POOL = "lab"
# The one that the group prefers: owners in another one are asked for by the garbage collector.
VERSION = "v1beta2"
SERVED_SECONDS = 120.0
CLAIMS, ADDRESSES = kinds.claims(VERSION), kinds.addresses(VERSION)


@contextmanager
def claim_cluster(**pool: Any) -> Iterator[EmbeddedCluster]:
    """Started, with a pool that has these fields beside the usual ones."""
    with EmbeddedCluster.start(kwok=False) as cluster:
        cluster.apply([*ipam_crds(), crd(IPALLOCATION), crd(IPPOOL)])
        cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}])
        cluster.kubectl("wait", "--for=condition=Established", "crd", "--all")
        wait_for(lambda: _served(cluster), SERVED_SECONDS, "all kinds to be served")
        spec = {"address-cidr": "10.0.0.0/16", "prefix": 16, "gateway": "10.0.0.1"}
        meta = {"name": POOL, "namespace": NAMESPACE}
        body = {"apiVersion": IPPOOLS.api_version, "kind": IPPOOLS.name, "metadata": meta}
        cluster.apply([body | {"spec": spec | pool}])
        yield cluster


def _served(cluster: EmbeddedCluster) -> bool:
    """Whether all kinds can be listed: right after they are made the API server throttles that."""
    try:
        for kind in (CLAIMS, ADDRESSES, IPALLOCATIONS, IPPOOLS):
            cluster.request("GET", resource_path(kind))
    except ApiError:
        return False
    return True


async def create_claims(client: Client, names: Iterable[str]) -> None:
    """Create claims on the pool, many at a time."""

    async def create(name: str) -> None:
        ref = {"apiGroup": IPPOOLS.group, "kind": IPPOOLS.name, "name": POOL}
        meta = {"name": name, "namespace": NAMESPACE}
        body = {"apiVersion": CLAIMS.api_version, "kind": CLAIMS.name, "metadata": meta}
        await client.create(CLAIMS, body | {"spec": {"poolRef": ref}})

    await in_parallel(create, names)
