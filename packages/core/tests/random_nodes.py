"""What happens to the nodes of a random life."""

from __future__ import annotations

import random

from core_builders import tainted
from simulation import Simulation

from moorage_core.decide.node_labels import LABELS, labels_for
from moorage_domain.nodes import EXCLUDE_LABEL, Node
from moorage_domain.scheduling import PodPlacement, Toleration

NODES = [f"n{n}" for n in range(1, 6)]
ODD = 0.1
"""The chance of a machine that can never have an address of IPv4."""
TAINT = "example.com/pending"
"""The settled taint."""
STARTING = "node.cilium.io/agent-not-ready"
TAINTS = (
    STARTING,
    "startup-taint.cluster-autoscaler.kubernetes.io/gpu",
    "karpenter.sh/disrupted",
    "ToBeDeletedByClusterAutoscaler",
    "aws-node-termination-handler/spot-itn",
)


class RandomNodes:
    """The nodes of one random life.

    Attributes:
        gives_ephemeral: the cloud gives a machine an ephemeral public address.
        oddities: how the cloud's machines may be unable to have an address of IPv4.
        private: machines that never had a public address of their own.
        excused: addresses that may stay on a machine unwanted: retained, or put there by hand.
    """

    gives_ephemeral = True
    oddities: tuple[str, ...] = ("take_ipv4", "confuse")

    def __init__(self, rng: random.Random, simulation: Simulation) -> None:
        self.rng = rng
        self.simulation = simulation
        self.private: set[str] = set()
        self.excused: set[str] = set()
        self.machines_made = 0
        self.zones = rng.choice((("",), ("a", "b"), ("a", "b", "c")))
        tolerant = PodPlacement((Toleration("other", exists=True),))
        simulation.pods_go = rng.choice((None, PodPlacement(), tolerant))

    def is_drained(self, node: Node) -> bool:
        """Whether an address must leave the node, at the latest once its pods are gone."""
        stays = not (node.unschedulable or node.deleting or node.excluded)
        return bool(not stays or node.draining or node.leaving)

    def is_usable(self, node: Node) -> bool:
        """Whether a new address may come to the node, as far as Kubernetes knows."""
        starting = node.network_unavailable or node.starting
        pods_go = self.simulation.pods_go
        other = [taint for taint in node.taints if taint.key == "other"]
        kept_away = pods_go is not None and not all(map(pods_go.tolerates, other))
        return node.ready and not self.is_drained(node) and not starting and not kept_away

    def cordon(self) -> None:
        if name := self.some_node():
            self.simulation.change_node(name, unschedulable=self.rng.random() < 0.7)

    def break_node(self) -> None:
        if name := self.some_node():
            self.simulation.change_node(name, ready=self.rng.random() < 0.4)

    def lose_node(self) -> None:
        if name := self.some_node():
            self.simulation.remove_node(name)

    def lose_machine(self) -> None:
        if name := self.some_node():
            machine = self.simulation.machine_of(self.simulation.nodes[name])
            if machine in self.simulation.cloud.machine_ids:
                self.simulation.cloud.terminate(machine)
            self.simulation.change_node(name, ready=False)

    def recreate(self) -> None:
        self.lose_machine()
        if name := self.some_node():
            self.simulation.remove_node(name)
            self.add(name)

    def add_node(self) -> None:
        if missing := [name for name in NODES if name not in self.simulation.nodes]:
            self.add(missing[0])

    def rename(self) -> None:
        """A kubelet comes back under another name; its old object is left behind."""
        missing = [name for name in NODES if name not in self.simulation.nodes]
        name = self.some_node()
        if not name or not missing:
            return
        old = self.simulation.nodes[name]
        machine = self.simulation.machine_of(old)
        if machine in self.simulation.cloud.machine_ids:
            self.simulation.add_node(missing[0], machine=machine, provider_id=old.provider_id)
            self.simulation.change_node(name, ready=self.rng.random() < 0.3)

    def impersonate(self) -> None:
        """A kubelet registers with the machine of another node, which goes on as it is."""
        missing = [name for name in NODES if name not in self.simulation.nodes]
        name = self.some_node()
        if name and missing:
            victim = self.simulation.nodes[name]
            machine = self.simulation.machine_of(victim)
            if machine in self.simulation.cloud.machine_ids:
                provider_id = victim.provider_id
                self.simulation.add_node(missing[0], machine=machine, provider_id=provider_id)

    def lie(self) -> None:
        """A kubelet says that its node has an address."""
        if name := self.some_node():
            node = self.simulation.nodes[name]
            said = labels_for("203.0.113.10")
            chosen = {key: said[key] for key in self.rng.sample(LABELS, self.rng.randint(1, 4))}
            owner = self.rng.choice((node.owner, "", "uid-a", "uid-b", "uid-of-nobody"))
            self.simulation.change_node(name, labels={**node.labels, **chosen}, owner=owner)

    def add(self, name: str) -> None:
        """A node on a new machine."""
        self.machines_made += 1
        public = self.rng.random() < 0.8
        taints = self.rng.choice(((), (), (TAINT,), (TAINT, "other", TAINT), (TAINT, STARTING)))
        node = self.simulation.add_node(
            name, machine=f"vm-{self.machines_made}", with_public_ip=public,
            taints=tainted(*taints), zone=self.rng.choice(self.zones),
        )  # fmt: skip
        machine_id = self.simulation.machine_of(node)
        if not (public and self.gives_ephemeral):
            self.private.add(machine_id)
        if self.oddities and self.rng.random() < ODD:
            getattr(self.simulation.cloud, self.rng.choice(self.oddities))(machine_id)
            self.simulation.odd.add(machine_id)

    def taint(self) -> None:
        """A node gets a taint that says something, or loses all but the settled one."""
        if name := self.some_node():
            node = self.simulation.nodes[name]
            kept = tuple(one for one in node.taints if one.key in (TAINT, "other"))
            new = tainted(self.rng.choice(TAINTS)) if self.rng.random() < 0.6 else ()
            self.simulation.change_node(name, taints=(*kept, *new))

    def lose_zone(self) -> None:
        """All nodes of a zone are NotReady at once, or come back."""
        zone, ready = self.rng.choice(self.zones), self.rng.random() < 0.5
        for node in list(self.simulation.nodes.values()):
            if node.zone == zone:
                self.simulation.change_node(node.name, ready=ready)

    def exclude(self) -> None:
        """People want no traffic from outside on a node, or want it again."""
        if name := self.some_node():
            labels = {**self.simulation.nodes[name].labels}
            labels[EXCLUDE_LABEL] = ""
            if self.rng.random() < 0.5:
                del labels[EXCLUDE_LABEL]
            self.simulation.change_node(name, labels=labels)

    def lose_network(self) -> None:
        if name := self.some_node():
            self.simulation.change_node(name, network_unavailable=self.rng.random() < 0.6)

    def delete_slowly(self) -> None:
        """A node's object is being deleted, and a finalizer holds it; or it goes at last."""
        deleted = [one.name for one in self.simulation.nodes.values() if one.deleting]
        if deleted and self.rng.random() < 0.5:
            self.simulation.remove_node(self.rng.choice(deleted))
        elif name := self.some_node():
            self.simulation.change_node(name, deleting=True)

    def some_node(self) -> str:
        return self.rng.choice(sorted(self.simulation.nodes)) if self.simulation.nodes else ""

    def add_interface(self) -> None:
        """A CNI gives a machine one more network interface, for its pods."""
        if machines := sorted(self.simulation.cloud.machine_ids):
            self.simulation.cloud.add_interface(self.rng.choice(machines))

    def misplace(self) -> None:
        """Somebody puts an address on another interface of a machine than the node's own."""
        cloud = self.simulation.cloud
        if cloud.machine_ids and cloud.holders:
            ip = self.rng.choice(sorted(cloud.holders))
            self.excused.add(ip)
            cloud.assign_beside(ip, self.rng.choice(sorted(cloud.machine_ids)))
