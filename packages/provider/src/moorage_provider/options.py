"""The options that every provider takes, checked in one place."""

from __future__ import annotations

import math
from collections.abc import Mapping

from moorage_provider.errors import InvalidOptions

DEFAULT_TIMEOUT_SECONDS = 15.0


def timeout_seconds(options: Mapping[str, str]) -> float:
    """The deadline of one call. Raises ``InvalidOptions``."""
    text = options.get("timeout_seconds") or str(DEFAULT_TIMEOUT_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise InvalidOptions(f'timeout_seconds is "{text}": write a number of seconds above 0')
    return seconds
