"""Times in a record are believed unless the record was changed in the future."""

from __future__ import annotations

from dataclasses import replace

from core_builders import IP1, IP2, NOW, UPTIME, node_ref, record

from moorage_core.believed import SAME_CLOCK_SECONDS, BelievedRecords
from moorage_core.decide.address import LONGEST_BACKOFF_SECONDS
from moorage_core.model import AddressRecord, Phase

FAILED = AddressRecord(
    IP1, Phase.ATTACHING, "CloudUnavailable", attempts=3, node_ref=node_ref("n1"),
    observed_at=NOW, since=NOW - 20.0, next_attempt=NOW + 4.0,
)  # fmt: skip


def ahead(by: float, one: AddressRecord = FAILED) -> AddressRecord:
    """The record as a clock that was ahead by so much has written it."""
    return replace(
        one,
        observed_at=one.observed_at + by,
        since=one.since + by,
        next_attempt=one.next_attempt + by,
    )


def test_a_record_of_a_clock_like_ours_is_believed_as_it_is() -> None:
    believed = BelievedRecords()
    for by in (-86_400.0, 0.0, SAME_CLOCK_SECONDS):
        one = ahead(by)
        assert believed.of("a", (one,), NOW, UPTIME)[0] is one


def test_a_record_of_a_clock_that_was_ahead_counts_from_now_on() -> None:
    for by in (SAME_CLOCK_SECONDS + 1.0, 600.0, 86_400.0 * 365):
        assert BelievedRecords().of("a", (ahead(by),), NOW + 0.7, UPTIME) == (FAILED,)


def test_it_counts_from_when_it_was_first_seen_however_often_it_is_read() -> None:
    believed, other = BelievedRecords(), record(IP2, "n2", observed_at=NOW)
    first = believed.of("a", (ahead(3600.0), other), NOW, UPTIME)
    later = believed.of("a", (ahead(3600.0), other), NOW + 3.0, UPTIME + 3.0)
    assert first == later == (FAILED, other)
    assert believed.of("a", (ahead(3600.0),), NOW + 7200.0, UPTIME + 3.0) == (FAILED,)


def test_another_allocation_and_another_change_count_anew() -> None:
    believed = BelievedRecords()
    believed.of("a", (ahead(3600.0),), NOW, UPTIME)
    in_a_minute = ahead(60.0)
    assert believed.of("b", (ahead(3600.0),), NOW + 60.0, UPTIME) == (in_a_minute,)
    assert believed.of("a", (ahead(3700.0),), NOW + 60.0, UPTIME) == (in_a_minute,)
    believed.forget("a")
    believed.forget("b")
    assert len(believed) == 0
    assert believed.of("a", (ahead(3600.0),), NOW + 60.0, UPTIME) == (in_a_minute,)


def test_what_has_no_wait_gets_none() -> None:
    bound = record(IP1, "n1", observed_at=NOW, since=NOW)
    moved = BelievedRecords().of("a", (replace(bound, observed_at=NOW + 600.0),), NOW, UPTIME)
    assert moved == (replace(bound, since=NOW - 600.0),)


def test_no_wait_is_longer_than_the_longest_back_off() -> None:
    believed = BelievedRecords()
    by_hand = replace(FAILED, next_attempt=NOW + 86_400.0)
    assert believed.of("a", (by_hand,), NOW, UPTIME) == (by_hand,)
    over = UPTIME + LONGEST_BACKOFF_SECONDS
    assert believed.of("a", (by_hand,), NOW, over) == (replace(by_hand, next_attempt=0.0),)
