"""Moments of the clock that durations are judged by, as people read them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from moorage_core.model import AddressRecord, Observed

_DAY_SECONDS = 86400.0


def epoch(observed: Observed, uptime: float) -> float:
    """Epoch seconds of a moment of ``observed.uptime``'s clock."""
    return observed.now - observed.uptime + uptime


def clock(seconds: float) -> str:
    """Epoch seconds as the time of day, UTC, as in 02:38:12."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")


def moment(seconds: float, now: float) -> str:
    """Epoch seconds as the time of day, UTC, with the date where it is a day away or more."""
    if abs(seconds - now) < _DAY_SECONDS:
        return clock(seconds)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def steady(record: AddressRecord, moment: float, message: Callable[[float], str]) -> str:
    """``message`` of a moment in whole seconds; the record's own where that means the same.

    The two clocks are read one after the other, and people set one of them: a second more or less
    is no news, and must not be written at every pass.
    """
    second = float(int(moment))
    same = record.message in (message(second + more) for more in (-1.0, 0.0, 1.0))
    return record.message if same else message(second)
