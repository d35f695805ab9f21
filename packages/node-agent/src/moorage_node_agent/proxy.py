"""Asks the node's service proxy, and health check ports, whether they are ready to serve."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp

_ASK_SECONDS = 0.5
_TIMEOUT = aiohttp.ClientTimeout(total=1.0)
_AT_ONCE = 16
_LOOPBACK = "127.0.0.1"
_MOST_HOSTS = 16
_NO_ANSWER = 0


@dataclass(slots=True)
class Ports:
    """Ports of this node, wherever on it they are.

    kube-proxy serves health check ports where it serves NodePorts: with nftables that is the first
    address of the node alone, and not loopback.
    """

    own: Callable[[], Iterable[str]]
    _found: dict[int, str] = field(default_factory=dict)

    async def status(self, session: aiohttp.ClientSession, port: int, path: str) -> int:
        """The status of an answer of HTTP; 0: nobody answered on any address."""
        for host in self._hosts(port):
            if status := await _status(session, f"http://{host}:{port}{path}"):
                self._found[port] = host
                return status
        self._found.pop(port, None)
        return _NO_ANSWER

    def _hosts(self, port: int) -> list[str]:
        """Where it answered last, then loopback, then the node's own addresses."""
        own = (f"[{one}]" if ":" in one else one for one in self.own())
        first = (self._found[port],) if port in self._found else ()
        return list(dict.fromkeys((*first, _LOOPBACK, *own)))[:_MOST_HOSTS]


class ProxyHealth:
    """What the node's ports answered last; asks again and again while :meth:`run` runs.

    Attributes:
        healthy: whether the proxy's port answered 200; ``None`` = it is not asked.
        healthy_ports: the health check ports that did: each has an endpoint on this node.
    """

    def __init__(
        self,
        port: int,
        wanted: Callable[[], Iterable[int]],
        own: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        """``port`` 0: the proxy is not asked. ``wanted``: the health check ports to ask now.

        ``own``: addresses of the node, which are asked where loopback does not answer.
        """
        self._port, self._wanted = port, wanted
        self._ports = Ports(own)
        self.healthy: bool | None = False if port else None
        self.healthy_ports: frozenset[int] = frozenset()

    async def run(self, changed: Callable[[], None]) -> None:
        """Ask for ever; ``changed`` is called where an answer is another one."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            while True:
                before = self.healthy, self.healthy_ports
                await self._ask_all(session)
                if before != (self.healthy, self.healthy_ports):
                    changed()
                await asyncio.sleep(_ASK_SECONDS)

    async def _ask_all(self, session: aiohttp.ClientSession) -> None:
        turns = asyncio.Semaphore(_AT_ONCE)

        async def ask(port: int, path: str) -> bool:
            async with turns:
                return await self._ports.status(session, port, path) == HTTPStatus.OK

        ports = sorted(set(self._wanted()))
        answers = await asyncio.gather(*(ask(port, "/") for port in ports))
        self.healthy_ports = frozenset(
            port for port, good in zip(ports, answers, strict=True) if good
        )
        if self._port:
            self.healthy = await ask(self._port, "/healthz")


async def _status(session: aiohttp.ClientSession, url: str) -> int:
    try:
        async with session.get(url) as answer:
            return answer.status
    except (aiohttp.ClientError, TimeoutError, OSError):
        return _NO_ANSWER
