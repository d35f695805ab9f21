"""Objects of DANM and of Kubernetes, and reviews of them, as the admission service gets them."""

from __future__ import annotations

import itertools
import json
from typing import Any

from moorage_danm.kinds import NetworkKind, endpoints, networks
from moorage_kube.client.kinds import NODES, PODS
from moorage_testing.apiserver import ApiServer

Raw = dict[str, Any]

GROUP = "danm.k8s.io"
KEY = f"{GROUP}/interfaces"
NS = "shop"
IP = "10.0.0.5"
NET = "net"
DEPLOYMENT = "web"
_UIDS = itertools.count()


def interface(ip: str = IP, network: str = NET, **more: Any) -> Raw:
    return {"network": network, "ip": ip, **more}


def asking(*interfaces: Raw, key: str = KEY) -> dict[str, str]:
    return {key: json.dumps(list(interfaces))}


def owner(name: str = DEPLOYMENT, revision: str = "1") -> Raw:
    """Metadata by which a pod belongs to a Deployment."""
    reference = {"kind": "ReplicaSet", "name": f"{name}-{revision}", "uid": f"rs-{name}-{revision}"}
    return {
        "ownerReferences": [reference | {"apiVersion": "apps/v1", "controller": True}],
        "labels": {"pod-template-hash": revision},
    }


def review(raw: Raw, **changes: Any) -> Raw:
    """A question about the creation of a pod, or of a workload."""
    kind = raw.get("kind", "Pod")
    groups = {"Pod": "", "Service": "", "Job": "batch", "CronJob": "batch"}
    group = groups.get(kind, "apps")
    request: Raw = {
        "uid": f"question-{next(_UIDS)}",
        "kind": {"group": group, "version": "v1", "kind": kind},
        "resource": {"group": group, "version": "v1", "resource": f"{kind.lower()}s"},
        "name": raw["metadata"].get("name", ""),
        "namespace": NS,
        "operation": "CREATE",
        "userInfo": {"username": "jane", "groups": ["system:authenticated"]},
        "object": raw,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions"},
    }
    request = {key: value for key, value in (request | changes).items() if value is not ...}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def pod(*interfaces: Raw, name: str = "web-2-new", **meta: Any) -> Raw:
    """A pod that is about to be created; without interfaces it asks for one address."""
    wanted = asking(*(interfaces or (interface(),)))
    metadata = {"name": name, "namespace": NS, "annotations": wanted} | owner(revision="2") | meta
    return {"kind": "Pod", "metadata": {k: v for k, v in metadata.items() if v is not ...}}


def workload(kind: str, *interfaces: Raw, **spec: Any) -> Raw:
    """A workload whose pods ask for one address."""
    template = {"metadata": {"annotations": asking(*(interfaces or (interface(),)))}}
    if kind == "CronJob":
        spec = {"jobTemplate": {"spec": {"template": template}}} | spec
    else:
        spec = {"template": template} | spec
    return {"kind": kind, "metadata": {"name": DEPLOYMENT, "namespace": NS}, "spec": spec}


class Danm:
    """Puts what there is into an API server; names are made of what is given."""

    def __init__(self, server: ApiServer, group: str = GROUP) -> None:
        self.server = server
        self.group = group

    def network(
        self, name: str = NET, kind: NetworkKind = NetworkKind.DANM_NET, **more: Any
    ) -> Raw:
        namespace = NS if kind.namespaced else ""
        pool = {"start": "10.0.0.128", "end": "10.0.0.254"}
        options = {"cidr": "10.0.0.0/24", "allocation_pool": pool, "alloc": "g" + "A" * 41 + "E="}
        spec = {"NetworkID": name, "Options": options | more}
        return self.server.put(networks(self.group, kind), name, namespace, spec=spec)

    def node(self, name: str = "n1", ready: str = "True", *taints: str) -> Raw:
        conditions = [{"type": "Ready", "status": ready}]
        found = [{"key": key, "effect": "NoExecute"} for key in taints]
        status = {"conditions": conditions}
        return self.server.put(NODES, name, spec={"taints": found}, status=status)

    def pod(self, name: str, node: str = "n1", *, phase: str = "Running", **meta: Any) -> Raw:
        return self.server.put(
            PODS,
            name,
            NS,
            metadata=owner() | meta,
            spec={"nodeName": node},
            status={"phase": phase},
        )

    def endpoint(self, of: str = "web-1-old", ip: str = IP, **more: Any) -> Raw:
        """Of a pod that had, or has, an address."""
        spec = {
            "NetworkName": NET,
            "apiType": "DanmNet",
            "Host": "n1",
            "Pod": of,
            "PodUID": f"uid-{of}",
            "Interface": {"Name": "eth1", "Address": f"{ip}/24", "AddressIPv6": ""},
        } | more
        name = f"{of}-{spec['NetworkName']}"
        return self.server.put(endpoints(self.group), name, NS, spec=spec)

    def holder(self, ready: str = "True", *taints: str, **meta: Any) -> None:
        """A pod has the address, on a node that is so."""
        self.network()
        self.node("n1", ready, *taints)
        self.pod("web-1-old", **meta)
        self.endpoint()
