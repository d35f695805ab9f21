"""When somebody who waits looks again, and what it is told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from moorage_machine_ipam.decide.waiting import look_again, until


@pytest.mark.parametrize(
    ("next_free", "seconds"),
    [(None, 300.0), (-1.0, 300.0), (0.0, 300.0), (0.2, 1.0), (1.5, 1.5), (299.0, 299.0),
     (301.0, 300.0)],
)  # fmt: skip
def test_who_waits_looks_when_something_comes_free(next_free: float | None, seconds: float) -> None:
    assert look_again(next_free) == timedelta(seconds=seconds)


def test_the_time_is_said_in_whole_seconds() -> None:
    said = "; a released one comes free at 2027-01-15T08:00:31Z"
    assert until(1_800_000_000.4, 30.4) == until(1_800_000_010.9, 19.9) == said


@pytest.mark.parametrize("next_free", [None, 1e30])
def test_of_what_no_calendar_has_nothing_is_said(next_free: float | None) -> None:
    assert until(1_800_000_000.0, next_free) == ""
