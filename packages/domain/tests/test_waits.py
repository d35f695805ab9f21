"""A wait that somebody else asks for is a finite number of seconds, or none."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage_domain.waits import LONGEST_WAIT_SECONDS, retry_after


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0.5", 0.5),
        (3, 3.0),
        ("0", 0.0),
        ("-7", 0.0),
        ("600", 600.0),
        ("86400", 600.0),
        ("inf", 600.0),
        ("-inf", 0.0),
        ("9" * 400, 600.0),
        (10**400, 600.0),
        (math.inf, 600.0),
        ("nan", None),
        ("", None),
        ("soon", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        (None, None),
        ({"seconds": 1}, None),
    ],
)
def test_seconds_are_followed_up_to_ten_minutes(value: object, seconds: float | None) -> None:
    assert retry_after(value) == seconds


@given(st.text() | st.floats() | st.integers() | st.none())
def test_whatever_is_asked_for_the_wait_ends(value: object) -> None:
    seconds = retry_after(value)
    assert seconds is None or 0.0 <= seconds <= LONGEST_WAIT_SECONDS
