"""A small API server on a real socket: objects, lists in pages, watches, and bad days on demand."""

from __future__ import annotations

import asyncio
import re
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

from moorage_kube.client.client import Client
from moorage_kube.client.connection import Connection, Credentials
from moorage_kube.client.connection.credentials import FixedCredentials
from moorage_testing.cluster.identity import Authority

DEADLINE = 30.0
TOKEN = "s3cret-token"  # noqa: S105 - of this server only
_PATH = re.compile(
    r"(/api/[^/]+|/apis/[^/]+/[^/]+)(/namespaces/(?P<namespace>[^/]+))?"
    r"/[^/]+(/(?P<name>[^/]+))?(/[^/]+)?"
)


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; ``path`` as on the wire."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any

    @property
    def verb(self) -> str:
        return "WATCH" if "watch" in self.query else self.method


@dataclass
class Fault:
    """What the next requests of a verb (a method or ``WATCH``) get; ``drop``: no answer at all.

    ``path``: how the path of those requests ends.
    """

    verb: str
    status: int = 500
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    hang: bool = False
    times: int = 1
    path: str = ""

    def meets(self, asked: Asked) -> bool:
        return self.times > 0 and self.verb == asked.verb and asked.path.endswith(self.path)


@dataclass
class ApiServer:
    """One kind's objects at a time is enough: they are kept by namespace and name alone."""

    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    version: int = 100
    oldest: int = 0
    asked: list[Asked] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    watches: int = 0
    url: str = ""
    _history: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    _snapshots: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _ending: str = ""

    # What a test does to the world.

    async def put(self, name: str, namespace: str = "", **fields: Any) -> dict[str, Any]:
        """Create or change an object; ``uid`` makes it another one of the same name."""
        before = self.objects.get((namespace, name))
        self.version += 1
        uid = fields.pop("uid", None) or (before["metadata"]["uid"] if before else f"uid-{name}")
        meta = {"name": name, "uid": uid, "resourceVersion": str(self.version)}
        raw = {"metadata": meta | ({"namespace": namespace} if namespace else {}), **fields}
        self.objects[namespace, name] = raw
        await self._happened("MODIFIED" if before else "ADDED", raw)
        return raw

    async def remove(self, name: str, namespace: str = "") -> None:
        self.version += 1
        gone = self.objects.pop((namespace, name))
        meta = gone["metadata"] | {"resourceVersion": str(self.version)}
        await self._happened("DELETED", gone | {"metadata": meta})

    async def bookmark(self) -> None:
        """Time has passed and other kinds have changed; every watch is told the version."""
        self.version += 10
        raw = {"metadata": {"resourceVersion": str(self.version)}}
        await self._happened("BOOKMARK", raw)

    async def tell(self, event_type: str, raw: dict[str, Any]) -> None:
        """Send this on every watch, whatever it is."""
        await self._happened(event_type, raw)

    async def end_watches(self, how: str = "quiet") -> None:
        """End all watches: ``quiet`` as at their time, or ``break`` in the middle of a line."""
        async with self._news:
            self._ending = how
            self._news.notify_all()
        await until(lambda: self.watches == 0, "the watches to end")
        self._ending = ""

    def forget_history(self) -> None:
        """Watches cannot go on from any version of the past."""
        self.oldest = self.version
        self._history.clear()

    def fail(self, verb: str, **how: Any) -> None:
        self.faults.append(Fault(verb, **how))

    def seen(self, verb: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.verb == verb]

    def connection(self, **fields: Any) -> Connection:
        source = FixedCredentials(Credentials(token=TOKEN))
        return replace(Connection(self.url, source, "the test"), **fields)

    # How it answers.

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        told = orjson.loads(body) if body else None
        asked = Asked(
            request.method, request.raw_path.partition("?")[0], request.query, request.headers, told
        )
        self.asked.append(asked)
        fault = next((fault for fault in self.faults if fault.meets(asked)), None)
        if fault is not None:
            fault.times -= 1
            return await self._fail(request, fault)
        match = _PATH.fullmatch(asked.path)
        if match is None:
            return _status(404, "NotFound", "the server could not find the requested resource")
        key = (match["namespace"] or "", match["name"])
        if asked.verb == "WATCH":
            return await self._watch(request)
        if match["name"] is None and asked.method == "GET":
            return self._list(request)
        return await self._single(asked, key)

    async def _fail(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if fault.hang:
            await asyncio.Event().wait()
        if fault.drop:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        body = fault.body if isinstance(fault.body, bytes) else orjson.dumps(fault.body or {})
        return web.Response(status=fault.status, body=body, headers=dict(fault.headers))

    def _list(self, request: web.Request) -> web.Response:
        token = request.query.get("continue", "")
        if token:
            version, number = token.split(":")
            if int(version) < self.oldest:
                return _status(410, "Expired", "the continue token is too old")
            rest = self._snapshots.pop(token)
        else:
            version, number, rest = str(self.version), "0", list(self.objects.values())
        limit = int(request.query.get("limit", 500))
        meta = {"resourceVersion": version}
        if rest[limit:]:
            meta["continue"] = f"{version}:{int(number) + 1}"
            self._snapshots[meta["continue"]] = rest[limit:]
        return _json({"metadata": meta, "items": rest[:limit] or None})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        version = int(request.query["resourceVersion"])
        if version < self.oldest:
            gone = {"code": 410, "reason": "Expired", "message": "too old resource version"}
            await response.write(_line("ERROR", gone))
            return response
        self.watches += 1
        try:
            await self._stream(request, response, version)
        finally:
            self.watches -= 1
        return response

    async def _stream(
        self, request: web.Request, response: web.StreamResponse, version: int
    ) -> None:
        while not self._ending:
            for number, event_type, raw in await self._news_after(version):
                await response.write(_line(event_type, raw))
                version = number
        if self._ending == "break":
            await response.write(b'{"type":"ADD')
            assert request.transport is not None
            request.transport.abort()

    async def _news_after(self, version: int) -> list[tuple[int, str, dict[str, Any]]]:
        """Wait for something to tell, or for the end."""
        async with self._news:
            await self._news.wait_for(lambda: self._ending or self._newest() > version)
        return [news for news in self._history if news[0] > version]

    async def _single(self, asked: Asked, key: tuple[str, str]) -> web.Response:
        if asked.method == "POST":
            meta = asked.body["metadata"]
            if (key[0], meta["name"]) in self.objects:
                return _status(409, "AlreadyExists", f"{meta['name']} already exists")
            return _json(await self.put(meta["name"], key[0], spec=asked.body.get("spec")), 201)
        raw = self.objects.get(key)
        if raw is None:
            return _status(404, "NotFound", f"{key[1]} not found")
        if asked.method == "DELETE":
            await self.remove(key[1], key[0])
            return _status(200, "", "")
        if asked.method in ("PUT", "PATCH"):
            raw = await self.put(key[1], key[0], spec=_spec(asked.body))
        return _json(raw)

    async def _happened(self, event_type: str, raw: dict[str, Any]) -> None:
        async with self._news:
            self._history.append((max(self.version, self._newest() + 1), event_type, raw))
            self._news.notify_all()

    def _newest(self) -> int:
        return self._history[-1][0] if self._history else 0


@asynccontextmanager
async def serve(server: ApiServer, tls: ssl.SSLContext | None = None) -> AsyncIterator[ApiServer]:
    """Run the server on a free port of this machine."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    running = TestServer(app, scheme="https" if tls else "http")
    await running.start_server(ssl=tls, shutdown_timeout=0)
    server.url = str(running.make_url("")).rstrip("/")
    try:
        yield server
    finally:
        await running.close()


@asynccontextmanager
async def serve_with_client() -> AsyncIterator[tuple[ApiServer, Client]]:
    async with serve(ApiServer()) as server, Client(server.connection()) as client:
        yield server, client


@dataclass
class TlsServer:
    """An API server with a certificate that can be replaced; it closes kept connections then."""

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


@asynccontextmanager
async def tls_server(authority: Authority) -> AsyncIterator[TlsServer]:
    """Run a server that is known by `localhost` and its address."""
    server = TlsServer(ApiServer(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    server.use(authority)
    answer = server.api.answer

    async def remember(request: web.Request) -> web.StreamResponse:
        assert isinstance(request.transport, asyncio.Transport)
        server.connections.append(request.transport)
        subject = (request.transport.get_extra_info("peercert") or {}).get("subject", ())
        server.users.extend(value for ((key, value),) in subject if key == "commonName")
        return await answer(request)

    server.api.answer = remember  # type: ignore[method-assign]  # of this one server
    async with serve(server.api, server.tls):
        yield server


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait until the condition holds; fails after half a minute."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"waited for {what}"
        await asyncio.sleep(0.005)


def _spec(body: Any) -> Any:
    return body.get("spec") if isinstance(body, dict) else body


def _json(raw: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(raw), status=status, content_type="application/json")


def _status(code: int, reason: str, message: str) -> web.Response:
    return _json({"kind": "Status", "code": code, "reason": reason, "message": message}, code)


def _line(event_type: str, raw: dict[str, Any]) -> bytes:
    return orjson.dumps({"type": event_type, "object": raw}) + b"\n"
