"""A wait written by a clock that was ahead ends, counted from when this process first saw it."""

from __future__ import annotations

from moorage_kube.reconcile.waits import Waits

LONGEST = 600.0


def test_a_wait_is_believed_until_the_longest_back_off_has_passed() -> None:
    waits: Waits[str] = Waits(LONGEST)
    assert waits.over("a", ["in a year"], 5.0) == set()
    assert waits.over("a", ["in a year"], 4.9 + LONGEST) == set()
    assert waits.over("a", ["in a year"], 5.0 + LONGEST) == {"in a year"}
    assert waits.over("a", ["in a year"], 6.0 + LONGEST) == {"in a year"}


def test_another_wait_counts_from_when_it_was_first_read() -> None:
    waits: Waits[str] = Waits(LONGEST)
    waits.over("a", ["in a year"], 0.0)
    assert waits.over("a", ["in two years", "in a year"], 500.0) == set()
    assert waits.over("a", ["in two years", "in a year"], 1099.0) == {"in a year"}
    assert waits.over("a", ["in two years"], 1100.0) == {"in two years"}
    assert waits.over("b", ["in two years"], 1100.0) == set()


def test_waits_that_are_over_and_objects_that_are_gone_are_forgotten() -> None:
    waits: Waits[str] = Waits(LONGEST)
    waits.over("a", ["soon"], 0.0)
    waits.over("a", [], 31.0)
    assert len(waits) == 0
    waits.over("a", ["in a year"], 31.0)
    waits.forget("a")
    waits.forget("a")
    assert waits.over("a", ["in a year"], 31.0 + LONGEST) == set()
