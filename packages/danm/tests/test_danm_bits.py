"""Bit arrays are those of DANM, bit for bit."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage_danm.model.bits import MOST_BITS, BadBits, BitArray

GOLDEN = [
    (256, set(), "g" + 41 * "A" + "E="),
    (256, {1}, "wA" + 40 * "A" + "E="),
    (256, {5}, "hA" + 40 * "A" + "E="),
    (4, set(), "kA=="),
    (2, set(), "wA=="),
    (16, set(), "gAE="),
]


@pytest.mark.parametrize(("size", "used", "text"), GOLDEN)
def test_bits_golden(size: int, used: set[int], text: str) -> None:
    fresh = BitArray.fresh(size).with_set(used)
    assert str(fresh) == text
    assert BitArray.parse(text, size) == fresh
    assert set(fresh.indexes()) == {0, size - 1} | used


@given(st.integers(1, 300), st.data())
def test_bits_roundtrip(size: int, data: st.DataObject) -> None:
    used = data.draw(st.sets(st.integers(0, size - 1)))
    freed = data.draw(st.sets(st.integers(-5, size + 5)))
    array = BitArray.parse(str(BitArray(bytes((size + 7) // 8), size).with_set(used)), size)
    assert set(array.indexes()) == used
    assert set(array.with_clear(freed).indexes()) == used - freed
    assert all((index in array) == (index in used) for index in range(-1, size + 1))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("gA", 16),
        ("g€E=", 16),
        ("gAE=", 256),
        ("gAE=", 4),
        ("", 16),
        (base64.b64encode(bytes(2)).decode() + "\n!", 16),
        ("gAE=", 0),
        ("gAE=", MOST_BITS + 1),
    ],
)
def test_bits_bad_base64_or_wrong_length(text: str, size: int) -> None:
    with pytest.raises(BadBits):
        BitArray.parse(text, size)
