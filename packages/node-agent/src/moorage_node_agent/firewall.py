"""Lets only some ports of an address through, by an nftables table of our own."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator, Mapping

from moorage_domain.families import Address, Family
from moorage_node_agent.link import wire
from moorage_node_agent.model import Port
from moorage_node_agent.namespace import Namespace

TABLE = "moorage"
"""Of family inet; nothing outside it is changed."""
_CHAIN = "only-service-ports"
_PRIORITY = -150
"""After packets were put together from fragments (-400), before the service proxy turns them to an
endpoint (-100), when their port is the endpoint's."""

_NETLINK_NETFILTER, _SUBSYSTEM = 12, 10
_BEGIN, _END = 0x10, 0x11
_NEW_TABLE, _DELETE_TABLE, _NEW_CHAIN, _NEW_RULE = 0, 2, 3, 6
_REQUEST, _ACK, _CREATE, _APPEND = 0x1, 0x4, 0x400, 0x800
_INET, _NESTED = 1, 0x8000
_META_FAMILY, _META_PROTOCOL = 15, 16
_NETWORK_HEADER, _TRANSPORT_HEADER = 1, 2
_DROP, _ACCEPT = 0, 1
_PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}
_ICMP = {Family.IPV4: 1, Family.IPV6: 58}
_NUMBER = {Family.IPV4: 2, Family.IPV6: 10}
_DESTINATION = {Family.IPV4: (16, 4), Family.IPV6: (24, 16)}
_SO_SNDBUFFORCE = 32
_SEND_BYTES = 1 << 26
_ANSWER_SECONDS = 5.0
_ABSENT = (errno.ENOENT, errno.EPROTONOSUPPORT, errno.EOPNOTSUPP)

Ports = Mapping[Address, frozenset[Port]]


class Firewall:
    """Keeps the table as it shall be; written as a whole, and only where it differs."""

    def __init__(self, namespace: Namespace) -> None:
        """For a network namespace; nothing is written yet."""
        self._namespace = namespace
        self._written: Ports | None = None

    def restrict(self, ports: Ports) -> None:
        """Let only these ports and ICMP of these addresses through; ``{}`` removes the table.

        Raises ``OSError`` where the kernel refuses; then nothing has changed.
        """
        if ports == self._written:
            return
        self._written = None
        if ports:
            self._send(_whole_table(ports))
        else:
            self._remove()
        self._written = dict(ports)

    def _remove(self) -> None:
        try:
            self._send([_Message(_DELETE_TABLE, 0, _text(1, TABLE))])
        except OSError as error:
            if error.errno not in _ABSENT:
                raise

    def _send(self, parts: list[_Message]) -> None:
        data = _header(_BEGIN, _REQUEST, 0, _generic(0, _SUBSYSTEM))
        for number, part in enumerate(parts, 1):
            flags = _REQUEST | _ACK | part.flags
            body = _generic(_INET, 0) + part.body
            data += _header(_SUBSYSTEM << 8 | part.kind, flags, number, body)
        data += _header(_END, _REQUEST, len(parts) + 1, _generic(0, _SUBSYSTEM))
        self._namespace.call(lambda: _exchange(data, len(parts)))


class _Message:
    """One change of a transaction."""

    __slots__ = ("body", "flags", "kind")

    def __init__(self, kind: int, flags: int, body: bytes) -> None:
        self.kind, self.flags, self.body = kind, flags, body


def _exchange(data: bytes, parts: int) -> None:
    """Send one transaction and wait for the answer to each of its parts."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as one:
        one.settimeout(_ANSWER_SECONDS)
        for option in (_SO_SNDBUFFORCE, _SO_SNDBUFFORCE + 1):  # and for answers
            one.setsockopt(socket.SOL_SOCKET, option, _SEND_BYTES)
        one.bind((0, 0))
        one.send(data)
        answers = 0
        while answers < parts:
            for message in wire.messages(one.recv(1 << 18)):
                if message.type != wire.ERROR:
                    continue
                if number := wire.error_number(message):
                    raise OSError(number, f"nftables: {errno.errorcode.get(number, number)}")
                answers += 1


def _whole_table(ports: Ports) -> list[_Message]:
    """The table made anew: it is added first, so that there is one to delete."""
    table = _text(1, TABLE)
    hook = _nested(4, _number(1, 0) + _number(2, _PRIORITY & 0xFFFFFFFF))
    chain = table + _text(3, _CHAIN) + hook + _text(7, "filter")
    return [
        _Message(_NEW_TABLE, _CREATE, table),
        _Message(_DELETE_TABLE, 0, table),
        _Message(_NEW_TABLE, _CREATE, table),
        _Message(_NEW_CHAIN, _CREATE, chain),
        *(
            _Message(_NEW_RULE, _CREATE | _APPEND, table + _text(2, _CHAIN) + _nested(4, rule))
            for address in sorted(ports, key=str)
            for rule in _rules(address, ports[address])
        ),
    ]


def _rules(address: Address, ports: frozenset[Port]) -> Iterator[bytes]:
    """The expressions of each rule about one address: its ports and ICMP pass, the rest drops."""
    family = address.family
    offset, length = _DESTINATION[family]
    raw = address.number.to_bytes(length, "big")
    here = (
        _meta(_META_FAMILY)
        + _equals(bytes((_NUMBER[family],)))
        + _payload(_NETWORK_HEADER, offset, length)
        + _equals(raw)
    )
    for protocol, port in sorted(ports):
        yield (
            here
            + _of_protocol(_PROTOCOLS[protocol])
            + _payload(_TRANSPORT_HEADER, 2, 2)
            + _equals(struct.pack("!H", port))
            + _verdict(_ACCEPT)
        )
    yield here + _of_protocol(_ICMP[family]) + _verdict(_ACCEPT)
    yield here + _verdict(_DROP)


def _of_protocol(number: int) -> bytes:
    return _meta(_META_PROTOCOL) + _equals(bytes((number,)))


def _meta(key: int) -> bytes:
    return _expression("meta", _number(1, 1) + _number(2, key))


def _payload(base: int, offset: int, length: int) -> bytes:
    fields = (1, base, offset, length)
    return _expression("payload", b"".join(_number(at, one) for at, one in enumerate(fields, 1)))


def _equals(value: bytes) -> bytes:
    return _expression("cmp", _number(1, 1) + _number(2, 0) + _nested(3, _attribute(1, value)))


def _verdict(code: int) -> bytes:
    return _expression("immediate", _number(1, 0) + _nested(2, _nested(2, _number(1, code))))


def _expression(name: str, data: bytes) -> bytes:
    return _nested(1, _text(1, name) + _nested(2, data))


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode() + b"\0")


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("!I", value))


def _nested(kind: int, value: bytes) -> bytes:
    return _attribute(kind | _NESTED, value)


def _attribute(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + bytes(-length % 4)


def _generic(family: int, resource: int) -> bytes:
    return struct.pack("!BBH", family, 0, resource)


def _header(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + body
