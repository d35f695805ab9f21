"""The demo's control plane, nodes, client and programs, while a block runs."""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

from e2e.demo.external_ip import manifests
from e2e.demo.external_ip.observed import Client, Observed
from e2e.demo.program import call_of
from e2e.demo.rights import CONTROLLER_NAMESPACE
from moorage_testing.cluster import ApiError, EmbeddedCluster
from moorage_testing.lab import Lab, Requests, Watch, reaching, start
from moorage_testing.processes import Child, Command
from moorage_testing.waiting import wait_for

NODES = ("node1", "node2", "node3")
READY_SECONDS = 60.0
LOG_LINES = 25

_GROUP = "/apis/ipcontroller.ext/v1"
_SERVICES = f"/api/v1/namespaces/{manifests.NAMESPACE}/services"


class Installation:
    """All actions and observations go through it."""

    def __init__(self, cluster: EmbeddedCluster, lab: Lab, stack: contextlib.ExitStack) -> None:
        """``stack`` ends what asks for an address that is not known yet."""
        self.cluster = cluster
        self.lab = lab
        self.controller = self._program(manifests.CONTROLLER, manifests.CONTROLLER)
        self.agents: dict[str, Child] = {}
        self._starts = 0
        self._stack = stack
        self._names = {station.mac: station.name for station in lab.nodes}
        self._watch: Watch | None = None
        self._reaching = Requests()
        self._address = ""
        self._begun = time.monotonic()

    def logs(self) -> str:
        """The last lines of each program's log."""
        children = (self.controller, *self.agents.values())
        tails = [f"{one.name}:\n{one.log_tail(LOG_LINES)}" for one in children]
        return "\n".join(["the logs:", *tails])

    def start_agents(self) -> None:
        """Start an agent on each node that has none."""
        self._begun = time.monotonic()
        for station in self.lab.nodes:
            known = self.agents.get(station.name)
            if known is None or not known.alive:
                flags = ("--node-name", station.name, "--proxy-port", "0")
                network = ("--network-namespace", station.namespace.path)
                self._starts += 1
                name = f"agent-{station.name}-{self._starts}"
                child = self._program(manifests.AGENT, name, *flags, *network)
                self.agents[station.name] = child

    def kill_agent(self, node: str) -> None:
        """SIGKILL: nobody is told."""
        self._begun = time.monotonic()
        self.agents[node].send(signal.SIGKILL)

    def drain(self, node: str) -> None:
        """Cordon a node, and have its agent end, as the node's shutdown does."""
        self._begun = time.monotonic()
        self.cluster.kubectl("cordon", node)
        self.agents[node].send(signal.SIGTERM)

    def expose(self) -> None:
        """Create the Service."""
        self._begun = time.monotonic()
        self.cluster.request("POST", _SERVICES, manifests.service())

    def unexpose(self) -> None:
        """Delete the Service."""
        self._begun = time.monotonic()
        self.cluster.request("DELETE", f"{_SERVICES}/{manifests.SERVICE}")

    def restore(self) -> None:
        """All nodes as at the beginning, and a Service once more."""
        self.cluster.kubectl("uncordon", *NODES)
        self.start_agents()
        self.expose()

    def observe(self) -> Observed:
        """Observe everything now; raises ChildError if the controller has ended."""
        self.controller.check()
        services = {one["metadata"]["name"]: one for one in self._items(_SERVICES)}
        claims = self._items(f"{_GROUP}/ipclaims")
        claim = claims[0] if claims else {}
        said = claim.get("status", {}).get("nodes", {})
        address = _ingress(services.get(manifests.SERVICE, {}))
        self._ask(address)
        return Observed(
            address=address,
            claims=len(claims),
            holder=str(claim.get("spec", {}).get("nodeName") or ""),
            states={node: str(one.get("state", "")) for node, one in said.items()},
            kernels=frozenset(
                one.name for one in self.lab.nodes if self._address and one.has(self._address)
            ),
            agents=frozenset(node for node, one in self.agents.items() if one.alive),
            live=self.live(),
            client=self._client(),
        )

    def live(self) -> frozenset[str]:
        """Nodes that may be given an address."""
        found = self._items(f"{_GROUP}/ipnodes")
        return frozenset(
            one["metadata"]["name"]
            for one in found
            if (status := one.get("status") or {}).get("live") and not status.get("draining")
        )

    def _ask(self, address: str) -> None:
        """Have the client ask all the time once there is an address."""
        if address and self._watch is None:
            client = self.lab.client
            self._address = address
            self._watch = self._stack.enter_context(client.watching(address))
            reached = reaching(client.namespace, address, manifests.PORT)
            self._reaching = self._stack.enter_context(reached)

    def _client(self) -> Client:
        if self._watch is None or not self._watch.samples:
            return Client()
        answered = frozenset(self._names.get(mac, mac) for mac in self._watch.samples[-1][1])
        # From the last answers before the step on.
        gap = self._reaching.since(self._begun - 1.0).gap
        silence = gap if math.isfinite(gap) else 0.0
        return Client(answered, self._reaching.latest, len(self._watch.doubled), silence)

    def _items(self, path: str) -> list[dict[str, Any]]:
        return list(self.cluster.request("GET", path)["items"])

    def _program(self, program: str, name: str, *flags: str) -> Child:
        """Start one of ours, with its own rights and no other."""
        kubeconfig = self.cluster.kubeconfig_for(f"{CONTROLLER_NAMESPACE}/{program}")
        return self.cluster.run.start(Command(name, call_of(program, kubeconfig, *flags)))


def _ingress(service: dict[str, Any]) -> str:
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
    return str(ingress[0].get("ip", ""))


def _served(cluster: EmbeddedCluster) -> bool:
    """Whether all kinds can be listed: a new one is not, for a moment after it is established."""
    try:
        for kind in manifests.kinds():
            names, group = kind["spec"]["names"], kind["spec"]["group"]
            version = kind["spec"]["versions"][0]["name"]
            cluster.request("GET", f"/apis/{group}/{version}/{names['plural']}")
    except ApiError:
        return False
    return True


@contextlib.contextmanager
def open_installation(report: Callable[[str], None]) -> Iterator[Installation]:
    """Everything, ended with the block. Raises one of ``e2e.demo.play.BROKEN``.

    ``report`` hears what is being waited for. Raises LabUnavailableError without rights.
    """
    report("the nodes and the client get their networks")
    with start(len(NODES)) as lab, contextlib.ExitStack() as stack:
        report("the control plane is starting: etcd, API server, controller manager")
        cluster = stack.enter_context(EmbeddedCluster.start())
        cluster.add_nodes(NODES)
        cluster.apply(manifests.kinds())
        wait_for(lambda: _served(cluster), READY_SECONDS, "the kinds to be served")
        # Makes the namespace.
        cluster.kubeconfig_for(f"{CONTROLLER_NAMESPACE}/{manifests.AGENT}")
        cluster.apply(manifests.objects())
        for station in lab.nodes:
            stack.enter_context(station.echo(manifests.PORT))
        report("the controller and the agents are starting, with their own rights only")
        installation = Installation(cluster, lab, stack)
        installation.start_agents()

        def live() -> bool:
            for child in (installation.controller, *installation.agents.values()):
                child.check()
            return installation.live() == set(NODES)

        wait_for(live, READY_SECONDS, "all nodes to be live")
        yield installation
