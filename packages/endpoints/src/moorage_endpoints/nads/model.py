"""What is observed of one net-attach-def, and what can be done about it; pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from moorage_endpoints.nads.projections import Nad


class Protection(enum.Enum):
    """What keeps a net-attach-def that pods use; see ``--protect-nads``."""

    FINALIZER = "finalizer"
    """It stays until the last pod is gone."""
    RESURRECT = "resurrect"
    """It goes, and is created again."""
    OFF = "off"
    """Nothing does."""


class Place(enum.Enum):
    """What is up with the namespace of a net-attach-def."""

    THERE = "there"
    TERMINATING = "terminating"
    UNKNOWN = "unknown"
    """It is not in the cache: it is gone, or has just been made."""


@dataclass(frozen=True, slots=True)
class Users:
    """The pods that use a net-attach-def, and workloads whose pods will.

    Attributes:
        first: ``namespace/name`` of the first few, in order; a workload has its kind before it.
    """

    count: int = 0
    first: tuple[str, ...] = ()

    def __str__(self) -> str:
        more = self.count - len(self.first)
        return ", ".join(self.first) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True, slots=True)
class Gone:
    """A net-attach-def that was deleted while we watched.

    Attributes:
        seconds: for how long it has been gone.
        recreated: how often it was created again in the last ten minutes.
    """

    nad: Nad
    seconds: float
    recreated: int = 0


@dataclass(frozen=True, slots=True)
class Observed:
    """One net-attach-def, and who uses it.

    Attributes:
        nad: as it is there, or as it was.
        users: ``None`` = not known yet.
    """

    protection: Protection
    nad: Nad | Gone
    users: Users | None
    place: Place = Place.THERE


@dataclass(frozen=True, slots=True)
class Mark:
    """Put finalizer and marker on, in one patch.

    Attributes:
        text: of the marker.
    """

    text: str

    def __str__(self) -> str:
        return f"keep it as long as pods use it: {self.text}"


@dataclass(frozen=True, slots=True)
class Unmark:
    """Take finalizer and marker off, in one patch."""

    def __str__(self) -> str:
        return "let it go"


@dataclass(frozen=True, slots=True)
class Recreate:
    """Create it again.

    Attributes:
        content: spec, labels and annotations.
    """

    content: Mapping[str, Any]

    def __str__(self) -> str:
        return "create it again"


Action: TypeAlias = Mark | Unmark | Recreate
