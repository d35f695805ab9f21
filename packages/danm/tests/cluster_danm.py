"""A cluster with DANM on the double of the API server: nodes, hosts, networks and pods."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
from collections.abc import Callable
from typing import Any

from moorage_danm import kinds
from moorage_danm.kinds import NetworkKind
from moorage_domain.kinds import Kind
from moorage_ipam.times import text_of
from moorage_kube.client.kinds import EVENTS, LEASES, NODES, PODS
from moorage_testing.apiserver import ApiServer
from moorage_testing.apiserver.objects import Change
from moorage_testing.danm import Cni, Host, Hosts, MemoryApi, broken, leaked
from moorage_testing.danm.ipam import bits_text, fresh, used

GROUP = "danm.k8s.io"
NS = "apps"
NODE_LEASES = "kube-node-lease"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
SHUT_DOWN = "node.cloudprovider.kubernetes.io/shutdown"
UNREACHABLE = "node.kubernetes.io/unreachable"
BEAT_SECONDS = 10.0
BUSY_SECONDS = 60.0
Raw = dict[str, Any]


def now_text() -> str:
    return text_of(time.time())


class Cluster:
    """Nodes, hosts, networks and pods on one server; every helper does what its owner would."""

    def __init__(self, server: ApiServer, group: str = GROUP) -> None:
        self.server = server
        self.group = group
        self.hosts = Hosts()
        self.fenced: set[str] = set()
        self.pause: Callable[[], float] = lambda: 0.001
        self.api = MemoryApi(server, self._paused)
        self.beat_seconds = BEAT_SECONDS
        self._pod_changes = 0
        server.world.on_change.append(self._noticed)
        self._beating: asyncio.Task[None] | None = None

    def _paused(self) -> float:
        return self.pause()

    def start(self) -> None:
        """Let Leases be renewed and kubelets report; its tasks belong to nobody's life."""
        self._beating = asyncio.create_task(self._beat(), name="heartbeats")

    def end(self) -> None:
        self.hosts.end()
        if self._beating is not None:
            self._beating.cancel()

    async def _beat(self) -> None:
        beaten, busy, seen = -1e9, 0.0, None
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            living = [one for one in self.hosts.by_name.values() if one.power and one.network]
            if now - beaten >= self.beat_seconds:
                beaten = now
                for host in living:
                    self.renew(host.name)
            state = (self._pod_changes, [(one.name, set(one.running)) for one in living])
            if state != seen:
                seen, busy = state, now
                for host in living:
                    self._report(host)
            # Where nothing happens a look every now and then is enough.
            idle = now - busy > BUSY_SECONDS
            await asyncio.sleep(min(5.0, self.beat_seconds) if idle else 1.0)

    def _noticed(self, change: Change) -> None:
        self._pod_changes += change.place.plural == "pods"

    def _report(self, host: Host) -> None:
        """The kubelet says what runs, and removes what has ended and was deleted."""
        for raw in self.server.all_of(PODS):
            meta, uid = raw["metadata"], raw["metadata"]["uid"]
            if raw["spec"].get("nodeName") != host.name:
                continue
            if "deletionTimestamp" in meta:
                if uid in host.wanted:
                    host.stop_pod(uid)
                elif uid not in host.running:
                    self.server.remove(PODS, meta["name"], meta["namespace"])
            elif uid in host.running and raw["status"]["phase"] == "Pending":
                self.edit_pod(meta["name"], status={"phase": "Running"})

    # Nodes.

    def node(self, name: str, host_name: str = "", **meta: Any) -> Host:
        """A node that is ready, and its host, which works."""
        status = {"conditions": [_ready("True")]}
        self.server.put(NODES, name, metadata={"name": name, **meta}, spec={}, status=status)
        host = Host(name, Cni(self.api, host_name or name, self.group))
        self.hosts.add(host)
        self.renew(name)
        return host

    def node_object(self, name: str) -> Raw:
        raw = self.server.find(NODES, name)
        assert raw is not None
        return raw

    def put_node(self, raw: Raw) -> None:
        """The Node is this."""
        meta = raw["metadata"]
        fields = {"spec": raw["spec"], "status": raw["status"]}
        self.server.put(NODES, meta["name"], metadata=meta, uid=meta["uid"], **fields)

    def beside(self, group: str) -> Cluster:
        """More of it, of another group, on the same server."""
        other = Cluster(self.server, group)
        other.start()
        return other

    def renew(self, name: str) -> None:
        spec = {"holderIdentity": name, "renewTime": f"{time.time():.6f}"}
        self.server.put(LEASES, name, NODE_LEASES, spec=spec)

    def ready(self, name: str, status: str, *taints: str, since: str = "") -> None:
        """What the control plane writes of a node."""
        raw = self.node_object(name)
        before = raw["status"]["conditions"][0]
        condition = _ready(status, since) if before["status"] != status else before
        spec = {"taints": [{"key": one, "effect": "NoExecute"} for one in taints]}
        self.put_node(raw | {"spec": spec, "status": {"conditions": [condition]}})

    def taints(self, name: str, *taints: str) -> None:
        """The node's taints are these; its condition stays."""
        raw = self.node_object(name)
        self.ready(name, raw["status"]["conditions"][0]["status"], *taints)

    def unreachable(self, name: str) -> None:
        """What the control plane writes once a node is not heard for long enough."""
        self.ready(name, "Unknown", UNREACHABLE)

    def die(self, name: str) -> None:
        """Its power is cut, and nobody has noticed yet."""
        self.hosts.by_name[name].cut_power()

    def fence(self, name: str, taint: str = OUT_OF_SERVICE, *, timed: bool = False) -> None:
        """It is dead, and somebody says so; ``timed``: and when, as whoever wrote code for it."""
        self.die(name)
        self.unreachable(name)
        self.fenced.add(name)
        self.taints(name, UNREACHABLE, taint)
        if timed:
            raw, at = self.node_object(name), text_of(time.time() + 1)
            taints = [one | {"timeAdded": at} for one in raw["spec"]["taints"]]
            self.put_node(raw | {"spec": {"taints": taints}})

    def remove_node(self, name: str) -> None:
        """Node and Lease go, as when a machine is deleted for good."""
        self.server.remove(NODES, name)
        if self.server.find(LEASES, name, NODE_LEASES):
            self.server.remove(LEASES, name, NODE_LEASES)

    nodes_kind = NODES

    def renewed(self, name: str) -> float:
        """When a Lease was renewed last, by the clock."""
        raw = self.server.find(LEASES, name, NODE_LEASES)
        assert raw is not None
        return float(raw["spec"]["renewTime"])

    def now(self) -> float:
        return time.time()

    # Networks.

    def net_kind(self, kind: str) -> Kind:
        return kinds.networks(self.group, NetworkKind(kind))

    def set_bits(self, name: str, bits: set[int]) -> None:
        """By force, whatever is in use."""
        raw = self.find_net("DanmNet", NS, name)
        assert raw is not None
        size = ipaddress.ip_network(raw["spec"]["Options"]["cidr"]).num_addresses
        options = raw["spec"]["Options"] | {"alloc": bits_text(size, bits)}
        spec = raw["spec"] | {"Options": options}
        self.server.put(self.net_kind("DanmNet"), name, NS, metadata=raw["metadata"], spec=spec)

    def net(self, name: str, cidr: str = "10.0.0.0/24", **more: Any) -> None:
        """A network; ``kind``, ``namespace``, ``v6`` for its pool, and more fields of Options."""
        kind, namespace = NetworkKind(more.pop("kind", "DanmNet")), more.pop("namespace", NS)
        options: Raw = {"cidr": cidr, "alloc": fresh(cidr)} if cidr else {}
        if v6 := more.pop("v6", ""):
            options |= {"net6": v6, "allocation_pool_v6": {"cidr": v6}, "alloc6": fresh(v6)}
        spec = {"NetworkID": name, "NetworkType": "ipvlan", "Options": options | more}
        place = namespace if kind.namespaced else ""
        self.server.put(self.net_kind(kind.value), name, place, spec=spec)

    def find_net(self, kind: str, namespace: str, name: str) -> Raw | None:
        return self.server.find(self.net_kind(kind), name, namespace)

    def bits(self, name: str, alloc: str = "alloc", kind: str = "DanmNet") -> set[int]:
        """Which addresses of a network are in use, the first and the last one aside."""
        raw = self.find_net(kind, "" if kind == "ClusterNetwork" else NS, name)
        assert raw is not None
        options = raw["spec"]["Options"]
        found = used(options, alloc)
        return found - {0, max(found)}

    # Pods.

    def pod(self, name: str, node: str, *interfaces: Raw, namespace: str = NS) -> str:
        """A pod that its node starts; returns its uid."""
        text = json.dumps(interfaces or [{"network": "net", "ip": "10.0.0.5"}])
        body = {
            "metadata": {
                "name": name,
                "namespace": namespace,
                "annotations": {f"{self.group}/interfaces": text},
            },
            "spec": {"nodeName": node, "containers": [{"name": "main", "image": "app"}]},
            "status": {"phase": "Pending"},
        }
        raw = self.server.create(PODS, body, namespace)
        raw = self.server.put(
            PODS,
            name,
            namespace,
            metadata=raw["metadata"],
            spec=raw["spec"],
            status={"phase": "Pending"},
            uid=raw["metadata"]["uid"],
        )
        if node in self.hosts.by_name:
            self.hosts.by_name[node].run(raw)
        return str(raw["metadata"]["uid"])

    def edit_pod(self, name: str, namespace: str = NS, **change: Any) -> None:
        raw = self.server.find(PODS, name, namespace)
        assert raw is not None
        meta = raw["metadata"] | change.pop("metadata", {})
        fields = {"spec": raw["spec"], "status": raw["status"]} | change
        self.server.put(PODS, name, namespace, metadata=meta, uid=meta["uid"], **fields)

    def delete_pod(self, name: str, grace_seconds: float = 30.0) -> None:
        """Its deletion is begun; it is over once its kubelet says so."""
        at = text_of(time.time() + grace_seconds)
        meta = {"deletionTimestamp": at, "deletionGracePeriodSeconds": int(grace_seconds)}
        self.edit_pod(name, metadata=meta)

    def force_delete(self, name: str, namespace: str = NS) -> None:
        """It is gone for the API server, whatever its node does."""
        raw = self.server.find(PODS, name, namespace)
        self.server.remove(PODS, name, namespace)
        if raw is not None:
            host = self.hosts.by_name.get(raw["spec"].get("nodeName", ""))
            if host is not None and host.network:
                host.stop_pod(raw["metadata"]["uid"])

    def edit_endpoint(self, pod: str, **spec: Any) -> None:
        """Change the first endpoint of a pod by force."""
        raw = self.endpoints(pod)[0]
        meta = raw["metadata"]
        self.server.put(
            kinds.endpoints(self.group),
            meta["name"],
            meta["namespace"],
            metadata=meta,
            spec=raw["spec"] | spec,
        )

    def annotate_endpoint(self, pod: str, key: str, seconds_ago: float = 0.0) -> None:
        """Put a time into an annotation of a pod's first endpoint."""
        meta = self.endpoints(pod)[0]["metadata"]
        change = {"metadata": {"annotations": {key: text_of(time.time() - seconds_ago)}}}
        self.server.patch(kinds.endpoints(self.group), meta["name"], change, meta["namespace"])

    def copy_endpoint(self, pod: str, name: str, address: str) -> None:
        """One more endpoint of the pod, with another address."""
        spec = self.endpoints(pod)[0]["spec"]
        interface = spec["Interface"] | {"Address": address}
        self.server.put(kinds.endpoints(self.group), name, NS, spec=spec | {"Interface": interface})

    # What can be seen.

    def endpoints(self, pod: str = "") -> list[Raw]:
        found = self.server.all_of(kinds.endpoints(self.group))
        return [one for one in found if pod in ("", one["spec"]["Pod"])]

    def has_endpoint_address(self, pod: str) -> bool:
        """Whether an endpoint of a pod names an IPv4 address."""
        return any(one["spec"]["Interface"]["Address"] for one in self.endpoints(pod))

    def has_address(self, pod: str, address: str = "10.0.0.5") -> bool:
        """Whether a pod runs with an address."""
        return any(
            container.pod["metadata"]["name"] == pod and address in _addresses(container.endpoints)
            for _, container in self.hosts.containers()
        )

    def reasons(self, name: str = "") -> list[str]:
        """Reasons of Events, the oldest first; of one object or of all."""
        found = [
            raw for raw in self.server.all_of(EVENTS) if name in ("", raw["involvedObject"]["name"])
        ]
        found.sort(key=lambda raw: int(raw["metadata"]["resourceVersion"]))
        return [raw["reason"] for raw in found]

    def events(self, reason: str) -> list[Raw]:
        return [raw for raw in self.server.all_of(EVENTS) if raw["reason"] == reason]

    def messages(self, reason: str) -> list[str]:
        return [raw["message"] for raw in self.events(reason)]

    def network_writes(self) -> int:
        """By the controller: nobody else asks over the wire."""
        plurals = tuple(f"/{kind.plural}/" for kind in NetworkKind)
        return sum(
            one.method == "PATCH" and any(plural in one.path for plural in plurals)
            for one in self.server.asked
        )

    def check(self, _: object = None) -> None:
        """What must always hold."""
        found = broken(self.hosts, self.endpoints(), self.find_net, self.fenced.__contains__)
        assert not found, "; ".join(found)

    def leaks(self) -> list[str]:
        networks = [
            {**raw, "kind": kind.value}
            for kind in NetworkKind
            for raw in self.server.all_of(kinds.networks(self.group, kind))
        ]
        return leaked(self.endpoints(), networks)


def _ready(status: str, since: str = "") -> Raw:
    return {"type": "Ready", "status": status, "lastTransitionTime": since or now_text()}


def _addresses(endpoints: list[Raw]) -> str:
    interfaces = (one["spec"]["Interface"] for one in endpoints)
    return " ".join(f"{one['Address']} {one['AddressIPv6']}" for one in interfaces)
