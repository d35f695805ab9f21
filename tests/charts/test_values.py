"""Values are checked strictly, each is used, and what a template reads is a value."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm import CHART, Helm, HelmError, Object
from value_sets import EVERYTHING, PARTS, SCHEMA, SETS, VALUES, another, leaves, nested, only

# What templates call parts of the values.
ALIASES = {
    "$values": "",
    "$clouds": "clouds.",
    "$image": "image.",
    "$context.Values": "",
}
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
        ({"crds": {"machineIpam": "yes"}}, "machineIpam"),
        ({"machine-ipam": {"enabled": True}}, "machine-ipam"),
        ({"machineIpam": {"replica": 1}}, "machineIpam"),
        ({"machineIpam": {"config": {"releaseAll": True}}}, "config"),
        ({"machineIpam": {"config": {"ipamVersion": "v1"}}}, "ipamVersion"),
        ({"machineIpam": {"hookConfig": {"ip-range-cird": "x"}}}, "hookConfig"),
        ({"external-ip": {"enabled": True}}, "external-ip"),
        ({"externalIp": {"config": {"nodeFilter": "rand"}}}, "nodeFilter"),
        ({"endpoints": {"config": {"protectNads": "yes"}}}, "protectNads"),
        ({"endpoints": {"config": {"releaseAll": True}}}, "config"),
        ({"crds": {"endpoints": True}}, "crds"),
        ({"nodeAgent": {"replicas": 2}}, "nodeAgent"),
        ({"nodeAgent": {"config": {"nodeName": "n"}}}, "config"),
        ({"nodeAgent": {"terminationGracePeriodSeconds": 5}}, "terminationGracePeriodSeconds"),
        ({"nodeAgent": {"maxUnavailable": "all"}}, "maxUnavailable"),
        ({"danm": {"config": {"policy": "brave"}}}, "policy"),
        ({"danm": {"webhook": {"config": {"mode": "deny"}}}}, "mode"),
        ({"danm": {"webhook": {"config": {"workers": 2}}}}, "config"),
        ({"danm": {"webhook": {"failurePolicy": "Fail"}}}, "webhook"),
    ],
)
def test_a_typo_is_refused_with_its_path(helm: Helm, typo: Object, path: str) -> None:
    with pytest.raises(HelmError, match=path):
        helm.text(typo)


def test_keys_of_others_under_global_are_accepted(helm: Helm) -> None:
    assert helm.text({"global": {"storageClass": "fast", "cluster": {"name": "x"}}}) == helm.text()


@pytest.mark.parametrize(
    ("part", "path"), [(part, path) for part in PARTS for path in VALUES[part]]
)
def test_every_value_changes_what_is_rendered(newest: Helm, part: str, path: str) -> None:
    # With everything on, so that what is asked for below can be seen.
    changed = nested({path: another(path, VALUES[part][path])})
    before, after = _base(part, path), merged(_base(part, path), changed)
    assert newest.text({**only(part), part: before}) != newest.text({**only(part), part: after})


_WEBHOOKS = {"machineIpam": {"webhookMachines": True}, "endpoints": {"webhookNads": True}}


def _base(part: str, path: str) -> Object:
    """Everything on, but this value, and what would hide it."""
    values: Object = json.loads(json.dumps(EVERYTHING[part]))
    if path.startswith("webhook.") and part in _WEBHOOKS:
        values.setdefault("config", {}).update(_WEBHOOKS[part])
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
    templates = (*CHART.rglob("templates/**/*.yaml"), *CHART.rglob("*.tpl"), *CHART.rglob("*.txt"))
    wrong = [
        (path.name, alias, name)
        for path in templates
        for alias, name in _read(path.read_text("utf-8"))
        for schema in _schemas(path, alias)
        if not _known(schema, ALIASES.get(alias, "") + name)
    ]
    assert wrong == []


def _schemas(path: Path, alias: str) -> list[Object]:
    """What a template's values are checked by: those of the library are of every controller."""
    parts = SCHEMA["properties"]
    known = {"$global": parts["global"], **{f"${part}": parts[part] for part in PARTS}}
    if alias in known:
        return [known[alias]]
    if path.is_relative_to(CHART / "templates"):
        return [SCHEMA]
    folder = path.relative_to(CHART / "charts").parts[0]
    if folder == "crds":
        return [parts["crds"]]
    if folder == "lib":
        return [parts[key] for key, name in PARTS.items() if path in _library(name)]
    return [parts[key] for key, name in PARTS.items() if folder == name]


@functools.cache
def _library(part: str) -> frozenset[Path]:
    """The files of the library that a part's templates include, also by way of others."""
    places = {
        name: path
        for path in (CHART / "charts" / "lib").rglob("*.tpl")
        for name in re.findall(r'define "([^"]+)"', path.read_text("utf-8"))
    }
    found: set[Path] = set()
    todo = [one for one in (CHART / "charts" / part).rglob("templates/**/*") if one.is_file()]
    while todo:
        asked = re.findall(r'include "([^"]+)"', todo.pop().read_text("utf-8"))
        new = {places[name] for name in asked if name in places} - found
        found |= new
        todo += new
    return frozenset(found)


def test_an_agent_uses_the_library_but_not_what_is_for_replicas() -> None:
    names = {path.name for path in _library("node-agent")}
    assert {"_daemonset.tpl", "_pod.tpl", "_container.tpl", "_settings.tpl"} <= names
    assert not {"_deployment.tpl", "_poddisruptionbudget.tpl", "_clean-up.tpl"} & names


def _read(text: str) -> list[tuple[str, str]]:
    known = (*ALIASES, ".Values", "$global", *(f"${part}" for part in PARTS))
    names = "|".join(re.escape(one) for one in known)
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


def test_harm_13_an_endpoint_of_ec2_is_none_for_credentials(newest: Helm) -> None:
    text = newest.text({"core": {"clouds": {"aws": {"endpoint": "https://vpce.example.com"}}}})
    assert "AWS_ENDPOINT_URL_EC2" in text
    assert "name: AWS_ENDPOINT_URL\n" not in text


@pytest.mark.parametrize("part", PARTS)
def test_defaults_of_the_schema_are_those_of_the_values(part: str) -> None:
    stated = yaml.safe_load((CHART / "charts" / PARTS[part] / "values.yaml").read_text("utf-8"))
    for path, one in VALUES[part].items():
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
