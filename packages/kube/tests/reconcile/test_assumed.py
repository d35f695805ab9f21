"""What plans give away is taken for others until the next plan for the same object."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from moorage_kube.reconcile.assumed import Assumed


def tokens(*names: str) -> frozenset[str]:
    return frozenset(names)


def test_only_others_are_kept_from_a_token() -> None:
    assumed = Assumed()
    assumed.replace("a", tokens("n1"))
    assumed.replace("b", tokens("n1", "n2"))
    assert assumed.by_others("n1", "a") == {"b"}
    assert assumed.by_others("n1", "c") == {"a", "b"}
    assert assumed.by_others("n2", "b") == frozenset()
    assert assumed.by_others("n3", "a") == frozenset()


def test_the_next_plan_replaces_what_the_last_one_assumed() -> None:
    assumed = Assumed()
    assumed.replace("a", tokens("n1", "n2"))
    assumed.replace("a", tokens("n2", "n3"))
    assert assumed.of("a") == {"n2", "n3"}
    assert assumed.tokens() == {"n2": {"a"}, "n3": {"a"}}


def test_an_object_that_is_gone_assumes_nothing() -> None:
    assumed = Assumed()
    assumed.replace("a", tokens("n1"))
    assumed.replace("b", tokens("n1"))
    assumed.forget("a")
    assumed.forget("nobody")
    assert assumed.of("a") == frozenset()
    assert assumed.tokens() == {"n1": {"b"}}


def test_what_was_answered_does_not_change_afterwards() -> None:
    assumed = Assumed()
    assumed.replace("a", tokens("n1"))
    before = assumed.by_others("n1", "b")
    assumed.forget("a")
    assert before == {"a"}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.frozensets(st.sampled_from("xyz")))))
def test_it_always_says_what_the_last_plan_of_each_object_assumed(
    plans: list[tuple[str, frozenset[str]]],
) -> None:
    assumed, last = Assumed(), dict[str, frozenset[str]]()
    for key, taken in plans:
        assumed.replace(key, taken)
        last[key] = taken
    for token in "xyz":
        holders = {key for key, taken in last.items() if token in taken}
        assert assumed.by_others(token, "nobody") == holders
        assert assumed.tokens().get(token, set()) == holders
