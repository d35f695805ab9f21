"""Compute Engine's description: its methods, and the fields of their requests and answers."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moorage_testing.clouds.gcp.description import shipped

PREFIX = "/compute/v1/"
_PYTHON: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
# JSON has no integers of 64 bits.
_DECIMAL = ("int64", "uint64")


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the API.

    Attributes:
        op: its name, such as ``instances.get``.
        verb: the HTTP method.
        path: matches the whole path; its groups are the parameters in it.
        query: the parameters in the query, by name, with their schemas.
        request: the name of the body's schema, ``""`` = there is no body.
        response: the name of the answer's schema.
    """

    op: str
    verb: str
    path: re.Pattern[str]
    query: Mapping[str, Mapping[str, Any]]
    request: str
    response: str


def find(verb: str, path: str) -> tuple[Method, dict[str, str]] | None:
    """The requested method and the parameters in its path; ``None``: not in the description."""
    for method in _methods():
        match = method.path.fullmatch(path) if method.verb == verb else None
        if match:
            return method, match.groupdict()
    return None


def missing(method: Method, query: Mapping[str, str]) -> list[str]:
    """Required query parameters that are missing."""
    return [n for n, one in method.query.items() if one.get("required") and n not in query]


def problems_of_query(method: Method, query: Mapping[str, str]) -> list[str]:
    """Violations of the description in a request's query."""
    everywhere = _description()["parameters"]
    found: list[str] = []
    for name, value in query.items():
        schema = method.query.get(name)
        if schema is None and name not in everywhere:
            found.append(f"{method.op}: unknown parameter {name}")
        elif schema and schema["type"] == "integer" and not value.isdecimal():
            found.append(f"{method.op}: {name} is {value!r}, no number")
    return found


def problems(schema_name: str, value: object, where: str) -> list[str]:
    """Violations of the description in a value: fields, types, values of enumerations."""
    return list(_problems({"$ref": schema_name}, value, where))


def _problems(schema: Mapping[str, Any], value: object, where: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = _description()["schemas"][schema["$ref"]]
    kind = schema.get("type", "object")
    if not _is_a(kind, value):
        yield f"{where}: {value!r} is no {kind}"
    elif isinstance(value, str):
        yield from _problems_of_text(schema, value, where)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _problems(schema["items"], item, f"{where}[{number}]")
    elif isinstance(value, dict):
        yield from _problems_of_object(schema, value, where)


def _is_a(kind: str, value: object) -> bool:
    # In Python a bool is an int.
    return isinstance(value, _PYTHON[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _problems_of_text(schema: Mapping[str, Any], value: str, where: str) -> Iterator[str]:
    if value not in schema.get("enum", (value,)):
        yield f"{where}: {value!r} is none of its values"
    if "pattern" in schema and not re.fullmatch(schema["pattern"], value):
        yield f"{where}: {value!r} does not match {schema['pattern']}"
    if schema.get("format") in _DECIMAL and not re.fullmatch(r"-?\d+", value):
        yield f"{where}: {value!r} is no decimal number"


def _problems_of_object(
    schema: Mapping[str, Any], value: Mapping[str, object], where: str
) -> Iterator[str]:
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name, item in value.items():
        below = known.get(name, others)
        if below is None:
            yield f"{where}.{name}: unknown field"
        else:
            yield from _problems(below, item, f"{where}.{name}")


@functools.cache
def _description() -> dict[str, Any]:
    return shipped()


@functools.cache
def _methods() -> tuple[Method, ...]:
    return tuple(_method(op, one) for op, one in _description()["methods"].items())


def _method(op: str, described: Mapping[str, Any]) -> Method:
    parameters: dict[str, dict[str, Any]] = described["parameters"]

    def group(match: re.Match[str]) -> str:
        return f"(?P<{match[1]}>{parameters[match[1]]['pattern']})"

    return Method(
        op=op,
        verb=described["httpMethod"],
        path=re.compile(PREFIX + re.sub(r"\{(\w+)\}", group, described["path"])),
        query={name: one for name, one in parameters.items() if one["location"] == "query"},
        request=described.get("request", {}).get("$ref", ""),
        response=described["response"]["$ref"],
    )
