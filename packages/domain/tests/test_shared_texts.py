"""Equal texts become one copy, and whatever tenants write, the memory for them is bounded."""

from __future__ import annotations

import tracemalloc

from moorage_domain import shared_texts
from moorage_domain.shared_texts import LONGEST, MOST_TEXTS, shared


def test_equal_texts_become_one_copy() -> None:
    one, other = (b"topology.kubernetes.io/zone".decode() for _ in range(2))
    assert one is not other
    assert shared(one) is shared(other)
    assert shared(one) == other


def test_a_text_that_is_too_long_stays_what_it_is() -> None:
    one, other = ("x" * (LONGEST + 1) + end for end in ("", ""))
    assert shared(one) is one
    assert shared(other) is other


def test_sec_10_texts_that_tenants_invent_are_not_kept_for_good() -> None:
    shared_texts._known.clear()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(5 * MOST_TEXTS):
            shared(f"invented-{number}")
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        known = len(shared_texts._known)
        shared_texts._known.clear()
    assert known <= MOST_TEXTS
    # All of them would take 20 MB.
    assert after - before < 8 * 1024 * 1024
