"""Label selectors: read as kubectl reads them, and what they mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage_domain.label_selectors import (
    InvalidSelector,
    Operator,
    Requirement,
    Selector,
    is_label_key,
)


@pytest.mark.parametrize(
    ("text", "labels", "fits"),
    [
        ("app=db", {"app": "db"}, True),
        ("app=db", {"app": "web"}, False),
        ("app=db", {}, False),
        ("app == db", {"app": "db"}, True),
        ("app=", {"app": ""}, True),
        ("app=", {}, False),
        ("app!=db", {"app": "web"}, True),
        ("app!=db", {}, True),
        ("app!=db", {"app": "db"}, False),
        ("tier in (a, b)", {"tier": "b"}, True),
        ("tier in (a,b)", {"tier": "c"}, False),
        ("tier notin (a,b)", {"tier": "c"}, True),
        ("tier notin (a,b)", {}, True),
        ("tier notin (a,b)", {"tier": "a"}, False),
        ("app", {"app": "x"}, True),
        ("app", {}, False),
        ("!app", {}, True),
        ("!app", {"app": ""}, False),
        ("app=db,tier in (a,b),!old", {"app": "db", "tier": "a"}, True),
        ("app=db,tier in (a,b),!old", {"app": "db", "tier": "a", "old": "1"}, False),
        ("example.com/app=db", {"example.com/app": "db"}, True),
    ],
)
def test_what_a_selector_means(text: str, labels: dict[str, str], fits: bool) -> None:  # noqa: FBT001 - a column of the table
    assert Selector.parse(text).fits(labels) is fits


@pytest.mark.parametrize("text", ["", "  "])
def test_everything_fits_an_empty_selector(text: str) -> None:
    assert Selector.parse(text) == Selector.of_labels({}) == Selector()
    assert Selector().fits({"app": "db"})


@pytest.mark.parametrize(
    "text",
    ["a=b,", ",", "a b", "a in b", "a in (b", "a=b=c", "=b", "!", "a>1", "-a", "a=-b", "a=ü"],
)
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(InvalidSelector, match=r"write key=value|is no value of a label"):
        Selector.parse(text)


keys = st.from_regex(r"[a-z]{1,3}", fullmatch=True)
requirements = st.builds(
    Requirement,
    keys,
    st.sampled_from([Operator.IN, Operator.NOT_IN]),
    st.frozensets(keys, min_size=1, max_size=3),
) | st.builds(Requirement, keys, st.sampled_from([Operator.EXISTS, Operator.DOES_NOT_EXIST]))


@given(st.lists(requirements, min_size=1, max_size=4))
def test_what_is_written_is_read_again(asked: list[Requirement]) -> None:
    selector = Selector(tuple(asked))
    assert Selector.parse(str(selector)).fits({}) == selector.fits({})
    normal = Selector.parse(str(selector))
    assert Selector.parse(str(normal)) == normal


@given(st.lists(requirements, min_size=1, max_size=4), st.dictionaries(keys, keys, max_size=4))
def test_whatever_fits_has_one_of_the_pairs(
    asked: list[Requirement], labels: dict[str, str]
) -> None:
    selector = Selector(tuple(asked))
    if selector.pairs and selector.fits(labels):
        assert set(selector.pairs) & set(labels.items())


@pytest.mark.parametrize("text", ["pending", "Not_ready.yet", f"a-1.example.com/{'x' * 63}"])
def test_what_can_be_a_key_is_known(text: str) -> None:
    assert is_label_key(text)


@pytest.mark.parametrize("text", ["", "a b", "/x", "x/", "a/b/c", "-x", "x" * 64, "x=y:NoSchedule"])
def test_what_can_be_no_key_is_known(text: str) -> None:
    assert not is_label_key(text)
