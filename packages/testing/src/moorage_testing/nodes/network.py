"""The network of a run's nodes: a switch, a link to this machine and one to each node.

The switch is a network namespace of its own, so neither this machine's firewall nor its settings
for bridges and forwarding matter, and none is changed. This machine has one interface and a few
routes more; they vanish with the switch.
"""

import fcntl
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from moorage_testing.nodes.programs import program
from moorage_testing.processes import Command, Run
from moorage_testing.waiting import wait_for

# Each run takes the first of these that no route of this machine overlaps.
CANDIDATES = (
    *(IPv4Network(f"10.{second}.0.0/16") for second in range(128, 192)),
    IPv4Network("198.18.0.0/16"),
    IPv4Network("198.19.0.0/16"),
)
FIRST_NODE = 10
FIRST_POD_SUBNET = 128
OUTSIDE = 200
FIRST_SPARE = 240
OUTSIDE_MAC = "02:98:00:00:00:c8"
MOST_NODES = 100
SWITCH_SECONDS = 10.0
# The length of an interface's name is limited to 15 characters.
SHOWN_ID = 6
# Any file that nobody else locks will do; this one leaves nothing behind.
LOCKED_WHILE_CHOOSING = "/sys/class/net"


class NetworkError(Exception):
    """The network of the nodes could not be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The addresses of one run: nodes in the lower half of a /16, pods in the upper."""

    network: IPv4Network

    @property
    def host(self) -> IPv4Address:
        """The address of this machine, which nodes and pods can reach."""
        return self.network[1]

    @property
    def pods(self) -> IPv4Network:
        """The network of all pods."""
        return list(self.network.subnets())[1]

    @property
    def outside(self) -> IPv4Address:
        """The address of the client that is on the nodes' link and is no node."""
        return self.network[OUTSIDE]

    @property
    def spare(self) -> IPv4Network:
        """Addresses on the nodes' link that nobody has, for instance for Services."""
        return IPv4Network((self.network[FIRST_SPARE], 28))

    def node(self, number: int) -> IPv4Address:
        """The address of the node with this number; the first is 1."""
        return self.network[FIRST_NODE + number]

    def pod_subnet(self, number: int) -> IPv4Network:
        """The network of a node's pods."""
        return list(self.pods.subnets(new_prefix=24))[number]


def free_network(routes: str) -> IPv4Network:
    """Return a network that none of the routes overlaps; takes what `ip -json route` prints."""
    taken = [
        IPv4Network(route["dst"])
        for route in json.loads(routes)
        if route["dst"] != "default" and ":" not in route["dst"]
    ]
    for candidate in CANDIDATES:
        if not any(candidate.overlaps(each) for each in taken):
            return candidate
    raise NetworkError(f"the routes of this machine leave none of {len(CANDIDATES)} networks free")


def link_name(run_id: str) -> str:
    """Return the name of this machine's link to the switch of a run."""
    return f"moorage{run_id[:SHOWN_ID]}"


class Network:
    """A running switch with this machine on it."""

    def __init__(self, run: Run, nodes: int) -> None:
        """Start the switch for so many nodes, under addresses that are free on this machine."""
        if not 0 < nodes <= MOST_NODES:
            raise ValueError(f"from 1 to {MOST_NODES} nodes, not {nodes}")
        self._numbers = range(1, nodes + 1)
        argv = [program("unshare"), "--net", program("sleep"), "infinity"]
        self._switch = run.start(Command("switch", argv, grace_seconds=0)).pid
        here, there = Path("/proc/self/ns/net"), Path(f"/proc/{self._switch}/ns/net")
        wait_for(lambda: not there.samefile(here), SWITCH_SECONDS, "the switch to be apart")
        with _choosing():
            self.plan = Plan(free_network(_call("ip", "-json", "route", "show", "table", "all")))
            self._link_this_machine(link_name(run.id))

    def plug(self, number: int, pid: int) -> None:
        """Link a node, given by its process 1, to the switch, with its address and routes."""
        plan, port = self.plan, f"port{number}"
        _ip(f"link add eth0 netns {pid} type veth peer name {port} netns {self._switch}")
        _ip(f"link set {port} master bridge up", inside=self._switch)
        _ip(
            f"address add {plan.node(number)}/24 dev eth0",
            "link set eth0 up",
            # Without one, a ClusterIP is nowhere before kube-proxy can translate it.
            f"route add default via {plan.host}",
            *(self._route(other) for other in self._numbers if other != number),
            inside=pid,
        )

    def plug_outside(self, namespace: Path) -> None:
        """Link a network namespace, given by its file, to the switch: it becomes the client.

        It reaches what is on the nodes' link, and nothing behind it.
        """
        inside = f"name eth0 address {OUTSIDE_MAC} netns {namespace}"
        _ip(
            f"link add outside type veth peer {inside}",
            "link set outside master bridge up",
            inside=self._switch,
        )
        _ip(
            f"address add {self.plan.outside}/24 dev eth0",
            "link set eth0 up",
            inside=namespace,
        )

    def unplug(self, number: int) -> None:
        """Take a node's link away, as when the node loses its power."""
        _ip(f"link del port{number}", inside=self._switch)

    def cut(self, number: int) -> None:
        """Pull a node's cable."""
        _ip(f"link set port{number} down", inside=self._switch)

    def restore(self, number: int) -> None:
        """Put a node's cable back."""
        _ip(f"link set port{number} up", inside=self._switch)

    def _link_this_machine(self, name: str) -> None:
        _ip(f"link add {name} type veth peer name host netns {self._switch}")
        _ip(
            "link add bridge type bridge",
            "link set bridge up",
            "link set host master bridge up",
            inside=self._switch,
        )
        _ip(
            f"address add {self.plan.host}/24 dev {name}",
            f"link set {name} up",
            *map(self._route, self._numbers),
        )

    def _route(self, number: int) -> str:
        """The way to the pods of a node."""
        return f"route add {self.plan.pod_subnet(number)} via {self.plan.node(number)}"


@contextmanager
def _choosing() -> Iterator[None]:
    """Let one run at a time choose addresses and take them."""
    file = os.open(LOCKED_WHILE_CHOOSING, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _ip(*lines: str, inside: int | Path | None = None) -> None:
    """Run commands of ip, here or in the network of a process or file; raises NetworkError."""
    file = f"/proc/{inside}/ns/net" if isinstance(inside, int) else inside
    enter = () if inside is None else ("nsenter", f"--net={file}", "--")
    _call(*enter, "ip", "-batch", "-", stdin="\n".join(lines))


def _call(name: str, *arguments: str, stdin: str = "") -> str:
    done = subprocess.run(  # noqa: S603 - commands of this module, without a shell
        [program(name), *arguments], input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise NetworkError(f"{name} {' '.join(arguments)}: {done.stderr.strip()}: {stdin}")
    return done.stdout
