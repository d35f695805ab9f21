"""Pauses double with each failure, up to a longest one, and are never all the same."""

from __future__ import annotations

import pytest

from moorage_kube.client.backoff import Backoff


@pytest.mark.parametrize(
    ("failures", "longest"),
    [(0, 2.0), (1, 2.0), (2, 4.0), (3, 8.0), (8, 256.0), (9, 300.0), (10_000, 300.0)],
)
def test_a_pause_doubles_up_to_the_longest(failures: int, longest: float) -> None:
    pauses = [Backoff(2.0, 300.0).pause(failures) for _ in range(200)]
    assert 0.75 * longest <= min(pauses)
    assert max(pauses) <= longest


def test_two_that_failed_together_do_not_come_back_together() -> None:
    assert len({Backoff(2.0, 300.0).pause(1) for _ in range(50)}) == 50
