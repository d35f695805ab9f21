"""Signals: the first one ends the demo by an exception, so that every block puts its part away."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal told the demo to stop. No Exception: nobody on the way may take it for an error."""

    def __init__(self, number: int) -> None:
        """Keep the signal's number."""
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


def listen() -> None:
    """From now on the first signal raises Stopped in the main thread."""
    for number in _SIGNALS:
        signal.signal(number, _stop)


def ignore() -> None:
    """From now on no signal disturbs the clearing up, which takes seconds and is bounded."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    ignore()
    raise Stopped(number)
