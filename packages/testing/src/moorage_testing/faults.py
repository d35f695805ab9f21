"""Faults to inject into an emulated cloud, and the log of its calls; the same for all clouds.

Over HTTP a fault answers with ``status``, ``code``, ``message`` and ``headers``, or lets an
operation end in them ``late``; in a cloud that lives in this process it raises ``error`` or
``late_error``. ``delay_seconds``, ``drop``, ``times``, ``skip`` and ``chance`` mean the same
everywhere.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault of the calls whose operation matches.

    Attributes:
        op: regular expression over the whole name of the operation.
        status: answer with this HTTP status, the work is not done.
        code: the cloud's error code in that answer.
        message: the text in that answer.
        headers: headers of that answer, such as ``Retry-After``.
        delay_seconds: wait this long before doing anything.
        drop: break the connection ``"before"`` the work or ``"after"`` it, so that the answer is
            lost.
        error: raised where there is no HTTP; with ``drop="after"`` once the work is done.
        late_error: the operation is accepted, ends in this error and changes nothing.
        late: the same over HTTP: the accepted operation ends in ``code`` and ``message``.
        operation_seconds: an accepted operation takes this long.
        times: how often it strikes, ``None`` = for ever.
        skip: this many matching calls pass first.
        chance: it strikes a matching call with this probability; a spared call does not count for
            ``times``, and the next matching fault may strike it.
    """

    op: str
    status: int | None = None
    code: str = ""
    message: str = "injected"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    drop: Literal["before", "after"] | None = None
    error: Exception | None = None
    late_error: Exception | None = None
    late: bool = False
    operation_seconds: float = 0.0
    times: int | None = 1
    skip: int = 0
    chance: float = 1.0


@dataclass(frozen=True, slots=True)
class Call:
    """One received call.

    Attributes:
        op: the cloud's name of the operation.
        params: its parameters, flat.
        at: when, in seconds of the book's clock.
    """

    op: str
    params: Mapping[str, str]
    at: float


@dataclass(slots=True)
class _Rule:
    """A fault with its remaining ``times`` and ``skip``."""

    fault: Fault
    left: int | None
    skip: int

    def strikes(self, op: str, dice: random.Random) -> bool:
        if self.left == 0 or not re.fullmatch(self.fault.op, op):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if dice.random() >= self.fault.chance:
            return False
        if self.left is not None:
            self.left -= 1
        return True


class FaultBook:
    """The injected faults and the log of calls. Safe to use from many threads.

    Args:
        clock: the time of calls, in seconds.
        dice: decide where a fault's ``chance`` is below 1. The default has a fixed seed, so that
            the same calls are struck in every run.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, dice: random.Random | None = None
    ) -> None:
        self._clock = clock
        self._dice = dice or random.Random(0)  # noqa: S311 - random in tests, repeatable
        self._guard = threading.Lock()
        self._rules: list[_Rule] = []
        self._calls: list[Call] = []

    def inject(self, *faults: Fault) -> None:
        """Add faults; of several that match a call, the first one strikes."""
        with self._guard:
            self._rules += [_Rule(fault, fault.times, fault.skip) for fault in faults]

    def clear(self) -> None:
        """Forget all faults; the calls stay."""
        with self._guard:
            self._rules.clear()

    @property
    def waiting(self) -> bool:
        """Whether a fault waits to strike."""
        with self._guard:
            return any(rule.left != 0 for rule in self._rules)

    def arrive(self, op: str, params: Mapping[str, str]) -> Fault | None:
        """Log a call and return the fault that strikes it."""
        call = Call(op, params, self._clock())
        with self._guard:
            self._calls.append(call)
            return next((rule.fault for rule in self._rules if rule.strikes(op, self._dice)), None)

    @property
    def calls(self) -> tuple[Call, ...]:
        """All calls so far, in order of arrival."""
        with self._guard:
            return tuple(self._calls)

    def ops(self, since: int = 0) -> tuple[str, ...]:
        """The names of the operations called, leaving out the first ``since`` calls."""
        with self._guard:
            return tuple(call.op for call in self._calls[since:])
