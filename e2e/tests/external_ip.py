"""A release with external-ip and node-agent, Services that have addresses, and a client outside."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from e2e.clusters.outside import Outside
from e2e.tests.installation import NAMESPACE, Installation
from moorage_testing.cluster.kubectl import Object
from moorage_testing.lab import Requests, Watch, requesting
from moorage_testing.waiting import PATIENCE, WaitTimeoutError, wait_for

CONTROLLER, AGENT = "external-ip", "node-agent"
POOL = "segment"
PORT = 80
HOLD_SECONDS = 10
SERVES_ON_SECONDS = 3
# Requests in a row that are answered: then all is well again.
STEADY = 10
T = TypeVar("T")


@dataclass
class Seen:
    """What the client outside saw of one address.

    Attributes:
        watch: which MACs answered for it.
        requests: what was answered behind it; none where nodes have no service proxy.
    """

    watch: Watch
    requests: Requests
    settled: float = 0.0
    """From then on requests count (`time.monotonic()`): all have been answered for a while."""

    def told(self, what: str) -> str:
        """The counts, for people."""
        text = f"{what}: {len(self.watch.doubled)} of {len(self.watch.samples)} doubled by ARP"
        counted = self.counted
        if counted.samples:
            asked, lost = len(counted.samples), counted.lost
            text += f"; {lost} of {asked} requests lost, the longest gap {counted.gap:.2f} s"
        return text

    @property
    def counted(self) -> Requests:
        """All but those before the address was served: a new Service has its address first."""
        return self.requests.since(self.settled)


class ExternalIps:
    """The release, and what the client outside may ask it."""

    def __init__(self, installation: Installation, outside: Outside) -> None:
        self.installation = installation
        self.outside = outside
        self.cluster = installation.cluster
        self.kubectl = installation.kubectl

    def values(self) -> dict[str, Any]:
        """Both parts, and no cloud."""
        images = {part: dict(self.cluster.image(part)) for part in (CONTROLLER, AGENT)}
        # Soon after the release is gone, its addresses are.
        config = {"holdSeconds": HOLD_SECONDS, **self.outside.agent}
        agent = {"image": images[AGENT], "config": config}
        return {
            "core": {"enabled": False},
            "externalIp": {"enabled": True, "image": images[CONTROLLER]},
            "nodeAgent": {"enabled": True, **agent},
        }

    def install(self) -> None:
        """Both parts, working on all nodes, and a pool of addresses of the nodes' link."""
        self.installation.upgrade(self.values())
        self.kubectl.run("wait", "--for=condition=Established", "crd", "--all")
        self.kubectl.apply(
            {
                "apiVersion": "ipcontroller.ext/v1",
                "kind": "IpClaimPool",
                "metadata": {"name": POOL},
                "spec": {"cidr": self.outside.pool},
            }
        )
        self.wait_working()

    # The parts.

    def wait_working(self) -> None:
        """Wait until all replicas work, and every node may be given addresses."""
        self.installation.wait_working(part=CONTROLLER)

        def live() -> bool:
            agents = self.cluster.pods(NAMESPACE, AGENT)
            ready = {one["spec"]["nodeName"] for one in agents if self.cluster.ready(one)}
            known = {
                one["metadata"]["name"]
                for one in self.kubectl.items("ipnodes")
                if (status := one.get("status", {})).get("live") and not status.get("draining")
            }
            return ready >= set(self.cluster.nodes) and known >= set(self.cluster.nodes)

        self.wait(live, "an agent on each node")

    def agent(self, node: str) -> Object:
        """The pod of a node's agent."""
        pods = self.cluster.pods(NAMESPACE, AGENT)
        (found,) = (one for one in pods if one["spec"].get("nodeName") == node)
        return found

    def lead_elsewhere(self, node: str) -> None:
        """Have the controller's leader on another node than this one."""
        if self._leader().get("spec", {}).get("nodeName") == node:
            name = self._leader()["metadata"]["name"]
            self.kubectl.run("delete", "pod", "-n", NAMESPACE, name)
        self.wait(
            lambda: self._leader().get("spec", {}).get("nodeName", node) != node, "another leader"
        )
        self.wait_working()

    def _leader(self) -> Object:
        """Its pod; ``{}`` = none leads."""
        lease = self.kubectl.get("lease", "-n", NAMESPACE, f"moorage-{CONTROLLER}")
        holder = str(lease.get("spec", {}).get("holderIdentity") or "")
        pods = self.cluster.pods(NAMESPACE, CONTROLLER)
        return next((one for one in pods if one["metadata"]["name"] in holder), {})

    # Services and their pods.

    def expose(self, name: str, **spec: Any) -> str:
        """A Service for the pods of this name; returns the address that it gets."""
        usual: dict[str, Any] = {
            "type": "LoadBalancer",
            "loadBalancerClass": "moorage.dev/external-ip",
            "selector": {"app": name},
            "ports": [{"port": PORT, "targetPort": 8080}],
        }
        meta = {"name": name, "namespace": "default"}
        self.kubectl.apply(
            {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": usual | spec}
        )

        def address() -> str:
            service = self.kubectl.get("service", "-n", "default", name)
            ingress = service["status"]["loadBalancer"].get("ingress") or [{}]
            return str(ingress[0].get("ip", ""))

        return self.wait(address, f"the Service {name} to have an address")

    def run_pod(self, name: str, node: str) -> str:
        """One more pod behind a Service, on this node, ready; returns its name."""
        pod = f"{name}-{node}"
        container = {
            "name": name,
            "image": self.cluster.app_image,
            "args": ["serve"],
            # It serves until all have heard that it ends.
            "lifecycle": {"preStop": {"sleep": {"seconds": SERVES_ON_SECONDS}}},
        }
        meta = {"name": pod, "namespace": "default", "labels": {"app": name}}
        spec = {
            "nodeName": node,
            "containers": [container | {"imagePullPolicy": "IfNotPresent"}],
            "terminationGracePeriodSeconds": 2 * SERVES_ON_SECONDS,
            "tolerations": [{"operator": "Exists"}],
        }
        self.kubectl.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
        self.kubectl.run(
            "wait", "-n", "default", "--for=condition=Ready", "--timeout=60s", f"pod/{pod}"
        )
        return pod

    # Addresses.

    def claim(self, address: str) -> Object:
        """Its IpClaim; ``{}`` = there is none."""
        claims = self.kubectl.items("ipclaims")
        found = (one for one in claims if one["spec"]["cidr"].startswith(f"{address}/"))
        return next(found, {})

    def said(self, address: str) -> Object:
        """What the agent of the node that shall have it says of it; ``{}`` = nothing."""
        claim = self.claim(address)
        entries = claim.get("status", {}).get("nodes", {})
        found: Object = entries.get(claim.get("spec", {}).get("nodeName", ""), {})
        return found

    def holder(self, address: str) -> str:
        """The node that has it by its claim, its agent and the client alike; ``""`` = none."""
        claim, said = self.claim(address), self.said(address)
        answering = self.outside.client.who_has(address)
        if said.get("state") != "Announced" or answering != {said.get("mac")}:
            return ""
        return str(claim["spec"]["nodeName"])

    def events(self, address: str) -> set[str]:
        """The reasons of all Events of its claim."""
        name = self.claim(address)["metadata"]["name"]
        found = self.kubectl.items("events", "-A", f"--field-selector=involvedObject.name={name}")
        return {str(one["reason"]) for one in found}

    def wait_held(self, address: str, *nodes: str) -> str:
        """Wait until one of these nodes has it, by default any; return it."""

        def held() -> str:
            there = self.holder(address)
            return there if there in (nodes or self.cluster.nodes) else ""

        return self.wait(held, f"{address} on one of {nodes or self.cluster.nodes}")

    def other(self, node: str) -> str:
        """The other node."""
        (found,) = set(self.cluster.nodes) - {node}
        return found

    # The client.

    @contextmanager
    def asking(self, address: str) -> Iterator[Seen]:
        """Have the client ask all the time; at the end all must be answered again."""
        client = self.outside.client
        asking = requesting(client.namespace, address, PORT)
        with (
            client.watching(address) as watch,
            asking if self.outside.serves else nullcontext(Requests()) as requests,
        ):
            seen = Seen(watch, requests)
            self._wait_answered(seen)
            # With some that were answered before: a silence has a beginning.
            seen.settled = time.monotonic() - 1.0
            yield seen
            self._wait_answered(seen)

    def _wait_answered(self, seen: Seen) -> None:
        """Wait until everything that is asked from now on is answered, for a while."""
        begun = time.monotonic()

        def answered() -> bool:
            heard = [macs for at, macs in seen.watch.samples if at > begun][-STEADY:]
            requests = seen.requests.since(begun)
            steady = len(heard) == STEADY and all(heard)
            return steady and (not self.outside.serves or requests.are_answered(STEADY))

        self.wait(answered, "answers")

    def wait(self, predicate: Callable[[], T], what: str) -> T:
        """Wait; where it takes too long, the error shows what the objects say."""
        try:
            return wait_for(predicate, PATIENCE, what)
        except WaitTimeoutError as error:
            for kind in ("pods", "services", "ipclaims", "ipnodes", "leases"):
                error.add_note(self.kubectl.run("get", kind, "-A", "-o", "wide"))
            error.add_note(self.kubectl.run("get", "ipclaims", "-o", "yaml"))
            for part in (CONTROLLER, AGENT):
                for pod in self.cluster.pods(NAMESPACE, part):
                    error.add_note(f"{pod['metadata']['name']}: {self._last_words(pod)}")
            raise

    def _last_words(self, pod: Object) -> str:
        try:
            return "\n".join(self.cluster.logs(pod).splitlines()[-15:])
        except (RuntimeError, subprocess.SubprocessError) as error:
            return str(error)
