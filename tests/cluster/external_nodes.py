"""external-ip and agents as processes, on nodes of the lab: what a Service gets is on a link."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from agent_lab import AgentLab
from test_external_ip import GROUP, Lab, opened

from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.lab import Lab as Network
from moorage_testing.lab import Station
from moorage_testing.processes import Child, Run
from moorage_testing.waiting import PATIENCE, wait_for

Raw = dict[str, Any]


@dataclass
class ExternalNodes:
    """A scheduler and agents that know of each other, and of nothing else in the cluster."""

    services: Lab
    agents: AgentLab

    @property
    def network(self) -> Network:
        """The nodes and the client."""
        return self.agents.lab

    def start_scheduler(self, *flags: str) -> Child:
        """One more replica; with a Lease of its own, unless flags name one."""
        return self.services.start("--agent-namespace", self.agents.namespace, *flags)

    def start_agent(self, number: int, *flags: str) -> Child:
        """An agent, once the scheduler counts it as live."""
        child = self.agents.start(number, *flags)
        node = self.agents.name(self.network.node(number))
        wait_for(lambda: self._is_live(node), PATIENCE, f"{node} to be live")
        return child

    def claims(self) -> list[Raw]:
        """All claims of this test's Services."""
        return [
            raw
            for raw in self.services.cluster.request("GET", f"{GROUP}/ipclaims")["items"]
            if any(
                one["namespace"] == self.services.namespace
                for one in raw["spec"].get("services") or ()
            )
        ]

    def announced(self) -> dict[str, str]:
        """By address, the node of the lab that shall have it, where that node says that it has."""
        names = {self.agents.name(one): one.name for one in self.network.nodes}
        return {
            address_of(raw): names[node]
            for raw in self.claims()
            for node, said in ((raw.get("status") or {}).get("nodes") or {}).items()
            if said["state"] == "Announced" and node == raw["spec"].get("nodeName")
        }

    def wait_announced(self, count: int, patience: float = PATIENCE) -> dict[str, str]:
        """Wait until so many addresses are announced; by address, the node of the lab."""
        self.check()
        wait_for(lambda: len(self.announced()) == count, patience, f"{count} addresses")
        return self.announced()

    def check(self) -> None:
        """Raise with its log where a process has ended."""
        for child in (*self.services.replicas, *self.agents.agents.values()):
            child.check()

    def station(self, name: str) -> Station:
        """A node of the lab by its name."""
        return next(one for one in self.network.nodes if one.name == name)

    def _is_live(self, node: str) -> bool:
        self.check()
        path = f"{GROUP}/ipnodes"
        if node not in self.services.names(path):
            return False
        status = self.services.cluster.request("GET", f"{path}/{node}").get("status") or {}
        return status.get("live") is True

    def close(self) -> None:
        """Their mirrors go, too: this API server may collect no garbage before the next test."""
        for name in self.services.names(f"{GROUP}/ipnodes"):
            self.services.cluster.remove(f"{GROUP}/ipnodes/{name}")


def address_of(claim: Raw) -> str:
    """Of ``spec.cidr``."""
    return str(claim["spec"]["cidr"]).partition("/")[0]


@contextmanager
def external_nodes(cluster: EmbeddedCluster, network: Network) -> Iterator[ExternalNodes]:
    """Neither a scheduler nor an agent runs yet; afterwards nothing is left of any."""
    with opened(cluster) as services, Run.open() as run:
        # Its rights are tried elsewhere; here it reads Leases of another namespace.
        services.kubeconfig = cluster.kubeconfig
        agents = AgentLab(cluster, run, network)
        nodes = ExternalNodes(services, agents)
        try:
            yield nodes
        finally:
            for child in services.replicas:
                child.stop(0.0)
            agents.close()
            nodes.close()
            network.heal()
