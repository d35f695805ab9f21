"""Client: raw JSON to and from the API server, with deadlines and errors one can answer."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

from moorage_domain.kinds import Kind
from moorage_kube.client.connection import Connection
from moorage_kube.client.errors import NotFound, from_response
from moorage_kube.client.transport import (
    CALL_SECONDS,
    Call,
    GroupRequest,
    Request,
    Target,
    Transport,
    lines,
    read_object,
)

__all__ = ["EVERYTHING", "Call", "Client", "ListQuery", "Page", "Target", "WatchEvent"]

PAGE_SECONDS = 30.0
WATCH_SECONDS = 300.0
"""How long the API server keeps a watch open; the client then begins another one."""
SILENCE_SECONDS = 90.0
"""A watch that is silent for so long is begun again: its connection may be dead.

There is a bookmark every minute where anything changed, but a quiet kind may be silent for longer.
"""

_MERGE_PATCH = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"
_METADATA = "application/json;as={};g=meta.k8s.io;v=v1"
_PAGE_TIMEOUT = aiohttp.ClientTimeout(total=PAGE_SECONDS)
_WATCH_TIMEOUT = aiohttp.ClientTimeout(sock_connect=CALL_SECONDS, sock_read=SILENCE_SECONDS)


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
    limit: int = 500

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
    """One event of a watch: ``ADDED``, ``MODIFIED``, ``DELETED`` or ``BOOKMARK``."""

    type: str
    object: dict[str, Any]


class Client:
    """The API server, for the length of an ``async with``.

    Every method raises a :class:`moorage_kube.client.errors.KubeError`, and no method tries again
    what may have changed something: only reads are repeated, once, where a kept connection was
    dropped.
    A call takes ten seconds at most, a page of a list thirty; where a credential plug-in has to be
    run first, its time comes on top. ``on_call`` is called after every request, with its status.
    """

    def __init__(
        self,
        connection: Connection,
        user_agent: str = "moorage",
        on_call: Callable[[Call], None] | None = None,
        transport: Transport | None = None,
    ) -> None:
        self._transport = transport or Transport(connection, user_agent, on_call)

    async def __aenter__(self) -> Self:
        await self._transport.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.close()

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> dict[str, Any]:
        """One object."""
        return await self._call(Request("GET", "get", kind, Target(name, namespace)))

    async def list_all(self, kind: Kind, query: ListQuery = EVERYTHING) -> list[dict[str, Any]]:
        """All objects at once; for kinds of which there are few."""
        return [raw async for page in self.pages(kind, query) for raw in page.items]

    async def pages(self, kind: Kind, query: ListQuery) -> AsyncGenerator[Page, None]:
        """All objects as they are now, page by page; all pages show the same moment.

        Raises :class:`moorage_kube.client.errors.Gone` when that moment is too long ago: begin
        again.
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

        Also ends after a long silence: begin again from the last version. Raises
        :class:`moorage_kube.client.errors.Gone` when the version is too old, and whatever the API
        server says went wrong in the middle.
        """
        # Not all at once: many watches begin at the same time.
        seconds = round(WATCH_SECONDS * random.uniform(0.9, 1.1))  # noqa: S311  # spreads load only
        asked = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
        }
        request = Request(
            "GET",
            "watch",
            kind,
            namespace=query.namespace,
            parameters=query.parameters() | asked,
            headers=_accept(query, "PartialObjectMetadata"),
            timeout=_WATCH_TIMEOUT,
        )
        async with self._transport.answer(request) as response:
            with contextlib.suppress(aiohttp.SocketTimeoutError):
                async for line in lines(response.content):
                    yield _event(line, request)

    async def served_versions(self, group: str) -> tuple[str, ...]:
        """The versions of an API group, the preferred one first; none: it is not served."""
        kind = Kind(group, "", "apigroups", "APIGroup", namespaced=False)
        try:
            answer = await self._call(GroupRequest("GET", "get", kind))
        except NotFound:
            return ()
        preferred = (answer.get("preferredVersion") or {}).get("version")
        versions = [str(one.get("version")) for one in answer.get("versions") or ()]
        return tuple(sorted(versions, key=lambda one: one != preferred))

    async def create(
        self, kind: Kind, body: dict[str, Any], namespace: str | None = None
    ) -> dict[str, Any]:
        """Create an object; returns it as it is stored."""
        namespace = namespace or body.get("metadata", {}).get("namespace")
        return await self._call(Request("POST", "create", kind, namespace=namespace, body=body))

    async def create_under(self, kind: Kind, target: Target, body: dict[str, Any]) -> None:
        """Post to a subresource, as an Eviction to that of a pod; the answer is not returned."""
        await self._call(Request("POST", "create", kind, target, body=body))

    async def replace(
        self, kind: Kind, body: dict[str, Any], subresource: str | None = None
    ) -> dict[str, Any]:
        """Replace an object; raises ``Conflict`` where ``body`` has an old resourceVersion."""
        meta = body["metadata"]
        target = Target(meta["name"], meta.get("namespace"), subresource)
        return await self._call(Request("PUT", "update", kind, target, body=body))

    async def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        """Delete an object; with ``uid`` that very one, else ``Conflict`` is raised.

        With ``resource_version`` only as it was at that version.
        """
        asked = {"uid": uid, "resourceVersion": resource_version}
        preconditions = {key: value for key, value in asked.items() if value is not None}
        options = {"preconditions": preconditions} if preconditions else None
        await self._call(Request("DELETE", "delete", kind, Target(name, namespace), body=options))

    async def patch(
        self,
        kind: Kind,
        target: Target,
        body: dict[str, Any] | list[Any],
        content_type: str | None = None,
    ) -> dict[str, Any]:
        """Change a part of an object; returns it as it is stored.

        By default an object is a JSON merge patch and a list is a JSON patch.
        """
        patch_type = _JSON_PATCH if isinstance(body, list) else _MERGE_PATCH
        headers = {"Content-Type": content_type or patch_type}
        request = Request("PATCH", "patch", kind, target, headers=headers, body=body)
        return await self._call(request)

    async def _page(self, kind: Kind, query: ListQuery, token: str) -> tuple[Page, str]:
        asked = {"limit": str(query.limit)} | ({"continue": token} if token else {})
        request = Request(
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

    async def _call(self, request: Request) -> dict[str, Any]:
        async with self._transport.answer(request) as response:
            content = await response.read()
        return read_object(content, request)


def _event(line: bytes, request: Request) -> WatchEvent:
    parsed = read_object(line, request)
    event = WatchEvent(parsed.get("type", ""), parsed.get("object", {}))
    if event.type == "ERROR":
        raise from_response(int(event.object.get("code") or 0), event.object, str(request))
    return event


def _accept(query: ListQuery, shape: str) -> dict[str, str]:
    return {"Accept": _METADATA.format(shape)} if query.metadata_only else {}
