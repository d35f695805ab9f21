"""The switch of the lab, the stations on it, and what can go wrong between them."""

import contextlib
import ipaddress
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from moorage_testing.lab.client import Client
from moorage_testing.lab.echo import Echo
from moorage_testing.lab.namespace import Namespace
from moorage_testing.waiting import PATIENCE, wait_for

CLIENT = "client"
NETWORK4 = ipaddress.IPv4Network("10.99.0.0/16")
NETWORK6 = ipaddress.IPv6Network("fd99::/64")
LINK = "eth0"
_CLIENT_NUMBER = 100


class LabUnavailableError(Exception):
    """This machine cannot run the lab; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Station:
    """A namespace on the switch: a node, or the client.

    Attributes:
        name: "node1", "node2", ... or "client".
        number: its host part: 10.99.0.<number> and fd99::<number> on `eth0`.
    """

    name: str
    number: int
    namespace: Namespace
    switch: Namespace

    @property
    def address(self) -> str:
        """Its own IPv4 address."""
        return str(NETWORK4[self.number])

    @property
    def address6(self) -> str:
        """Its own IPv6 address."""
        return str(NETWORK6[self.number])

    @property
    def mac(self) -> str:
        """The MAC of its `eth0`, for instance "02:00:00:00:00:01"."""
        return f"02:99:00:00:00:{self.number:02x}"

    @property
    def asks(self) -> Client:
        """Asks others from here."""
        return Client(self.namespace, LINK, self.mac, self.address)

    def plug(self) -> None:
        """Put its cable in again."""
        self._port("up")

    def unplug(self) -> None:
        """Pull its cable: its link stays up and loses the carrier."""
        self._port("down")

    def link_up(self) -> None:
        """Set its link up, with its own IPv6 address, which the kernel has taken away."""
        self.namespace.ip("link", "set", LINK, "up")
        own6 = f"{self.address6}/{NETWORK6.prefixlen}"
        self.namespace.ip("address", "replace", own6, "dev", LINK, "nodad")

    def link_down(self) -> None:
        """Set its link down, as `ip link set eth0 down` does."""
        self.namespace.ip("link", "set", LINK, "down")

    def addresses(self) -> frozenset[str]:
        """All its addresses with their prefix lengths, but those of the link itself."""
        lines = self.namespace.ip("-o", "address", "show").splitlines()
        found = (line.split()[3] for line in lines)
        return frozenset(one for one in found if not one.startswith("fe80:"))

    def has(self, address: str) -> bool:
        """Whether the node holds an address, with whatever prefix length."""
        return any(one.split("/")[0] == address for one in self.addresses())

    def add(self, address: str, *options: str) -> None:
        """Give it an address by hand, for instance "10.99.0.7/32"."""
        more = ("nodad",) if ":" in address else ()
        self.namespace.ip("address", "add", address, "dev", LINK, *more, *options)

    def remove(self, address: str) -> None:
        """Take an address away by hand."""
        self.namespace.ip("address", "del", address, "dev", LINK)

    def reset(self) -> None:
        """Take all addresses away but its own, and set what was set by hand back."""
        self.namespace.set("net/ipv4/conf/all/arp_ignore", "0")
        for link in (LINK, "lo"):
            for line in self.namespace.ip("-o", "address", "show", "dev", link).splitlines():
                address = line.split()[3]
                if address.endswith(("/32", "/128")) and address != "::1/128":
                    with contextlib.suppress(OSError):  # its life has ended just now
                        self.namespace.ip("address", "del", address, "dev", link)
        self.link_up()
        self.namespace.ip("address", "replace", f"{self.address}/16", "dev", LINK)

    @contextmanager
    def echo(self, port: int) -> Iterator[None]:
        """Answer UDP datagrams on a port of every address with the station's name."""
        with Echo(self.namespace, self.name, port):
            yield

    def _port(self, state: str) -> None:
        self.switch.ip("link", "set", f"to-{self.name}", state)


class Lab:
    """A switch with nodes and a client; see `start`."""

    def __init__(self, switch: Namespace, nodes: tuple[Station, ...], client: Station) -> None:
        """Take over stations that are connected already."""
        self.switch = switch
        self.nodes = nodes
        self.station = client
        self.client = client.asks

    def node(self, number: int) -> Station:
        """The node by its number; the first is 1."""
        return self.nodes[number - 1]

    def cut_between_nodes(self) -> None:
        """Nodes do not reach each other any more; the client reaches all."""
        self._isolate("on")

    def heal(self) -> None:
        """Undo every fault; all addresses but the stations' own go, and nobody knows a MAC."""
        self._isolate("off")
        for node in self.nodes:
            node.plug()
            node.reset()
        for station in (*self.nodes, self.station):
            station.namespace.ip("neighbour", "flush", "all")
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until every node answers: a port of the switch needs a moment after its cable."""
        for node in self.nodes:
            for address in (node.address, node.address6):
                wait_for(partial(self.client.who_has, address, 0.05), PATIENCE, f"{node.name}")

    def _isolate(self, state: str) -> None:
        for node in self.nodes:
            self.switch.ip(
                "link", "set", f"to-{node.name}", "type", "bridge_slave", "isolated", state
            )


@contextmanager
def start(nodes: int) -> Iterator[Lab]:
    """Run a lab for the length of a `with` block; nothing is left of it, whatever happens.

    Raises LabUnavailableError where namespaces, veth or bridges are not to be had.
    """
    if shutil.which("ip") is None:
        raise LabUnavailableError("the lab needs the command ip of iproute2")
    with ExitStack() as stack:
        try:
            switch = _namespace(stack)
            switch.ip("link", "add", "switch", "type", "bridge", "forward_delay", "0")
            switch.ip("link", "set", "switch", "type", "bridge", "mcast_snooping", "0")
            switch.ip("link", "set", "switch", "up")
            connect = partial(_connected, stack, switch)
            stations = tuple(connect(f"node{number}", number) for number in range(1, nodes + 1))
            client = connect(CLIENT, _CLIENT_NUMBER)
        except OSError as error:
            raise LabUnavailableError(f"the lab cannot be made here: {error}") from error
        lab = Lab(switch, stations, client)
        lab.wait_ready()
        yield lab


def _namespace(stack: ExitStack) -> Namespace:
    return stack.enter_context(Namespace())


def _connected(stack: ExitStack, switch: Namespace, name: str, number: int) -> Station:
    """A new station with its cable in, ready for use."""
    station = Station(name, number, _namespace(stack), switch)
    port = f"to-{name}"
    peer = ("peer", "name", LINK, "address", station.mac, "netns", station.namespace.path)
    switch.ip("link", "add", port, "type", "veth", *peer)
    switch.ip("link", "set", port, "master", "switch", "up")
    with contextlib.suppress(OSError):  # a kernel without IPv6
        for scope in ("all", "default", LINK):
            station.namespace.set(f"net/ipv6/conf/{scope}/accept_dad", "0")
    station.namespace.ip("link", "set", LINK, "up")
    station.add(f"{station.address}/{NETWORK4.prefixlen}")
    station.add(f"{station.address6}/{NETWORK6.prefixlen}")
    return station
