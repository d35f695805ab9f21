"""YAML that people write is read as texts, and no text costs much."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage_machine_ipam.machine.hook_yaml import SIZE_LIMIT_BYTES, InvalidYaml, Tree, texts


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", None),
        ("# nothing yet\n", None),
        ("a: 023\nb: 1:20\nc: no\n", {"a": "023", "b": "1:20", "c": "no"}),
        ("a:\nb: ~\nc: null\n", {"a": None, "b": None, "c": None}),
        ("a: ''\nb: 'null'\n", {"a": "", "b": "null"}),
        ("a: [x, {b: c}]\n", {"a": ["x", {"b": "c"}]}),
        ("\ufeffa: b\n", {"a": "b"}),
        ('{"a": "b"}', {"a": "b"}),
        ("{1: 2}", {"1": "2"}),
    ],
)
def test_values_are_as_they_are_written(text: str, tree: Tree) -> None:
    assert texts(text) == tree


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", '"a" is there twice in line 2: keep one'),
        ("a: &x [1]\nb: *x\n", "aliases and tags are not allowed in line 2"),
        ("a: !!python/object/apply:os.system [ls]\n", "aliases and tags are not allowed in line 1"),
        ("a: !secret x\n", "aliases and tags are not allowed in line 1"),
        ("? [a, b]\n: c\n", "a key must be one word in line 1"),
        ("a: 1\n b: 2\n", "not YAML in line 2: mapping values are not allowed here; mind the ind"),
        ("a:\n\tb: 1\n", "not YAML in line 2: found character"),
        ("a: 1\n---\nb: 2\n", "not YAML in line 2: but found another document"),
        ("a: 'b\n", "not YAML in line 2: found unexpected end"),
        ("a: \x00\n", "not YAML: unacceptable character #x0000.*; it must be UTF-8 text$"),
        ("\ud800", "not YAML: unacceptable character"),
        ("[[[[[[[[[1]]]]]]]]]", "too deep or too much in line 1"),
        ("é" * (SIZE_LIMIT_BYTES // 2 + 1), "65538 bytes are too many: at most 65536 are read"),
    ],
)
def test_what_is_not_allowed_is_said_with_its_line(text: str, message: str) -> None:
    with pytest.raises(InvalidYaml, match=message) as caught:
        texts(text)
    assert "\n" not in str(caught.value)


HOSTILE = {
    "brackets": "[" * SIZE_LIMIT_BYTES,
    "braces": "{a: " * 16_000,
    "dashes": "- " * 32_000,
    "question marks": "? " * 32_000,
    "one key often": "a:\n" * 21_000,
    "many keys": "".join(f"k{number}: 1\n" for number in range(6_000)),
    "anchors": "&a " * 21_000,
    "deep lists": "[a, " * 16_000,
    "a wide list": "a: [" + "x, " * 21_000,
    # Nine aliases of nine aliases, and so on: 40 million values in 500 bytes.
    "aliases": "a0: &a0 [x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_text_costs_no_time(text: str) -> None:
    start = time.process_time()
    with pytest.raises(InvalidYaml):
        texts(text)
    assert time.process_time() - start < 2


@settings(deadline=None)
@given(st.text(st.sampled_from("ab:-?[]{}&*!|>'\"#%@ \n\t,~1/.é\x00")))
def test_every_text_is_a_tree_or_refused(text: str) -> None:
    try:
        tree = texts(text)
    except InvalidYaml:
        return
    assert tree is None or isinstance(tree, str | list | dict)
