"""Client: raw JSON to and from the API server, with deadlines and errors one can answer."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
import orjson
from yarl import URL

from moorage_kube.connection import Connection, Credentials
from moorage_kube.errors import Unavailable, from_response
from moorage_kube.kinds import Kind

CALL_SECONDS = 10.0
PAGE_SECONDS = 30.0
WATCH_SECONDS = 300.0
"""How long the API server keeps a watch open; it then ends and is begun anew."""
SILENCE_SECONDS = 90.0
"""A watch that says nothing for so long is begun anew: its connection may be dead.

There is a bookmark every minute where anything changed, but a quiet kind may be silent for longer.
"""

_NOT_GOOD = 300  # a redirect too: it would take the token elsewhere
_UNAUTHORIZED = 401
_MERGE_PATCH = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"
_METADATA = "application/json;as={};g=meta.k8s.io;v=v1"
_CALL_TIMEOUT = aiohttp.ClientTimeout(total=CALL_SECONDS)
_PAGE_TIMEOUT = aiohttp.ClientTimeout(total=PAGE_SECONDS)
_WATCH_TIMEOUT = aiohttp.ClientTimeout(sock_connect=CALL_SECONDS, sock_read=SILENCE_SECONDS)


@dataclass(frozen=True, slots=True)
class Target:
    """Which object, and which part of it, is meant."""

    name: str
    namespace: str | None = None
    subresource: str | None = None


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which objects of a kind are wanted, and how much of them.

    Attributes:
        label_selector: as in ``kubectl --selector``.
        field_selector: as in ``kubectl --field-selector``.
        namespace: ``None`` = all.
        metadata_only: the API server leaves all but the metadata out.
        limit: objects in one page.
    """

    label_selector: str | None = None
    field_selector: str | None = None
    namespace: str | None = None
    metadata_only: bool = False
    limit: int = 2000

    def parameters(self) -> dict[str, str]:
        """The selectors as parameters of a request."""
        selectors = {"labelSelector": self.label_selector, "fieldSelector": self.field_selector}
        return {name: value for name, value in selectors.items() if value}


EVERYTHING = ListQuery()


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list; ``resource_version`` is that of the whole list."""

    items: list[dict[str, Any]]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One thing a watch tells: ``ADDED``, ``MODIFIED``, ``DELETED`` or ``BOOKMARK``."""

    type: str
    object: dict[str, Any]


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
class _Request:
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
            return self.kind.path(self.namespace)
        return self.kind.path(target.namespace, target.name, target.subresource)

    def __str__(self) -> str:
        """As errors tell it; selectors would only hide the object."""
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


class Client:
    """The API server, for the length of an ``async with``.

    Every method raises a :class:`moorage_kube.errors.KubeError`, and no method tries again what
    may have changed something: only reads are repeated, once, where a kept connection was dropped.
    A call takes ten seconds at most, a page of a list thirty; where a credential plug-in has to be
    run first, its time comes on top. ``on_call`` is told of every request and how it was answered.
    """

    def __init__(
        self,
        connection: Connection,
        user_agent: str = "moorage",
        on_call: Callable[[Call], None] | None = None,
    ) -> None:
        self._connection = connection
        self._user_agent = user_agent
        self._on_call = on_call
        self._session: aiohttp.ClientSession | None = None
        self._tls: tuple[tuple[str | None, str | None], SSLContext] | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(),
            headers={"User-Agent": self._user_agent, "Accept": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_write_once,),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> dict[str, Any]:
        """One object."""
        return await self._call(_Request("GET", "get", kind, Target(name, namespace)))

    async def list_all(self, kind: Kind, query: ListQuery = EVERYTHING) -> list[dict[str, Any]]:
        """All objects at once; for kinds of which there are few."""
        return [raw async for page in self.pages(kind, query) for raw in page.items]

    async def pages(self, kind: Kind, query: ListQuery) -> AsyncGenerator[Page, None]:
        """All objects as they are now, page by page; all pages show the same moment.

        Raises :class:`moorage_kube.errors.Gone` when that moment is too long ago: begin again.
        """
        token = ""
        while True:
            page, token = await self._page(kind, query, token)
            yield page
            # One page takes tens of MB; it must not stay while the next one is read.
            del page
            if not token:
                return

    async def watch(
        self, kind: Kind, query: ListQuery, resource_version: str
    ) -> AsyncGenerator[WatchEvent, None]:
        """All that happens after ``resource_version``; ends when the API server ends it.

        Also ends after a long silence: begin it anew from the last version. Raises
        :class:`moorage_kube.errors.Gone` when the version is too old, and whatever the API server
        says went wrong in the middle.
        """
        # Not all at once: many watches begin at the same time.
        seconds = round(WATCH_SECONDS * random.uniform(0.9, 1.1))  # noqa: S311
        asked = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
        }
        request = _Request(
            "GET",
            "watch",
            kind,
            namespace=query.namespace,
            parameters=query.parameters() | asked,
            headers=_accept(query, "PartialObjectMetadata"),
            timeout=_WATCH_TIMEOUT,
        )
        async with self._answer(request) as response:
            with contextlib.suppress(aiohttp.SocketTimeoutError):
                async for line in _lines(response.content):
                    yield _event(line, request)

    async def create(
        self, kind: Kind, body: dict[str, Any], namespace: str | None = None
    ) -> dict[str, Any]:
        """Create an object; returns it as it is stored."""
        namespace = namespace or body.get("metadata", {}).get("namespace")
        return await self._call(_Request("POST", "create", kind, namespace=namespace, body=body))

    async def replace(
        self, kind: Kind, body: dict[str, Any], subresource: str | None = None
    ) -> dict[str, Any]:
        """Replace an object; raises ``Conflict`` where ``body`` has an old resourceVersion."""
        meta = body["metadata"]
        target = Target(meta["name"], meta.get("namespace"), subresource)
        return await self._call(_Request("PUT", "update", kind, target, body=body))

    async def delete(
        self, kind: Kind, name: str, namespace: str | None = None, uid: str | None = None
    ) -> None:
        """Delete an object; with ``uid`` that very one, else ``Conflict`` is raised."""
        options = {"preconditions": {"uid": uid}} if uid is not None else None
        await self._call(_Request("DELETE", "delete", kind, Target(name, namespace), body=options))

    async def patch(
        self,
        kind: Kind,
        target: Target,
        body: dict[str, Any] | list[Any],
        content_type: str | None = None,
    ) -> dict[str, Any]:
        """Change a part of an object; returns it as it is stored.

        Unless told otherwise an object is a JSON merge patch and a list is a JSON patch.
        """
        patch_type = _JSON_PATCH if isinstance(body, list) else _MERGE_PATCH
        headers = {"Content-Type": content_type or patch_type}
        request = _Request("PATCH", "patch", kind, target, headers=headers, body=body)
        return await self._call(request)

    async def _page(self, kind: Kind, query: ListQuery, token: str) -> tuple[Page, str]:
        asked = {"limit": str(query.limit)} | ({"continue": token} if token else {})
        request = _Request(
            "GET",
            "list",
            kind,
            namespace=query.namespace,
            parameters=query.parameters() | asked,
            headers=_accept(query, "PartialObjectMetadataList"),
            timeout=_PAGE_TIMEOUT,
        )
        answer = await self._call(request)
        meta = answer.get("metadata") or {}
        page = Page(answer.get("items") or [], meta.get("resourceVersion", ""))
        return page, meta.get("continue") or ""

    async def _call(self, request: _Request) -> dict[str, Any]:
        async with self._answer(request) as response:
            content = await response.read()
        return _object(content, request)

    @asynccontextmanager
    async def _answer(self, request: _Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """A good answer to a request; anything else is raised as what it means to the caller."""
        credentials = await self._connection.credentials()
        try:
            response = await self._send(request, credentials)
        except _BROKEN as error:
            self._tell(request, 0)
            raise _lost(error, request) from error
        self._tell(request, response.status)
        if response.status == _UNAUTHORIZED:
            self._connection.reject(credentials)
        async with response:
            try:
                if response.status >= _NOT_GOOD:
                    wait = response.headers.get("Retry-After")
                    content = await response.read()
                    raise from_response(response.status, content, str(request), wait)
                yield response
            except _BROKEN as error:
                raise _lost(error, request) from error

    async def _send(self, request: _Request, credentials: Credentials) -> aiohttp.ClientResponse:
        if self._session is None:
            raise RuntimeError("the client is used outside of its `async with`")
        query = f"?{urlencode(request.parameters)}" if request.parameters else ""
        headers = {**credentials.headers(), **request.headers}
        if request.body is not None:
            headers.setdefault("Content-Type", "application/json")
        return await self._session.request(
            request.method,
            # The path is quoted already; dots and slashes in a name must stay what they are.
            URL(f"{self._connection.server}{request.path}{query}", encoded=True),
            data=None if request.body is None else orjson.dumps(request.body),
            headers=headers,
            timeout=request.timeout,
            allow_redirects=False,
            proxy=self._connection.proxy,
            ssl=self._context(credentials),
            server_hostname=self._connection.server_name,
        )

    def _context(self, credentials: Credentials) -> SSLContext:
        """The TLS context, made anew only for another client certificate."""
        proof = (credentials.certificate, credentials.key)
        if self._tls is None or self._tls[0] != proof:
            self._tls = (proof, self._connection.tls(credentials))
        return self._tls[1]

    def _tell(self, request: _Request, status: int) -> None:
        if self._on_call is not None:
            self._on_call(request.call(status))


_BROKEN = (aiohttp.ClientError, TimeoutError, OSError)


def _lost(error: Exception, request: _Request) -> Unavailable:
    # The text of aiohttp's errors names hosts and what went wrong, never headers.
    if isinstance(error, TimeoutError):
        seconds = request.timeout.total or SILENCE_SECONDS
        told = str(error) or f"no answer within {seconds:g} s"
        return Unavailable(0, "Timeout", told, str(request))
    return Unavailable(0, "ConnectionLost", str(error) or type(error).__name__, str(request))


async def _write_once(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a PUT or DELETE again: the first one may have done its work."""
    try:
        return await send(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if request.method == "GET" or isinstance(error, aiohttp.ClientConnectorError):
            raise
        raise aiohttp.ClientConnectionError(str(error) or type(error).__name__) from error


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Whole lines, however long; aiohttp's own way ends at its buffer's size."""
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line


def _event(line: bytes, request: _Request) -> WatchEvent:
    told = _object(line, request)
    event = WatchEvent(told.get("type", ""), told.get("object", {}))
    if event.type == "ERROR":
        raise from_response(int(event.object.get("code") or 0), event.object, str(request))
    return event


def _object(content: bytes, request: _Request) -> dict[str, Any]:
    """A JSON object; whatever else comes with a good status, the API server did not send it."""
    try:
        told = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Unavailable(0, "NoJson", "the answer is not JSON", str(request)) from error
    if not isinstance(told, dict):
        raise Unavailable(0, "NoJson", "the answer is not a JSON object", str(request))
    return told


def _accept(query: ListQuery, shape: str) -> dict[str, str]:
    return {"Accept": _METADATA.format(shape)} if query.metadata_only else {}
