"""How long somebody else asks us to wait, made finite."""

from __future__ import annotations

import math

LONGEST_WAIT_SECONDS = 600.0


def retry_after(value: object) -> float | None:
    """Seconds to wait, at most 600; ``None``: nothing was asked for that can be followed.

    Takes what a ``Retry-After`` header or a field like it says in seconds, as text or number. A
    negative number means at once. A date is not followed: it is right only as far as two clocks
    agree, and none of the APIs that are called here sends one.
    """
    try:
        seconds = float(value) if isinstance(value, str | int | float) else math.nan
    except ValueError:
        return None
    except OverflowError:
        seconds = math.inf
    return None if math.isnan(seconds) else min(LONGEST_WAIT_SECONDS, max(0.0, seconds))
