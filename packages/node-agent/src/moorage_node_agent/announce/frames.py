"""ARP frames and neighbour advertisements, packed and parsed; no I/O."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from moorage_domain.families import Address, Family

ARP = 0x0806
_IPV4 = 0x0800
_REQUEST, _REPLY = 1, 2
_BROADCAST = b"\xff" * 6
_NOBODY = bytes(6)
_ETHERNET, _ARP_BODY = 14, 28
_SOLICITATION, ADVERTISEMENT = 135, 136
_SOURCE_LINK, _TARGET_LINK = b"\x01\x01", b"\x02\x01"
_OVERRIDE = 0x20000000
_ADVERTISED = 24
"""Bytes of an advertisement before its options."""
ALL_NODES = "ff02::1"


@dataclass(frozen=True, slots=True)
class Heard:
    """Somebody says that it has an address.

    Attributes:
        mac: as in ``02:00:00:00:00:01``.
    """

    address: Address
    mac: str


def arp_probe(mac: str, address: Address) -> bytes:
    """Ask whether anybody has an address, without claiming it (RFC 5227)."""
    return _arp(_REQUEST, _raw(mac), bytes(4), (_NOBODY, _bytes(address)))


def arp_announcements(mac: str, address: Address) -> tuple[bytes, bytes]:
    """Say that a MAC has an address, as a request and as a reply: some hosts heed one only."""
    sender, ip = _raw(mac), _bytes(address)
    return (
        _arp(_REQUEST, sender, ip, (_NOBODY, ip)),
        _arp(_REPLY, sender, ip, (_BROADCAST, ip)),
    )


def heard_arp(frame: bytes) -> Heard | None:
    """Who says in an ARP frame that it has which address; ``None`` = nobody does."""
    body = frame[_ETHERNET : _ETHERNET + _ARP_BODY]
    if len(body) < _ARP_BODY or body[:6] != struct.pack("!HHBB", 1, _IPV4, 6, 4):
        return None
    number = int.from_bytes(body[14:18], "big")
    return Heard(Address(Family.IPV4, number), body[8:14].hex(":")) if number else None


def solicitation(mac: str, address: Address) -> tuple[str, bytes]:
    """Ask whether anybody has an IPv6 address: the group to send to, and the message."""
    raw = _bytes(address)
    group = bytes.fromhex("ff0200000000000000000001ff") + raw[13:]
    head = struct.pack("!BBHI", _SOLICITATION, 0, 0, 0)
    return socket.inet_ntop(socket.AF_INET6, group), head + raw + _SOURCE_LINK + _raw(mac)


def advertisement(mac: str, address: Address) -> bytes:
    """Say, unasked, that a MAC has an IPv6 address, whoever had it before."""
    head = struct.pack("!BBHI", ADVERTISEMENT, 0, 0, _OVERRIDE)
    return head + _bytes(address) + _TARGET_LINK + _raw(mac)


def heard_advertisement(message: bytes) -> Heard | None:
    """Who says that it has which IPv6 address; ``None`` = it names no MAC, or is something else."""
    if len(message) < _ADVERTISED or message[0] != ADVERTISEMENT:
        return None
    options = message[_ADVERTISED:]
    while len(options) >= 8 and options[1]:  # noqa: PLR2004 - the shortest option
        if options[:2] == _TARGET_LINK:
            number = int.from_bytes(message[8:_ADVERTISED], "big")
            return Heard(Address(Family.IPV6, number), options[2:8].hex(":"))
        options = options[8 * options[1] :]
    return None


def _arp(operation: int, sender: bytes, ip: bytes, target: tuple[bytes, bytes]) -> bytes:
    head = _BROADCAST + sender + struct.pack("!HHHBBH", ARP, 1, _IPV4, 6, 4, operation)
    return head + sender + ip + target[0] + target[1]


def _raw(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def _bytes(address: Address) -> bytes:
    return address.number.to_bytes(address.family.value // 8, "big")
