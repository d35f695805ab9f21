"""The kernel's links and addresses, read and changed by netlink."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from moorage_node_agent.link import wire
from moorage_node_agent.link.model import Holding, Link, Row
from moorage_node_agent.namespace import Namespace

_IN_ONE_WRITE = 200
_RECEIVE_BYTES = 1 << 22
_LONGEST_ANSWER = 1 << 18
_ANSWER_SECONDS = 5.0
"""The kernel answers at once; without a limit a lost answer would hold the agent for ever."""


class Kernel:
    """Asks and changes; every call is short and blocks until the kernel has answered.

    Every call raises ``OSError`` where the kernel does not answer at all.
    """

    def __init__(self, namespace: Namespace) -> None:
        """Open a socket in the namespace; raises ``OSError`` where this is not allowed."""
        self._namespace = namespace
        self._socket = namespace.call(_open)
        self._sequence = 0

    @property
    def port(self) -> int:
        """By which the kernel's messages say that a change was ours."""
        port: int = self._socket.getsockname()[0]
        return port

    def add(self, holdings: Sequence[Holding], valid_seconds: int) -> Mapping[Holding, int]:
        """Add addresses that are on no such link yet; the errno of each that was refused."""
        return self._change(
            holdings, lambda number, one: wire.put_address(number, one, valid_seconds, new=True)
        )

    def refresh(self, holdings: Sequence[Holding], valid_seconds: int) -> Mapping[Holding, int]:
        """Begin the lives of addresses anew, in few writes; the errno of each that was refused.

        One that has just expired is added again: refresh only what is surely still ours.
        """
        return self._change(
            holdings, lambda number, one: wire.put_address(number, one, valid_seconds, new=False)
        )

    def remove(self, holdings: Iterable[Holding]) -> Mapping[Holding, int]:
        """Take addresses away; those without our tag stay, whatever is asked."""
        ours = {row.holding for row in self.addresses() if row.ours}
        refused = self._change([one for one in holdings if one in ours], wire.delete_address)
        return {one: number for one, number in refused.items() if number != errno.EADDRNOTAVAIL}

    def addresses(self) -> tuple[Row, ...]:
        """All addresses of the node, ours and others'."""
        rows = map(wire.row_of, self._list(wire.list_addresses, wire.NEW_ADDRESS))
        return tuple(row for row in rows if row is not None)

    def links(self, rows: Iterable[Row]) -> tuple[Link, ...]:
        """All links, with the addresses of ``rows`` that are not ours as their subnets."""
        subnets: dict[int, list[str]] = {}
        for row in rows:
            # Every link has fe80::/64: it says nothing about who is on the same segment.
            if not row.ours and not row.link_local:
                subnets.setdefault(row.index, []).append(wire.interface(row))
        found = [wire.link_of(one) for one in self._list(wire.list_links, wire.NEW_LINK)]
        settings = self._namespace.call(lambda: _arp_ignore([one.name for one in found]))
        return tuple(
            replace(
                link,
                arp_ignore=settings[link.name],
                subnets=tuple(subnets.get(link.index, ())),
            )
            for link in found
        )

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _change(
        self, holdings: Sequence[Holding], pack: Callable[[int, Holding], bytes]
    ) -> dict[Holding, int]:
        refused: dict[Holding, int] = {}
        for at in range(0, len(holdings), _IN_ONE_WRITE):
            refused |= self._change_some(holdings[at : at + _IN_ONE_WRITE], pack)
        return refused

    def _change_some(
        self, holdings: Sequence[Holding], pack: Callable[[int, Holding], bytes]
    ) -> dict[Holding, int]:
        waiting = {self._next(): one for one in holdings}
        requests = [pack(number, one) for number, one in waiting.items()]
        requests[-1] = wire.answered(requests[-1])
        self._socket.send(b"".join(requests))
        refused: dict[Holding, int] = {}
        while True:
            for message in wire.messages(self._socket.recv(_LONGEST_ANSWER)):
                one = waiting.get(message.sequence)
                if one is None or message.type != wire.ERROR:
                    continue
                if number := wire.error_number(message):
                    refused[one] = number
                if message.sequence == self._sequence:
                    return refused

    def _list(self, ask: Callable[[int], bytes], kind: int) -> list[wire.Message]:
        number = self._next()
        found: list[wire.Message] = []
        self._socket.send(ask(number))
        while True:
            for message in wire.messages(self._socket.recv(_LONGEST_ANSWER)):
                if message.sequence != number:
                    continue
                if message.type == wire.DONE:
                    return found
                if message.type == wire.ERROR:
                    raise OSError(wire.error_number(message), "the kernel does not list")
                if message.type == kind:
                    found.append(message)

    def _next(self) -> int:
        self._sequence = (self._sequence + 1) & 0x7FFFFFFF
        return self._sequence


def _open() -> socket.socket:
    one = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
    one.settimeout(_ANSWER_SECONDS)
    one.bind((0, 0))
    return one


def _arp_ignore(names: Iterable[str]) -> dict[str, int]:
    """The setting in force by link; 0 where the kernel does not say."""
    of_all = _setting("all")
    return {name: max(of_all, _setting(name)) for name in names}


def _setting(name: str) -> int:
    try:
        with open(f"/proc/sys/net/ipv4/conf/{name}/arp_ignore", encoding="ascii") as file:  # noqa: PTH123 - one of hundreds
            return int(file.read())
    except (OSError, ValueError):
        return 0
