"""Connections: accepted up to a bound, ended when late, so that no stranger can hold the server."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

logger = logging.getLogger(__name__)

OUT_OF_FILES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
OUT_OF_FILES_PAUSE = 0.2
"""Seconds before accepting is tried again where the process has no file descriptor left."""
_WARNING_SECONDS = 60.0
_BACKLOG = 512


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server takes upon itself for whoever calls it.

    Attributes:
        connections: open at a time, handshakes included. One more ends another: one that never
            asked anything if there is one, else the one that has been idle longest.
        spare_seconds: nothing younger is ended for another: in a flood, too, whoever has been
            accepted comes to ask. The next ones wait in the kernel's queue meanwhile.
        handshake_seconds: from accepting a connection to the end of the TLS handshake.
        request_seconds: from the first byte of a request to the last one of its body.
        idle_seconds: without a request. Longer than the 90 s after which the API server ends an
            idle connection itself: a request must not meet a connection that is being closed.
        body_bytes: an AdmissionReview has the old and the new object, each at most 3 MiB.
        large_body_bytes: bodies above this are large, and taken in only a few at a time.
        large_bodies: how many of those.
    """

    connections: int = 500
    spare_seconds: float = 1.0
    handshake_seconds: float = 10.0
    request_seconds: float = 10.0
    idle_seconds: float = 120.0
    body_bytes: int = 7 * 1024 * 1024
    large_body_bytes: int = 64 * 1024
    large_bodies: int = 4

    @property
    def sweep_seconds(self) -> float:
        """How often late connections are closed."""
        return min(1.0, self.handshake_seconds / 4, self.request_seconds / 4)


class Stage(IntEnum):
    """What a connection is doing."""

    HANDSHAKE = 0
    IDLE = 1
    READING = 2
    ANSWERING = 3


class Visit:
    """One connection, from being accepted to being closed."""

    __slots__ = ("handshake", "served", "since", "stage", "transport")

    def __init__(self) -> None:
        self.stage = Stage.HANDSHAKE
        self.since = time.monotonic()
        self.served = False
        self.handshake: asyncio.Task[None] | None = None
        self.transport: asyncio.Transport | None = None

    def turn(self, stage: Stage) -> None:
        """A new stage begins."""
        self.stage = stage
        self.since = time.monotonic()

    def drop(self) -> None:
        """End it at once."""
        if self.transport is not None:
            self.transport.abort()
        elif self.handshake is not None:
            self.handshake.cancel()

    def close(self) -> None:
        """End it as soon as what was written is sent."""
        if self.transport is not None:
            self.transport.close()
        else:
            self.drop()

    def late(self, limits: Limits, now: float) -> bool:
        """Whether it has been in its stage for too long; answering has a deadline elsewhere."""
        if self.stage is Stage.ANSWERING:
            return False
        allowed = {
            Stage.HANDSHAKE: limits.handshake_seconds,
            Stage.READING: limits.request_seconds,
        }
        return now - self.since > allowed.get(self.stage, limits.idle_seconds)


class Listener:
    """Accepts connections on one socket, each served by what ``connection`` makes for it."""

    def __init__(
        self,
        connection: Callable[[Visit, Callable[[Visit], None]], asyncio.Protocol],
        context: Callable[[], ssl.SSLContext],
        limits: Limits,
        dropped: Callable[[str], None],
    ) -> None:
        self.limits = limits
        self._connection = connection
        self._context = context
        self._dropped = dropped
        self._visits: set[Visit] = set()
        self._socket: socket.socket | None = None
        self._warned_at = float("-inf")

    @property
    def open_connections(self) -> int:
        """How many there are, handshakes included."""
        return len(self._visits)

    @property
    def busy(self) -> bool:
        """Whether a request is in hand."""
        return any(visit.stage in (Stage.READING, Stage.ANSWERING) for visit in self._visits)

    def bind(self, host: str, port: int) -> int:
        """Take the address and listen; returns the real port. Raises ``OSError``."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server(
            (host, port),
            family=family,
            backlog=_BACKLOG,
            dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
        )
        self._socket.setblocking(False)  # noqa: FBT003 - the name of the method says it
        return int(self._socket.getsockname()[1])

    async def accept(self) -> None:
        """Take connections for ever; each gets its certificate at this moment."""
        if self._socket is None:
            raise RuntimeError("accept before bind")
        try:
            while True:
                await self._accept_one(self._socket)
        finally:
            # Only here: the event loop must not watch a socket that is closed.
            self._socket.close()
            self._socket = None

    async def _accept_one(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        if len(self._visits) >= self.limits.connections and not self._make_room():
            await asyncio.sleep(0.01)  # all are at work, which has a deadline
            return
        try:
            accepted, _ = await loop.sock_accept(listening)
        except OSError as error:
            await self._not_accepted(error)
            return
        visit = Visit()
        self._visits.add(visit)
        visit.handshake = loop.create_task(self._shake_hands(accepted, visit))
        # sock_accept does not yield where somebody waits already; everybody else has a turn.
        await asyncio.sleep(0)

    async def sweep(self) -> None:
        """End late connections, for ever."""
        while True:
            await asyncio.sleep(self.limits.sweep_seconds)
            now = time.monotonic()
            for visit in [visit for visit in self._visits if visit.late(self.limits, now)]:
                self._dropped("late")
                visit.drop()

    def close_all(self) -> None:
        """End every connection as soon as its answer is sent."""
        for visit in list(self._visits):
            visit.close()

    def drop_all(self) -> None:
        """End every connection at once."""
        for visit in list(self._visits):
            visit.drop()

    def forget(self, visit: Visit) -> None:
        """A connection is gone."""
        self._visits.discard(visit)

    async def _shake_hands(self, accepted: socket.socket, visit: Visit) -> None:
        loop = asyncio.get_running_loop()
        try:
            _alive_only(accepted)
            await loop.connect_accepted_socket(
                lambda: self._connection(visit, self.forget),
                accepted,
                ssl=self._context(),
                ssl_handshake_timeout=self.limits.handshake_seconds,
                ssl_shutdown_timeout=1.0,
            )
        except OSError as error:
            # Probes and scanners hang up all the time: no more than a debug line.
            logger.debug("no TLS handshake: %s", error)
        finally:
            if visit.transport is None:
                accepted.close()
                self.forget(visit)
            visit.handshake = None

    async def _not_accepted(self, error: OSError) -> None:
        if error.errno not in OUT_OF_FILES:
            # Gone before it was accepted, as accept(2) may say in many ways.
            await asyncio.sleep(0.01)
            return
        now = time.monotonic()
        if now - self._warned_at >= _WARNING_SECONDS:
            self._warned_at = now
            logger.error("cannot accept connections: %s; trying on", error.strerror or error)
        self._make_room()
        await asyncio.sleep(OUT_OF_FILES_PAUSE)

    def _make_room(self) -> bool:
        """End the connection that will be missed least; ``False`` = all are at work."""
        young = time.monotonic() - self.limits.spare_seconds
        spare = [
            visit
            for visit in self._visits
            if visit.stage is not Stage.ANSWERING and visit.since < young
        ]
        if not spare:
            return False
        visit = min(spare, key=lambda one: (one.served, one.stage is Stage.READING, one.since))
        self._dropped("full")
        visit.drop()
        # Its place is free now, though its end may take another turn of the loop.
        self.forget(visit)
        return True


def _alive_only(accepted: socket.socket) -> None:
    """Let the kernel end a connection whose other end vanished, in about a minute."""
    options: dict[str, Any] = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in options.items():
        if hasattr(socket, name):
            accepted.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
