"""The tables in the READMEs, generated from the code they describe."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from moorage_api.crds import crd
from moorage_core.decide import address
from moorage_domain.taints import KNOWN_TAINTS
from moorage_kube.manager.settings import CommonSettings, environment_names

from .chart_schema import leaves, umbrella
from .parts import Part

Row = tuple[str, ...]


def table(head: Row, rows: Iterable[Row]) -> str:
    """A table in Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _code(*words: str) -> str:
    return ", ".join(f"`{word}`" for word in words)


def cases(part: Part) -> str:
    """The drawn table of an address, from the code that decides."""
    del part
    _, _, drawn = (address.__doc__ or "").partition("\n\n")
    return f"```text\n{drawn.strip()}\n```\n"


def reason_rows(part: Part) -> str:
    """Every reason of a controller."""
    rows = (
        (_code(one.name), "Warning" if one.warning else "Normal", one.meaning)
        for one in part.reasons
    )
    return table(("reason", "Event", "meaning"), rows)


def settings(part: Part) -> str:
    """Every setting of a controller."""
    return _settings(part.settings)


def webhook_settings(part: Part) -> str:
    """Every setting of an admission service that is a process of its own."""
    if part.webhook is None:
        raise LookupError(f"{part.name} has no such process")
    return _settings(part.webhook)


def _settings(of: type[CommonSettings]) -> str:
    rows = []
    for name, field in of.model_fields.items():
        flag = "--" + name.replace("_", "-")
        given = "" if field.default in (None, "") else _code(str(field.default))
        default = "required" if field.is_required() else given
        names = _code(*environment_names(name, field))
        rows.append((_code(flag), names, default, field.description or ""))
    return table(("flag", "environment", "default", "meaning"), rows)


def rights(part: Part) -> str:
    """Every RBAC rule of a controller."""
    rows = (
        (
            right.group or "core",
            _code(*right.resources),
            _code(*right.verbs),
            "its namespace" if right.namespaced else "cluster",
            right.why,
        )
        for right in part.all_rules
    )
    return table(("group", "resources", "verbs", "where", "why"), rows)


def metrics(part: Part) -> str:
    """Every series of a controller."""
    return table(
        ("series", "type", "labels", "meaning"),
        ((_code(name), kind, _code(*labels), text) for name, kind, labels, text in part.series()),
    )


def taints() -> str:
    """Every taint whose meaning is known."""
    rows = ((_code(one.key), _code(one.taint_class), one.source) for one in KNOWN_TAINTS)
    return table(("taint", "says", "set by"), rows)


def values() -> str:
    """Every value of the charts, by its path from the umbrella."""
    rows = (
        (_code(path), _code(json.dumps(one["default"], ensure_ascii=False)), one["description"])
        for path, one in leaves(umbrella(Path(__file__).parents[2]))
    )
    return table(("value", "default", "meaning"), rows)


def fields(part: Part) -> str:
    """Every field of the spec of the kind that people write."""
    spec = _schema(part)["spec"]
    head = ("field of `spec`", "type", "default", "meaning")
    return table(head, (_field_row(*one) for one in _walk(spec, "")))


def status(part: Part) -> str:
    """Every field of its status."""
    rows = ((_code(path), _type(one), one.get("description", ""))
            for path, one, _ in _walk(_schema(part)["status"], ""))  # fmt: skip
    return table(("field of `status`", "type", "meaning"), rows)


def _schema(part: Part) -> dict[str, Any]:
    (version,) = crd(part.kinds[0])["spec"]["versions"]
    properties: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]
    return properties


def _walk(schema: dict[str, Any], prefix: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Every field below an object: its path, its schema, ``"required"`` where it is."""
    for name, one in schema.get("properties", {}).items():
        yield prefix + name, one, "required" if name in schema.get("required", ()) else ""
        many = one.get("type") == "array"
        inner = one["items"] if many else one
        yield from _walk(inner, f"{prefix}{name}{'[]' if many else ''}.")


def _field_row(path: str, one: dict[str, Any], required: str) -> Row:
    default = one.get("default")
    # The default of an object is the defaults of its fields, each in a row of its own.
    shown = "" if default is None or isinstance(default, dict) else _code(str(default))
    return _code(path), _type(one), required or shown, one.get("description", "")


def _type(one: dict[str, Any]) -> str:
    if "enum" in one:
        return " or ".join(_code(value) for value in one["enum"])
    if one["type"] == "array":
        return f"list of {one['items']['type']}s"
    if one["type"] == "object" and "additionalProperties" in one:
        return f"map to {one['additionalProperties']['type']}s"
    return str(one["type"])


OF_PARTS: Mapping[str, Callable[[Part], str]] = {
    "cases": cases,
    "fields": fields,
    "status": status,
    "reasons": reason_rows,
    "settings": settings,
    "webhook_settings": webhook_settings,
    "metrics": metrics,
    "rights": rights,
}
"""The tables in the README of a part, by their names."""
OF_ALL: Mapping[str, Callable[[], str]] = {"values": values, "taints": taints}
"""Those of all parts together."""
