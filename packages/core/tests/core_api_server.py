"""An API server on a real socket that answers the writes of the core controller by the book."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

from moorage_kube.client.client import Client
from moorage_kube.client.connection import Connection, Credentials
from moorage_kube.client.connection.credentials import FixedCredentials

# All that the real one says where a JSON patch cannot be applied, a failed test included.
NOT_APPLICABLE = "the server rejected our request due to an error in our request"


class Refusal(Exception):
    """The request is answered with this status, reason and message."""

    def __init__(self, status: int, reason: str, message: str = "refused") -> None:
        super().__init__(status, reason, message)
        self.status, self.reason, self.message = status, reason, message


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    content_type: str
    body: Any
    query: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass
class CoreApiServer:
    """Objects by their path; what is not patched does not change."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    version: int = 100
    refusal: Refusal | None = None
    """What every patch and eviction is answered with; ``None`` = as it should be."""

    async def answer(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read() or b"null")
        asked = Asked(request.method, request.path, request.content_type, body, dict(request.query))
        self.asked.append(asked)
        try:
            raw = self._stored(asked)
        except Refusal as refusal:
            status = {"kind": "Status", "reason": refusal.reason, "message": refusal.message}
            return _json(status, refusal.status)
        return _json(raw)

    def _stored(self, asked: Asked) -> dict[str, Any]:
        if asked.path.endswith("/eviction"):
            return self._evicted(asked)
        if asked.method == "POST":
            return self._put(f"{asked.path}/{asked.body['metadata']['name']}", asked.body)
        path = asked.path.removesuffix("/status")
        if path not in self.objects:
            raise Refusal(404, "NotFound")
        held = self.objects[path]
        if asked.method == "GET":
            return held
        if asked.method == "PUT":
            _check(held["metadata"], asked.body["metadata"])
            return self._put(path, asked.body)
        return self._patched(asked, path, held)

    def _evicted(self, asked: Asked) -> dict[str, Any]:
        if self.refusal is not None:
            raise self.refusal
        path = asked.path.removesuffix("/eviction")
        if path not in self.objects:
            raise Refusal(404, "NotFound")
        _check(self.objects[path]["metadata"], asked.body["deleteOptions"]["preconditions"])
        del self.objects[path]
        return {"kind": "Status", "status": "Success"}

    def _put(self, path: str, raw: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        given = {"uid": path, "resourceVersion": str(self.version)}
        self.objects[path] = raw | {"metadata": raw["metadata"] | given}
        return self.objects[path]

    def _patched(self, asked: Asked, path: str, held: dict[str, Any]) -> dict[str, Any]:
        if self.refusal is not None:
            raise self.refusal
        new = deepcopy(held)
        if asked.content_type == "application/json-patch+json":
            _patch(new, asked.body)
        else:
            _check(held["metadata"], asked.body.get("metadata", {}))
            _merge(new, asked.body)
        if new != held:
            self.version += 1
            new["metadata"]["resourceVersion"] = str(self.version)
        if path != asked.path:  # the status subresource takes nothing but the status
            held["metadata"]["resourceVersion"] = new["metadata"]["resourceVersion"]
            new = held | {"status": new["status"]}
        self.objects[path] = new
        if "deletionTimestamp" in new["metadata"] and not new["metadata"].get("finalizers"):
            del self.objects[path]
        return new


@asynccontextmanager
async def serve(
    *objects: tuple[str, dict[str, Any]],
) -> AsyncIterator[tuple[CoreApiServer, Client]]:
    """Run the server on a free port of this machine, with a client for it."""
    server = CoreApiServer(dict(objects))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    running = TestServer(app)
    await running.start_server(shutdown_timeout=0)
    connection = Connection(str(running.make_url("")).rstrip("/"), FixedCredentials(Credentials()))
    try:
        async with Client(connection) as client:
            yield server, client
    finally:
        await running.close()


def _check(held: dict[str, Any], asked: dict[str, Any]) -> None:
    for precondition in ("uid", "resourceVersion"):
        if asked.get(precondition) not in (None, held.get(precondition)):
            raise Refusal(409, "Conflict")


def _merge(held: dict[str, Any], patch: dict[str, Any]) -> None:
    """RFC 7386."""
    for key, value in patch.items():
        if value is None:
            held.pop(key, None)
        elif isinstance(value, dict):
            _merge(held.setdefault(key, {}), value)
        else:
            held[key] = value


def _patch(held: dict[str, Any], mutations: list[dict[str, Any]]) -> None:
    """RFC 6902, as far as ``test`` and ``remove``; a failed one is 422, as on the real server."""
    for operation in mutations:
        *parents, last = (
            part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]
        )
        try:
            at: Any = reduce(_child, parents, held)
            value = _child(at, last)
        except LookupError:
            raise Refusal(422, "Invalid", NOT_APPLICABLE) from None
        if operation["op"] == "test" and value != operation["value"]:
            raise Refusal(422, "Invalid", NOT_APPLICABLE)
        if operation["op"] == "remove":
            del at[int(last) if isinstance(at, list) else last]


def _child(parent: Any, name: str) -> Any:
    """What a JSON object or array has by that name or at that place."""
    return parent[int(name) if isinstance(parent, list) else name]


def _json(raw: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(raw), status=status, content_type="application/json")
