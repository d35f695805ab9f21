"""An echo in a namespace: it answers from the address it was asked at, with its own name."""

import contextlib
import socket
import threading
from typing import Self

from moorage_testing.lab.namespace import Namespace

_LOOK_SECONDS = 0.1
_LONGEST = 2048
_ANCILLARY = 256
# Of Linux; Python 3.11 does not name it.
_IP_PKTINFO = 8


class Echo:
    """Answers UDP on one port, by IPv4 and IPv6, for the length of a `with` block."""

    def __init__(self, namespace: Namespace, name: str, port: int) -> None:
        """Open the sockets; nothing is answered yet."""
        self._name = name.encode()
        self._stopping = threading.Event()
        self._sockets = namespace.call(lambda: (_socket4(port), _socket6(port)))
        self._threads = [
            threading.Thread(target=self._answer, args=(one,), name=f"echo of {name}")
            for one in self._sockets
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        for one in self._sockets:
            one.close()

    def _answer(self, one: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                asked, info, _, sender = one.recvmsg(_LONGEST, _ANCILLARY)
            except TimeoutError:
                continue
            # The address that was asked at comes with the datagram, and goes back with the answer.
            with contextlib.suppress(OSError):
                one.sendmsg([self._name + b" " + asked], [_without_link(info)], 0, sender)


def _without_link(info: list[tuple[int, int, bytes]]) -> tuple[int, int, bytes]:
    """Which address to answer from, by whatever link."""
    level, kind, data = info[0]
    if level == socket.IPPROTO_IP:  # struct in_pktinfo: index, local address, destination
        return level, kind, bytes(4) + data[8:12] + bytes(4)
    return level, kind, data[:16] + bytes(4)  # struct in6_pktinfo: address, index


def _socket4(port: int) -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.settimeout(_LOOK_SECONDS)
    one.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    one.bind(("0.0.0.0", port))  # noqa: S104 - of the lab's namespace
    return one


def _socket6(port: int) -> socket.socket:
    one = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    one.settimeout(_LOOK_SECONDS)
    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    one.bind(("::", port))
    return one
