"""Label and field selectors, as lists and watches take them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from moorage_testing.apiserver.messages import Refusal

Test = Callable[[dict[str, Any]], bool]

_SET = re.compile(r"(?P<key>[^\s!=,()]+)\s+(?P<how>in|notin)\s*\((?P<values>[^)]*)\)")
_PAIR = re.compile(r"(?P<key>[^\s!=,()]+)\s*(?P<how>==|=|!=)\s*(?P<value>[^,]*)")
_ALONE = re.compile(r"(?P<no>!?)\s*(?P<key>[^\s!=,()]+)")
# Commas between terms, not those within the brackets of a set.
_COMMA = re.compile(r",(?![^(]*\))")


def selector(query: Mapping[str, str]) -> Test:
    """Whether an object is selected; raises :class:`Refusal` for a selector that cannot be read."""
    labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
    tests = [_label_test(term) for term in _terms(labels)]
    tests += [_field_test(term) for term in _terms(fields)]
    return lambda raw: all(test(raw) for test in tests)


def _terms(text: str) -> list[str]:
    return [term.strip() for term in _COMMA.split(text) if term.strip()]


def _label_test(term: str) -> Test:
    if found := _SET.fullmatch(term):
        values = {value.strip() for value in found["values"].split(",")}
        inside = found["how"] == "in"
        key = found["key"]
        return lambda raw: (_labels(raw).get(key) in values) is inside
    if found := _PAIR.fullmatch(term):
        key, value, same = found["key"], found["value"].strip(), found["how"] != "!="
        return lambda raw: (_labels(raw).get(key) == value) is same
    if found := _ALONE.fullmatch(term):
        key, there = found["key"], not found["no"]
        return lambda raw: (key in _labels(raw)) is there
    raise Refusal(400, "BadRequest", f"unable to parse requirement: {term!r}")


def _field_test(term: str) -> Test:
    found = _PAIR.fullmatch(term)
    if not found:
        raise Refusal(400, "BadRequest", f"invalid selector: {term!r}; can't understand {term!r}")
    path, value, same = found["key"].split("."), found["value"].strip(), found["how"] != "!="
    return lambda raw: (_field(raw, path) == value) is same


def _labels(raw: dict[str, Any]) -> dict[str, str]:
    return raw["metadata"].get("labels") or {}


def _field(raw: dict[str, Any], path: list[str]) -> str:
    at: Any = raw
    for part in path:
        at = at.get(part) if isinstance(at, dict) else None
    return "" if at is None else str(at)
