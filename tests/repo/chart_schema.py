"""The values of the charts: from ``charts/schema`` and the settings classes to one JSON schema."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from moorage_core.settings import CoreSettings
from moorage_kube.manager.settings import CommonSettings

Schema = dict[str, Any]

SETTINGS: Mapping[str, type[CommonSettings]] = {"core": CoreSettings}
"""The controllers that have a chart, with their settings."""

_DRAFT = "http://json-schema.org/draft-07/schema#"
# The chart says these itself: who the process is, and where it runs.
_NOT_VALUES = {"config", "kubeconfig", "lease_namespace"}
# The kubelet and Prometheus must know it: it is never just any free one.
_NARROWER = {
    "metrics_port": {"minimum": 1, "description": "Port of /healthz, /readyz and /metrics."}
}
_KEPT = ("type", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def umbrella(root: Path) -> Schema:
    """The schema of charts/moorage, with those of its parts inside: none is valid only alone."""
    parts: Schema = {"global": _read(root, "global")}
    for name in SETTINGS:
        parts[name] = _toggled(part(root, name), on=True, what=f"The controller moorage-{name}.")
    crds_text = "The CustomResourceDefinitions, which stay when the release goes."
    parts["crds"] = _toggled(crds(), on=True, what=crds_text)
    return {"$schema": _DRAFT} | _strict(parts | {"lib": {"type": "object"}})


def part(root: Path, name: str) -> Schema:
    """The schema of one controller's chart."""
    text = (root / "charts" / "schema" / "controller.yaml").read_text("utf-8")
    common = yaml.safe_load(text.replace("moorage/PART", f"moorage/{name}"))
    own = _read(root, name)
    values = {**_before(common, "resources"), "config": config(SETTINGS[name]), **own, **common}
    return {"$schema": _DRAFT} | _strict(values | _given())


def crds() -> Schema:
    """The schema of the chart of CRDs, which has no values."""
    return {"$schema": _DRAFT} | _strict(_given())


def config(settings: type[CommonSettings]) -> Schema:
    """The settings of a process, as they are checked at its start."""
    stated = settings.model_json_schema(by_alias=False)["properties"]
    fields = {
        camel(name): _setting(field) | _NARROWER.get(name, {})
        for name, field in stated.items()
        if name not in _NOT_VALUES
    }
    described = f"Settings of the controller, as `{settings.prog} --help` explains them."
    return _strict(fields) | {"description": described}


def leaves(schema: Schema, prefix: str = "") -> Iterator[tuple[str, Schema]]:
    """Every value with a default, by its path; what has none is only accepted."""
    for key, one in schema["properties"].items():
        path = f"{prefix}{key}"
        if "default" in one:
            yield path, one
        elif "properties" in one:
            yield from leaves(one, f"{path}.")


def camel(name: str) -> str:
    """A setting's name as a key of the values."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _setting(field: Schema) -> Schema:
    """A field without what only Python needs; an optional text is an empty one where it is none."""
    described = {"description": field["description"]}
    if "anyOf" in field:
        return {"type": "string", "default": ""} | described
    kept = {key: field[key] for key in _KEPT if key in field}
    return kept | {"default": field["default"]} | described


def _read(root: Path, name: str) -> Schema:
    text = (root / "charts" / "schema" / f"{name}.yaml").read_text("utf-8")
    loaded: Schema = yaml.safe_load(text)
    # Anchors of the file would else be one object in two places.
    return copy.deepcopy(loaded)


def _before(values: Schema, key: str) -> Schema:
    names = list(values)
    return {name: values[name] for name in names[: names.index(key)]}


def _strict(properties: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _given() -> Schema:
    """What Helm itself puts into the values of every subchart; else a strict schema refuses it."""
    accepted = {"type": "object"}
    return {"enabled": {"type": "boolean"}, "global": accepted, "lib": accepted}


def _toggled(schema: Schema, *, on: bool, what: str) -> Schema:
    inner = {key: value for key, value in schema.items() if key != "$schema"}
    enabled = {"type": "boolean", "default": on, "description": "Whether it is installed."}
    properties = {"enabled": enabled} | {
        key: value for key, value in inner["properties"].items() if key != "enabled"
    }
    return inner | {"properties": properties, "description": what}
