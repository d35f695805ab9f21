"""Nodes as network namespaces with real agents, the scheduler, and Services with addresses."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from moorage_kube.client.client import Client
from moorage_kube.client.connection import load_connection
from moorage_testing.cluster import ApiError, EmbeddedCluster
from moorage_testing.lab import Lab, Station, start
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import wait_for

from .external_cluster import AGENTS, create_services, external_cluster
from .external_services import scheduler

CIDR = "10.99.16.0/20"
"""Within the network of the lab."""
PATIENCE_SECONDS = 300.0
_GROUP = "/apis/ipcontroller.ext/v1"
_LOOK_SECONDS = 0.2


@dataclass
class NodeLab:
    """Two nodes and a client; the scheduler is started again when it ends, as a kubelet does it."""

    cluster: EmbeddedCluster
    run: Run
    lab: Lab
    agents: dict[int, Child] = field(default_factory=dict)
    schedulers: list[Child] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def station(self, number: int) -> Station:
        """A node of the lab."""
        return self.lab.node(number)

    def start_agent(self, number: int) -> Child:
        """With all defaults, but that no service proxy is asked: there is none."""
        station = self.station(number)
        argv = [
            sys.executable, "-m", "moorage_node_agent", "--node-name", station.name,
            "--network-namespace", station.namespace.path,
            "--kubeconfig", str(self.cluster.kubeconfig), "--lease-namespace", AGENTS,
            "--metrics-port", "0", "--metrics-host", "127.0.0.1", "--proxy-port", "0",
        ]  # fmt: skip
        child = self.run.start(Command(f"{station.name}-{len(self.run.children)}", argv))
        self.agents[number] = child
        wait_for(lambda: self._is_live(station.name), PATIENCE_SECONDS, f"{station.name} to live")
        return child

    def create(self, services: int) -> list[str]:
        """Create Services; returns their addresses once nodes announce all of them."""

        async def create() -> None:
            connection = load_connection(str(self.cluster.kubeconfig))
            async with Client(connection, user_agent="bench") as client:
                await create_services(client, (f"s-{number:04}" for number in range(services)))

        asyncio.run(create())
        wait_for(lambda: self._announced() == services, PATIENCE_SECONDS, "all to be announced")
        return [raw["spec"]["cidr"].partition("/")[0] for raw in self.claims()]

    def claims(self) -> list[dict[str, Any]]:
        """All claims."""
        found: list[dict[str, Any]] = self.cluster.request("GET", f"{_GROUP}/ipclaims")["items"]
        return found

    def places(self) -> dict[str, str]:
        """The node of each claim."""
        return {raw["metadata"]["name"]: raw["spec"].get("nodeName", "") for raw in self.claims()}

    def exclude(self, number: int, *, excluded: bool) -> None:
        """Label a node so that its addresses leave it, or take the label off."""
        name = "node.kubernetes.io/exclude-from-external-load-balancers"
        body = {"metadata": {"labels": {name: "true" if excluded else None}}}
        self.cluster.request("PATCH", f"/api/v1/nodes/{self.station(number).name}", body)

    def supervise(self) -> None:
        """Keep the scheduler running until the lab closes."""
        while not self._stop.wait(_LOOK_SECONDS):
            if not self.schedulers or not self.schedulers[-1].alive:
                name = f"lab-{len(self.schedulers)}"
                command = scheduler(str(self.cluster.kubeconfig), "lab")
                self.schedulers.append(self.run.start(Command(name, command.argv)))

    def close(self) -> None:
        """End the supervision; the run ends all processes."""
        self._stop.set()

    def _announced(self) -> int:
        return sum(
            said.get("state") == "Announced"
            for raw in self.claims()
            for said in ((raw.get("status") or {}).get("nodes") or {}).values()
        )

    def _is_live(self, node: str) -> bool:
        for child in self.agents.values():
            child.check()
        try:
            raw = self.cluster.request("GET", f"{_GROUP}/ipnodes/{node}")
        except ApiError:
            return False
        return (raw.get("status") or {}).get("live") is True


@contextmanager
def node_lab() -> Iterator[NodeLab]:
    """Two nodes without agents, a pool, and the scheduler.

    Raises LabUnavailableError without root or network namespaces.
    """
    with (
        start(2) as lab,
        external_cluster([one.name for one in lab.nodes], CIDR) as cluster,
        Run.open() as run,
    ):
        found = NodeLab(cluster, run, lab)
        thread = threading.Thread(target=found.supervise, name="supervision")
        thread.start()
        try:
            yield found
        finally:
            found.close()
            thread.join()
