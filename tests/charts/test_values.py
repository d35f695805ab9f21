"""Values are checked strictly, each is used, and what a template reads is a value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from helm import CHART, Helm, HelmError, Object
from value_sets import EVERYTHING, SETS, another, nested

SCHEMA: Object = json.loads((CHART / "values.schema.json").read_text("utf-8"))
CORE: Object = SCHEMA["properties"]["core"]
# What templates call parts of the values.
ALIASES = {
    "$values": "",
    "$clouds": "clouds.",
    "$image": "image.",
    "$core": "",
    "$context.Values": "",
}


def leaves(schema: Object, prefix: str = "") -> Iterator[tuple[str, Object]]:
    """Every value with a default, by its path."""
    for key, one in schema["properties"].items():
        if "default" in one:
            yield prefix + key, one
        else:
            yield from leaves(one, f"{prefix}{key}.") if "properties" in one else ()


VALUES = dict(leaves(CORE))
GLOBAL = dict(leaves(SCHEMA["properties"]["global"]))


def strict_objects(schema: object, path: str = "") -> Iterator[tuple[str, Object]]:
    """Every object whose properties are listed."""
    if isinstance(schema, list):
        for one in schema:
            yield from strict_objects(one, path)
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield path, schema
        for key, one in schema.items():
            yield from strict_objects(one, f"{path}.{key}")


@pytest.mark.parametrize(
    "file", sorted(CHART.rglob("values.schema.json")), ids=lambda p: p.parent.name
)
def test_a_schema_is_strict_but_under_global_and_complete_in_itself(file: Any) -> None:
    schema = json.loads(file.read_text("utf-8"))
    assert "$ref" not in file.read_text("utf-8")
    for path, one in strict_objects(schema):
        is_open = path.endswith((".global", ".extraVolumes.items"))
        assert one["additionalProperties"] is is_open, path


def test_the_values_of_the_umbrella_are_few() -> None:
    text = (CHART / "values.yaml").read_text("utf-8")
    assert len(text.splitlines()) <= 100
    assert all(isinstance(one, dict) for one in yaml.safe_load(text).values())


@pytest.mark.parametrize(
    ("typo", "path"),
    [
        ({"coer": {}}, "coer"),
        ({"core": {"replica": 1}}, "core"),
        ({"core": {"config": {"leaseDurations": 1}}}, "config"),
        ({"core": {"clouds": {"aws": {"regoin": "x"}}}}, "aws"),
        ({"core": {"tolerations": [{"kee": "x"}]}}, "tolerations"),
        ({"core": {"enabled": False, "replica": 1}}, "core"),
        ({"core": {"replicas": "two"}}, "replicas"),
        ({"core": {"config": {"logLevel": "loud"}}}, "logLevel"),
        ({"core": {"config": {"metricsPort": 0}}}, "metricsPort"),
        ({"core": {"policies": {"evictions": "None"}}}, "evictions"),
        ({"core": {"podSecurityContext": {"runAsUser": 0}}}, "runAsUser"),
        ({"global": {"imageRegistry": 1}}, "imageRegistry"),
        ({"crds": {"keep": True}}, "crds"),
    ],
)
def test_a_typo_is_refused_with_its_path(helm: Helm, typo: Object, path: str) -> None:
    with pytest.raises(HelmError, match=path):
        helm.text(typo)


def test_keys_of_others_under_global_are_accepted(helm: Helm) -> None:
    assert helm.text({"global": {"storageClass": "fast", "cluster": {"name": "x"}}}) == helm.text()


@pytest.mark.parametrize("path", VALUES)
def test_every_value_changes_what_is_rendered(newest: Helm, path: str) -> None:
    # With everything on, so that what is asked for below can be seen.
    changed = nested({path: another(path, VALUES[path])})
    before, after = _base(path), merged(_base(path), changed)
    assert newest.text({"core": before}) != newest.text({"core": after})


def _base(path: str) -> Object:
    """Everything on, but this value, and what would hide it."""
    values: Object = json.loads(json.dumps(EVERYTHING))
    hiding = {"image.tag": ["image", "digest"]}
    *parents, last = hiding.get(path, path.split("."))
    place = values
    for parent in parents:
        place = place.get(parent, {})
    place.pop(last, None)
    return values


def merged(values: Object, others: Object) -> Object:
    """Values with others over them."""
    both = {
        key: merged(values[key], one)
        for key, one in others.items()
        if isinstance(one, dict) and isinstance(values.get(key), dict)
    }
    return {**values, **others, **both}


@pytest.mark.parametrize("path", GLOBAL)
def test_every_value_for_all_parts_changes_what_is_rendered(newest: Helm, path: str) -> None:
    changed = {"global": nested({path: another(path, GLOBAL[path])})}
    assert newest.text(changed) != newest.text()


def test_every_value_that_a_template_reads_can_be_set() -> None:
    wrong = []
    for path in (*CHART.rglob("templates/**/*.yaml"), *CHART.rglob("*.tpl"), *CHART.rglob("*.txt")):
        for alias, name in _read(path.read_text("utf-8")):
            where = SCHEMA["properties"]["global"] if alias == "$global" else CORE
            if "templates/NOTES" in str(path) and alias == ".Values":
                where = SCHEMA
            if not _known(where, ALIASES.get(alias, "") + name):
                wrong.append((path.name, alias, name))
    assert wrong == []


def _read(text: str) -> list[tuple[str, str]]:
    names = "|".join(re.escape(one) for one in (*ALIASES, ".Values", "$global"))
    return re.findall(rf"({names})\.([A-Za-z][\w.]*)", text)


def _known(schema: Object, path: str) -> bool:
    for name in path.split("."):
        if name not in schema.get("properties", {}):
            return False
        schema = schema["properties"][name]
    return True


@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure"])
def test_credentials_come_from_a_secret(newest: Helm, cloud: str) -> None:
    values = {"core": {"clouds": {cloud: {"existingSecret": "mine"}}}}
    assert newest.text(values).count("mine") >= (1 if cloud == "gcp" else 3)
    assert "mine" not in newest.text()


def test_defaults_of_the_schema_are_those_of_the_values() -> None:
    stated = yaml.safe_load((CHART / "charts/core/values.yaml").read_text("utf-8"))
    for path, one in VALUES.items():
        if path == "enabled":
            continue
        place = stated
        for name in path.split("."):
            place = place[name]
        assert place == one["default"], path


def test_values_of_an_older_release_are_enough(newest: Helm) -> None:
    """With ``--reuse-values`` Helm takes the older values of the umbrella for its defaults."""
    assert newest.text({"global": None}) == newest.text()
    assert SETS["defaults"] == {}
