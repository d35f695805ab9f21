"""A webhook: where it is served, the function that decides, and the answer when that fails."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from moorage_domain.admission import AdmissionRequest, Allowed, Decision, Denied, Patched
from moorage_kube.webhook.admission import outcome

logger = logging.getLogger(__name__)

Decide = Callable[[AdmissionRequest], Decision | Awaitable[Decision]]
"""Pure, or a coroutine that reads; nothing but the object in question may be changed."""
Answered = tuple[Decision, str]
"""A decision, and its kind for metrics."""

FAILED: Final = "failed"
LATE: Final = "late"
REFUSED: Final = "refused"
_MOST_KINDS_OF_ERROR: Final = 100
_DECISIONS: Final = (Allowed, Denied, Patched)
_FAIL_CLOSED = Denied("the webhook failed, see its log; try again later", 500, "InternalError")


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
    _logged: set[tuple[str, ...]] = field(default_factory=set, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.path.startswith("/") or "?" in self.path:
            raise ValueError(f"{self.path!r} is no path of a webhook: it begins with a slash")

    def answer(
        self, request: AdmissionRequest, patience: float
    ) -> Answered | Coroutine[Any, Any, Answered]:
        """The decision and its kind, or, where ``decide`` is to be awaited, who will give them.

        Neither raises but for being cancelled. ``patience``: seconds after which the API server
        listens no more.
        """
        try:
            decision = self.decide(request)
        except Exception as error:  # noqa: BLE001 - the API server must get an answer whatever fails
            return self._failed(error)
        if not isinstance(decision, _DECISIONS) and inspect.isawaitable(decision):
            return self._awaited(decision, min(self.deadline, patience))
        return self._checked(decision)

    async def _awaited(self, deciding: Awaitable[Decision], seconds: float) -> Answered:
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                decision = await deciding
        except Exception as error:  # noqa: BLE001 - the API server must get an answer whatever fails
            if limit.expired():
                self._tell_once(error, f"no decision within {seconds:g} s")
                return self.on_failure, LATE
            return self._failed(error)
        return self._checked(decision)

    def _checked(self, decision: Decision) -> Answered:
        if not isinstance(decision, _DECISIONS):
            return self._failed(
                TypeError(f"decide returned {type(decision).__name__}, no decision")
            )
        return decision, outcome(decision)

    def _failed(self, error: Exception) -> Answered:
        self._tell_once(error, "decide failed")
        return self.on_failure, FAILED

    def _tell_once(self, error: Exception, what: str) -> None:
        """With a traceback, once for each place an error comes from: floods would hide it."""
        trace, last = error.__traceback__, None
        while trace is not None:
            trace, last = trace.tb_next, trace
        place = "" if last is None else f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}"
        kind = (what, type(error).__name__, place)
        if kind in self._logged or len(self._logged) >= _MOST_KINDS_OF_ERROR:
            return
        self._logged.add(kind)
        logger.error(
            "webhook %s: %s; the fail-safe answer is given, here and from now on",
            self.path,
            what,
            exc_info=error,
            extra={"webhook": self.path},
        )
