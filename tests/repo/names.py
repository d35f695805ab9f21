"""Names that documents may use: fields of our kind, values of the chart."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from moorage_api.crds import crd
from moorage_api.netipallocation import DEFINITION

from .chart_schema import leaves, umbrella
from .files import ROOT


def fields() -> set[str]:
    """Every path of the CRD's schema, whole and below ``spec``."""
    (version,) = crd(DEFINITION)["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    parts = {name: schema["properties"][name] for name in ("spec", "status")}
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
