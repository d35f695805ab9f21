"""A definition becomes the CustomResourceDefinition that the API server reads."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from moorage_api import DEFINITIONS
from moorage_api.crds import Column, Definition, crd
from moorage_api.wire import Wire
from moorage_domain.kinds import Kind


class Spec(Wire):
    node_name: str = Field(description="Where.")


class Status(Wire):
    provider_id: str | None = Field(default=None, description="Which machine.")


BUOYS = Kind("example.dev", "v1", "buoys", "Buoy", namespaced=True)


def made(**changes: Any) -> dict[str, Any]:
    return crd(Definition(BUOYS, "A buoy.", Spec, Status, **changes))


def test_names_group_and_scope_are_those_of_the_kind() -> None:
    manifest = made()
    assert manifest["metadata"] == {"name": "buoys.example.dev"}
    assert manifest["spec"]["scope"] == "Namespaced"
    assert manifest["spec"]["names"] == {
        "kind": "Buoy", "listKind": "BuoyList", "plural": "buoys", "singular": "buoy",
    }  # fmt: skip


def test_short_names_and_columns_are_there_where_they_are_given() -> None:
    manifest = made(short_names=("b",), columns=(Column("Node", "string", ".spec.nodeName"),))
    (version,) = manifest["spec"]["versions"]
    assert manifest["spec"]["names"]["shortNames"] == ["b"]
    assert version["additionalPrinterColumns"] == [
        {"name": "Node", "type": "string", "jsonPath": ".spec.nodeName"}
    ]


def test_spec_is_required_and_status_is_a_subresource() -> None:
    (version,) = made()["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    assert schema["required"] == ["spec"]
    assert version["subresources"] == {"status": {}}
    assert list(schema["properties"]["status"]["properties"]) == ["providerID"]


def test_every_kind_is_defined_once() -> None:
    kinds = [definition.kind for definition in DEFINITIONS]
    assert len(kinds) == len({(kind.group, kind.plural) for kind in kinds}) > 0
