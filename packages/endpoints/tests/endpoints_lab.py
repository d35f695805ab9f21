"""A lab in memory and in virtual time: Services, pods with networks, Kubernetes, the controller."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from builtin_controllers import BuiltinControllers

from moorage_endpoints import names
from moorage_endpoints.controller import add_services
from moorage_endpoints.kinds import ENDPOINTS, NADS, SERVICES, SLICES
from moorage_endpoints.networks.status import STATUS_ANNOTATION
from moorage_endpoints.settings import EndpointsSettings
from moorage_kube.client.kinds import EVENTS, NODES, PODS
from moorage_kube.manager.manager import Manager
from moorage_testing.apiserver import ApiServer
from moorage_testing.apiserver.objects import Change
from moorage_testing.harness import Scenario, World, managed, play_story

NS = "shop"
NET = f"{NS}/net"
Raw = dict[str, Any]


def services_alone(manager: Manager) -> None:
    """The controller of Services, without webhooks and networks' protection."""
    settings = manager.settings
    assert isinstance(settings, EndpointsSettings)
    add_services(manager, settings)


def entry(*ips: str, name: str = NET, interface: str = "net1", **fields: Any) -> Raw:
    """One entry of a network status."""
    return {"name": name, "interface": interface, "ips": list(ips)} | fields


def put_network(server: ApiServer, key: str = NET, *, routable: bool = True) -> None:
    namespace, _, name = key.partition("/")
    notes = {names.NODE_ROUTABLE: "true"} if routable else {}
    server.put(NADS, name, namespace, metadata={"annotations": notes}, spec={"config": "{}"})


def put_service(server: ApiServer, name: str, namespace: str = NS, **fields: Any) -> None:
    """A Service that names ``net`` and has no selector of its own but an annotation."""
    notes = {names.NETWORKS: "net", names.SELECTOR: "app=db"} | fields.pop("notes", {})
    meta: Raw = {"name": name, "namespace": namespace}
    meta["annotations"] = {key: one for key, one in notes.items() if one is not None}
    meta |= fields.pop("meta", {})
    spec: Raw = {"type": "ClusterIP", "clusterIP": "10.96.0.9", "ipFamilies": ["IPv4"]}
    spec |= {"ports": [{"protocol": "TCP", "port": 80, "targetPort": 8080}]}
    spec = {key: one for key, one in (spec | fields).items() if one is not None}
    body = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
    server.create(SERVICES, body)


def pod_body(name: str, namespace: str = NS, **fields: Any) -> Raw:
    """A ready pod with one address in ``net``."""
    ips = fields.pop("ips", ())
    status = fields.pop("status", [entry(*ips, name=f"{namespace}/net")])
    text = status if isinstance(status, str) else json.dumps(status)
    notes = {} if status is None else {fields.pop("key", STATUS_ANNOTATION): text}
    meta: Raw = {"labels": {"app": "db"}, "annotations": notes | fields.pop("notes", {})}
    ready = fields.pop("ready", True)
    pod_ip = fields.pop("pod_ip", f"10.244.0.{sum(map(ord, name)) % 250}")
    state: Raw = {"phase": fields.pop("phase", "Running")}
    state["conditions"] = [{"type": "Ready", "status": str(ready)}]
    state["podIPs"] = [{"ip": pod_ip}]
    spec = {"nodeName": "n1", "containers": [{"name": "c"}]} | fields.pop("spec", {})
    meta |= fields.pop("meta", {})
    assert not fields, fields
    return {"metadata": meta, "spec": spec, "status": state}


def put_pod(server: ApiServer, name: str, *ips: str, namespace: str = NS, **fields: Any) -> None:
    body = pod_body(name, namespace, ips=ips, **fields)
    body["metadata"].setdefault("creationTimestamp", "2027-01-01T00:00:00Z")
    server.put(PODS, name, namespace, **body)


class Union:
    """The addresses that readers of all slices of a Service have seen as ready, at each change."""

    def __init__(self, server: ApiServer, service: str) -> None:
        self._server = server
        self._service = service
        self.seen: list[frozenset[str]] = []
        server.world.on_change.append(self._changed)

    def now(self) -> frozenset[str]:
        return frozenset(
            address
            for raw in slices_of(self._server, self._service)
            for one in raw.get("endpoints") or ()
            if (one.get("conditions") or {}).get("ready")
            for address in one["addresses"]
        )

    def _changed(self, change: Change) -> None:
        if change.place.plural == "endpointslices":
            self.seen.append(self.now())


def slices_of(server: ApiServer, service: str, manager: str = "") -> list[Raw]:
    """Slices of a Service in the lab's namespace; of one manager where it is named."""
    found = []
    for raw in server.all_of(SLICES, NS):
        labels = raw["metadata"].get("labels") or {}
        same = labels.get(names.SERVICE_LABEL) == service
        if same and manager in ("", labels.get(names.MANAGED_BY_LABEL)):
            found.append(raw)
    return found


class Lab:
    """One server, one controller; every helper reads or writes as a user would."""

    def __init__(self, *, kubernetes: bool = False, **settings: Any) -> None:
        start = managed(EndpointsSettings.model_validate(settings), services_alone)
        self.scenario = Scenario(start, lambda _: None, quiet_seconds=5.0)
        self.world = World(self.scenario)
        self.kubernetes = BuiltinControllers(self.server) if kubernetes else None
        self._counted = 0

    @property
    def server(self) -> ApiServer:
        return self.world.server

    # What people and kubelets write.

    def network(self, key: str = NET, *, routable: bool = True) -> None:
        put_network(self.server, key, routable=routable)

    def service(self, name: str = "web", **fields: Any) -> None:
        put_service(self.server, name, **fields)

    def pod(self, name: str, *ips: str, **fields: Any) -> None:
        put_pod(self.server, name, *ips, **fields)

    def node(self, name: str, zone: str) -> None:
        self.server.put(NODES, name, metadata={"labels": {names.ZONE_LABEL: zone}})

    def edit_pod(self, name: str, change: Raw) -> None:
        self.server.patch(PODS, name, change, NS)

    def edit_status(self, name: str, **status: Any) -> None:
        raw = self.server.find(PODS, name, NS)
        assert raw is not None
        changed = raw["status"] | status
        self.server.put(PODS, name, NS, metadata=raw["metadata"], spec=raw["spec"], status=changed)

    def attach(self, name: str, *ips: str) -> None:
        """The network status of a pod becomes another one."""
        self.edit_pod(name, {"metadata": {"annotations": {STATUS_ANNOTATION: status(*ips)}}})

    def ready(self, name: str, *, ready: bool) -> None:
        self.edit_status(name, conditions=[{"type": "Ready", "status": str(ready)}])

    def terminate(self, name: str) -> None:
        """The pod is being deleted, and still runs."""
        raw = self.server.find(PODS, name, NS)
        assert raw is not None
        meta = raw["metadata"] | {"deletionTimestamp": "2027-01-15T08:00:00Z"}
        self.server.put(PODS, name, NS, metadata=meta, spec=raw["spec"], status=raw["status"])

    def delete_pod(self, name: str) -> None:
        self.server.remove(PODS, name, NS)

    def edit(self, name: str = "web", **change: Any) -> None:
        self.server.patch(SERVICES, name, change, NS)

    def annotate(self, name: str = "web", **notes: str | None) -> None:
        keys = {f"moorage.dev/{key.replace('_', '-')}": one for key, one in notes.items()}
        self.edit(name, metadata={"annotations": keys})

    # What they see.

    def find(self, name: str = "web") -> Raw:
        found = self.server.find(SERVICES, name, NS)
        assert found is not None, name
        return found

    def slices(self, name: str = "web", manager: str = names.MANAGER) -> list[Raw]:
        return slices_of(self.server, name, manager)

    def endpoints(self, name: str = "web") -> list[Raw]:
        """Endpoints of all slices of ours, by their address."""
        found = [one for raw in self.slices(name) for one in raw.get("endpoints") or ()]
        return sorted(found, key=lambda one: one["addresses"])

    def addresses(self, name: str = "web") -> list[str]:
        return [one["addresses"][0] for one in self.endpoints(name)]

    def conditions(self, name: str = "web") -> list[tuple[bool, bool, bool]]:
        """Ready, serving, terminating of each endpoint."""
        found = [one["conditions"] for one in self.endpoints(name)]
        return [(one["ready"], one["serving"], one["terminating"]) for one in found]

    def core_endpoints(self, name: str = "web") -> Raw | None:
        return self.server.find(ENDPOINTS, name, NS)

    def core_addresses(self, name: str = "web") -> list[str]:
        """Ready addresses of the Endpoints."""
        subsets = (self.core_endpoints(name) or {}).get("subsets") or ()
        return [one["ip"] for subset in subsets for one in subset.get("addresses") or ()]

    def events(self, reason: str, name: str = "web") -> list[Raw]:
        return [
            one
            for one in self.server.all_of(EVENTS)
            if one["involvedObject"]["name"] == name and one["reason"] == reason
        ]

    def writes(self) -> list[str]:
        """What the controller has written since the last call."""
        lately = self.world.changes[self._counted :]
        self._counted = len(self.world.changes)
        return lately

    # The controller.

    async def settle(self) -> None:
        await self.world.settle()

    async def restart(self) -> None:
        await self.world.restart()
        await self.settle()


def status(*ips: str) -> str:
    """A network status with one entry of ``net``."""
    return json.dumps([entry(*ips)])


def play(story: Callable[[Lab], Awaitable[None]], **options: Any) -> None:
    """Run a story in virtual time; the controller runs from its beginning, and lives through it."""

    def made() -> Lab:
        lab = Lab(**options)
        lab.network()
        return lab

    play_story(made, story)
