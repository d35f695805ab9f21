"""A cluster in memory: nodes with simulated agents, claims and what uses them."""

from __future__ import annotations

import asyncio
from typing import Any

from placement_agents import NS, Agent, Raw

from moorage_api.ipclaim import IPCLAIMS
from moorage_api.ipclaimpool import IPCLAIMPOOLS
from moorage_api.ipnode import IPNODES
from moorage_external_ip.kinds import SERVICES
from moorage_external_ip.placement import leases
from moorage_external_ip.placement.kinds import ENDPOINT_SLICES
from moorage_kube.client.kinds import LEASES, NODES, resource_path
from moorage_testing.apiserver import ApiServer


class Cluster:
    """Every helper reads or writes as a user would.

    Attributes:
        moves: claim, old and new node of every change of ``spec.nodeName`` that was seen.
        doubled: what was ever wrong: an address given to a node while another one could not let go.
    """

    def __init__(self, server: ApiServer, **agent_times: Any) -> None:
        self.server = server
        self.agent_times = agent_times
        self.agents: dict[str, Agent] = {}
        self.moves: list[tuple[str, str, str]] = []
        self.doubled: list[str] = []
        server.world.on_change.append(self._changed)

    # Nodes.

    def node(self, name: str, *subnets: str, **labels: str) -> Agent:
        """A node with an agent that is started, on a link of these subnets."""
        number = len(self.agents) + 1
        self.server.put(
            NODES, name, metadata={"name": name, "uid": f"uid-{name}", "labels": labels}, spec={}
        )
        link = {
            "name": "eth0",
            "mac": f"02:00:00:00:00:{number:02x}",
            "carrier": True,
            "subnets": list(subnets or (f"10.0.0.{200 + number}/16",)),
        }
        agent = Agent(self.server, name, [link], others=self.agents, **self.agent_times)
        self.agents[name] = agent
        agent.start()
        return agent

    def edit_node(self, name: str, **change: Any) -> None:
        self.server.patch(NODES, name, change)

    def put_node_status(self, name: str, **status: Any) -> None:
        raw = self.server.find(NODES, name) or {}
        self.server.put(NODES, name, metadata=raw["metadata"], spec=raw["spec"], status=status)

    def remove_node(self, name: str) -> None:
        """Node, Lease and agent are gone at once."""
        self.agents[name].kill()
        self.server.remove(NODES, name)
        # Of an agent that was started just now there is none yet.
        if self.server.find(LEASES, f"{leases.PREFIX}{name}", NS):
            self.server.remove(LEASES, f"{leases.PREFIX}{name}", NS)

    # Claims and what uses them.

    def pool(self, name: str = "lab", **spec: Any) -> None:
        self.server.put(IPCLAIMPOOLS, name, spec={"cidr": "10.0.0.0/16"} | spec)

    def claim(self, address: str, *services: str, pool: str = "", **spec: Any) -> str:
        """A claim as the allocator makes it; of no Services: as a person makes it."""
        name = f"{address.replace('.', '-')}-16"
        labels = {"ip-pool-name": pool} if pool else {}
        marks = {"moorage.dev/made-by": "moorage"} if services else {}
        used = [self._use(service) for service in services]
        body = {
            "metadata": {"name": name, "labels": labels, "annotations": marks},
            "spec": {"cidr": f"{address}/16", "services": used} | spec,
        }
        self.server.create(IPCLAIMS, body)
        self.allocate(name)
        return name

    def seed_claim(self, address: str, node: str, labels: Raw) -> str:
        """A claim as the first version wrote it."""
        name = f"{address.replace('.', '-')}-24"
        spec = {"cidr": f"{address}/24", "nodeName": node, "link": ""}
        self.server.create(IPCLAIMS, {"metadata": {"name": name, "labels": labels}, "spec": spec})
        self.allocate(name)
        return name

    def allocate(self, claim: str, status: str = "True") -> None:
        """Whether the address is its own, as the controller of claims says it."""
        condition = {"type": "Allocated", "status": status, "reason": "InPool", "message": ""}
        known = self.find(claim).get("status", {}).get("conditions", ())
        others = [one for one in known if one["type"] != "Allocated"]
        path = resource_path(IPCLAIMS, None, claim, "status")
        self.server.request("PATCH", path, {"status": {"conditions": [*others, condition]}})

    def report(self, claim: str, node: str, said: Raw) -> None:
        """What an agent writes into the status."""
        path = resource_path(IPCLAIMS, None, claim, "status")
        self.server.request("PATCH", path, {"status": {"nodes": {node: said}}})

    def _use(self, service: str) -> Raw:
        raw = self.server.find(SERVICES, service, "default")
        uid = raw["metadata"]["uid"] if raw else ""
        return {"namespace": "default", "name": service, "uid": uid}

    def service(self, name: str, *, local: bool = False, **spec: Any) -> None:
        policy = {"externalTrafficPolicy": "Local"} if local else {}
        body = {"metadata": {"name": name, "namespace": "default"}, "spec": policy | spec}
        self.server.create(SERVICES, body)

    def edit_service(self, name: str, **spec: Any) -> None:
        self.server.patch(SERVICES, name, {"spec": spec}, "default")

    def delete_service(self, name: str) -> None:
        self.server.delete(SERVICES, name, "default")

    def endpoints(self, service: str, **nodes: Raw | str) -> None:
        """One slice: the conditions of an endpoint by its node; ``"ready"`` for a usual one."""
        ready = {"ready": True, "serving": True, "terminating": False}
        endpoints = [
            {"nodeName": node or None, "conditions": ready if how == "ready" else how}
            for node, how in nodes.items()
        ]
        self.server.put(
            ENDPOINT_SLICES,
            f"{service}-1",
            "default",
            metadata={
                "name": f"{service}-1",
                "namespace": "default",
                "uid": f"uid-{service}-1",
                "labels": {"kubernetes.io/service-name": service},
            },
            addressType="IPv4",
            endpoints=endpoints,
        )

    # What is seen.

    def find(self, claim: str) -> Raw:
        raw = self.server.find(IPCLAIMS, claim)
        assert raw is not None
        return raw

    def there(self, claim: str) -> bool:
        return self.server.find(IPCLAIMS, claim) is not None

    def mirror(self, node: str) -> Raw:
        raw = self.server.find(IPNODES, node)
        assert raw is not None
        return raw

    def every(self, claim: str) -> list[str]:
        """The nodes that shall have it, with EveryNode."""
        raw = self.find(claim)
        assert raw["metadata"]["labels"]["ipnode"] == "EveryNode"
        return list(raw["spec"].get("nodeNames") or ())

    def on(self, claim: str) -> str:
        """The node that shall have it, by spec and label alike; ``""`` = none."""
        raw = self.find(claim)
        node = str(raw["spec"].get("nodeName") or "")
        assert (raw["metadata"].get("labels") or {}).get("ipnode", "") == node
        return node

    def spread(self) -> dict[str, int]:
        """How many addresses each node has."""
        counts = dict.fromkeys(self.agents, 0)
        for raw in self.server.all_of(IPCLAIMS):
            if node := raw["spec"].get("nodeName"):
                counts[node] += 1
        return counts

    def condition(self, claim: str, kind: str = "Ready") -> Raw:
        conditions = self.find(claim).get("status", {}).get("conditions", ())
        return next((one for one in conditions if one["type"] == kind), {})

    def reason(self, claim: str, kind: str = "Ready") -> str:
        return str(self.condition(claim, kind).get("reason", ""))

    def events(self, reason: str) -> list[Raw]:
        return [
            raw
            for path, raw in self.server.objects.items()
            if "/events/" in path and raw.get("reason") == reason
        ]

    def _changed(self, change: Any) -> None:
        if change.place.plural != "ipclaims":
            return
        if change.before is not None and change.after is not None:
            before = str(change.before["spec"].get("nodeName") or "")
            if before != str(change.after["spec"].get("nodeName") or ""):
                self._moved(change.place.name, before, change.after["spec"])
        loop = asyncio.get_running_loop()
        for agent in self.agents.values():
            # A watch brings it a moment later.
            loop.call_later(0.02, agent.look_at, change.place.name)

    def _moved(self, claim: str, before: str, spec: Raw) -> None:
        after, previous = str(spec.get("nodeName") or ""), spec.get("previous") or {}
        if not before:
            # A claim that a person deleted was on a node that the new one does not name. It is not
            # taken as long as that node answers for it.
            return
        self.moves.append((claim, before, after))
        # Where any other node answers that is a conflict, and the new one does not take it.
        expected = {before, previous.get("nodeName"), *previous.get("macs", ())}
        for agent in self.agents.values():
            known = {agent.node, *(link.get("mac") for link in agent.links)} & expected
            if known and agent.node != after and agent.cannot_let_go(claim):
                self.doubled.append(f"{claim} goes to {after} while {agent.node} cannot let go")
