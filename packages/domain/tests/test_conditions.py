"""Conditions keep their transition times and are the same tuple while nothing changed."""

from __future__ import annotations

from moorage_domain.conditions import Condition, from_wire, merge, to_wire

EARLIER, NOW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
READY = Condition("Ready", "True", "Bound", "bound to n1", 3, EARLIER)
DEGRADED = Condition("Degraded", "False", "Fine", "", 3, EARLIER)


def test_the_same_tuple_is_returned_when_nothing_changed() -> None:
    old = (READY, DEGRADED)
    assert merge(old, [Condition("Ready", "True", "Bound", "bound to n1", 3)], NOW) is old


def test_a_new_reason_with_the_same_status_keeps_the_transition_time() -> None:
    assert merge((READY,), [Condition("Ready", "True", "Moved", "bound to n2", 4)], NOW) == (
        Condition("Ready", "True", "Moved", "bound to n2", 4, EARLIER),
    )


def test_a_new_status_takes_the_time_of_now() -> None:
    assert merge((READY, DEGRADED), [Condition("Ready", "False", "Lost")], NOW) == (
        Condition("Ready", "False", "Lost", "", None, NOW),
        DEGRADED,
    )


def test_a_new_type_is_added_at_the_end() -> None:
    assert merge((READY,), [Condition("Conflict", "False", "None_")], NOW) == (
        READY,
        Condition("Conflict", "False", "None_", last_transition_time=NOW),
    )


def test_conditions_survive_the_wire() -> None:
    conditions = (READY, Condition("Progressing", "Unknown", "Starting", "", None, NOW))
    assert from_wire(to_wire(conditions)) == conditions


def test_an_unstated_generation_is_not_written() -> None:
    assert "observedGeneration" not in to_wire([Condition("Ready", "True", "Bound")])[0]


def test_an_entry_on_the_wire_that_is_no_condition_is_left_out() -> None:
    assert from_wire([{"type": "Ready"}, {"type": "Ready", "status": "Maybe"}]) == ()
    assert from_wire(None) == ()


def test_a_message_is_cut_to_what_the_api_server_takes_and_is_then_unchanged() -> None:
    endless = Condition("Ready", "True", "Bound", "x" * 50_000)
    first = merge((), [endless], "t")
    assert len(first[0].message) == 32768
    assert merge(first, [endless], "later") is first
