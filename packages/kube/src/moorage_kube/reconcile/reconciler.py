"""The reconciler: observe, decide, write, act, report; one pass over one object."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic

from moorage_domain.errors import ELSEWHERE_SECONDS, Disposition, MoorageError
from moorage_domain.plans import Finalizer, Plan
from moorage_domain.subject import Subject
from moorage_kube.client.backoff import Backoff
from moorage_kube.client.errors import Unavailable
from moorage_kube.election.lease import LeadershipLost
from moorage_kube.reconcile.assumed import Assumed
from moorage_kube.reconcile.dry_run import dry_run_of, real_run_of
from moorage_kube.reconcile.logic import ActionT, Failure, Logic, ObservedT, Pass, Prepares
from moorage_kube.telemetry.metrics import ControllerMetrics
from moorage_kube.writes.writer import ObjectWriter

logger = logging.getLogger(__name__)

_STALE = Backoff(0.05, 5.0)
_RETRY = Backoff(1.0, 300.0)
# The API server is away, and nobody reports that it is back.
_AWAY = Backoff(1.0, 15.0)


class SubjectGone(MoorageError):
    """The object was not there when its pass began, or vanished: nothing can be written to it."""

    disposition: ClassVar[Disposition] = Disposition.STALE


def _begins_at_once(plan: Plan[Any], subject: Subject | None) -> bool:
    """Whether the first action may be carried out while the finalizer is being written."""
    return (
        plan.finalizer is Finalizer.PRESENT
        and plan.status is None
        and subject is not None
        and bool(plan.actions)
        and bool(getattr(plan.actions[0], "beside_finalizer", False))
    )


@dataclass(frozen=True, slots=True)
class Guards:
    """What a plan passes before anything is written.

    Attributes:
        fence: called before every write and action; raises :class:`LeadershipLost`.
        dry_run: nothing is written but the status.
        writer: of status and finalizer; ``None`` = the controller writes neither.
        assumed: where plans note what they give away.
    """

    fence: Callable[[], None]
    dry_run: bool = False
    writer: ObjectWriter | None = None
    assumed: Assumed | None = None


class Reconciler(Generic[ObservedT, ActionT]):
    """A pass over one object, for :class:`moorage_kube.reconcile.queue.WorkQueue` to call."""

    def __init__(
        self, logic: Logic[ObservedT, ActionT], guards: Guards, metrics: ControllerMetrics
    ) -> None:
        self._logic = logic
        self._prepares: Prepares[ObservedT, ActionT] | None = None
        if isinstance(logic, Prepares):
            self._prepares = logic
        self._guards = guards
        self._metrics = metrics
        self._dry_run = guards.writer.dry_run if guards.writer else ""
        self._failures: dict[str, int] = {}
        self._logged: dict[tuple[str, bool], tuple[str, str]] = {}

    async def __call__(self, key: str) -> float | None:
        """Seconds until the object's next pass; ``None`` = only on a change.

        Raises only what is a bug, for the queue to log, count and retry slowly.
        """
        began = time.perf_counter()
        outcome = "done"
        try:
            failure, wait = await self._pass(key, began)
            outcome = failure.disposition.value if failure else outcome
            if failure is None:
                self._succeeded(key)
                return wait
            if failure.disposition is Disposition.BUG:
                raise failure.cause
            return self._pause(key, failure)
        except LeadershipLost as lost:
            outcome = "lost"
            logger.warning("%s is left as it is: %s", key, lost, extra={"object": key})
            return None
        finally:
            self._metrics.reconciles.labels(outcome).inc()
            self._metrics.duration.observe(time.perf_counter() - began)

    async def _pass(self, key: str, began: float) -> tuple[Failure | None, float | None]:
        observed: ObservedT | None = None
        plan: Plan[ActionT] | None = None
        failure: Failure | None = None
        subject: Subject | None = None
        dry_run, prepared = self._guards.dry_run, False
        try:
            while True:
                # Before it is observed: what changes meanwhile makes our writes fail, and not pass.
                subject = self._guards.writer.subject(key) if self._guards.writer else None
                observed = await self._logic.observe(key)
                if observed is None:
                    self._forget(key)
                    return None, None
                dry_run = self._guards.dry_run or (subject is not None and subject.dry_run)
                plan = self._decide(key, observed, subject, dry_run=dry_run)
                if prepared or not await self._prepare(observed, plan):
                    break
                prepared = True
            await self._carry_out(key, observed, plan, subject)
        except LeadershipLost:
            raise
        except Exception as error:  # noqa: BLE001 - classified, then reported or raised again
            failure = Failure.of(error)
            if failure.disposition is not Disposition.STALE:
                self._log(key, failure.reason, failure.message, failed=True)
        seconds = time.perf_counter() - began
        ended = Pass(key, observed, plan, failure, seconds, dry_run, subject)
        failure = await self._report(ended)
        return failure, plan.wait.total_seconds() if plan and plan.wait is not None else None

    def _decide(
        self, key: str, observed: ObservedT, subject: Subject | None, *, dry_run: bool
    ) -> Plan[ActionT]:
        plan = self._logic.decide(observed)
        if dry_run:
            plan = dry_run_of(plan, self._dry_run)
        elif subject is not None:
            plan = real_run_of(plan, subject, self._dry_run)
        if self._guards.assumed is not None:
            self._guards.assumed.replace(key, plan.assumes)
        self._log(key, plan.reason, plan.message)
        return plan

    async def _prepare(self, observed: ObservedT, plan: Plan[ActionT]) -> bool:
        """Whether it is to be decided anew."""
        if self._prepares is None:
            return False
        self._guards.fence()
        return await self._prepares.prepare(observed, plan)

    async def _carry_out(
        self, key: str, observed: ObservedT, plan: Plan[ActionT], subject: Subject | None
    ) -> None:
        writes = plan.status is not None or plan.finalizer is not None
        if writes and subject is None and self._guards.writer is not None:
            raise SubjectGone(f"{key} was not there when it was looked at")
        actions = list(plan.actions)
        if _begins_at_once(plan, subject):
            subject = await self._begin(observed, plan, subject, actions.pop(0))
        else:
            subject = await self._write_finalizer(subject, plan, Finalizer.PRESENT)
        subject = await self._write_status(key, subject, plan)
        for action in actions:
            self._guards.fence()
            await self._logic.act(observed, action)
        await self._write_finalizer(subject, plan, Finalizer.ABSENT)

    async def _begin(
        self, observed: ObservedT, plan: Plan[ActionT], subject: Subject | None, first: ActionT
    ) -> Subject | None:
        """The finalizer on, and beside it the first action; neither is left half done."""
        self._guards.fence()
        finalizer = self._write_finalizer(subject, plan, Finalizer.PRESENT)
        action = self._logic.act(observed, first)
        written, done = await asyncio.gather(finalizer, action, return_exceptions=True)
        if isinstance(written, BaseException):
            raise written
        if isinstance(done, BaseException):
            raise done
        return written

    async def _write_finalizer(
        self, subject: Subject | None, plan: Plan[Any], wanted: Finalizer
    ) -> Subject | None:
        if plan.finalizer is not wanted or subject is None or self._guards.writer is None:
            return subject
        self._guards.fence()
        present = wanted is Finalizer.PRESENT
        return await self._guards.writer.write_finalizer(subject, present=present)

    async def _write_status(
        self, key: str, subject: Subject | None, plan: Plan[Any]
    ) -> Subject | None:
        if plan.status is None or subject is None or self._guards.writer is None:
            return subject
        self._guards.fence()
        return await self._guards.writer.write_status(key, subject, plan.status)

    async def _report(self, ended: Pass[ObservedT, ActionT]) -> Failure | None:
        """Report, unless stale; a failure of reporting counts where nothing failed before."""
        if ended.failure and ended.failure.disposition is Disposition.STALE:
            return ended.failure
        try:
            self._guards.fence()
            await self._logic.report(ended)
        except LeadershipLost:
            raise
        except Exception as error:  # noqa: BLE001 - classified, then raised again or retried
            failure = Failure.of(error)
            self._log(ended.key, failure.reason, f"report: {failure.message}", failed=True)
            return ended.failure or failure
        return ended.failure

    def _forget(self, key: str) -> None:
        self._logged.pop((key, False), None)
        self._succeeded(key)
        if self._guards.writer is not None:
            self._guards.writer.forget(key)
        if self._guards.assumed is not None:
            self._guards.assumed.forget(key)

    def _succeeded(self, key: str) -> None:
        self._failures.pop(key, None)
        self._logged.pop((key, True), None)

    def _log(self, key: str, reason: str, message: str, *, failed: bool = False) -> None:
        """One log line for every change of what is planned for an object, or of what failed."""
        if self._logged.get((key, failed)) != (reason, message):
            self._logged[key, failed] = (reason, message)
            logger.info("%s: %s", key, message, extra={"object": key, "reason": reason})

    def _pause(self, key: str, failure: Failure) -> float:
        """Seconds until the next pass after a failure; grows with each one in a row."""
        if failure.disposition is Disposition.REFUSED:
            # A change of the object triggers a pass; a change of a policy triggers none.
            self._failures.pop(key, None)
            return ELSEWHERE_SECONDS
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        if failure.retry_after is not None:
            # A retry without any pause is never what was meant.
            return max(failure.retry_after, _STALE.pause(failures))
        if isinstance(failure.cause, Unavailable):
            return _AWAY.pause(failures)
        backoff = _STALE if failure.disposition is Disposition.STALE else _RETRY
        return backoff.pause(failures)
