"""The client outside: asks who has an address, and what answers behind it."""

import ipaddress
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from moorage_testing.lab.namespace import Namespace

_ARP = 0x0806
_BROADCAST = b"\xff" * 6
_SOLICITATION, _ADVERTISEMENT = 135, 136
_ICMP6_FILTER = 1
_LONGEST = 2048
_PATIENCE = 1.5
"""Seconds after which nobody will answer any more."""
_ETHERNET = 14


@dataclass(slots=True)
class Watch:
    """What a client saw while it asked again and again.

    Attributes:
        samples: when it asked (`time.monotonic()`), and which MACs answered.
    """

    samples: list[tuple[float, frozenset[str]]] = field(default_factory=list)

    @property
    def doubled(self) -> list[tuple[float, frozenset[str]]]:
        """The times at which more than one MAC answered."""
        return [sample for sample in self.samples if len(sample[1]) > 1]

    @property
    def lost(self) -> list[float]:
        """The times at which nobody answered."""
        return [at for at, macs in self.samples if not macs]


class Client:
    """Asks from a namespace; every answer counts, since two are what must never happen."""

    def __init__(self, namespace: Namespace, link: str, mac: str, address: str) -> None:
        """Ask over a link that has this MAC and this IPv4 address."""
        self.namespace = namespace
        self._link = link
        self._mac = bytes.fromhex(mac.replace(":", ""))
        self._own = socket.inet_aton(address)

    def who_has(self, address: str, seconds: float = 0.2) -> frozenset[str]:
        """The MACs that answer for an address, by ARP or neighbour discovery."""
        if ipaddress.ip_address(address).version == 4:  # noqa: PLR2004 - IPv4
            return self._arp(address, seconds)
        return self.namespace.call(lambda: self._solicit(address, seconds))

    def answers(self, address: str, port: int, seconds: float = 0.3) -> list[str]:
        """The names of the stations that answer one UDP datagram, each as often as it does."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET

        def ask() -> list[str]:
            with socket.socket(family, socket.SOCK_DGRAM) as one:
                one.connect((address, port))
                one.send(b"?")
                return [
                    answer.decode().split(" ")[0] for answer in _received(one, seconds, _datagram)
                ]

        return self.namespace.call(ask)

    def neighbour(self, address: str) -> str:
        """The MAC to which the client's kernel sends now; "" = it knows none."""
        words = self.namespace.ip("neighbour", "show", address).split()
        return words[words.index("lladdr") + 1] if "lladdr" in words else ""

    @contextmanager
    def watching(self, address: str, every_seconds: float = 0.1) -> Iterator[Watch]:
        """Ask who has the address again and again, for the length of a `with` block."""
        watch, stop = Watch(), threading.Event()

        def work() -> None:
            while not stop.is_set():
                watch.samples.append((time.monotonic(), self.who_has(address, every_seconds)))

        thread = threading.Thread(target=work, name="watching")
        thread.start()
        try:
            yield watch
        finally:
            stop.set()
            thread.join()

    def announce(self, address: str, mac: str) -> None:
        """Say by one gratuitous ARP that a MAC has an IPv4 address, as a foreign host may."""
        sender, ip = bytes.fromhex(mac.replace(":", "")), socket.inet_aton(address)

        def send() -> None:
            with self._packets() as one:
                one.send(_arp_frame(sender, ip, ip))

        self.namespace.call(send)

    def _packets(self) -> socket.socket:
        one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ARP))
        one.bind((self._link, _ARP))
        return one

    def _arp(self, address: str, seconds: float) -> frozenset[str]:
        wanted = socket.inet_aton(address)

        def sender(one: socket.socket) -> bytes | None:
            body = one.recv(_LONGEST)[_ETHERNET:]
            mac, ip = body[8:14], body[14:18]
            return mac if ip == wanted and mac != self._mac else None

        # Only made in the namespace: what else is asked there need not wait for the answer.
        with self.namespace.call(self._packets) as one:
            one.send(_arp_frame(self._mac, self._own, wanted))
            return frozenset(mac.hex(":") for mac in _received(one, seconds, sender))

    def _solicit(self, address: str, seconds: float) -> frozenset[str]:
        wanted = socket.inet_pton(socket.AF_INET6, address)

        def sender(one: socket.socket) -> bytes | None:
            body = one.recv(_LONGEST)
            return body[26:32] if body[8:24] == wanted and body[24:26] == b"\x02\x01" else None

        with _neighbour_socket() as one:
            index = socket.if_nametoindex(self._link)
            group = socket.inet_ntop(socket.AF_INET6, _solicited_node(wanted))
            asked = struct.pack("!BBHI", _SOLICITATION, 0, 0, 0) + wanted + b"\x01\x01" + self._mac
            one.sendto(asked, (group, 0, 0, index))
            return frozenset(mac.hex(":") for mac in _received(one, seconds, sender))


def _neighbour_socket() -> socket.socket:
    """A raw ICMPv6 socket that hears advertisements only."""
    one = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    heard = bytearray(b"\xff" * 32)
    heard[_ADVERTISEMENT // 8] &= ~(1 << (_ADVERTISEMENT % 8)) & 0xFF
    one.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, bytes(heard))
    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    return one


def _solicited_node(address: bytes) -> bytes:
    return bytes.fromhex("ff0200000000000000000001ff") + address[13:]


def _arp_frame(mac: bytes, ip: bytes, target: bytes) -> bytes:
    head = _BROADCAST + mac + struct.pack("!HHHBBH", _ARP, 1, 0x0800, 6, 4, 1)
    return head + mac + ip + bytes(6) + target


def _datagram(one: socket.socket) -> bytes | None:
    try:
        return one.recv(_LONGEST)
    except ConnectionRefusedError:
        return None


def _received(
    one: socket.socket, seconds: float, read: Callable[[socket.socket], bytes | None]
) -> list[bytes]:
    """All that comes in time, and that `read` finds of interest.

    Where nothing has come by then, the first answer is waited for a little longer: a busy machine
    is late, and an address that is not there never answers.
    """
    found: list[bytes] = []
    begun = time.monotonic()
    while True:
        left = begun + (seconds if found else max(seconds, _PATIENCE)) - time.monotonic()
        if left <= 0:
            return found
        ready, _, _ = select.select([one], [], [], left)
        if ready and (answer := read(one)) is not None:
            found.append(answer)
