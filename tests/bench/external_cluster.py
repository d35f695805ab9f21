"""A control plane with the kinds of external-ip, a pool, Services, and nodes whose agents live."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from moorage_api import ipallocation, ipclaim, ipclaimpool, ipnode
from moorage_api.crds import crd
from moorage_external_ip.kinds import SERVICES
from moorage_external_ip.placement import leases
from moorage_kube.client.client import Client, Target
from moorage_kube.client.errors import KubeError
from moorage_kube.client.kinds import LEASES, resource_path
from moorage_testing.cluster import ApiError, EmbeddedCluster, Node
from moorage_testing.waiting import wait_for

from .framework import in_parallel

NAMESPACE = "shop"
AGENTS = "agents"
"""Namespace of the Leases of agents."""
POOL = "lab"
CLASS = "moorage.dev/external-ip"
SERVED_SECONDS = 120.0
# Nobody sends heartbeats for these nodes: without this the node controller would taint them all.
_GRACE_SECONDS = 86_400.0
_DEFINITIONS = (
    ipallocation.DEFINITION, ipclaim.DEFINITION, ipclaimpool.DEFINITION, ipnode.DEFINITION,
)  # fmt: skip
_RENEW_SECONDS, _WRITE_SECONDS = 1.0, 2.0
_LEASE_SECONDS = 5


@contextmanager
def external_cluster(nodes: Sequence[str], cidr: str) -> Iterator[EmbeddedCluster]:
    """Started, with these nodes and one pool of all addresses of ``cidr``."""
    with EmbeddedCluster.start(kwok=False, node_monitor_grace_seconds=_GRACE_SECONDS) as cluster:
        cluster.apply([crd(one) for one in _DEFINITIONS])
        for name in (NAMESPACE, AGENTS):
            cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}])
        cluster.kubectl("wait", "--for=condition=Established", "crd", "--all")
        wait_for(lambda: _served(cluster), SERVED_SECONDS, "all kinds to be served")
        cluster.add_nodes(Node(name, heartbeat=False) for name in nodes)
        body = {"apiVersion": "ipcontroller.ext/v1", "kind": "IpClaimPool"}
        cluster.apply([body | {"metadata": {"name": POOL}, "spec": {"cidr": cidr}}])
        yield cluster


def _served(cluster: EmbeddedCluster) -> bool:
    """Whether all kinds can be listed: right after they are made the API server throttles that."""
    try:
        for one in _DEFINITIONS:
            cluster.request("GET", resource_path(one.kind))
    except ApiError:
        return False
    return True


async def create_services(client: Client, names: Iterable[str]) -> None:
    """Create Services of our class, many at a time.

    Without a selector, so that no controller of Kubernetes makes EndpointSlices meanwhile, and
    without ports on the nodes, of which there are 2,768.
    """

    async def create(name: str) -> None:
        spec = {
            "type": "LoadBalancer",
            "loadBalancerClass": CLASS,
            "allocateLoadBalancerNodePorts": False,
            "ports": [{"port": 80}],
        }
        meta = {"name": name, "namespace": NAMESPACE}
        body = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
        await client.create(SERVICES, body)

    await in_parallel(create, names)


@asynccontextmanager
async def living(client: Client, nodes: Sequence[str], subnet: str) -> AsyncIterator[None]:
    """Agents of these nodes renew their Leases, each once a second, and say that they have a link.

    Nothing is on any link: a claim stays ``Assigned``, and no agent writes to its status.
    """
    for number, node in enumerate(nodes):
        await client.create(LEASES, _lease(node, number, subnet), AGENTS)
    # Evenly over the second, as those of many machines are.
    shifts = [_RENEW_SECONDS * at / len(nodes) for at in range(len(nodes))]
    renewals = map(partial(_renew, client), nodes, shifts)
    tasks = [asyncio.create_task(one) for one in renewals]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _lease(node: str, number: int, subnet: str) -> dict[str, Any]:
    mac = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
    link = {"name": "eth0", "mac": mac, "carrier": True, "subnets": [subnet]}
    meta = {
        "name": f"{leases.PREFIX}{node}",
        "namespace": AGENTS,
        "labels": {leases.AGENT_LABEL: "true"},
        "annotations": {leases.LINKS: json.dumps([link]), leases.PROXY: "Healthy"},
    }
    spec = {"holderIdentity": node, "leaseDurationSeconds": _LEASE_SECONDS}
    return {"apiVersion": LEASES.api_version, "kind": LEASES.name, "metadata": meta, "spec": spec}


async def _renew(client: Client, node: str, shift_seconds: float) -> None:
    """For ever; what takes too long is given up, as an agent does it."""
    target = Target(f"{leases.PREFIX}{node}", AGENTS)
    due = time.monotonic() + shift_seconds
    while True:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        due = max(due + _RENEW_SECONDS, time.monotonic())
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        with contextlib.suppress(TimeoutError, KubeError):
            async with asyncio.timeout(_WRITE_SECONDS):
                await client.patch(LEASES, target, {"spec": {"renewTime": now}})
