"""Rivals: another process that writes the same status, with which ours must not fight."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from moorage_domain.errors import MoorageError
from moorage_kube.client.backoff import Backoff
from moorage_kube.writes.subject import Subject

_BACKOFF = Backoff(first=2.0, most=300.0)


class RivalWriter(MoorageError):
    """Somebody else keeps changing the status that we write: it is left alone for a while.

    Attributes:
        retry_after: seconds until our next write.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__("another writer keeps changing this status; ours is held back")
        self.retry_after = seconds


@dataclass(slots=True)
class _Written:
    """What we wrote last to one object, and how often somebody changed it since."""

    uid: str
    fields: dict[str, Any]
    changed_version: str = ""
    times_changed: int = 0
    pause: float = 0.0
    not_before: float = 0.0


class Rivals:
    """Finds out, object by object, whether the status stays as it was written."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._written: dict[str, _Written] = {}

    def check(self, key: str, subject: Subject) -> bool:
        """Call before a write; ``True`` = a rival was found just now, and was not known before.

        Raises :class:`RivalWriter` while our write is held back: the first answer to a rival is
        written at once, each further one after a pause that doubles.
        """
        last, now = self._written.get(key), self._clock()
        if last is None or last.uid != subject.uid:
            return False
        if now < last.not_before:
            raise RivalWriter(last.not_before - now)
        if all(subject.status.get(name) == value for name, value in last.fields.items()):
            if now > last.not_before + last.pause:
                last.times_changed = 0
            return False
        if subject.resource_version == last.changed_version:
            return False
        last.changed_version = subject.resource_version
        last.times_changed += 1
        last.pause = _BACKOFF.pause(last.times_changed)
        last.not_before = now + last.pause
        return last.times_changed == 1

    def wrote(self, key: str, uid: str, fields: Mapping[str, Any]) -> None:
        """Our write was accepted; ``fields`` as the API server stored them."""
        last = self._written.get(key)
        if last is None or last.uid != uid:
            self._written[key] = _Written(uid, dict(fields))
        else:
            last.fields.update(fields)

    def forget(self, key: str) -> None:
        """The object is gone."""
        self._written.pop(key, None)
