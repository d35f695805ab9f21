"""From the definition of a kind to its CustomResourceDefinition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from moorage_api.schema import structural
from moorage_domain.kinds import Kind


@dataclass(frozen=True, slots=True)
class Column:
    """One printer column: its heading, the type of its values and where they stand."""

    name: str
    type: Literal["string", "integer", "date"]
    json_path: str


@dataclass(frozen=True, slots=True)
class Definition:
    """A kind of ours: all that its CustomResourceDefinition is made from.

    Attributes:
        spec: wire type of ``spec``, which is required.
        status: wire type of the status subresource.
        columns: what ``kubectl get`` shows beside the name.
    """

    kind: Kind
    description: str
    spec: type[BaseModel]
    status: type[BaseModel]
    short_names: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()


def crd(definition: Definition) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    kind = definition.kind
    names: dict[str, Any] = {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": kind.name.lower(),
    }
    if definition.short_names:
        names["shortNames"] = list(definition.short_names)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": names,
            "versions": [_version(definition)],
        },
    }


def _version(definition: Definition) -> dict[str, Any]:
    schema = {
        "description": definition.description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "spec": structural(definition.spec),
            "status": structural(definition.status),
        },
    }
    return {
        "name": definition.kind.version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": column.name, "type": column.type, "jsonPath": column.json_path}
            for column in definition.columns
        ],
        "schema": {"openAPIV3Schema": schema},
    }
