"""Patterns for names of links: what is allowed matches as expected; the rest is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage_domain.link_patterns import GRAMMAR, MOST_REPEATS, InvalidPattern, link_pattern


@pytest.mark.parametrize(
    ("pattern", "fits", "not_"),
    [
        ("eth0", "eth0", "eth01"),
        ("eth[0-9]+", "eth12", "eth"),
        (r"bond\d\.[0-9]{1,4}", "bond0.100", "bond0x100"),
        ("en(p|s|o)[0-9]+.*", "enp3s0f1", "eth0"),
        ("^(eth|wan)0$", "wan0", "wan1"),
        ("eth0|eth1", "eth1", "eth2"),
        ("[^l]+0", "eth0", "lan0"),
        ("br-ex", "br-ex", "br_ex"),
    ],
)
def test_usual_patterns_match_the_whole_name(pattern: str, fits: str, not_: str) -> None:
    assert link_pattern(pattern).fullmatch(fits)
    assert not link_pattern(pattern).fullmatch(not_)


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+", "((a))", "(a|b)*", r"(.)\1", "(?=eth0)eth0", "eth[", "eth0)", "*", "a**", "[z-a]",
     "eth 0", "a{3,1}", "eth0\n", "ethä", ".*.*.*.*.*.*.*x", "[[:digit:]]", "a{100}"],
)  # fmt: skip
def test_what_may_cost_much_or_makes_no_sense_is_refused_with_the_way_out(pattern: str) -> None:
    with pytest.raises(InvalidPattern) as refused:
        link_pattern(pattern)
    assert repr(pattern) in str(refused.value)
    assert "as in eth[0-9]+" in str(refused.value)


@given(st.from_regex(GRAMMAR, fullmatch=True).filter(lambda text: len(text) <= 256))
def test_whatever_the_grammar_allows_is_a_pattern_or_says_why_not(text: str) -> None:
    try:
        pattern = link_pattern(text)
    except InvalidPattern:
        return
    pattern.fullmatch("aaaaaaaaaaaaaa!")
    assert pattern.pattern == text


def test_the_dearest_pattern_that_is_allowed_comes_to_an_end() -> None:
    assert not link_pattern(".*" * MOST_REPEATS + "x").fullmatch("a" * 15)
    with pytest.raises(InvalidPattern, match="repeats more than 6 times"):
        link_pattern(".*" * (MOST_REPEATS + 1) + "x")
