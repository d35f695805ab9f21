"""Every string, list and map of our kinds has a bound, so no object costs more than is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from moorage_api import DEFINITIONS
from moorage_api.crds import Definition, crd

_BOUNDS = {
    "string": {"maxLength", "enum"},
    "array": {"maxItems"},
    "map": {"maxProperties"},
    "object": {"properties"},
    "integer": {"type"},
    "number": {"type"},
    "boolean": {"type"},
}
"""What bounds a value of each kind: one of these keys in its schema."""


def unbounded(schema: dict[str, Any], path: str) -> Iterator[str]:
    """The paths of what has no bound."""
    if not _BOUNDS.get(_kind(schema), set()) & schema.keys():
        yield path
    if _kind(schema) == "map" and not any("key.size()" in one["rule"] for one in _rules(schema)):
        yield f"{path} (keys)"
    if "items" in schema:
        yield from unbounded(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from unbounded(schema["additionalProperties"], f"{path}{{}}")
    for name, part in schema.get("properties", {}).items():
        yield from unbounded(part, f"{path}.{name}")


def _kind(schema: dict[str, Any]) -> str:
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return "anything"
    return "map" if "additionalProperties" in schema else str(schema.get("type"))


def _rules(schema: dict[str, Any]) -> list[dict[str, str]]:
    rules: list[dict[str, str]] = schema.get("x-kubernetes-validations", [])
    return rules


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda one: one.kind.name)
def test_everything_in_a_kind_is_bounded(definition: Definition) -> None:
    for version in crd(definition)["spec"]["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        assert list(unbounded(schema, definition.kind.name)) == []


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        ({"type": "string"}, ["x"]),
        ({"type": "string", "maxLength": 3}, []),
        ({"type": "array", "items": {"type": "string"}}, ["x", "x[]"]),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            ["x", "x (keys)", "x{}"],
        ),
        ({"type": "object", "properties": {"y": {"type": "string"}}}, ["x.y"]),
        ({"x-kubernetes-preserve-unknown-fields": True}, ["x"]),
    ],
)
def test_what_has_no_bound_is_noticed(schema: dict[str, Any], found: list[str]) -> None:
    assert list(unbounded(schema, "x")) == found
