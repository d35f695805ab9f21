"""A cache holds no more bytes than it may, whatever it is asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from moorage_domain.bounded_cache import BoundedCache


def test_a_key_is_computed_once_while_it_is_kept() -> None:
    asked: list[str] = []

    def upper(text: str) -> str:
        asked.append(text)
        return text.upper()

    cache = BoundedCache(upper, 10, len)
    assert [cache(key) for key in ("a", "b", "a", "b")] == ["A", "B", "A", "B"]
    assert asked == ["a", "b"]


def test_what_was_not_asked_for_lately_goes_first() -> None:
    asked: list[str] = []
    cache = BoundedCache(asked.append, 3, len)
    for key in ("a", "b", "c", "a", "d", "a", "b"):
        cache(key)
    assert asked == ["a", "b", "c", "d", "b"]


@given(st.lists(st.text(max_size=8)))
def test_never_more_is_kept_than_the_limit(keys: list[str]) -> None:
    cache = BoundedCache(str.upper, 10, len)
    for key in keys:
        assert cache(key) == key.upper()
        assert cache.used_bytes <= 10


def test_what_is_cleared_is_computed_again() -> None:
    asked: list[str] = []
    cache = BoundedCache(asked.append, 3, len)
    for key in ("a", "b"):
        cache(key)
    cache.clear()
    assert cache.used_bytes == 0
    cache("a")
    assert asked == ["a", "b", "a"]
