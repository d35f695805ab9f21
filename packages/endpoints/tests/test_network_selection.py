"""Selections of networks: the table of texts, and that what is written can be read again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage_endpoints.networks.selection import (
    Problems,
    Rule,
    Selection,
    parse_selections,
)

NS = "here"
A, B = Selection(NS, "a"), Selection(NS, "b")
LONG = "a" * 63
Expected = tuple[Selection, ...] | list[tuple[int, str, Rule]]

# Either the networks, or where something is wrong: position, unit, rule.
GRAMMAR: list[tuple[str, Expected]] = [
    ("a", (A,)),
    (" a ", (A,)),
    ("a,b", (A, B)),
    ("a, b", (A, B)),
    ("a ,\tb", (A, B)),
    ("a,a", (A, A)),
    ("b,a", (B, A)),
    ("ns/a", (Selection("ns", "a"),)),
    (" ns / a @ net1 ", (Selection("ns", "a", "net1"),)),
    ("a@net1", (Selection(NS, "a", "net1"),)),
    ("a@Net1.100", (Selection(NS, "a", "Net1.100"),)),
    ("ns/a@net1,b", (Selection("ns", "a", "net1"), B)),
    ("a@123456789012345", (Selection(NS, "a", "123456789012345"),)),
    ("0", (Selection(NS, "0"),)),
    ("a-b", (Selection(NS, "a-b"),)),
    (LONG, (Selection(NS, LONG),)),
    ('[{"name":"a"}]', (A,)),
    (' [ {"name": "a"} ] ', (A,)),
    ('[{"name":"a"},{"name":"b"}]', (A, B)),
    ('[{"name":"a","namespace":"ns"}]', (Selection("ns", "a"),)),
    ('[{"name":"a","interface":"net1"}]', (Selection(NS, "a", "net1"),)),
    ('[{"name":"a","namespace":null,"interface":null}]', (A,)),
    ('[{"name":"a","namespace":"","interface":""}]', (A,)),
    ('[{"name":"a","ips":17,"mac":[],"default-route":{}}]', (A,)),
    ('[{"name":"a","ips":["10.0.0.1/24"],"cni-args":{"x":1}}]', (A,)),
    ('[{"name":"a","example.com/more":true}]', (A,)),
    ("", [(0, "text", Rule.EMPTY)]),
    ("   ", [(0, "text", Rule.EMPTY)]),
    (",", [(1, "item", Rule.EMPTY), (2, "item", Rule.EMPTY)]),
    ("a,", [(2, "item", Rule.EMPTY)]),
    (",a", [(1, "item", Rule.EMPTY)]),
    ("a,,b", [(2, "item", Rule.EMPTY)]),
    ("a, ,b", [(2, "item", Rule.EMPTY)]),
    ("a/b/c", [(1, "item", Rule.TOO_MANY_SLASHES)]),
    ("a,x//b", [(2, "item", Rule.TOO_MANY_SLASHES)]),
    ("a@b@c", [(1, "item", Rule.TOO_MANY_ATS)]),
    ("/a", [(1, "namespace", Rule.NOT_A_LABEL)]),
    ("a/", [(1, "name", Rule.NOT_A_LABEL)]),
    ("/", [(1, "namespace", Rule.NOT_A_LABEL), (1, "name", Rule.NOT_A_LABEL)]),
    ("@net1", [(1, "name", Rule.NOT_A_LABEL)]),
    ("a@", [(1, "interface", Rule.NOT_AN_INTERFACE)]),
    ("a@1234567890123456", [(1, "interface", Rule.NOT_AN_INTERFACE)]),
    ("a@net 1", [(1, "interface", Rule.NOT_AN_INTERFACE)]),
    ("a@net:1", [(1, "interface", Rule.NOT_AN_INTERFACE)]),
    ("a@.", [(1, "interface", Rule.NOT_AN_INTERFACE)]),
    ("a@..", [(1, "interface", Rule.NOT_AN_INTERFACE)]),
    ("A", [(1, "name", Rule.NOT_A_LABEL)]),
    ("-a", [(1, "name", Rule.NOT_A_LABEL)]),
    ("a-", [(1, "name", Rule.NOT_A_LABEL)]),
    ("a.b", [(1, "name", Rule.NOT_A_LABEL)]),
    ("a b", [(1, "name", Rule.NOT_A_LABEL)]),
    ("a\u00e4", [(1, "name", Rule.NOT_A_LABEL)]),
    (LONG + "a", [(1, "name", Rule.NOT_A_LABEL)]),
    ("NS/a", [(1, "namespace", Rule.NOT_A_LABEL)]),
    ("A,b@", [(1, "name", Rule.NOT_A_LABEL), (2, "interface", Rule.NOT_AN_INTERFACE)]),
    ("[]", [(0, "text", Rule.NO_NETWORKS)]),
    ("{}", [(0, "text", Rule.NOT_A_LIST)]),
    ('{"name":"a"}', [(0, "text", Rule.NOT_A_LIST)]),
    ('"a"', [(0, "text", Rule.NOT_A_LIST)]),
    ("[", [(0, "text", Rule.NOT_JSON)]),
    ('a,"b"', [(0, "text", Rule.NOT_JSON)]),
    ('[{"name":"a"},]', [(0, "text", Rule.NOT_JSON)]),
    ("[" * 100_000, [(0, "text", Rule.NOT_JSON)]),
    ("[null]", [(1, "item", Rule.NOT_AN_OBJECT)]),
    ('["a"]', [(1, "item", Rule.NOT_AN_OBJECT)]),
    ("[1]", [(1, "item", Rule.NOT_AN_OBJECT)]),
    ("[[]]", [(1, "item", Rule.NOT_AN_OBJECT)]),
    ('[{"name":"a"},null]', [(2, "item", Rule.NOT_AN_OBJECT)]),
    ("[{}]", [(1, "name", Rule.NAME_MISSING)]),
    ('[{"name":""}]', [(1, "name", Rule.NAME_MISSING)]),
    ('[{"name":null}]', [(1, "name", Rule.NAME_MISSING)]),
    ('[{"namespace":"ns"}]', [(1, "name", Rule.NAME_MISSING)]),
    ('[{"name":5}]', [(1, "name", Rule.NOT_A_STRING)]),
    ('[{"name":"a","namespace":5}]', [(1, "namespace", Rule.NOT_A_STRING)]),
    ('[{"name":"a","interface":[]}]', [(1, "interface", Rule.NOT_A_STRING)]),
    ('[{"name":"ns/a"}]', [(1, "name", Rule.NOT_A_LABEL)]),
    ('[{"name":"a","namespace":"N"}]', [(1, "namespace", Rule.NOT_A_LABEL)]),
    ('[{"name":"a","interface":"a/b"}]', [(1, "interface", Rule.NOT_AN_INTERFACE)]),
]


def test_na_03_grammar_table_has_sixty_texts() -> None:
    assert len({text for text, _ in GRAMMAR}) == len(GRAMMAR) >= 60


@pytest.mark.parametrize(("text", "expected"), GRAMMAR, ids=[one[:30] for one, _ in GRAMMAR])
def test_na_03_grammar_table(text: str, expected: Expected) -> None:
    found = parse_selections(text, NS)
    if isinstance(found, Problems):
        assert [(one.position, one.unit, one.rule) for one in found.problems] == expected
    else:
        assert found == expected


def test_every_rule_is_broken_by_some_text_of_the_table() -> None:
    broken = {one[2] for _, expected in GRAMMAR if isinstance(expected, list) for one in expected}
    assert broken == set(Rule)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,B", 'name of network 2, "B": it has to be small letters, digits and dashes'),
        ("[]", 'the whole text, "[]": the list is empty; name a network'),
        ("a@b@c", 'item of network 1, "a@b@c": it has more than one @'),
    ],
)
def test_a_problem_names_place_value_and_way_out(text: str, said: str) -> None:
    assert said in str(parse_selections(text, NS))


labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
interfaces = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,14}", fullmatch=True)
selections = st.lists(
    st.builds(Selection, labels, labels, st.one_of(st.just(""), interfaces)), min_size=1
)


@given(selections)
def test_na_03_what_is_written_short_is_read_again(asked: list[Selection]) -> None:
    assert parse_selections(" , ".join(map(str, asked)), NS) == tuple(asked)


@given(selections)
def test_na_03_what_is_written_as_json_is_read_again(asked: list[Selection]) -> None:
    objects = [
        {"name": one.name, "namespace": one.namespace, "interface": one.interface} for one in asked
    ]
    assert parse_selections(json.dumps(objects), NS) == tuple(asked)


@given(st.text(alphabet='ab/@, []{}":\\n1', max_size=40))
def test_any_text_gets_an_answer(text: str) -> None:
    found = parse_selections(text, NS)
    assert found if isinstance(found, tuple) else found.problems
