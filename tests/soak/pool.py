"""The nodes of the soak: the bench's fleet, with spare machines for replacements."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.bench import options as bench
from tests.bench.fleet import ALLOCATION, Fleet, fleet, node_name
from tests.bench.report import step

from moorage_testing.clouds.world import Instance
from moorage_testing.cluster import Node, Owner, Pod

from .account import Account
from .options import Options

# Far below the defaults, so that they expire often during the soak.
NOT_READY_SECONDS = 15
NODE_GONE_SECONDS = 10
_PODS = "/api/v1/namespaces/default/pods"


@dataclass(frozen=True, slots=True)
class Machine:
    """A node and the machine it runs on."""

    node: str
    instance: Instance


@dataclass(slots=True)
class NodePool:
    """The fleet, and the operations on its nodes.

    Attributes:
        fleet: control plane, cloud and how to start a controller.
        account: the cloud's real state.
        machines: the existing nodes, by name.
        stock: machines without a node.
    """

    fleet: Fleet
    account: Account
    machines: dict[str, Machine]
    stock: list[Machine]
    owner: Owner

    def nodes_by_machine(self) -> dict[str, str]:
        """Machine -> its node."""
        # A copy: nodes come and go in other threads.
        return {one.instance.id: name for name, one in self.machines.copy().items()}

    def cordon(self, node: str, *, on: bool) -> None:
        """Cordon or uncordon."""
        body = {"spec": {"unschedulable": on or None}}
        self.fleet.cluster.request("PATCH", f"/api/v1/nodes/{node}", body)

    def remove_pod(self, node: str) -> None:
        """End the workload's pod of a node at once."""
        self.fleet.cluster.request("DELETE", f"{_PODS}/edge-{node}", {"gracePeriodSeconds": 0})

    def add_pod(self, node: str) -> None:
        """Start the workload's pod of a node."""
        pod = Pod(f"edge-{node}", node=node, owner=self.owner, labels={"app": "edge"})
        self.fleet.cluster.create_pods([pod])

    def remove_node(self, node: str) -> None:
        """Delete the Node object."""
        self.machines.pop(node, None)
        self.fleet.cluster.request("DELETE", f"/api/v1/nodes/{node}")

    def add_node(self) -> None:
        """Add a node for a spare machine, with its workload pod."""
        machine = self.stock.pop()
        labels = {
            "pool": "edge",
            "topology.kubernetes.io/region": self.account.cloud.region,
            "topology.kubernetes.io/zone": machine.instance.zone,
        }
        node = Node(machine.node, labels=labels, provider_id=machine.instance.provider_id)
        self.fleet.cluster.add_nodes([node], wait=False)
        self.machines[machine.node] = machine
        self.add_pod(machine.node)

    def set_ready(self, node: str, *, ready: bool) -> None:
        """Stop the kubelet and set the node NotReady at once, or resume it."""
        cluster = self.fleet.cluster
        if ready:
            cluster.resume_heartbeat(node)
        else:
            cluster.stop_heartbeat(node)
        conditions = cluster.request("GET", f"/api/v1/nodes/{node}")["status"]["conditions"]
        for condition in conditions:
            if condition["type"] == "Ready":
                condition["status"] = "True" if ready else "Unknown"
        body = {"status": {"conditions": conditions}}
        cluster.request("PATCH", f"/api/v1/nodes/{node}/status", body)


@contextlib.contextmanager
def opened(options: Options, in_stock: int) -> Iterator[NodePool]:
    """Set up the fleet with this many spare machines and without a controller."""
    with fleet(options.cloud, _for_fleet(options, in_stock)) as made:
        instances = enumerate(made.cloud.instances)
        machines = [Machine(node_name(number), instance) for number, instance in instances]
        account = Account(made.cloud)
        name = "edge-1"
        uid = made.cluster.request("GET", f"/apis/apps/v1/namespaces/default/replicasets/{name}")
        owner = Owner("ReplicaSet", name, uid["metadata"]["uid"])
        nodes = {one.node: one for one in machines[: options.nodes]}
        pool = NodePool(made, account, nodes, machines[options.nodes :], owner)
        with step(f"taking {in_stock} nodes into stock"):
            _put_away(made, pool.stock)
        failover = {"notReadySeconds": NOT_READY_SECONDS, "nodeGoneSeconds": NODE_GONE_SECONDS}
        made.cluster.request("PATCH", ALLOCATION, {"spec": {"failover": failover}})
        yield pool


def _put_away(fleet: Fleet, stock: Sequence[Machine]) -> None:
    """Delete the nodes of spare machines, which the fleet has created."""
    for machine in stock:
        pods = f"{_PODS}?fieldSelector=spec.nodeName%3D{machine.node}"
        fleet.cluster.request("DELETE", pods, {"gracePeriodSeconds": 0})
        fleet.cluster.request("DELETE", f"/api/v1/nodes/{machine.node}")


def _for_fleet(options: Options, in_stock: int) -> bench.Options:
    nodes = options.nodes + in_stock
    pods = math.ceil(options.pods * nodes / options.nodes)
    sizes = {"--nodes": nodes, "--addresses": options.addresses, "--pods": pods, "--moves": 1}
    argv = [word for name, value in sizes.items() for word in (name, str(value))]
    return bench.parse(argv)
