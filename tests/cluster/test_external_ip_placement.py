"""Placement on a real API server, under its own rights: a node has an address and is left."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from test_external_ip import GROUP, Lab, lab

from moorage_testing.waiting import PATIENCE, wait_for

__all__ = ["lab"]

Raw = dict[str, Any]


class Agent:
    """Renews the Lease of a node's agent, and says that it has what its claims say."""

    def __init__(self, lab: Lab, node: str, subnet: str) -> None:
        self.lab, self.node, self.cluster = lab, node, lab.cluster
        link = {"name": "eth0", "mac": "02:00:00:00:00:01", "carrier": True, "subnets": [subnet]}
        self.path = f"/apis/coordination.k8s.io/v1/namespaces/{lab.namespace}/leases"
        self.lease = f"{self.path}/moorage-agent-{node}"
        body: Raw = {
            "metadata": {
                "name": f"moorage-agent-{node}",
                "labels": {"moorage.dev/node-agent": "true"},
                "annotations": {
                    "moorage.dev/links": json.dumps([link]),
                    "moorage.dev/proxy": "Healthy",
                },
            },
            "spec": {"holderIdentity": node, "leaseDurationSeconds": 2},
        }
        meta = {"name": node}
        self.cluster.request("POST", "/api/v1/nodes", {"metadata": meta})
        self.cluster.request("POST", self.path, body)

    def beat(self) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.cluster.request("PATCH", self.lease, {"spec": {"renewTime": now}})

    def drain(self, *, draining: bool) -> None:
        note = {"moorage.dev/draining": "true" if draining else None}
        self.cluster.request("PATCH", self.lease, {"metadata": {"annotations": note}})

    def announce(self, claim: str) -> None:
        said = {"state": "Announced", "link": "eth0", "mac": "02:00:00:00:00:01"}
        body = {"status": {"nodes": {self.node: said}}}
        self.cluster.request("PATCH", f"{GROUP}/ipclaims/{claim}/status", body)


@contextmanager
def beating(*agents: Agent) -> Iterator[threading.Event]:
    """Renew until the event is set."""
    stopped = threading.Event()

    def run() -> None:
        while not stopped.wait(0.3):
            for agent in agents:
                agent.beat()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield stopped
    finally:
        stopped.set()
        thread.join()


class Cluster:
    """Two nodes that can have the address of the Service ``web``, and one that cannot."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.first = Agent(lab, f"{lab.namespace}-a", "10.81.0.200/24")
        self.second = Agent(lab, f"{lab.namespace}-b", "10.81.0.201/24")
        self.third = Agent(lab, f"{lab.namespace}-c", "10.82.0.201/24")
        self.agents = {one.node: one for one in (self.first, self.second, self.third)}
        self.claim = ""

    def begin(self) -> None:
        self.lab.start()
        self.lab.pool(cidr="10.81.0.0/28")
        self.lab.service("web")
        self.lab.has("web")
        # Those of other tests may be there, too.
        (self.claim,) = (
            one["metadata"]["name"]
            for one in self.lab.cluster.request("GET", f"{GROUP}/ipclaims")["items"]
            if any(
                user["namespace"] == self.lab.namespace for user in one["spec"].get("services", ())
            )
        )

    def raw(self) -> Raw:
        return dict(self.lab.cluster.request("GET", f"{GROUP}/ipclaims/{self.claim}"))

    def node(self) -> str:
        """Where it shall be, by spec and label alike."""
        raw = self.raw()
        node = str(raw["spec"].get("nodeName") or "")
        assert raw["metadata"].get("labels", {}).get("ipnode", "") == node
        return node

    def phase(self) -> str:
        found = (self.raw().get("status") or {}).get("conditions") or ()
        return next((str(one["reason"]) for one in found if one["type"] == "Ready"), "")

    def is_live(self, agent: Agent) -> bool:
        path = f"{GROUP}/ipnodes"
        if agent.node not in self.lab.names(path):
            return False
        status = self.lab.cluster.request("GET", f"{path}/{agent.node}").get("status") or {}
        return status.get("live") is True

    def end(self) -> None:
        """Their mirrors go with them, but for this API server, which collects no garbage."""
        for name in self.agents:
            self.lab.cluster.remove(f"/api/v1/nodes/{name}")
        for name in self.lab.names(f"{GROUP}/ipnodes"):
            self.lab.cluster.remove(f"{GROUP}/ipnodes/{name}")


@pytest.fixture
def nodes(lab: Lab) -> Iterator[Cluster]:
    cluster = Cluster(lab)
    yield cluster
    cluster.end()


def test_an_address_is_placed_and_leaves_a_node_that_drains(nodes: Cluster) -> None:
    with beating(*nodes.agents.values()):
        nodes.begin()
        holder = nodes.agents[wait_for(nodes.node, PATIENCE, "a node to be chosen")]
        assert holder is not nodes.third
        holder.announce(nodes.claim)
        wait_for(lambda: nodes.phase() == "Announced", PATIENCE, "the claim to be ready")
        wait_for(lambda: nodes.is_live(nodes.third), PATIENCE, "the mirror of a node")
        holder.drain(draining=True)
        other = nodes.second if holder is nodes.first else nodes.first
        wait_for(lambda: nodes.node() == other.node, PATIENCE, "it to leave gracefully")
        previous = nodes.raw()["spec"]["previous"]
        assert previous == {"nodeName": holder.node, "macs": ["02:00:00:00:00:01"]}


def test_an_address_leaves_a_node_whose_lease_ends(nodes: Cluster) -> None:
    with beating(nodes.second, nodes.third):
        with beating(nodes.first):
            nodes.begin()
            wait_for(nodes.node, PATIENCE, "a node to be chosen")
            # Wherever it was: now it is on the first.
            nodes.second.drain(draining=True)
            wait_for(lambda: nodes.node() == nodes.first.node, PATIENCE, "it to be on the first")
            nodes.first.announce(nodes.claim)
            nodes.second.drain(draining=False)
        wait_for(lambda: nodes.node() == nodes.second.node, PATIENCE, "the lost node to be left")
        wait_for(lambda: not nodes.is_live(nodes.first), PATIENCE, "its mirror to say so")
        # Its Node and its Lease go: so does what it said of the claim.
        nodes.lab.cluster.request("DELETE", f"/api/v1/nodes/{nodes.first.node}")
        nodes.lab.cluster.request("DELETE", nodes.first.lease)
        wait_for(
            lambda: nodes.first.node not in nodes.raw()["status"].get("nodes", {}),
            PATIENCE,
            "what it said to be forgotten",
        )
