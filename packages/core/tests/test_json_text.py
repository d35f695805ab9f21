"""What is kept of JSON takes the memory that it needs."""

from __future__ import annotations

import tracemalloc

import pytest

from moorage_core.json_text import json_text

COUNT = 200


def test_it_is_the_json_of_the_value_with_sorted_keys_where_that_is_asked_for() -> None:
    value = {"b": [1, None, "x"], "a": True}
    assert json_text(value) == b'{"b":[1,null,"x"],"a":true}'
    assert json_text(value, sort_keys=True) == b'{"a":true,"b":[1,null,"x"]}'


def test_what_is_no_json_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        json_text(2**64)


def test_sec_03_what_is_kept_is_not_several_times_as_large_as_it_looks() -> None:
    value = {"ip": "203.0.113.10", "message": "x" * 500}
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    kept = [json_text(value) for _ in range(COUNT)]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (after - before) / COUNT < 2 * len(kept[0])
