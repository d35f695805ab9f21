"""Agents as processes, each with its hands in a node of the lab, on a real control plane."""

from __future__ import annotations

import itertools
import json
import secrets
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from moorage_domain.rbac import cluster_role, role
from moorage_node_agent.rbac import RULES
from moorage_testing.cluster import ApiError, EmbeddedCluster
from moorage_testing.lab import Gate, Lab, Station
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import PATIENCE, WaitTimeoutError, wait_for

CLAIMS = "/apis/ipcontroller.ext/v1/ipclaims"
Raw = dict[str, Any]


@dataclass
class AgentLab:
    """Agents of one test; every name in the cluster is of this test only.

    Attributes:
        names: of the cluster's nodes, by those of the lab: "node1" -> "node1-3f2a".
    """

    cluster: EmbeddedCluster
    run: Run
    lab: Lab
    suffix: str = field(default_factory=lambda: secrets.token_hex(3))
    agents: dict[str, Child] = field(default_factory=dict)
    claims: list[str] = field(default_factory=list)
    gates: dict[str, Gate] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.namespace = f"agents-{self.suffix}"
        self.cluster.kubeconfig_for(f"{self.namespace}/agent")  # makes the account
        self._grant()
        for station in self.lab.nodes:
            name = self.name(station)
            self.cluster.apply([{"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}])

    def name(self, station: Station) -> str:
        """A station's name as a node of the cluster."""
        return f"{station.name}-{self.suffix}"

    def start(self, number: int, *flags: str) -> Child:
        """An agent on a node of the lab; without a service proxy unless flags name its port."""
        station = self.lab.node(number)
        gate = self.gates.get(station.name)
        account, server = f"{self.namespace}/agent", gate.server if gate else None
        kubeconfig = self.cluster.kubeconfig_for(account, server=server)
        argv = [
            sys.executable, "-m", "moorage_node_agent", "--node-name", self.name(station),
            "--network-namespace", station.namespace.path, "--kubeconfig", str(kubeconfig),
            "--lease-namespace", self.namespace, "--metrics-port", "0", "--metrics-host",
            "127.0.0.1", "--log-format", "text", "--proxy-port", "0", *flags,
        ]  # fmt: skip
        child = self.run.start(Command(f"{station.name}-{next(self._numbers)}", argv))
        self.agents[station.name] = child
        return child

    def gate(self, number: int) -> Gate:
        """A gate between a node and the API server, for the agents started from now on."""
        port = urlsplit(self.cluster.server).port
        assert port is not None
        gate = self.gates[self.lab.node(number).name] = Gate(port)
        return gate

    def claim(self, cidr: str, number: int, **spec: object) -> str:
        """An IpClaim of an address that a node shall have; returns its name."""
        name = f"{cidr.replace('.', '-').replace(':', '-').replace('/', '-')}-{self.suffix}"
        node = self.name(self.lab.node(number))
        body = {
            "apiVersion": "ipcontroller.ext/v1",
            "kind": "IpClaim",
            "metadata": {"name": name, "labels": {"ipnode": node}},
            "spec": {"cidr": cidr, "nodeName": node, **spec},
        }
        self.cluster.request("POST", CLAIMS, body)
        self.claims.append(name)
        return name

    def move(self, claim: str, number: int, **spec: object) -> None:
        """Let another node have it."""
        node = self.name(self.lab.node(number))
        meta = {"labels": {"ipnode": node}}
        change = {"metadata": meta, "spec": {"nodeName": node, **spec}}
        self.cluster.request("PATCH", f"{CLAIMS}/{claim}", change)

    def said(self, claim: str, number: int) -> Mapping[str, str]:
        """What a node says of a claim in its status; empty = nothing."""
        raw = self.cluster.request("GET", f"{CLAIMS}/{claim}")
        nodes = raw.get("status", {}).get("nodes", {})
        found: Mapping[str, str] = nodes.get(self.name(self.lab.node(number)), {})
        return found

    def wait_said(self, claim: str, number: int, state: str) -> Mapping[str, str]:
        """Wait until a node says this; "" = nothing."""
        found: list[Mapping[str, str]] = []

        def says() -> bool:
            for agent in self.agents.values():
                agent.check()
            found[:] = [self.said(claim, number)]
            return found[0].get("state", "") == state

        try:
            wait_for(says, PATIENCE, f"node{number} to say {state!r}")
        except WaitTimeoutError as error:
            error.add_note(f"it says {found}:\n{self.log(number)}")
            raise
        return self.said(claim, number)

    def log(self, number: int) -> str:
        """The end of an agent's log."""
        child = self.agents.get(self.lab.node(number).name)
        return child.log_tail() if child else ""

    def lease(self, number: int) -> Raw:
        """A node's Lease; empty = there is none."""
        name = f"moorage-agent-{self.name(self.lab.node(number))}"
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/{name}"
        try:
            return self.cluster.request("GET", path)
        except ApiError as error:
            if error.status == 404:
                return {}
            raise

    def annotation(self, number: int, name: str) -> str:
        """An annotation of the Lease; "" = it is not there."""
        meta = self.lease(number).get("metadata", {})
        return str((meta.get("annotations") or {}).get(f"moorage.dev/{name}", ""))

    def links(self, number: int) -> list[Raw]:
        """The links that the Lease names."""
        found: list[Raw] = json.loads(self.annotation(number, "links") or "[]")
        return found

    def terminate(self, number: int) -> None:
        """End an agent by SIGTERM, as its pod would be, and see that it ends well."""
        child = self.agents.pop(self.lab.node(number).name)
        child.send(signal.SIGTERM)
        wait_for(lambda: not child.alive, PATIENCE, "the agent to end")
        assert child.returncode == 0, child.log_tail()

    def close(self) -> None:
        """Leave nothing in the cluster."""
        for child in self.agents.values():
            child.stop(0.0)
        for gate in self.gates.values():
            gate.close()
        for claim in self.claims:
            self.cluster.kubectl("delete", "ipclaim", claim, "--ignore-not-found")
        for station in self.lab.nodes:
            self.cluster.kubectl("delete", "node", self.name(station), "--ignore-not-found")
        self.cluster.kubectl("delete", "namespace", self.namespace, "--wait=false")
        self.cluster.kubectl("delete", "clusterrole,clusterrolebinding", self.namespace)

    def _grant(self) -> None:
        """The agent's own rights, and no others."""
        subject = {"kind": "ServiceAccount", "name": "agent", "namespace": self.namespace}
        for one in (cluster_role(self.namespace, RULES), role(self.namespace, RULES)):
            place = {} if one["kind"] == "ClusterRole" else {"namespace": self.namespace}
            one["metadata"] |= place
            group, kind = "rbac.authorization.k8s.io", one["kind"]
            binding = {
                "apiVersion": one["apiVersion"],
                "kind": f"{kind}Binding",
                "metadata": {"name": self.namespace} | place,
                "roleRef": {"apiGroup": group, "kind": kind, "name": self.namespace},
                "subjects": [subject],
            }
            self.cluster.apply([one, binding])
