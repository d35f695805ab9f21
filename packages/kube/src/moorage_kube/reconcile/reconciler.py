"""The one loop: observe, decide, act, report; and the one place where errors get their meaning."""

from __future__ import annotations

import enum
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from moorage_domain.plans import Plan
from moorage_kube.client import errors as kube
from moorage_kube.election.lease import LeadershipLost
from moorage_kube.telemetry.metrics import ControllerMetrics
from moorage_provider import errors as cloud

logger = logging.getLogger(__name__)

ObservedT = TypeVar("ObservedT")
ActionT = TypeVar("ActionT")

_STALE_BACKOFF = (0.05, 5.0)
_RETRY_BACKOFF = (1.0, 300.0)
_DOUBLINGS = 20
_ELSEWHERE_SECONDS = 300.0


class FailureKind(enum.Enum):
    """What can be done about an error."""

    STALE = "stale"
    """The world is not as it was read: look again now."""
    RETRY = "retry"
    """The same may succeed later."""
    REFUSED = "refused"
    """It will not succeed until the object, or a policy, changes."""
    BUG = "bug"
    """Nobody thought of it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a pass did not reach its end.

    Attributes:
        reason: CamelCase, the name of the error.
        message: safe to show in a condition.
        after: seconds until it makes sense to look again; ``None`` = a growing pause.
        cause: the error itself.
    """

    kind: FailureKind
    reason: str
    message: str
    cause: Exception
    after: float | None = None


class Steps(Protocol[ObservedT, ActionT]):
    """What one controller knows, in four methods.

    ``observe`` only reads; ``None`` means the object is gone and there is nothing to do.
    ``decide`` is pure. ``act`` carries out one action of the plan about what was observed; it may
    be one that was done before.
    ``report`` is called at the end of every pass and writes what changed of condition, Event and
    metric: ``plan`` is ``None`` where observing failed, ``failure`` where something did. It is not
    called when the pass was stale.
    """

    async def observe(self, key: str) -> ObservedT | None: ...

    def decide(self, observed: ObservedT) -> Plan[ActionT]: ...

    async def act(self, observed: ObservedT, action: ActionT) -> None: ...

    async def report(
        self, key: str, plan: Plan[ActionT] | None, failure: Failure | None
    ) -> None: ...


_MEANINGS: tuple[tuple[tuple[type[Exception], ...], FailureKind, float | None], ...] = (
    (
        (kube.Conflict, kube.AlreadyExists, kube.NotFound, kube.Gone),
        FailureKind.STALE,
        None,
    ),
    ((cloud.Stale, cloud.AddressNotFound, cloud.MachineNotFound), FailureKind.STALE, None),
    ((kube.Throttled, cloud.Retry), FailureKind.RETRY, None),
    (
        (kube.Invalid, cloud.MachineUnfit, cloud.Unsupported, cloud.InvalidOptions),
        FailureKind.REFUSED,
        None,
    ),
    # Rights, credentials, quotas, another owner: mended elsewhere, and nobody tells us.
    ((kube.Forbidden, kube.Unauthorized, cloud.CloudError), FailureKind.RETRY, _ELSEWHERE_SECONDS),
    ((kube.KubeError,), FailureKind.RETRY, None),
)
"""What errors mean, the first line that fits; seconds to wait where the error names none."""


def explain(error: Exception) -> Failure:
    """The one place that says what an error means for the object at hand."""
    name, message = type(error).__name__, str(error)
    for types, kind, after in _MEANINGS:
        if isinstance(error, types):
            asked: float | None = getattr(error, "retry_after", None)
            return Failure(kind, name, message, error, after if asked is None else asked)
    return Failure(FailureKind.BUG, name, f"{name}: {message}", error)


@dataclass(frozen=True, slots=True)
class Guards:
    """What stands between a plan and the world.

    Attributes:
        fence: called before every action and report; raises :class:`LeadershipLost`.
        dry_run: plans are logged, nothing is carried out or reported.
    """

    fence: Callable[[], None]
    dry_run: bool = False


class Reconciler(Generic[ObservedT, ActionT]):
    """A pass over one object, for :class:`moorage_kube.reconcile.queue.WorkQueue` to call."""

    def __init__(
        self, steps: Steps[ObservedT, ActionT], guards: Guards, metrics: ControllerMetrics
    ) -> None:
        self._steps = steps
        self._guards = guards
        self._metrics = metrics
        self._tries: dict[str, int] = {}
        self._told: dict[str, tuple[str, str]] = {}

    async def __call__(self, key: str) -> float | None:
        """Seconds until the object wants another look; ``None`` = only on a change.

        Raises only what is a bug, for the queue to log, count and retry slowly.
        """
        began = time.perf_counter()
        outcome = "done"
        try:
            failure, wait = await self._pass(key)
            outcome = failure.kind.value if failure else outcome
            if failure is None:
                self._tries.pop(key, None)
                return wait
            if failure.kind is FailureKind.BUG:
                raise failure.cause
            return self._pause(key, failure)
        except LeadershipLost as lost:
            logger.warning("%s is left as it is: %s", key, lost, extra={"object": key})
            return None
        finally:
            self._metrics.reconciles.labels(outcome).inc()
            self._metrics.duration.observe(time.perf_counter() - began)

    async def _pass(self, key: str) -> tuple[Failure | None, float | None]:
        plan: Plan[ActionT] | None = None
        failure: Failure | None = None
        try:
            observed = await self._steps.observe(key)
            if observed is None:
                self._told.pop(key, None)
                return None, None
            plan = self._steps.decide(observed)
            self._tell(key, plan.reason, plan.message)
            await self._carry_out(key, observed, plan)
        except LeadershipLost:
            raise
        except Exception as error:  # noqa: BLE001 - explained, then reported or raised again
            failure = explain(error)
            if failure.kind is not FailureKind.STALE:
                self._tell(key, failure.reason, failure.message)
        failure = await self._report(key, plan, failure)
        return failure, plan.wait.total_seconds() if plan and plan.wait is not None else None

    async def _carry_out(self, key: str, observed: ObservedT, plan: Plan[ActionT]) -> None:
        for action in plan.actions:
            if self._guards.dry_run:
                logger.info("dry run, not done: %s", action, extra={"object": key})
                continue
            self._guards.fence()
            await self._steps.act(observed, action)

    async def _report(
        self, key: str, plan: Plan[ActionT] | None, failure: Failure | None
    ) -> Failure | None:
        """Report, unless stale; a failure of reporting counts where nothing failed before."""
        if self._guards.dry_run or (failure and failure.kind is FailureKind.STALE):
            return failure
        try:
            self._guards.fence()
            await self._steps.report(key, plan, failure)
        except LeadershipLost:
            raise
        except Exception as error:  # noqa: BLE001 - explained, then raised again or retried
            return failure or explain(error)
        return failure

    def _tell(self, key: str, reason: str, message: str) -> None:
        """One log line for every change of what there is to say about an object."""
        if self._told.get(key) != (reason, message):
            self._told[key] = (reason, message)
            logger.info("%s: %s", key, message, extra={"object": key, "reason": reason})

    def _pause(self, key: str, failure: Failure) -> float | None:
        """Seconds until the next look after a failure; grows with each one in a row."""
        if failure.kind is FailureKind.REFUSED:
            # A change of the object brings a pass by itself; a change of a policy tells nobody.
            self._tries.pop(key, None)
            return _ELSEWHERE_SECONDS
        tries = min(self._tries.get(key, 0), _DOUBLINGS)
        self._tries[key] = tries + 1
        if failure.after is not None:
            return failure.after
        first, most = _STALE_BACKOFF if failure.kind is FailureKind.STALE else _RETRY_BACKOFF
        return min(most, first * 2.0**tries) * random.uniform(0.9, 1.1)  # noqa: S311  # spreads load only
