"""The tables in the READMEs, generated from the code they describe."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import fields as attributes
from pathlib import Path
from typing import Any

from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from moorage_api.crds import crd
from moorage_api.netipallocation import DEFINITION
from moorage_core.caches import Caches
from moorage_core.decide import address
from moorage_core.metrics import CoreMetrics, Gauges, Replica, core_metrics
from moorage_core.rbac import RULES
from moorage_core.reasons import ALL
from moorage_core.scopes import Scopes
from moorage_core.settings import CoreSettings
from moorage_kube.manager.settings import environment_names
from moorage_kube.telemetry.metrics import (
    ControllerMetrics,
    ProcessMetrics,
    controller_metrics,
    leader_metric,
    process_metrics,
)
from moorage_provider.protocol import Provider

from .chart_schema import leaves, umbrella

Row = tuple[str, ...]


def table(head: Row, rows: Iterable[Row]) -> str:
    """A table in Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _code(*words: str) -> str:
    return ", ".join(f"`{word}`" for word in words)


def cases() -> str:
    """The drawn table of an address, from the code that decides."""
    _, _, drawn = (address.__doc__ or "").partition("\n\n")
    return f"```text\n{drawn.strip()}\n```\n"


def reason_rows() -> str:
    """Every reason of the core controller."""
    rows = (
        (_code(one.name), "Warning" if one.warning else "Normal", one.meaning)
        for one in ALL.values()
    )
    return table(("reason", "Event", "meaning"), rows)


def settings() -> str:
    """Every setting of the core controller."""
    rows = []
    for name, field in CoreSettings.model_fields.items():
        flag = "--" + name.replace("_", "-")
        default = "" if field.default in (None, "") else _code(str(field.default))
        names = _code(*environment_names(name, field))
        rows.append((_code(flag), names, default, field.description or ""))
    return table(("flag", "environment", "default", "meaning"), rows)


def rights() -> str:
    """Every RBAC rule of the core controller."""
    rows = (
        (
            right.group or "core",
            _code(*right.resources),
            _code(*right.verbs),
            "its namespace" if right.namespaced else "cluster",
            right.why,
        )
        for right in RULES
    )
    return table(("group", "resources", "verbs", "where", "why"), rows)


def series() -> list[tuple[str, str, Row, str]]:
    """Name, type, labels and meaning of every series of the core controller.

    Those of Python and the process are left out, as is the label ``cluster``.
    """
    process = process_metrics(CoreSettings.prog)
    registry = process.registry
    standard = controller_metrics(registry, "core")
    leader = leader_metric(registry, CoreSettings.prog)
    own = core_metrics(registry, None)
    gauges = Gauges(Caches(), Scopes(_no_provider, _nobody), lambda: True, None)
    replica = Replica("", "", lambda: True, registry, None)
    collected = itertools.chain(gauges.read(), replica.read())
    return sorted(
        itertools.chain(
            _registered(process), _registered(standard), [_described(leader)], _registered(own),
            _read(collected),
        )
    )  # fmt: skip


def metrics() -> str:
    """Every series of the core controller."""
    return table(
        ("series", "type", "labels", "meaning"),
        ((_code(name), kind, _code(*labels), text) for name, kind, labels, text in series()),
    )


def _registered(
    holder: ProcessMetrics | ControllerMetrics | CoreMetrics,
) -> Iterator[tuple[str, str, Row, str]]:
    for attribute in attributes(holder):
        one = getattr(holder, attribute.name)
        if isinstance(one, MetricWrapperBase):
            yield _described(one)


def _described(one: MetricWrapperBase) -> tuple[str, str, Row, str]:
    (described,) = one.describe()
    ending = "_total" if described.type == "counter" else ""
    name = described.name + ending
    return name, described.type, tuple(one._labelnames), described.documentation


def _read(collected: Iterable[Metric]) -> Iterator[tuple[str, str, Row, str]]:
    for one in collected:
        if isinstance(one, GaugeMetricFamily):
            yield one.name, one.type, one._labelnames, one.documentation


def _no_provider(name: str, region: str) -> Provider:
    raise LookupError(f"no cloud is needed to list the series: {name} {region}")


def _nobody(_: Iterable[str]) -> None:
    """Nothing is read, so nothing changes."""


def values() -> str:
    """Every value of the charts, by its path from the umbrella."""
    rows = (
        (_code(path), _code(json.dumps(one["default"], ensure_ascii=False)), one["description"])
        for path, one in leaves(umbrella(Path(__file__).parents[2]))
    )
    return table(("value", "default", "meaning"), rows)


def fields() -> str:
    """Every field of the spec of NetIPAllocation."""
    spec = _schema()["spec"]
    head = ("field of `spec`", "type", "default", "meaning")
    return table(head, (_field_row(*one) for one in _walk(spec, "")))


def status() -> str:
    """Every field of the status of NetIPAllocation."""
    rows = ((_code(path), _type(one), one.get("description", ""))
            for path, one, _ in _walk(_schema()["status"], ""))  # fmt: skip
    return table(("field of `status`", "type", "meaning"), rows)


def _schema() -> dict[str, Any]:
    (version,) = crd(DEFINITION)["spec"]["versions"]
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
