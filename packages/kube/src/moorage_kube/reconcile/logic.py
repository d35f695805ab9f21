"""What one controller knows, in four methods; the reconciler calls them in their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

from moorage_domain.errors import Disposition, MoorageError, disposition_of
from moorage_domain.plans import Plan
from moorage_domain.redaction import redacted
from moorage_domain.subject import Subject

ObservedT = TypeVar("ObservedT")
ActionT = TypeVar("ActionT")
_ReadT_contra = TypeVar("_ReadT_contra", contravariant=True)
_PlannedT_contra = TypeVar("_PlannedT_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a pass did not reach its end.

    Attributes:
        reason: CamelCase, the name of the error.
        message: safe to show in a condition.
        cause: the error itself.
        retry_after: seconds until a new attempt makes sense; ``None`` = a growing pause.
    """

    disposition: Disposition
    reason: str
    message: str
    cause: Exception
    retry_after: float | None = None

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """What an error means for the object at hand."""
        disposition, name = disposition_of(error), type(error).__name__
        if isinstance(error, MoorageError):
            return cls(disposition, name, str(error), error, error.retry_after)
        return cls(disposition, name, redacted(f"{name}: {error}"), error)


@dataclass(frozen=True, slots=True)
class Pass(Generic[ObservedT, ActionT]):
    """One pass over one object that has ended.

    Attributes:
        observed: ``None`` = observing failed.
        plan: as it was carried out; ``None`` = nothing was decided.
        failure: ``None`` = the plan was carried out to its end.
        seconds: how long the pass took.
        dry_run: nothing but the status was written.
        subject: the object as it was before the pass; ``None`` = it was gone, or the controller
            writes to none.
    """

    key: str
    observed: ObservedT | None
    plan: Plan[ActionT] | None
    failure: Failure | None
    seconds: float
    dry_run: bool = False
    subject: Subject | None = None


class Logic(Protocol[ObservedT, ActionT]):
    """What one controller knows.

    ``observe`` only reads; ``None`` means that the object is gone and there is nothing to do.
    ``decide`` is pure. ``act`` carries out one action of the plan about what was observed; it may
    be one that was done before. An action class with ``reads_only = True`` is carried out in a dry
    run as well. One with ``beside_finalizer = True`` that comes first in a plan without a status is
    carried out while the finalizer is being written: what it does is found, and undone, also where
    the object goes before it has the finalizer. ``report`` is called at the end of every pass that
    was not stale, for Events and metrics; the reconciler writes status, finalizer and log line
    itself.
    """

    async def observe(self, key: str) -> ObservedT | None: ...

    def decide(self, observed: ObservedT) -> Plan[ActionT]: ...

    async def act(self, observed: ObservedT, action: ActionT) -> None: ...

    async def report(self, ended: Pass[ObservedT, ActionT]) -> None: ...


@runtime_checkable
class Prepares(Protocol[_ReadT_contra, _PlannedT_contra]):
    """A logic that may do something before its plan is carried out, so that one status says all.

    ``prepare`` reads more, or does what the status announces already; never for long. ``True``: the
    object is observed and decided on once more.
    """

    async def prepare(self, observed: _ReadT_contra, plan: Plan[_PlannedT_contra]) -> bool: ...
