"""Watches objects of the API server, independent of our client code: each change, in order."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp

from moorage_testing.cluster import EmbeddedCluster

# Nodes are large and often written; only their labels are used.
_METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
# One event holds the status of all addresses; aiohttp's own limit of a line is 128 KiB.
_LINE_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Change:
    """An object after one write.

    Attributes:
        version: etcd's revision of that write; it orders all writes to all objects.
        object: the object.
        gone: the write was its deletion.
    """

    version: int
    object: dict[str, Any]
    gone: bool = False

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.object["metadata"]["name"])


async def watch(
    cluster: EmbeddedCluster, path: str, *, metadata_only: bool = False
) -> AsyncIterator[Change]:
    """All existing objects, then every change, for ever.

    Raises ``RuntimeError`` where a change may have been missed.
    """
    kind, kinds = (_METADATA.format(""), _METADATA.format("List")) if metadata_only else ("", "")
    async with _session(cluster) as session:
        async with session.get(path, headers=_accept(kinds)) as answer:
            answer.raise_for_status()
            listed = await answer.json(content_type=None)
        version = int(listed["metadata"]["resourceVersion"])
        for item in listed["items"]:
            yield Change(version, item)
        sign = "&" if "?" in path else "?"
        while True:
            # A watch ends from time to time; the next one continues from its last version.
            url = f"{path}{sign}watch=1&allowWatchBookmarks=true&resourceVersion={version}"
            async with session.get(url, headers=_accept(kind)) as answer:
                answer.raise_for_status()
                async for line in answer.content:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise RuntimeError(f"a change may be missed: {event['object']}")
                    version = int(event["object"]["metadata"]["resourceVersion"])
                    if event["type"] != "BOOKMARK":
                        yield Change(version, event["object"], event["type"] == "DELETED")


def _session(cluster: EmbeddedCluster) -> aiohttp.ClientSession:
    context = ssl.create_default_context(cafile=str(cluster.ca_file))
    return aiohttp.ClientSession(
        cluster.server,
        connector=aiohttp.TCPConnector(ssl=context),
        headers={"Authorization": f"Bearer {cluster.token}"},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=30),
        read_bufsize=_LINE_BYTES,
    )


def _accept(kind: str) -> dict[str, str]:
    return {"Accept": kind or "application/json"}
