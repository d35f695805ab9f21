"""From the definition of a kind to its CustomResourceDefinition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from moorage_api.schema import structural
from moorage_domain.kinds import Kind


@dataclass(frozen=True, slots=True)
class Column:
    """One printer column: its heading, the type of its values and where they stand.

    ``wide``: only ``kubectl get -o wide`` shows it.
    """

    name: str
    type: Literal["string", "integer", "date"]
    json_path: str
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Definition:
    """A kind of ours: all that its CustomResourceDefinition is made from.

    Attributes:
        spec: wire type of ``spec``, which is required; ``None``: the kind has none.
        status: wire type of the status subresource.
        columns: what ``kubectl get`` shows beside the name.
        status_subresource: without one a create writes the status, too: one write instead of two.
        top: wire type of fields beside ``spec`` and ``status``; ``None``: there are none.
    """

    kind: Kind
    description: str
    spec: type[BaseModel] | None
    status: type[BaseModel]
    short_names: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    status_subresource: bool = True
    top: type[BaseModel] | None = None


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
    properties = structural(definition.top)["properties"] if definition.top else {}
    if definition.spec is not None:
        properties["spec"] = structural(definition.spec)
    properties["status"] = structural(definition.status)
    schema = {
        "description": definition.description,
        "type": "object",
        **({"required": ["spec"]} if definition.spec is not None else {}),
        "properties": properties,
    }
    return {
        "name": definition.kind.version,
        "served": True,
        "storage": True,
        **({"subresources": {"status": {}}} if definition.status_subresource else {}),
        "additionalPrinterColumns": [
            {"name": column.name, "type": column.type, "jsonPath": column.json_path}
            | ({"priority": 1} if column.wide else {})
            for column in definition.columns
        ],
        "schema": {"openAPIV3Schema": schema},
    }
