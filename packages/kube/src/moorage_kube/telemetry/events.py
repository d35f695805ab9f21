"""Events: say once, in the background, why an object is in its state."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from moorage_domain.kinds import Kind
from moorage_domain.redaction import redacted
from moorage_kube.client.client import Target
from moorage_kube.client.errors import KubeError, NotFound
from moorage_kube.client.kinds import EVENTS
from moorage_kube.client.timestamps import timestamp

logger = logging.getLogger(__name__)

_MESSAGE_LIMIT = 1024  # of core/v1 Event, enforced by the API server
_NAME_LIMIT = 253
_WAITING_LIMIT = 1000
_WRITTEN_LIMIT = 1000
_SAME_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to which object.

    Attributes:
        namespace: ``None`` for cluster-scoped objects; their Events go to ``default``.
        reason: CamelCase, as in the condition and the log line.
    """

    kind: Kind
    name: str
    namespace: str | None
    uid: str
    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(slots=True)
class _Written:
    event: str
    at: float
    count: int = 1


class EventApi(Protocol):
    """The calls events need; :class:`moorage_kube.client.client.Client` has them."""

    async def create(
        self, kind: Kind, body: dict[str, Any], namespace: str | None = None
    ) -> dict[str, Any]: ...

    async def patch(self, kind: Kind, target: Target, body: dict[str, Any]) -> dict[str, Any]: ...


class EventRecorder:
    """Writes Events one after the other; never raises and never holds its caller up.

    The same event within ten minutes raises the ``count`` of the Event object, as long as it is one
    of the last thousand. When more than a thousand events wait, new ones are dropped and the log
    says so. A message is cut before it is kept: those who write specs can make it very long.
    """

    def __init__(self, client: EventApi, component: str, instance: str = "") -> None:
        self._client = client
        self._component = component
        self._instance = instance
        self._waiting: asyncio.Queue[Event] = asyncio.Queue(_WAITING_LIMIT)
        self._written: dict[bytes, _Written] = {}
        """By a digest: a thousand events with their messages would be a megabyte."""

    async def publish(self, event: Event) -> None:
        """Put the event in the queue of those to be written."""
        message = _cut(redacted(event.message))
        try:
            self._waiting.put_nowait(replace(event, message=message))
        except asyncio.QueueFull:
            logger.warning("Event %s of %s is dropped: too many wait", event.reason, event.name)

    async def run(self) -> None:
        """Write the events that wait, for ever."""
        while True:
            event = await self._waiting.get()
            try:
                await self._write(event)
            except KubeError as error:
                logger.warning("Event %s of %s is not written: %s", event.reason, event.name, error)
            finally:
                self._waiting.task_done()

    async def flush(self, timeout_seconds: float) -> None:
        """Wait until all events are written, but not for longer than this."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._waiting.join()
        except TimeoutError:
            logger.warning("%d Events are not written", self._waiting.qsize())

    async def _write(self, event: Event) -> None:
        now, key = time.monotonic(), _digest(event)
        written = self._written.get(key)
        if written is not None and now - written.at < _SAME_SECONDS:
            written.count += 1
            if await self._repeat(event, written):
                return
        self._make_room(now - _SAME_SECONDS)
        body = self._body(event)
        await self._client.create(EVENTS, body, body["metadata"]["namespace"])
        self._written.pop(key, None)
        self._written[key] = _Written(body["metadata"]["name"], now)

    async def _repeat(self, event: Event, written: _Written) -> bool:
        target = Target(written.event, event.namespace or "default")
        try:
            await self._client.patch(
                EVENTS, target, {"count": written.count, "lastTimestamp": timestamp()}
            )
        except NotFound:
            return False
        return True

    def _make_room(self, moment: float) -> None:
        """Forget what was written before a moment, and the oldest where there are too many."""
        # They stand in the order in which they were written.
        while self._written:
            first = next(iter(self._written))
            if self._written[first].at >= moment and len(self._written) < _WRITTEN_LIMIT:
                return
            del self._written[first]

    def _body(self, event: Event) -> dict[str, Any]:
        namespace = event.namespace or "default"
        suffix = "." + secrets.token_hex(8)
        now = timestamp()
        involved = {
            "apiVersion": event.kind.api_version,
            "kind": event.kind.name,
            "name": event.name,
            "uid": event.uid,
        }
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.name,
            "metadata": {
                "name": event.name[: _NAME_LIMIT - len(suffix)] + suffix,
                "namespace": namespace,
            },
            "involvedObject": involved
            | ({"namespace": event.namespace} if event.namespace else {}),
            "type": event.type,
            "reason": event.reason,
            "message": event.message,
            "source": {"component": self._component, "host": self._instance},
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
        }


def _digest(event: Event) -> bytes:
    return hashlib.blake2b(repr(event).encode(), digest_size=16).digest()


def _cut(message: str) -> str:
    """The message within the API server's limit, which counts bytes."""
    raw = message.encode()
    if len(raw) <= _MESSAGE_LIMIT:
        return message
    return raw[: _MESSAGE_LIMIT - len("…".encode())].decode(errors="ignore") + "…"
