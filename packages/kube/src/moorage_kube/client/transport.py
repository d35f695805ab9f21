"""Transport: one request to the API server and its answer, or what went wrong with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from moorage_domain.kinds import Kind
from moorage_kube.client.channel import Channel, Sending, describe
from moorage_kube.client.connection import Connection
from moorage_kube.client.errors import Unavailable, from_response
from moorage_kube.client.kinds import resource_path

CALL_SECONDS = 10.0

_NOT_GOOD = 300  # a redirect too: it would take the token elsewhere
_CALL_TIMEOUT = aiohttp.ClientTimeout(total=CALL_SECONDS)
_BROKEN = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class Target:
    """Which object, and which part of it, is meant."""

    name: str
    namespace: str | None = None
    subresource: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request that was made, in the words of RBAC.

    Attributes:
        verb: get, list, watch, create, update, patch or delete.
        resource: the plural.
        subresource: ``None`` = the object itself.
        name: ``None`` = no single object.
        namespace: ``None`` = none, or all.
        status: HTTP status; 0 = no answer came.
    """

    verb: str
    group: str
    resource: str
    subresource: str | None = None
    name: str | None = None
    namespace: str | None = None
    status: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """One request before it is sent."""

    method: str
    verb: str
    kind: Kind
    target: Target | None = None
    namespace: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    timeout: aiohttp.ClientTimeout = field(default_factory=lambda: _CALL_TIMEOUT)

    @property
    def path(self) -> str:
        target = self.target
        if target is None:
            return resource_path(self.kind, self.namespace)
        return resource_path(self.kind, target.namespace, target.name, target.subresource)

    def __str__(self) -> str:
        """As errors name it; selectors would only hide the object."""
        target = self.target or Target("", self.namespace)
        parts = (self.kind.plural, target.namespace, target.name, target.subresource)
        return f"{self.method} {'/'.join(part for part in parts if part)}"

    def call(self, status: int) -> Call:
        kind, target = self.kind, self.target
        return Call(
            self.verb,
            kind.group,
            kind.plural,
            target.subresource if target else None,
            target.name if target else None,
            target.namespace if target else self.namespace,
            status,
        )


@dataclass(frozen=True, slots=True)
class GroupRequest(Request):
    """A request for what the API server says of the group of a kind."""

    @property
    def path(self) -> str:
        return f"/apis/{self.kind.group}"


class Transport:
    """Sends requests over connections that it keeps, with the current credentials."""

    def __init__(
        self, connection: Connection, user_agent: str, on_call: Callable[[Call], None] | None
    ) -> None:
        self._channel = Channel(connection, user_agent)
        self._on_call = on_call

    async def open(self) -> None:
        """Get ready to send."""
        await self._channel.open()

    async def close(self) -> None:
        """Close all connections."""
        await self._channel.close()

    @asynccontextmanager
    async def answer(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """A good answer to a request; anything else is raised as what it means to the caller."""
        try:
            response = await self._channel.send(_sending(request))
        except _BROKEN as error:
            self._report(request, 0)
            raise _lost(error, request) from error
        self._report(request, response.status)
        async with response:
            try:
                if response.status >= _NOT_GOOD:
                    wait = response.headers.get("Retry-After")
                    content = await response.read()
                    raise from_response(response.status, content, str(request), wait)
                yield response
            except _BROKEN as error:
                if isinstance(error, TimeoutError):
                    self._channel.suspect()
                raise _lost(error, request) from error

    def _report(self, request: Request, status: int) -> None:
        if self._on_call is not None:
            self._on_call(request.call(status))


def _sending(request: Request) -> Sending:
    headers = dict(request.headers)
    if request.body is not None:
        headers.setdefault("Content-Type", "application/json")
    return Sending(
        request.method,
        request.path,
        request.timeout,
        dict(request.parameters),
        headers,
        None if request.body is None else orjson.dumps(request.body),
    )


def _lost(error: Exception, request: Request) -> Unavailable:
    if isinstance(error, TimeoutError):
        seconds = request.timeout.total or CALL_SECONDS
        message = str(error) or f"no answer within {seconds:g} s"
        return Unavailable(0, "Timeout", message, str(request))
    return Unavailable(0, "ConnectionLost", describe(error), str(request))


async def lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Whole lines, however long; aiohttp's own way ends at its buffer's size."""
    rest = b""
    async for chunk in content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line


def read_object(content: bytes, request: Request) -> dict[str, Any]:
    """A JSON object; whatever else comes with a good status, the API server did not send it."""
    try:
        parsed = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Unavailable(0, "NoJson", "the answer is not JSON", str(request)) from error
    if not isinstance(parsed, dict):
        raise Unavailable(0, "NoJson", "the answer is not a JSON object", str(request))
    return parsed
