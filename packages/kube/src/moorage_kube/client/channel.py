"""Channel: HTTP to one API server and to nobody else, with the current credentials."""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Final

import aiohttp

from moorage_kube.client.connection import ConfigError, Connection, Credentials
from moorage_kube.client.errors import Unavailable

logger = logging.getLogger(__name__)

IDLE_SECONDS = 15.0
"""A connection that was idle for so long is closed; load balancers wait longer."""

_UNAUTHORIZED = 401
# The kernel finds a dead connection in a minute, also that of a watch on which nothing is sent.
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 3}


@dataclass(frozen=True, slots=True)
class Sending:
    """One request; ``path`` starts with a slash, below the URL of the server."""

    method: str
    path: str
    timeout: aiohttp.ClientTimeout
    parameters: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


class Channel:
    """Sends requests over connections of its own, which it keeps; shares none with another channel.

    It uses new connections only, once a certificate or the authority is another one, or once
    a request was not answered in time: connections that fell silent behind a load balancer
    do so together. No redirect is followed: it would take the credentials elsewhere.
    """

    def __init__(self, connection: Connection, user_agent: str, limit: int = 100) -> None:
        """At most ``limit`` connections at a time; 0 = any number."""
        self.connection = connection
        self._limit = limit
        self._headers = {"User-Agent": user_agent, "Accept": "application/json"}
        self._session: aiohttp.ClientSession | None = None
        self._tls: SSLContext | None = None
        self._proof: tuple[str | None, ...] = ()
        self._refused: tuple[str | None, ...] | None = None

    async def open(self) -> None:
        """Get ready to send."""
        connector = aiohttp.TCPConnector(
            limit=self._limit, keepalive_timeout=IDLE_SECONDS, socket_factory=new_socket
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_write_once,),
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, sending: Sending) -> aiohttp.ClientResponse:
        """The answer, whatever its status; its body is still to be read.

        Raises :class:`moorage_kube.client.errors.Unavailable` where there are no credentials now,
        ``aiohttp.ClientError``, ``TimeoutError`` or ``OSError`` where no answer came.
        """
        credentials = await self.connection.credentials()
        context = self._context(credentials)
        try:
            response = await self._request(sending, credentials, context)
        except (TimeoutError, asyncio.CancelledError):
            self._drop(context)
            raise
        if response.status == _UNAUTHORIZED:
            self.connection.reject(credentials)
        return response

    def suspect(self) -> None:
        """Use new connections only: one of those kept has just failed to answer in time."""
        self._tls = None

    async def _request(
        self, sending: Sending, credentials: Credentials, context: SSLContext
    ) -> aiohttp.ClientResponse:
        if self._session is None:
            raise RuntimeError("the client is used outside of its `async with`")
        return await self._session.request(
            sending.method,
            f"{self.connection.server}{sending.path}",
            params=sending.parameters,
            data=sending.body,
            headers={**sending.headers, **credentials.headers()},
            timeout=sending.timeout,
            allow_redirects=False,
            proxy=self.connection.proxy,
            ssl=context,
            server_hostname=self.connection.server_name,
        )

    def _context(self, credentials: Credentials) -> SSLContext:
        """The TLS context; aiohttp keeps the connections of each context apart."""
        proof = (self.connection.authority(), credentials.certificate, credentials.key)
        if self._tls is not None and proof in (self._proof, self._refused):
            return self._tls
        try:
            self._tls = self.connection.tls(credentials)
        except ConfigError as error:
            if self._tls is None:
                raise Unavailable(0, "NoCredentials", str(error), "TLS") from error
            # Perhaps only one of two files is renewed yet.
            logger.warning("%s; what was used before stays", error)
            self._refused = proof
        else:
            self._proof, self._refused = proof, None
        return self._tls

    def _drop(self, context: SSLContext) -> None:
        if self._tls is context:
            self.suspect()


def describe(error: Exception) -> str:
    """What went wrong on the way: host, port and cause, never headers or TLS internals."""
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.strerror or str(error.os_error)
        return f"cannot connect to {error.host}:{error.port} ({cause})"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return (
            f"the certificate of {error.host}:{error.port} is not the expected one "
            f"({error.certificate_error})"
        )
    return str(error) or type(error).__name__


def new_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket whose connection the kernel watches over."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        option = getattr(socket, name, None)  # as far as the system has them
        if option is not None:
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made


async def _write_once(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a PUT or DELETE again: the first one may have done its work."""
    try:
        return await send(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if request.method == "GET" or isinstance(error, aiohttp.ClientConnectorError):
            raise
        raise aiohttp.ClientConnectionError(describe(error)) from error
