"""Events: tell people once, in the background, why an object is as it is."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from moorage_domain.kinds import Kind
from moorage_kube.client.client import Target
from moorage_kube.client.errors import KubeError, NotFound
from moorage_kube.client.kinds import EVENTS

logger = logging.getLogger(__name__)

_MESSAGE_LIMIT = 1024  # of core/v1 Event, enforced by the API server
_NAME_LIMIT = 253
_WAITING_LIMIT = 1000
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
class _Told:
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

    The same note within ten minutes raises the ``count`` of the Event it made. When more than a
    thousand notes wait, new ones are dropped and the log says so.
    """

    def __init__(self, client: EventApi, component: str, instance: str = "") -> None:
        self._client = client
        self._component = component
        self._instance = instance
        self._waiting: asyncio.Queue[Event] = asyncio.Queue(_WAITING_LIMIT)
        self._told: dict[Event, _Told] = {}

    async def publish(self, note: Event) -> None:
        """Put the note in line to be written."""
        try:
            self._waiting.put_nowait(note)
        except asyncio.QueueFull:
            logger.warning("Event %s of %s is dropped: too many wait", note.reason, note.name)

    async def run(self) -> None:
        """Write what waits, for ever."""
        while True:
            note = await self._waiting.get()
            try:
                await self._write(note)
            except KubeError as error:
                logger.warning("Event %s of %s is not written: %s", note.reason, note.name, error)
            finally:
                self._waiting.task_done()

    async def flush(self, timeout_seconds: float) -> None:
        """Wait until all notes are written, but not for longer than this."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._waiting.join()
        except TimeoutError:
            logger.warning("%d Events are not written", self._waiting.qsize())

    async def _write(self, note: Event) -> None:
        now = time.monotonic()
        told = self._told.get(note)
        if told is not None and now - told.at < _SAME_SECONDS:
            told.count += 1
            if await self._repeat(note, told):
                return
        self._forget_before(now - _SAME_SECONDS)
        body = self._body(note)
        await self._client.create(EVENTS, body, body["metadata"]["namespace"])
        self._told[note] = _Told(body["metadata"]["name"], now)

    async def _repeat(self, note: Event, told: _Told) -> bool:
        target = Target(told.event, note.namespace or "default")
        try:
            await self._client.patch(
                EVENTS, target, {"count": told.count, "lastTimestamp": _timestamp()}
            )
        except NotFound:
            return False
        return True

    def _forget_before(self, moment: float) -> None:
        self._told = {note: told for note, told in self._told.items() if told.at >= moment}

    def _body(self, note: Event) -> dict[str, Any]:
        namespace = note.namespace or "default"
        suffix = "." + secrets.token_hex(8)
        now = _timestamp()
        involved = {
            "apiVersion": note.kind.api_version,
            "kind": note.kind.name,
            "name": note.name,
            "uid": note.uid,
        }
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.name,
            "metadata": {
                "name": note.name[: _NAME_LIMIT - len(suffix)] + suffix,
                "namespace": namespace,
            },
            "involvedObject": involved | ({"namespace": note.namespace} if note.namespace else {}),
            "type": note.type,
            "reason": note.reason,
            "message": _cut(note.message),
            "source": {"component": self._component, "host": self._instance},
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
        }


def _cut(message: str) -> str:
    """The message within the API server's limit, which counts bytes."""
    raw = message.encode()
    if len(raw) <= _MESSAGE_LIMIT:
        return message
    return raw[: _MESSAGE_LIMIT - len("…".encode())].decode(errors="ignore") + "…"


def _timestamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
