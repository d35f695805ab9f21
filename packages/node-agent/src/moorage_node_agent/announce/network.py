"""The sockets by which the agent asks, announces and listens on all links."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator

from moorage_domain.families import Address, Family
from moorage_node_agent.announce import frames
from moorage_node_agent.announce.frames import Heard
from moorage_node_agent.link.model import Link
from moorage_node_agent.namespace import Namespace

_RECEIVE_BYTES = 1 << 20
_LONGEST = 2048
_ICMP6_FILTER = 1


class Network:
    """Sends on a link by its name, so that one made again under its name is no other link.

    Attributes:
        sockets: those to listen at; :meth:`heard` reads one.
    """

    def __init__(self, namespace: Namespace) -> None:
        """Open the sockets in the namespace; raises ``OSError`` where this is not allowed."""
        self._arp, self._neighbours = namespace.call(_open)
        self.sockets = (self._arp, self._neighbours)

    def probe(self, address: Address, link: Link) -> str:
        """Ask whether anybody has the address; why this could not be sent, ``""`` = it was."""
        if address.family is Family.IPV4:
            frame = frames.arp_probe(link.mac, address)
            return _sent(lambda: self._arp.sendto(frame, (link.name, frames.ARP)))
        group, message = frames.solicitation(link.mac, address)
        return _sent(lambda: self._neighbours.sendto(message, (group, 0, 0, link.index)))

    def announce(self, address: Address, link: Link) -> str:
        """Say that this node has the address; why this could not be sent, ``""`` = it was."""
        if address.family is Family.IPV4:
            request, reply = frames.arp_announcements(link.mac, address)
            to = (link.name, frames.ARP)
            return _sent(lambda: self._arp.sendto(request, to) + self._arp.sendto(reply, to))
        message = frames.advertisement(link.mac, address)
        to6 = (frames.ALL_NODES, 0, 0, link.index)
        return _sent(lambda: self._neighbours.sendto(message, to6))

    def heard(self, one: socket.socket) -> Iterator[Heard]:
        """All that is waiting at one of the sockets and says who has an address."""
        read = frames.heard_arp if one is self._arp else frames.heard_advertisement
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    data = one.recv(_LONGEST)
                except BlockingIOError:
                    raise
                except OSError:  # a link went down
                    continue
                if (found := read(data)) is not None:
                    yield found

    def close(self) -> None:
        """Close the sockets."""
        for one in self.sockets:
            one.close()


def _open() -> tuple[socket.socket, socket.socket]:
    arp = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(frames.ARP))
    neighbours = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    passed = bytearray(b"\xff" * 32)
    passed[frames.ADVERTISEMENT // 8] &= ~(1 << (frames.ADVERTISEMENT % 8)) & 0xFF
    neighbours.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, bytes(passed))
    # Routers cannot pass such messages on, and hosts drop those that a router could have passed.
    neighbours.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    neighbours.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    for one in (arp, neighbours):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        one.settimeout(0)
    return arp, neighbours


def _sent(send: Callable[[], int]) -> str:
    try:
        send()
    except OSError as error:
        return error.strerror or str(error)
    return ""
