"""The conditions as they will stand in the status."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from moorage_core.model import Observed
from moorage_domain.conditions import Condition, merge


def merged(observed: Observed, told: Iterable[Condition]) -> tuple[Condition, ...]:
    """The object's conditions with these put in; the very same tuple when nothing is new."""
    return merge(
        observed.conditions,
        [replace(one, observed_generation=observed.allocation.generation) for one in told],
        datetime.fromtimestamp(observed.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
