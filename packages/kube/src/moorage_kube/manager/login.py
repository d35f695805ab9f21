"""Login: kopf's own session with the API server, made of the connection that all else uses."""

from __future__ import annotations

from typing import cast

import aiohttp
import orjson

from moorage_kube.client.channel import Channel, Sending, describe
from moorage_kube.client.connection import Connection
from moorage_kube.client.errors import Unavailable
from moorage_kube.manager.kopf_alone import kopf

_REDIRECTS = range(300, 400)
_THROTTLED = 429


async def log_in(connection: Connection, user_agent: str) -> kopf.AiohttpSession:
    """A session for kopf; kopf closes it, and asks for another when the API server answers 401.

    Raises :class:`moorage_kube.client.errors.Unavailable` where there are no credentials now.
    """
    await connection.credentials()
    session = Session(Channel(connection, user_agent, limit=0), user_agent)
    await session.open()
    # Kopf uses no more of a session than this one has.
    as_kopf_says = cast("aiohttp.ClientSession", session)
    return kopf.AiohttpSession(server=connection.server, aiohttp_session=as_kopf_says)


class Session:
    """What kopf uses of ``aiohttp.ClientSession``, over a channel that leads nowhere else."""

    def __init__(self, channel: Channel, user_agent: str) -> None:
        self._channel = channel
        self.headers = {"User-Agent": user_agent}
        self.closed = False

    async def open(self) -> None:
        """Get ready to send."""
        await self._channel.open()

    async def close(self) -> None:
        """Close all connections."""
        self.closed = True
        await self._channel.close()

    async def request(
        self,
        method: str,
        url: str,
        *,
        json: object = None,
        headers: dict[str, str] | None = None,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the signature that kopf calls
    ) -> aiohttp.ClientResponse:
        """One request to the API server.

        Raises ``aiohttp.ClientConnectionError``, which kopf tries again, also where there are no
        credentials now, for a redirect and for 429.
        """
        server = self._channel.connection.server
        if not url.startswith(f"{server}/"):
            raise aiohttp.ClientConnectionError(f"{url} is not at {server}")
        sending = Sending(
            method.upper(),
            url.removeprefix(server),
            timeout,
            headers={**({"Content-Type": "application/json"} if json else {}), **(headers or {})},
            body=None if json is None else orjson.dumps(json),
        )
        try:
            response = await self._channel.send(sending)
        except (aiohttp.ClientConnectorError, aiohttp.ClientSSLError, Unavailable) as error:
            # Their own text shows objects of the ssl module.
            raise aiohttp.ClientConnectionError(describe(error)) from error
        if response.status in _REDIRECTS or response.status == _THROTTLED:
            response.release()
            # Kopf would follow a redirect, and wait for as long as a 429 asks for, say a day.
            raise aiohttp.ClientConnectionError(f"{url} is answered with {response.status}")
        return response
