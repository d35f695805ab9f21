"""The object that a pass is about, as those see it who write to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

DRY_RUN_ANNOTATION = "moorage.dev/dry-run"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a write needs to know of an object.

    Attributes:
        namespace: ``None`` = it is in none.
        resource_version: the version that was read, the precondition of the next write.
        finalizers: all of them, in order.
        deleting: it has a deletion timestamp.
        dry_run: its annotation asks that nothing is changed on its behalf.
        status: as last written.
    """

    name: str
    namespace: str | None
    uid: str
    resource_version: str
    generation: int = 0
    finalizers: tuple[str, ...] = ()
    deleting: bool = False
    dry_run: bool = False
    status: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        """From the object as the API server shows it."""
        meta = raw["metadata"]
        annotations = meta.get("annotations") or {}
        return cls(
            name=meta["name"],
            namespace=meta.get("namespace"),
            uid=meta.get("uid", ""),
            resource_version=meta.get("resourceVersion", ""),
            generation=meta.get("generation", 0),
            finalizers=tuple(meta.get("finalizers") or ()),
            deleting="deletionTimestamp" in meta,
            dry_run=annotations.get(DRY_RUN_ANNOTATION) == "true",
            status=raw.get("status") or {},
        )
