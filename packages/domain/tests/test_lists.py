"""Lists as people write and read them."""

from __future__ import annotations

import pytest

from moorage_domain.lists import names_of, parts_of, some_of


@pytest.mark.parametrize("text", ["", " ", ",", " , ,"])
def test_a_blank_list_has_no_entries(text: str) -> None:
    assert parts_of(text) == ()


def test_entries_are_in_order_and_without_blanks() -> None:
    assert parts_of(" b, a ,, c d,") == ("b", "a", "c d")


def test_as_many_as_are_shown_are_all_there_are() -> None:
    assert some_of(["a is full", "b is full"], 2) == "a is full; b is full"
    assert names_of(["a", "b"], 2) == "a, b"


def test_of_more_the_number_is_said() -> None:
    assert some_of(["a is full", "b is full", "c is full"], 2) == "a is full; b is full; and 1 more"
    assert names_of(["a", "b", "c", "d"], 2) == "a, b and 2 more"
