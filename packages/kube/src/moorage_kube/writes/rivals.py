"""Rivals: another process that writes the same status, with which ours must not fight."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from moorage_domain.errors import MoorageError
from moorage_domain.subject import Subject
from moorage_kube.client.backoff import Backoff

_BACKOFF = Backoff(first=2.0, most=300.0)
CALM_SECONDS = 600.0
"""A rival not heard of for so long is forgotten; one that backs off as we do writes sooner."""


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
    changed_at: float = 0.0
    times_changed: int = 0
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
        if now - last.changed_at > CALM_SECONDS:
            last.times_changed = 0
        if all(_is_kept(subject.status, name, value) for name, value in last.fields.items()):
            return False
        if subject.resource_version == last.changed_version:
            return False
        last.changed_version, last.changed_at = subject.resource_version, now
        last.times_changed += 1
        last.not_before = now + _BACKOFF.pause(last.times_changed)
        return last.times_changed == 1

    def wrote(self, key: str, uid: str, fields: Mapping[str, Any]) -> None:
        """Our write was accepted; ``fields`` as the API server stored them.

        Of the conditions only those that are ours.
        """
        last = self._written.get(key)
        if last is None or last.uid != uid:
            self._written[key] = _Written(uid, dict(fields))
        else:
            last.fields.update(fields)

    def unsure(self, key: str) -> None:
        """Whether our write was accepted is unknown: the next change is nobody's fault."""
        if last := self._written.get(key):
            last.fields.clear()

    def forget(self, key: str) -> None:
        """The object is gone."""
        self._written.pop(key, None)


def _is_kept(status: Mapping[str, Any], name: str, written: object) -> bool:
    """Whether the field is as we wrote it; others may have conditions of their own beside ours."""
    if name != "conditions":
        return bool(status.get(name) == written)
    stored = status.get(name) or ()
    ours = written if isinstance(written, list) else ()
    return all(condition in stored for condition in ours)
