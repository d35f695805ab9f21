"""The check against Compute Engine's description finds violations in requests and answers."""

import json
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from moorage_testing.clouds.gcp import GceEmulator, description, schema
from moorage_testing.waiting import PATIENCE

ADDRESS = {"kind": "compute#address", "id": "12", "name": "ip-1", "status": "RESERVED"}
INSTANCE = "projects/example-project/zones/europe-west1-b/instances/vm-1"


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({}, []),
        ({"colour": "red"}, ["x.colour: unknown field"]),
        ({"prefixLength": "96"}, ["x.prefixLength: '96' is no integer"]),
        ({"prefixLength": True}, ["x.prefixLength: True is no integer"]),
        ({"users": "me"}, ["x.users: 'me' is no array"]),
        ({"users": [1]}, ["x.users[0]: 1 is no string"]),
        ({"labels": {"a": 1}}, ["x.labels.a: 1 is no string"]),
        ({"status": "LOST"}, ["x.status: 'LOST' is none of its values"]),
        ({"id": "twelve"}, ["x.id: 'twelve' is no decimal number"]),
        ({"id": 12}, ["x.id: 12 is no string"]),
    ],
)
def test_a_row_that_violates_the_description_is_noticed(
    row: dict[str, Any], found: list[str]
) -> None:
    assert schema.problems("Address", ADDRESS | row, "x") == found


def test_a_pattern_is_checked() -> None:
    (problem,) = schema.problems("Address", {"name": "No Name"}, "x")
    assert "'No Name' does not match" in problem


def test_a_nested_problem_is_found_where_it_is() -> None:
    operation = {"error": {"errors": [{"code": "A", "cause": "B"}]}}
    assert schema.problems("Operation", operation, "x") == [
        "x.error.errors[0].cause: unknown field"
    ]


@pytest.mark.parametrize(
    ("query", "body", "problem"),
    [
        ("networkInterface=nic0", {"natIp": "203.0.113.10"}, "natIp: unknown field"),
        ("networkInterface=nic0", {"natIP": 1}, "natIP: 1 is no string"),
        ("networkInterface=nic0", {"type": "MAGIC"}, "type: 'MAGIC' is none of its values"),
        ("networkInterface=nic0&colour=red", {}, "unknown parameter colour"),
    ],
)
def test_a_request_that_violates_the_description_is_refused_and_noticed(
    query: str, body: dict[str, Any], problem: str
) -> None:
    with GceEmulator() as emulator:
        emulator.world.add_instances(1, with_public_ip=False)
        url = f"{emulator.url}/compute/v1/{INSTANCE}/addAccessConfig?{query}"
        request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")  # noqa: S310 - a loopback address
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=PATIENCE)  # noqa: S310 - a loopback address
        with refused.value as error:
            assert error.code == 400
            assert problem in json.load(error)["error"]["message"]
        assert [problem in violation for violation in emulator.violations] == [True]


@pytest.mark.parametrize(("field", "value"), [("colour", "red"), ("status", "DIZZY"), ("id", 7)])
def test_an_answer_that_violates_the_description_is_noticed(field: str, value: object) -> None:
    with GceEmulator() as emulator:
        emulator.world.add_instances(1)
        (row,) = emulator._project.instances.values()
        row[field] = value
        with urllib.request.urlopen(f"{emulator.url}/compute/v1/{INSTANCE}", timeout=PATIENCE):  # noqa: S310 - a loopback address
            pass
        (violation,) = emulator.violations
        assert violation.startswith(f"instances.get answers.{field}: ")


def test_the_stored_subset_is_up_to_date() -> None:
    stored = Path(description.__file__).with_name(description.NAME).read_text("utf-8")
    assert description.text(description.shipped()) == stored
    assert set(description.shipped()["methods"]) == set(description.METHODS)


def test_a_subset_reaches_what_it_refers_to_and_keeps_no_texts_for_people() -> None:
    method = {
        "httpMethod": "GET",
        "path": "x",
        "description": "Prose.",
        "response": {"$ref": "A"},
        "parameters": {"filter": {"type": "string", "location": "query", "description": "Prose."}},
    }
    resources: dict[str, Any] = {}
    for op in description.METHODS:
        resource, name = op.split(".")
        resources.setdefault(resource, {"methods": {}})["methods"][name] = method
    of_a = {"description": {"type": "string", "description": "Prose."}, "b": {"$ref": "B"}}
    schemas = {
        "A": {"type": "object", "description": "Prose.", "properties": of_a},
        "B": {"type": "array", "items": {"$ref": "A"}},
        "C": {"type": "string"},
    }
    made = description.subset(
        {"revision": "1", "parameters": {}, "resources": resources, "schemas": schemas}
    )
    assert set(made["schemas"]) == {"A", "B"}
    assert set(made["schemas"]["A"]["properties"]) == {"description", "b"}
    assert "Prose." not in description.text(made)


def test_the_subset_is_the_official_description_of_its_revision() -> None:
    package = find_spec("googleapiclient")
    if package is None or package.origin is None:
        pytest.skip("google-api-python-client (111 MB) is not installed")
    folder = Path(package.origin).parent / "discovery_cache" / "documents"
    document = json.loads((folder / description.NAME).read_text("utf-8"))
    if document["revision"] != description.shipped()["revision"]:
        pytest.skip("google-api-python-client has another revision of it")
    assert description.subset(document) == description.shipped()
