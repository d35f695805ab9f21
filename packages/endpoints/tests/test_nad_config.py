"""What CNI can read of a net-attach-def, and what is said of the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage_endpoints.nads.config import CniConfig, InvalidConfig, parse_config, types_of

BRIDGE: dict[str, Any] = {"cniVersion": "0.3.1", "type": "bridge"}


@pytest.mark.parametrize(
    ("text", "config"),
    [
        ("", CniConfig()),
        (" \n", CniConfig()),
        (json.dumps(BRIDGE), CniConfig("", ("bridge",))),
        (json.dumps(BRIDGE | {"name": "a.b_c-1"}), CniConfig("a.b_c-1", ("bridge",))),
        (json.dumps(BRIDGE | {"name": None, "ipam": {}}), CniConfig("", ("bridge",))),
        (json.dumps(BRIDGE | {"capabilities": {"ips": True}}), CniConfig("", ("bridge",))),
        (
            json.dumps({"name": "x", "plugins": [BRIDGE, {"type": "tuning"}]}),
            CniConfig("x", ("bridge", "tuning")),
        ),
        (
            json.dumps({"plugins": [BRIDGE], "disableCheck": "TRUE", "disableGC": False}),
            CniConfig("", ("bridge",)),
        ),
    ],
)
def test_what_can_be_read(text: str, config: CniConfig) -> None:
    assert parse_config(text) == config


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("{", ("it is no JSON", "line 1, column 2")),
        ("type: bridge", ("it is no JSON", "column 1")),
        ("[" * 100_000, ("nested too deeply",)),
        ("[]", ("it is []", "JSON object")),
        ("null", ("it is null", "JSON object")),
        ('"bridge"', ('it is "bridge"',)),
        ("{}", ('"type" or "plugins" is missing',)),
        ('{"type": ""}', ('"type" or "plugins" is missing',)),
        ('{"type": 1}', ('"type" is 1', "a text")),
        ('{"type": "/bin/sh"}', ('"type" is "/bin/sh"', "no path")),
        ('{"type": "../sh"}', ('"type" is "../sh"',)),
        ('{"type": "a", "name": 7}', ('"name" is 7',)),
        ('{"type": "a", "name": "-x"}', ('"name" is "-x"', "begins with a letter or digit")),
        ('{"type": "a", "name": "a/b"}', ('"name" is "a/b"',)),
        ('{"type": "a", "cniVersion": 1.0}', ('"cniVersion" is 1.0',)),
        ('{"type": "a", "ipam": []}', ('"ipam" is []', "JSON object")),
        ('{"type": "a", "ipam": {"type": 3}}', ('"ipam.type" is 3',)),
        ('{"type": "a", "capabilities": {"ips": "yes"}}', ('"capabilities" is', "true and false")),
        ('{"plugins": {}}', ('"plugins" is {}', "one plug-in or more")),
        ('{"plugins": []}', ('"plugins" is []', "one plug-in or more")),
        ('{"plugins": null}', ('"plugins" is null',)),
        ('{"plugins": ["a"]}', ('plugins[0] is "a"', "JSON object")),
        ('{"plugins": [{"type": "a"}, {}]}', ('"plugins[1].type" is missing',)),
        ('{"plugins": [{"type": "a", "ipam": 1}]}', ('"plugins[0].ipam" is 1',)),
        ('{"plugins": [{"type": "a"}], "disableCheck": "no"}', ('"disableCheck" is "no"',)),
    ],
)
def test_what_cannot_be_read_says_where_and_how_it_is_written(
    text: str, parts: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidConfig) as caught:
        parse_config(text)
    for part in parts:
        assert part in str(caught.value)
    assert types_of(text) == ()


def test_a_long_value_is_cut() -> None:
    with pytest.raises(InvalidConfig) as caught:
        parse_config(json.dumps({"type": "a", "name": "/" * 10_000}))
    assert len(str(caught.value)) < 250


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "type", "plugins", "ipam", "capabilities"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(_VALUES)
def test_any_json_is_read_or_refused_in_words(value: object) -> None:
    text = json.dumps(value)
    try:
        types = parse_config(text).types
    except InvalidConfig:
        types = ()
    assert types == types_of(text)
    assert all(types)
