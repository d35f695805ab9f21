"""A definition becomes the CustomResourceDefinition that the API server reads."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from moorage_api import DEFINITIONS
from moorage_api.conditions import ConditionsStatus
from moorage_api.crds import Column, Definition, crd
from moorage_api.wire import FIXED, Wire
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


def test_a_kind_may_have_its_status_written_by_a_create() -> None:
    (version,) = made(status_subresource=False)["spec"]["versions"]
    assert "subresources" not in version
    assert "status" in version["schema"]["openAPIV3Schema"]["properties"]


def test_every_kind_is_defined_once() -> None:
    kinds = [definition.kind for definition in DEFINITIONS]
    assert len(kinds) == len({(kind.group, kind.plural) for kind in kinds}) > 0


def test_a_field_can_stay_as_it_was_created_and_a_status_have_nothing_but_conditions() -> None:
    class Spec(Wire):
        source: str = Field(max_length=253, json_schema_extra=FIXED)

    kind = Kind("example.com", "v1", "fixed", "Fixed", namespaced=True)
    (version,) = crd(Definition(kind, "A kind.", Spec, ConditionsStatus))["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]
    (rule,) = schema["spec"]["properties"]["source"]["x-kubernetes-validations"]
    assert rule["rule"] == "self == oldSelf"
    conditions = schema["status"]["properties"]["conditions"]
    assert conditions["maxItems"] == 32
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]


def test_a_kind_may_have_fields_beside_the_status_and_no_spec() -> None:
    class Top(Wire):
        revision: str = Field(alias="Revision", description="A number.")

    (version,) = crd(Definition(BUOYS, "A buoy.", None, Status, top=Top))["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    assert list(schema["properties"]) == ["Revision", "status"]
    assert "required" not in schema
