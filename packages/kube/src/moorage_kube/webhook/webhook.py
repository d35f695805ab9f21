"""A webhook: where it is served, the function that decides, and the answer when that fails."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from moorage_domain.admission import AdmissionRequest, Allowed, Decision, Denied, Patched
from moorage_kube.webhook.admission import outcome

logger = logging.getLogger(__name__)

Decide = Callable[[AdmissionRequest], Decision | Awaitable[Decision]]
"""Pure, or a coroutine that reads; nothing but the object in question may be changed."""

FAILED: Final = "failed"
LATE: Final = "late"
_MOST_KINDS_OF_ERROR: Final = 100
_FAIL_CLOSED = Denied("the webhook failed, see its log; try again later", 500, "InternalError")


class _Late(Exception):
    """A coroutine that decides took too long."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One path of a webhook server.

    Attributes:
        path: as in ``clientConfig.service.path``.
        decide: answers; a pure function, or a coroutine function where something must be read.
        deadline: seconds a coroutine may take; less where the API server waits for less.
        on_failure: the answer where ``decide`` raises or is late.
    """

    path: str
    decide: Decide
    deadline: float = 2.0
    on_failure: Allowed | Denied = _FAIL_CLOSED
    _told: set[tuple[str, ...]] = field(default_factory=set, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.path.startswith("/") or "?" in self.path:
            raise ValueError(f"{self.path!r} is no path of a webhook: it begins with a slash")

    async def answer(self, request: AdmissionRequest, patience: float) -> tuple[Decision, str]:
        """The decision and, for metrics, its kind; never raises but for being cancelled.

        ``patience``: seconds after which the API server listens no more.
        """
        seconds = min(self.deadline, patience)
        try:
            decision = await self._decided(request, seconds)
        except _Late as error:
            self._tell_once(error, f"no decision within {seconds:g} s")
            return self.on_failure, LATE
        except Exception as error:  # noqa: BLE001 - the API server must get an answer whatever fails
            self._tell_once(error, "decide failed")
            return self.on_failure, FAILED
        return decision, outcome(decision)

    async def _decided(self, request: AdmissionRequest, seconds: float) -> Decision:
        decision = self.decide(request)
        if inspect.isawaitable(decision):
            limit = asyncio.timeout(seconds)
            try:
                async with limit:
                    decision = await decision
            except TimeoutError as error:
                if limit.expired():
                    raise _Late from error
                raise
        if not isinstance(decision, Allowed | Denied | Patched):
            raise TypeError(f"decide returned {type(decision).__name__}, no decision")
        return decision

    def _tell_once(self, error: Exception, what: str) -> None:
        """With a traceback, once for each place an error comes from: floods would hide it."""
        trace, last = error.__traceback__, None
        while trace is not None:
            trace, last = trace.tb_next, trace
        place = "" if last is None else f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}"
        kind = (what, type(error).__name__, place)
        if kind in self._told or len(self._told) >= _MOST_KINDS_OF_ERROR:
            return
        self._told.add(kind)
        logger.error(
            "webhook %s: %s; the fail-safe answer is given, here and from now on",
            self.path,
            what,
            exc_info=error,
            extra={"webhook": self.path},
        )
