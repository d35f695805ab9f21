"""Names that documents may use: fields of our kinds, values of the chart."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from moorage_api.crds import Definition, crd

from .chart_schema import leaves, umbrella
from .files import ROOT
from .parts import PARTS


@cache
def fields() -> frozenset[str]:
    """Every path of the CRDs' schemas, whole and below ``spec``."""
    return frozenset(
        name for part in PARTS.values() for kind in part.kinds for name in _fields_of(kind)
    )


def _fields_of(kind: Definition) -> set[str]:
    (version,) = crd(kind)["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    parts = {
        name: schema["properties"][name]
        for name in ("spec", "status")
        if name in schema["properties"]
    }
    whole = set(_paths({"properties": parts}, ""))
    return whole | {path.removeprefix("spec.") for path in whole}


def _paths(schema: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, one in schema.get("properties", {}).items():
        many = one.get("type") == "array"
        yield prefix + name
        yield from _paths(one["items"] if many else one, f"{prefix}{name}{'[]' if many else ''}.")


def is_value(path: str) -> bool:
    """Whether the chart has this value, values below it, or a map of which it is a key."""
    return any(
        f"{known}.".startswith(f"{path}.") or (is_map and path.startswith(f"{known}."))
        for known, is_map in _values().items()
    )


@cache
def _values() -> dict[str, bool]:
    """Every value of the chart, and whether any key may stand below it."""
    return {path: isinstance(one["default"], dict) for path, one in leaves(umbrella(ROOT))}


def toggles() -> set[str]:
    """The values that switch a whole part."""
    return {path for path in _values() if path.endswith(".enabled") and path.count(".") == 1}
