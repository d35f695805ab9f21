"""DANM in virtual time: a crash after every change, and random lives of nodes, pods and CNIs."""

from __future__ import annotations

import random
from typing import Any

from cluster_danm import NS, OUT_OF_SERVICE, UNREACHABLE, Cluster

from moorage_danm.controller import setup
from moorage_danm.settings import DanmSettings
from moorage_kube.client.kinds import NODES, PODS
from moorage_testing.apiserver import ApiServer, Asked
from moorage_testing.harness import (
    Scenario,
    World,
    crash_after_every_change,
    live_many,
    managed,
)

LIVES = 8
HOSTS = ("a", "b", "c", "d")
STATIC = ("10.0.0.3", "10.0.0.5", "10.0.0.6")


class Living:
    """One cluster, and what may happen to it.

    The controller may only be as wrong as its policy: with ``grace`` a node that is cut off is
    dead; with ``strict`` it may be cut off and run on.
    """

    def __init__(self, policy: str) -> None:
        self.policy = policy
        self.cluster: Cluster | None = None
        self.count = 0
        self.free_names: list[str] = []
        self.dice = random.Random(0)
        self.world: World | None = None
        self.lost: dict[str, int] = {}
        """Nodes whose objects were removed -> which life of the controller saw it."""

    def arrange(self, server: ApiServer) -> None:
        self.cluster = cluster = Cluster(server)
        cluster.pause = lambda: self.dice.choice((0.001, 0.001, 0.02, 0.3))
        # Half of the grace period: fewer events, and as good a sign of life.
        cluster.beat_seconds = 30.0
        cluster.start()
        for name in HOSTS:
            cluster.node(name)
        cluster.net("net", "10.0.0.0/28", v6="2001:db8::/124")
        cluster.net("more", "10.1.0.0/28", kind="ClusterNetwork")
        for number, node in enumerate(HOSTS[:3]):
            self.new_pod(node, STATIC[number])

    @property
    def lab(self) -> Cluster:
        assert self.cluster is not None
        return self.cluster

    def new_pod(self, node: str, ip: str) -> None:
        """Its name may be that of a pod that was deleted, as a StatefulSet gives them."""
        self.count += 1
        name = f"p{self.count}"
        if self.free_names and self.dice.random() < 0.5:
            name = self.free_names.pop()
        both = {"network": "net", "ip": ip, "ip6": "dynamic"}
        self.lab.pod(name, node, both, {"clusterNetwork": "more", "ip": "dynamic"})

    def alive(self) -> list[str]:
        return [
            name
            for name, host in self.lab.hosts.by_name.items()
            if host.power and host.network and self.lab.server.find(NODES, name)
        ]

    # Happenings.

    def start_a_pod(self, _: World, rng: random.Random) -> None:
        if self.alive() and len(self.lab.server.all_of(PODS)) < 9:
            self.new_pod(rng.choice(self.alive()), rng.choice((*STATIC, "dynamic", "dynamic")))

    def delete_a_pod(self, _: World, rng: random.Random) -> None:
        if names := [one["metadata"]["name"] for one in self.lab.server.all_of(PODS)]:
            self.lab.delete_pod(rng.choice(names), rng.choice((0.0, 5.0, 30.0)))

    def lose_a_node(self, world: World, rng: random.Random) -> None:
        """It dies, and in the end somebody says so."""
        self.world = world
        names = self.alive()
        if len(names) < 3:
            return
        name = rng.choice(names)
        how = rng.choice(("gone", "fenced", "unreachable"))
        if how == "gone":
            self.lab.die(name)
            self.lab.remove_node(name)
            self.lost[name] = world.lives
        elif how == "fenced":
            self.lab.fence(name, timed=rng.random() < 0.7)
        else:
            self.lab.die(name)
            self.lab.unreachable(name)
        for raw in self.lab.server.all_of(PODS):
            if raw["spec"].get("nodeName") == name and rng.random() < 0.7:
                if how == "unreachable" or rng.random() < 0.5:
                    self.lab.delete_pod(raw["metadata"]["name"], 0.0)
                else:
                    self.lab.force_delete(raw["metadata"]["name"])
                    self.free_names.append(raw["metadata"]["name"])

    def cut_a_node_off(self, _: World, rng: random.Random) -> None:
        """Its containers run on; with strict nothing of it may be freed."""
        names = self.alive()
        if self.policy != "strict" or len(names) < 3:
            return
        name = rng.choice(names)
        self.lab.hosts.by_name[name].cut_network()
        self.lab.unreachable(name)
        for raw in self.lab.server.all_of(PODS):
            if raw["spec"].get("nodeName") == name and rng.random() < 0.5:
                self.lab.delete_pod(raw["metadata"]["name"], 0.0)

    def bring_a_node_back(self, world: World, rng: random.Random) -> None:
        hosts = self.lab.hosts.by_name
        away = [one for one in hosts.values() if not (one.power and one.network)]
        if not away:
            return
        host = rng.choice(away)
        if not self.lab.server.find(NODES, host.name):
            status = {"conditions": [{"type": "Ready", "status": "True"}]}
            self.lab.server.put(
                NODES,
                host.name,
                metadata={"name": host.name, "uid": f"uid-{rng.random()}"},
                spec={},
                status=status,
            )
        self.lab.ready(host.name, "True")
        self.lab.fenced.discard(host.name)
        self.lab.renew(host.name)
        if not host.power:
            host.power = True
            host.running.clear()
            host.wanted = self._bound_to(host.name)
        world.spare(host.join())

    def flap(self, _: World, rng: random.Random) -> None:
        """A node that lives is said to be unreachable for a moment; an old mark stays on it."""
        if names := self.alive():
            name = rng.choice(names)
            marks = self._marks(name)
            self.lab.ready(name, "Unknown", UNREACHABLE, *marks)
            if rng.random() < 0.7:
                self.lab.ready(name, "True", *marks)

    def forget_a_mark(self, _: World, rng: random.Random) -> None:
        """Somebody has left a mark on a node that is ready, or takes it off."""
        ready = [one for one in self.alive() if self._is_ready(one)]
        if ready:
            name = rng.choice(ready)
            self.lab.taints(name, *(() if self._marks(name) else (OUT_OF_SERVICE,)))

    def _is_ready(self, name: str) -> bool:
        conditions = self.lab.node_object(name)["status"]["conditions"]
        return bool(conditions[0]["status"] == "True")

    def _marks(self, name: str) -> tuple[str, ...]:
        taints = self.lab.node_object(name)["spec"].get("taints") or ()
        return tuple(one["key"] for one in taints if one["key"] == OUT_OF_SERVICE)

    def _bound_to(self, name: str) -> dict[str, Any]:
        return {
            raw["metadata"]["uid"]: raw
            for raw in self.lab.server.all_of(PODS)
            if raw["spec"].get("nodeName") == name and "deletionTimestamp" not in raw["metadata"]
        }

    # What must hold.

    def checked(self, server: ApiServer) -> None:
        self.lab.check(server)

    def at_rest(self, server: ApiServer) -> None:
        """Nothing is half done, and no address is nobody's."""
        assert self.lab.leaks() == []
        for endpoint in self.lab.endpoints():
            assert not endpoint["metadata"].get("finalizers"), endpoint
        dead = {name for name in self.lab.hosts.by_name if not server.find(NODES, name)}
        if self.policy == "strict":
            # Who never saw the node cannot tell whether the host is one, and leaves it alone.
            lives = self.world.lives if self.world else 0
            dead = {name for name in dead if self.lost[name] == lives}
        for endpoint in self.lab.endpoints():
            assert endpoint["spec"]["Host"] not in dead, endpoint


def scenario(policy: str = "grace", **settings: Any) -> Scenario:
    living = Living(policy)
    wanted = {"policy": policy, "trigger": "eager", "audit": "free", "audit_seconds": 120.0}
    return Scenario(
        managed(DanmSettings.model_validate(wanted | settings), setup),
        living.arrange,
        edits=(lambda _: living.lab.fence("a", timed=True),),
        happenings=(
            living.start_a_pod,
            living.start_a_pod,
            living.delete_a_pod,
            living.lose_a_node,
            living.cut_a_node_off,
            living.bring_a_node_back,
            living.flap,
            living.forget_a_mark,
        ),
        always=(living.checked,),
        at_rest=(living.at_rest,),
        view=lambda _: view(living.lab),
        counts=counted,
        # An orphan of a node that is ready, and what is leaked, are freed after two minutes.
        quiet_seconds=200.0,
        requests_per_minute=60.0,
        # All that it waits for is over within five minutes.
        rest_seconds=1200.0,
        longest_pause_seconds=2000.0,
    )


def counted(asked: Asked) -> bool:
    """Changes of DANM's objects: Events and Leases are nobody's loss."""
    return asked.mutating and ("/danm" in asked.path or "/clusternetworks" in asked.path)


def view(lab: Cluster) -> object:
    """Which pod runs with which static address, and which bits are set."""
    running = sorted(container.pod["metadata"]["name"] for _, container in lab.hosts.containers())
    raw = lab.find_net("DanmNet", NS, "net")
    assert raw is not None
    return running, lab.bits("net"), lab.bits("net", "alloc6"), len(lab.endpoints())


def test_it_survives_a_crash_after_every_change() -> None:
    assert crash_after_every_change(scenario) >= 8


def test_it_comes_to_rest_after_random_lives() -> None:
    live_many(scenario, range(LIVES))


def test_under_strict_no_life_of_a_node_that_is_cut_off_is_mistaken_for_its_death() -> None:
    live_many(lambda: scenario("strict"), range(1000, 1000 + LIVES))
