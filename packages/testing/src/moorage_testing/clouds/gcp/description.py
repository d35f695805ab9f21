"""Extracts the part of Compute Engine's official description that the emulator needs.

``python -m moorage_testing.clouds.gcp.description --from FILE`` rewrites it; FILE is the
discovery document ``compute.v1.json`` as google-api-python-client ships it (Apache-2.0).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

NAME = "compute.v1.json"
METHODS = (
    "addresses.aggregatedList",
    "addresses.get",
    "addresses.list",
    "instances.addAccessConfig",
    "instances.deleteAccessConfig",
    "instances.get",
    "instances.list",
    "instances.updateNetworkInterface",
    "zoneOperations.get",
    "zoneOperations.wait",
)
_ORIGIN = (
    "A subset of the discovery document compute/v1 in google-api-python-client: some methods and"
    " the schemas they reach, without descriptions."
)
_OF_A_METHOD = ("httpMethod", "path", "request", "response")
_OF_A_SCHEMA = ("$ref", "enum", "format", "location", "pattern", "required", "type")

Json = dict[str, Any]


def shipped() -> Json:
    """The subset stored beside this file."""
    text = files(__package__).joinpath(NAME).read_text("utf-8")
    subset: Json = json.loads(text)
    return subset


def subset(document: Mapping[str, Any]) -> Json:
    """The methods above and every schema they reach, without texts for people."""
    methods = {}
    for op in METHODS:
        resource, name = op.split(".")
        methods[op] = _method(document["resources"][resource]["methods"][name])
    return {
        "origin": _ORIGIN,
        "license": "Apache-2.0",
        "revision": document["revision"],
        "parameters": sorted(document["parameters"]),
        "methods": methods,
        "schemas": _reached(methods, document["schemas"]),
    }


def text(part: Mapping[str, Any]) -> str:
    """The subset as it is stored."""
    return json.dumps(part, separators=(",", ":"), sort_keys=True).replace('},"', '},\n"') + "\n"


def _method(method: Mapping[str, Any]) -> Json:
    kept = {key: method[key] for key in _OF_A_METHOD if key in method}
    parameters = method.get("parameters", {})
    return kept | {"parameters": {name: _schema(one) for name, one in parameters.items()}}


def _schema(schema: Mapping[str, Any]) -> Json:
    kept: Json = {key: schema[key] for key in _OF_A_SCHEMA if key in schema}
    for key in ("items", "additionalProperties"):
        if key in schema:
            kept[key] = _schema(schema[key])
    if "properties" in schema:
        kept["properties"] = {name: _schema(one) for name, one in schema["properties"].items()}
    return kept


def _reached(methods: Json, schemas: Mapping[str, Any]) -> Json:
    found: Json = {}
    todo = list(_references(methods))
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = _schema(schemas[name])
            todo += _references(found[name])
    return found


def _references(node: object) -> Iterator[str]:
    """The names of all schemas that are referred to anywhere below."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from _references(value)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog=__package__, description=__doc__)
    parser.add_argument("--from", dest="file", type=Path, required=True, help="the whole document")
    options = parser.parse_args()
    document = json.loads(options.file.read_text("utf-8"))
    Path(__file__).with_name(NAME).write_text(text(subset(document)), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
