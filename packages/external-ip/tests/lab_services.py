"""A lab in memory and in virtual time: pools, Services, and the controller with its crashes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_api.ipclaim import IPCLAIMS
from moorage_api.ipclaimpool import IPCLAIMPOOLS
from moorage_external_ip.controller import allocation_alone
from moorage_external_ip.kinds import SERVICES
from moorage_external_ip.settings import ExternalIpSettings
from moorage_kube.client.kinds import EVENTS, NAMESPACES, NODES
from moorage_testing.apiserver import ApiServer
from moorage_testing.harness import Scenario, World, managed, play_story

NS = "shop"
CLASS = "moorage.dev/external-ip"
CONDITION = "moorage.dev/Addresses"
Raw = dict[str, Any]


def put_pool(server: ApiServer, name: str = "pool", **spec: Any) -> None:
    server.put(IPCLAIMPOOLS, name, spec={"cidr": "192.168.0.0/24"} | spec)


def put_service(server: ApiServer, name: str, namespace: str = NS, **fields: Any) -> None:
    """A Service of type LoadBalancer and of our class, as the API server completes it."""
    meta = {"name": name, "namespace": namespace} | fields.pop("meta", {})
    spec: Raw = {"type": "LoadBalancer", "loadBalancerClass": CLASS, "ipFamilies": ["IPv4"]}
    spec |= {"ipFamilyPolicy": "SingleStack", "ports": [{"protocol": "TCP", "port": 80}]}
    spec = {key: one for key, one in (spec | fields).items() if one is not None}
    status: Raw = {"loadBalancer": {}}
    if "creationTimestamp" in meta:
        server.put(SERVICES, name, namespace, metadata=meta, spec=spec, status=status)
        return
    body = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
    server.create(SERVICES, body | {"status": status})


class Lab:
    """One server, one controller; every helper reads or writes as a user would."""

    def __init__(self, **settings: Any) -> None:
        start = managed(ExternalIpSettings.model_validate(settings), allocation_alone)
        self.scenario = Scenario(start, lambda _: None, quiet_seconds=20.0)
        self.world = World(self.scenario)

    @property
    def server(self) -> ApiServer:
        return self.world.server

    # What people write.

    def pool(self, name: str = "pool", **spec: Any) -> None:
        put_pool(self.server, name, **spec)

    def edit_pool(self, name: str = "pool", **spec: Any) -> None:
        self.server.patch(IPCLAIMPOOLS, name, {"spec": spec})

    def service(self, *names: str, **fields: Any) -> None:
        for name in names:
            put_service(self.server, name, **fields)

    def shared(self, name: str, key: str, port: int, **fields: Any) -> None:
        """A Service with a sharing key and one port."""
        meta: Raw = fields.pop("meta", {})
        notes = meta.get("annotations", {}) | {"moorage.dev/sharing-key": key}
        protocol = fields.pop("protocol", "TCP")
        ports = [{"protocol": protocol, "port": port}]
        self.service(name, meta=meta | {"annotations": notes}, ports=ports, **fields)

    def edit(self, name: str, change: Raw, namespace: str = NS) -> None:
        self.server.patch(SERVICES, name, change, namespace)

    def annotate(self, name: str, **notes: str | None) -> None:
        keys = {f"moorage.dev/{key.replace('_', '-')}": one for key, one in notes.items()}
        self.edit(name, {"metadata": {"annotations": keys}})

    def delete(self, *names: str, namespace: str = NS) -> None:
        for name in names:
            self.server.delete(SERVICES, name, namespace)

    def status(self, name: str, change: Raw, namespace: str = NS) -> None:
        """Somebody else writes into the status of a Service."""
        raw = self.find(name, namespace)
        self.server.put(
            SERVICES,
            name,
            namespace,
            metadata=raw["metadata"],
            spec=raw["spec"],
            status=raw.get("status", {}) | change,
        )

    def node(self, name: str, *addresses: str, **spec: Any) -> None:
        own = [{"type": "InternalIP", "address": one} for one in addresses]
        self.server.put(NODES, name, spec=spec, status={"addresses": own})

    def namespace(self, name: str, **labels: str) -> None:
        self.server.put(NAMESPACES, name, metadata={"labels": labels})

    def hold(self, claim: str, node: str = "n1") -> None:
        """A node has the address of a claim: what the room placement and the agents do."""
        raw = self.claim(claim)
        ready = {"type": "Ready", "status": "True", "reason": "Announced", "message": ""}
        others = [one for one in raw["status"].get("conditions", ()) if one["type"] != "Ready"]
        status = raw["status"] | {"conditions": [*others, ready]}
        labels = raw["metadata"].get("labels", {}) | {"ipnode": node}
        spec = raw["spec"] | {"nodeName": node}
        meta = raw["metadata"] | {"labels": labels}
        self.server.put(IPCLAIMS, claim, metadata=meta, spec=spec, status=status)

    # What they see.

    def find(self, name: str, namespace: str = NS) -> Raw:
        found = self.server.find(SERVICES, name, namespace)
        assert found is not None, name
        return found

    def ingress(self, name: str, namespace: str = NS) -> list[Raw]:
        status = self.find(name, namespace).get("status") or {}
        return list((status.get("loadBalancer") or {}).get("ingress") or ())

    def ips(self, name: str, namespace: str = NS) -> list[str]:
        """Of its status; each has a claim with it, and that claim a record."""
        found = [str(one.get("ip", "")) for one in self.ingress(name, namespace)]
        uid = self.find(name, namespace)["metadata"]["uid"]
        for ip in found:
            (claim,) = (one for one in self.claims() if one["spec"]["cidr"].startswith(f"{ip}/"))
            assert uid in {one["uid"] for one in claim["spec"]["services"]}
            (record,) = (one for one in self.records() if one["spec"]["address"] == ip)
            owner = record["spec"]["owner"]
            assert (owner["kind"], owner["name"]) == ("IpClaim", claim["metadata"]["name"])
            assert owner["uid"] == claim["metadata"]["uid"]
        return found

    def ip(self, name: str, namespace: str = NS) -> str:
        """Of a Service with one address; ``""`` = it has none."""
        found = self.ips(name, namespace)
        assert len(found) < 2
        return found[0] if found else ""

    def claims(self) -> list[Raw]:
        return self.server.all_of(IPCLAIMS)

    def claim(self, name: str) -> Raw:
        found = self.server.find(IPCLAIMS, name)
        assert found is not None, [one["metadata"]["name"] for one in self.claims()]
        return found | {"status": found.get("status") or {}}

    def records(self) -> list[Raw]:
        return self.server.all_of(IPALLOCATIONS)

    def held(self) -> set[str]:
        return {one["spec"]["address"] for one in self.records()}

    def condition(self, name: str, namespace: str = NS) -> Raw:
        conditions = (self.find(name, namespace).get("status") or {}).get("conditions") or ()
        return next((one for one in conditions if one["type"] == CONDITION), {})

    def reason(self, name: str, namespace: str = NS) -> str:
        return str(self.condition(name, namespace).get("reason", ""))

    def allocated(self, claim: str) -> str:
        """Reason of a claim's condition Allocated."""
        conditions = self.claim(claim)["status"].get("conditions") or ()
        return next((one["reason"] for one in conditions if one["type"] == "Allocated"), "")

    def pool_status(self, name: str = "pool") -> Raw:
        raw = self.server.find(IPCLAIMPOOLS, name)
        assert raw is not None
        return dict(raw["status"])

    def events(self, name: str, reason: str) -> list[Raw]:
        return [
            one
            for one in self.server.all_of(EVENTS)
            if one["involvedObject"]["name"] == name and one["reason"] == reason
        ]

    # The controller.

    async def settle(self) -> None:
        await self.world.settle()

    async def stop(self) -> None:
        await self.world.kill()

    def start(self) -> None:
        self.world.begin()


def play(story: Callable[[Lab], Awaitable[None]], **settings: Any) -> None:
    """Run a story in virtual time; the controller runs from its beginning, and lives through it."""
    play_story(lambda: Lab(**settings), story)
