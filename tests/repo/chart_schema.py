"""The values of the charts: from ``charts/schema`` and the settings classes to one JSON schema."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from moorage_kube.manager.settings import CommonSettings

from .parts import PARTS, Part

Schema = dict[str, Any]

_DRAFT = "http://json-schema.org/draft-07/schema#"
# The chart says these itself: who the process is, and where it runs.
_NOT_VALUES = {"config", "kubeconfig"}
# The kubelet and Prometheus must know it: it is never just any free one.
_NARROWER = {
    "metrics_port": {"minimum": 1, "description": "Port of /healthz, /readyz and /metrics."}
}
# Nothing leads an agent, and NetworkPolicies do not reach pods in the network of their node.
_NOT_OF_AGENTS = {"replicas", "spreadOver", "podDisruptionBudget", "networkPolicy"}
_KEPT = ("type", "minLength", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def umbrella(root: Path) -> Schema:
    """The schema of charts/moorage, with those of its parts inside: none is valid only alone."""
    parts: Schema = {"global": _read(root, "global")}
    for one in PARTS.values():
        what = f"The controller {one.settings.prog}."
        parts[one.key] = _toggled(part(root, one), on=one.on, what=what)
    crds_text = "The CustomResourceDefinitions, which stay when the release goes."
    parts["crds"] = _toggled(crds(), on=True, what=crds_text)
    return {"$schema": _DRAFT} | _strict(parts | {"lib": {"type": "object"}})


def part(root: Path, one: Part) -> Schema:
    """The schema of one controller's chart."""
    text = (root / "charts" / "schema" / "controller.yaml").read_text("utf-8")
    common = yaml.safe_load(text.replace("moorage/PART", f"moorage/{one.name}"))
    if one.agent:
        common = {key: value for key, value in common.items() if key not in _NOT_OF_AGENTS}
    own = _read(root, one.name)
    if one.webhook is not None:
        said = "Settings of the admission service, as `{} webhook --help` explains them."
        settings = _settings(one, one.webhook, said.format(one.settings.prog))
        # Its answers have no workers.
        settings["properties"].pop("workers")
        own["webhook"]["properties"]["config"] = settings
    # What the part says itself stands for what all say.
    values = {**_before(common, "resources"), "config": config(one), **own, **(common | own)}
    # By it the chart of the kinds learns that this part is on.
    exports = {} if one.on or not one.kinds else {"exports": {"type": "object"}}
    return {"$schema": _DRAFT} | _strict(values | _given() | exports)


def crds() -> Schema:
    """The schema of the chart of CRDs: whether those of parts that are off by default are there."""
    optional = {
        one.key: {
            "type": "boolean",
            # What stands in values.yaml of a subchart would win over what the part says.
            "default": None,
            "description": f"Whether the kinds of {one.name} are; null: where that part is on.",
        }
        for one in PARTS.values()
        if one.kinds and not one.on
    }
    return {"$schema": _DRAFT} | _strict(optional | _given())


def config(one: Part) -> Schema:
    """The settings of a process, as they are checked at its start."""
    described = f"Settings of the controller, as `{one.settings.prog} --help` explains them."
    return _settings(one, one.settings, described)


def _settings(one: Part, settings: type[CommonSettings], described: str) -> Schema:
    stated = settings.model_json_schema(by_alias=False)["properties"]
    fields = {
        camel(name): _setting(field) | _NARROWER.get(name, {})
        for name, field in stated.items()
        if name not in _NOT_VALUES | one.not_values and not _is_own_namespace(name, field)
    }
    return _strict(fields) | {"description": described}


def _is_own_namespace(name: str, field: Schema) -> bool:
    """Where the Lease is in the namespace of the pods, which the chart knows."""
    return name == "lease_namespace" and not field["default"]


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
