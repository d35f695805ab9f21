"""The double over HTTP, on a free port of this machine's loopback."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import cast

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

from moorage_kube.client.client import Client
from moorage_testing.apiserver.messages import Answer, Asked, Dropped
from moorage_testing.apiserver.server import TOKEN, ApiServer

__all__ = ["TOKEN", "serve", "serve_with_client"]


@asynccontextmanager
async def serve(
    server: ApiServer,
    tls: ssl.SSLContext | None = None,
    watch: Callable[[web.Request], None] | None = None,
) -> AsyncIterator[ApiServer]:
    """Run the server; its ``url`` says where. ``watch`` sees each request before its answer."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if watch is not None:
            watch(request)
        return await _answer(server, request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    running = TestServer(app, scheme="https" if tls else "http")
    await running.start_server(ssl=tls, shutdown_timeout=0)
    server.url = str(running.make_url("")).rstrip("/")
    try:
        yield server
    finally:
        await running.close()


@asynccontextmanager
async def serve_with_client(
    server: ApiServer | None = None,
) -> AsyncIterator[tuple[ApiServer, Client]]:
    """Run a server with a client for it."""
    async with (
        serve(server or ApiServer()) as running,
        Client(running.connection()) as client,
    ):
        yield running, client


async def _answer(server: ApiServer, request: web.Request) -> web.StreamResponse:
    body = await request.read()
    asked = Asked(
        request.method,
        request.raw_path.partition("?")[0],
        request.query,
        request.headers,
        orjson.loads(body) if body else None,
    )
    try:
        answer = await server.answer(asked)
        if answer.lines is not None:
            return await _stream(request, answer)
    except Dropped:
        assert request.transport is not None  # noqa: S101 - aiohttp's, while a request is answered
        request.transport.abort()
        return web.Response()
    return web.Response(status=answer.status, body=answer.body, headers=dict(answer.headers))


async def _stream(request: web.Request, answer: Answer) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status)
    await response.prepare(request)
    lines = cast("AsyncGenerator[bytes, None]", answer.lines)
    async with aclosing(lines):
        async for line in lines:
            await response.write(line)
    return response
