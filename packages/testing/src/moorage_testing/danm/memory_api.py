"""The calls of a client on the double in this process, which no fault strikes and nobody counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from moorage_domain.kinds import Kind
from moorage_kube.client.errors import from_response
from moorage_kube.client.kinds import resource_path
from moorage_testing.apiserver import ApiServer, Refusal

Raw = dict[str, Any]


class MemoryApi:
    """Get, list, create, replace and delete, each after a moment that ``pause`` says."""

    def __init__(self, server: ApiServer, pause: Callable[[], float] = lambda: 0.001) -> None:
        self._server = server
        self._pause = pause

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Raw:
        """One object."""
        return await self._call("GET", resource_path(kind, namespace, name))

    async def list_all(self, kind: Kind) -> list[Raw]:
        """All objects."""
        return list((await self._call("GET", resource_path(kind)))["items"])

    async def create(self, kind: Kind, body: Raw, namespace: str | None = None) -> Raw:
        """Create an object."""
        return await self._call("POST", resource_path(kind, namespace), body)

    async def replace(self, kind: Kind, body: Raw) -> Raw:
        """Replace an object, where it is as it was read."""
        meta = body["metadata"]
        return await self._call(
            "PUT", resource_path(kind, meta.get("namespace"), meta["name"]), body
        )

    async def delete(self, kind: Kind, name: str, namespace: str | None = None) -> None:
        """Delete an object."""
        await self._call("DELETE", resource_path(kind, namespace, name))

    async def _call(self, method: str, path: str, body: Raw | None = None) -> Raw:
        await asyncio.sleep(self._pause())
        try:
            answer = self._server.request(method, path, body)
        except Refusal as refusal:
            raise from_response(refusal.status, refusal.body(), f"{method} {path}") from refusal
        # The answer takes its time, too: somebody else may have changed it meanwhile.
        await asyncio.sleep(self._pause())
        return answer
