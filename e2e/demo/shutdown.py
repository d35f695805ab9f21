"""Shutdown: the first signal raises an exception, so that every ``with`` block cleans up."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal stops the demo. Not an ``Exception``: no handler of errors may catch it."""

    def __init__(self, number: int) -> None:
        """Keep the signal's number."""
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


def listen() -> None:
    """From now on the first signal raises Stopped in the main thread."""
    for number in _SIGNALS:
        signal.signal(number, _stop)


def ignore() -> None:
    """From now on signals are ignored, so that none interrupts the clean-up of a few seconds."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    ignore()
    raise Stopped(number)
