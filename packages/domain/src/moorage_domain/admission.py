"""Admission: what a webhook is asked, and the three answers it can give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

JsonObject = Mapping[str, Any]
PatchOperation = Mapping[str, Any]
"""One operation of RFC 6902: ``op``, ``path`` and, but for ``remove``, ``value``."""


@dataclass(frozen=True, slots=True)
class GroupKind:
    """A kind as the API server names it; ``resource`` is the plural where it was asked for."""

    group: str
    version: str
    name: str


@dataclass(frozen=True, slots=True)
class User:
    """Who makes the request that is to be admitted."""

    name: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """What the API server asks about one write.

    Attributes:
        uid: of this question, not of the object.
        operation: ``CREATE``, ``UPDATE``, ``DELETE`` or ``CONNECT``.
        kind: of ``object``.
        resource: the same as group, version and plural.
        subresource: ``""`` = the object itself, else ``status``, ``scale``, ...
        name: ``""`` = the API server has yet to make one up.
        namespace: ``""`` = the object is in none.
        object: as it will be written; ``None`` for a deletion.
        old_object: as it was; ``None`` for a creation.
        options: of the operation, as in ``CreateOptions``.
        dry_run: nothing will be written, so nothing outside may be changed either.
        version: of the AdmissionReview, which the answer repeats.
    """

    uid: str
    operation: str
    kind: GroupKind
    resource: GroupKind
    subresource: str = ""
    name: str = ""
    namespace: str = ""
    object: JsonObject | None = None
    old_object: JsonObject | None = None
    user: User = field(default_factory=User)
    options: JsonObject = field(default_factory=dict)
    dry_run: bool = False
    version: str = "v1"


@dataclass(frozen=True, slots=True)
class Allowed:
    """The write goes on. ``warnings`` are shown to who made it, kubectl prints them."""

    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Denied:
    """The write is refused; ``message`` is what its maker reads.

    Attributes:
        code: HTTP status of the API server's answer.
        reason: one CamelCase word of the field, such as ``Forbidden`` or ``Invalid``.
    """

    message: str
    code: int = 403
    reason: str = "Forbidden"
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Patched:
    """The write goes on with these changes; :meth:`between` finds them."""

    operations: tuple[PatchOperation, ...]
    warnings: tuple[str, ...] = ()

    @classmethod
    def between(
        cls, before: JsonObject, after: JsonObject, warnings: tuple[str, ...] = ()
    ) -> Patched:
        """What turns ``before``, the object of the request, into ``after``."""
        return cls(json_patch(before, after), warnings)


Decision = Allowed | Denied | Patched


def json_patch(before: JsonObject, after: JsonObject) -> tuple[PatchOperation, ...]:
    """The operations of RFC 6902 that turn one JSON object into another.

    A list that differs is replaced as a whole: that is right whatever its elements mean.
    """
    return tuple(_difference("", before, after))


def _difference(path: str, before: JsonObject, after: JsonObject) -> Sequence[PatchOperation]:
    gone = before.keys() - after.keys()
    found: list[PatchOperation] = [
        {"op": "remove", "path": f"{path}/{_escaped(key)}"} for key in sorted(gone)
    ]
    for key, value in after.items():
        place = f"{path}/{_escaped(key)}"
        if key not in before:
            found.append({"op": "add", "path": place, "value": value})
            continue
        old = before[key]
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            found.extend(_difference(place, old, value))
        elif not _same(old, value):
            found.append({"op": "replace", "path": place, "value": value})
    return found


def _same(one: object, other: object) -> bool:
    """Equality as JSON has it: Python takes ``True`` for ``1``."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
