"""Lists as text: read where people write them with commas, cut short where people read them."""

from __future__ import annotations

from collections.abc import Sequence


def parts_of(text: str) -> tuple[str, ...]:
    """The entries of a list with commas; those that are blank are left out."""
    return tuple(filter(None, (part.strip() for part in text.split(","))))


def some_of(texts: Sequence[str], most: int) -> str:
    """The first of several sentences, as in "a is full; b is full; and 3 more"."""
    more = len(texts) - most
    return "; ".join(texts[:most]) + (f"; and {more} more" if more > 0 else "")


def names_of(names: Sequence[object], most: int) -> str:
    """The first of several names, as in "a, b and 3 more"."""
    more = len(names) - most
    return ", ".join(map(str, names[:most])) + (f" and {more} more" if more > 0 else "")
