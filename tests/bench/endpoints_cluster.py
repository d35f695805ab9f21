"""A control plane with Services without selectors, and pods that have a secondary address each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moorage_endpoints import names
from moorage_endpoints.kinds import NADS, SERVICES
from moorage_endpoints.networks.status import STATUS_ANNOTATION
from moorage_kube.client.client import Client, Target
from moorage_kube.client.kinds import PODS
from moorage_testing.cluster import EmbeddedCluster, Node
from moorage_testing.cni import nad_crd
from moorage_testing.waiting import wait_for

from .endpoints_seed import NETWORKS, STATUS
from .framework import in_parallel

NAMESPACE = "shop"
NETWORK = "net"
PODS_OF_A_SERVICE = 10
_NODES = tuple(f"node-{number:03}" for number in range(20))
# Nobody sends heartbeats for these nodes: without this the node controller would taint them all.
_GRACE_SECONDS = 86_400.0
_PATIENCE_SECONDS = 60.0


@contextmanager
def endpoints_cluster() -> Iterator[EmbeddedCluster]:
    """Started, with nodes, a namespace, and the kind of net-attach-defs."""
    with EmbeddedCluster.start(kwok=False, node_monitor_grace_seconds=_GRACE_SECONDS) as cluster:
        cluster.apply([nad_crd()])
        cluster.add_nodes(
            Node(name, heartbeat=False, labels={names.ZONE_LABEL: f"zone-{number % 3}"})
            for number, name in enumerate(_NODES)
        )
        cluster.kubectl("wait", "--for=condition=Established", "crd", "--all")
        add_namespace(cluster, NAMESPACE)
        yield cluster


def add_namespace(cluster: EmbeddedCluster, name: str) -> None:
    """With a network that its pods can name."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    nad = {"apiVersion": NADS.api_version, "kind": NADS.name}
    cluster.apply([space, nad | {"metadata": {"name": NETWORK, "namespace": name}}])
    path = f"/api/v1/namespaces/{name}/serviceaccounts"
    wait_for(lambda: cluster.request("GET", path)["items"], _PATIENCE_SECONDS, "a ServiceAccount")


def address_of(number: int) -> str:
    """The secondary address of a pod."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def pod_name(number: int) -> str:
    """Pods of a Service follow each other."""
    return f"pod-{number:05}"


async def create_services(client: Client, count: int) -> None:
    """Create Services without a selector, so that no controller of Kubernetes serves them."""

    async def create(number: int) -> None:
        notes = {names.NETWORKS: NETWORK, names.SELECTOR: f"app=app-{number:05}"}
        meta = {"name": f"s-{number:05}", "namespace": NAMESPACE, "annotations": notes}
        spec = {"ports": [{"port": 80, "targetPort": 8080}]}
        body = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
        await client.create(SERVICES, body)

    await in_parallel(create, range(count))


async def give_to_the_first_version(client: Client, count: int) -> None:
    """Write these Services as its users do: with a selector, and its annotation."""

    async def give(number: int) -> None:
        notes = {names.NETWORKS: None, names.SELECTOR: None, NETWORKS: NETWORK}
        spec = {"selector": {"app": f"app-{number:05}"}}
        body = {"metadata": {"annotations": notes}, "spec": spec}
        await client.patch(SERVICES, Target(f"s-{number:05}", NAMESPACE), body)

    await in_parallel(give, range(count))


async def create_pods(client: Client, count: int) -> None:
    """Create pods as the scheduler, Multus and a kubelet leave them: Ready, with an address."""

    async def create(number: int) -> None:
        labels = {"app": f"app-{number // PODS_OF_A_SERVICE:05}"}
        ip, node = address_of(number + 256), _NODES[number % len(_NODES)]
        body = pod_body(pod_name(number), NAMESPACE, labels, ip, node)
        await client.create(PODS, body)
        await set_ready(client, number, ready=True)

    await in_parallel(create, range(count))


def pod_body(
    name: str, namespace: str, labels: dict[str, str], ip: str, node: str = _NODES[0]
) -> dict[str, Any]:
    """One that is attached to the network with an address, as each Multus of its time says."""
    meta = {
        "name": name,
        "namespace": namespace,
        "labels": labels,
        "annotations": {
            NETWORKS: NETWORK,
            STATUS: status_text(NETWORK, ip),
            STATUS_ANNOTATION: status_text(f"{namespace}/{NETWORK}", ip),
        },
    }
    spec = {"nodeName": node, "containers": [{"name": "main", "image": "fake"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def status_text(network: str, ip: str) -> str:
    """The annotation for one interface."""
    return json.dumps([{"name": network, "interface": "net1", "ips": [ip]}])


async def set_ready(client: Client, number: int, *, ready: bool) -> None:
    """What a kubelet says of a pod."""
    condition: dict[str, Any] = {"type": "Ready", "status": str(ready)}
    body = {"status": {"phase": "Running", "conditions": [condition]}}
    await client.patch(PODS, Target(pod_name(number), NAMESPACE, "status"), body)


async def touch(client: Client, number: int) -> None:
    """Change what no endpoint depends on."""
    body = {"metadata": {"labels": {"touched": "yes"}, "annotations": {"example.com/x": "y"}}}
    await client.patch(PODS, Target(pod_name(number), NAMESPACE), body)
