"""Login: kopf's own session with the API server, made of the connection that all else uses."""

from __future__ import annotations

import aiohttp
import kopf

from moorage_kube.client.connection import Connection, Credentials


async def log_in(connection: Connection, user_agent: str) -> kopf.AiohttpSession:
    """A session for kopf; kopf closes it, and asks for another when the API server answers 401.

    Raises :class:`moorage_kube.client.errors.Unavailable` where there are no credentials now.
    """
    credentials = await connection.credentials()
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=connection.tls(credentials), limit=0),
        headers={"User-Agent": user_agent},
        middlewares=(_Presenting(connection, credentials),),
        proxy=connection.proxy,
    )
    return kopf.AiohttpSession(server=connection.server, aiohttp_session=session)


class _Presenting:
    """Puts on every request who we are and whom we expect to answer."""

    def __init__(self, connection: Connection, credentials: Credentials) -> None:
        self._connection = connection
        self._credentials = credentials

    async def __call__(
        self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.headers.update(self._credentials.headers())
        request.server_hostname = self._connection.server_name
        response = await send(request)
        if response.status == _UNAUTHORIZED:
            self._connection.reject(self._credentials)
        return response


_UNAUTHORIZED = 401
