"""A wait written by a clock that was ahead ends, counted from when this process first saw it."""

from __future__ import annotations

from moorage_core.decide.address import LONGEST_BACKOFF_SECONDS
from moorage_core.first_seen import FirstSeen
from moorage_core.model import AddressRecord

NOW = 1_000_000.0
YEAR = 365 * 86_400.0
AHEAD = AddressRecord("203.0.113.1", next_attempt=NOW + YEAR)
SOON = AddressRecord("203.0.113.2", next_attempt=NOW + 30)


def waits(first_seen: FirstSeen, uptime: float, *records: AddressRecord) -> list[float]:
    """What is believed so many seconds after the start."""
    return [r.next_attempt for r in first_seen.believed("a", records, NOW + uptime, uptime)]


def test_a_wait_is_believed_until_the_longest_back_off_has_passed() -> None:
    first_seen = FirstSeen()
    assert waits(first_seen, 5.0, AHEAD) == [NOW + YEAR]
    assert waits(first_seen, 4.9 + LONGEST_BACKOFF_SECONDS, AHEAD) == [NOW + YEAR]
    assert waits(first_seen, 5.0 + LONGEST_BACKOFF_SECONDS, AHEAD) == [0.0]
    assert waits(first_seen, 6.0 + LONGEST_BACKOFF_SECONDS, AHEAD) == [0.0]


def test_another_wait_counts_from_when_it_was_first_read() -> None:
    first_seen = FirstSeen()
    waits(first_seen, 0.0, AHEAD)
    later = AddressRecord(AHEAD.ip, next_attempt=NOW + 2 * YEAR)
    assert waits(first_seen, 500.0, later) == [NOW + 2 * YEAR]
    assert waits(first_seen, 1099.0, later) == [NOW + 2 * YEAR]
    assert waits(first_seen, 1100.0, later) == [0.0]


def test_a_clock_of_ours_that_was_set_changes_nothing() -> None:
    first_seen = FirstSeen()
    assert first_seen.believed("a", [AHEAD], NOW, 0.0) == (AHEAD,)
    assert first_seen.believed("a", [AHEAD], NOW + 10_000, 1.0) == (AHEAD,)


def test_waits_that_are_over_and_objects_that_are_gone_are_forgotten() -> None:
    first_seen = FirstSeen()
    assert waits(first_seen, 0.0, SOON) == [NOW + 30]
    assert waits(first_seen, 31.0, SOON) == [NOW + 30]
    assert first_seen._seen == {}
    waits(first_seen, 31.0, AHEAD)
    first_seen.forget("a")
    assert waits(first_seen, 31.0 + LONGEST_BACKOFF_SECONDS, AHEAD) == [NOW + YEAR]
