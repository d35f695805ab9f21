"""From a wire type to the structural schema a CRD needs."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

# A CRD has no "propertyNames": what bounds keys is a rule.
_DROPPED = frozenset({"title", "$defs", "additionalProperties", "propertyNames"})


def structural(model: type[BaseModel]) -> dict[str, Any]:
    """The model's OpenAPI v3 schema with references inlined and nullability left to absence."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _inline(schema, schema.get("$defs", {}))


def _inline(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    schema = _resolve(schema, definitions)
    out: dict[str, Any] = {k: v for k, v in schema.items() if k not in _DROPPED}
    # An empty object is a default only where the API server then fills in those of its fields.
    if out.get("default", ...) in (None, [], "") or (
        out.get("default") == {} and "properties" not in out
    ):
        del out["default"]
    if isinstance(extra := schema.get("additionalProperties"), dict):
        out["additionalProperties"] = _inline(extra, definitions)
    if "items" in out:
        out["items"] = _inline(out["items"], definitions)
    if "properties" in out:
        out["properties"] = {k: _inline(v, definitions) for k, v in out["properties"].items()}
    return out


def _resolve(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Replace a reference, or a union with null, by what it stands for."""
    own = {k: v for k, v in schema.items() if k not in ("$ref", "anyOf", "allOf")}
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return _resolve(definitions[name], definitions) | own
    for key in ("anyOf", "allOf"):
        if key in schema:
            (only,) = [part for part in schema[key] if part != {"type": "null"}]
            return _resolve(only, definitions) | own
    return own
