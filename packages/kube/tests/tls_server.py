"""The double of the API server with a certificate that can be replaced while it runs."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from moorage_testing.apiserver import ApiServer, serve
from moorage_testing.cluster.identity import Authority


@dataclass
class TlsServer:
    """An API server whose kept connections are closed when it shows another certificate."""

    api: ApiServer
    tls: ssl.SSLContext
    connections: list[asyncio.Transport] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    """Of each request the name in the client's certificate, where there was one."""

    def use(self, authority: Authority) -> None:
        """Show a certificate of this authority from now on, also to those connected."""
        with tempfile.NamedTemporaryFile() as pem:
            pem.write(authority.server_pem())
            pem.flush()
            self.tls.load_cert_chain(pem.name)
        for connection in self.connections:
            connection.abort()
        self.connections.clear()

    def remember(self, request: web.Request) -> None:
        """Remember the connection and the user of a request."""
        assert isinstance(request.transport, asyncio.Transport)
        self.connections.append(request.transport)
        subject = (request.transport.get_extra_info("peercert") or {}).get("subject", ())
        self.users.extend(value for ((key, value),) in subject if key == "commonName")


@asynccontextmanager
async def tls_server(authority: Authority) -> AsyncIterator[TlsServer]:
    """Run a server that is known by `localhost` and its address."""
    server = TlsServer(ApiServer(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    server.use(authority)
    async with serve(server.api, server.tls, server.remember):
        yield server
