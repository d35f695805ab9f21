"""The objects that a controller reconciles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from moorage_domain.kinds import Kind
from moorage_domain.subject import Subject
from moorage_kube.cache.store import Store


class HasSubject(Protocol):
    """A projection of the objects that a controller writes to."""

    @property
    def subject(self) -> Subject: ...


@dataclass(frozen=True, slots=True)
class Subjects:
    """The objects a controller reconciles, whose status and finalizer the reconciler writes.

    Attributes:
        store: its projections have an attribute ``subject``, a
            :class:`moorage_domain.subject.Subject`.
        finalizer: ``""`` = plans name none.
        has_generation: whether the status, as ours do, has a place for the generation it answers.
        dry_run: type of the condition that tells of a dry run. Of two controllers of one kind each
            has its own, else they would take turns; ``""`` = the status is another's, and the log
            alone tells.
    """

    kind: Kind
    store: Store[Any]
    finalizer: str = ""
    has_generation: bool = True
    dry_run: str = "DryRun"
