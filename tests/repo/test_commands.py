"""What people copy from documents names things that exist: charts, values, images, fields."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import yaml
from e2e.images.build import programs, version

from moorage_danm.kinds import GROUPS

from .files import ROOT, blocks, code_spans, documents, shown
from .names import fields, is_value, toggles
from .parts import PARTS

CHART = ROOT / "charts" / "moorage"
_MANIFEST = re.compile(r"<<'YAML'\n(.*?)^YAML$", re.DOTALL | re.MULTILINE)
_HELM = re.compile(r"^helm .*$", re.MULTILINE)
_KEYS = "|".join(("global", "crds", *(part.key for part in PARTS.values())))
_VALUE = re.compile(rf"(?:{_KEYS})(?:\.[A-Za-z]+)+")
_FILE = re.compile(r".*\.(?:tar|yaml|tpl)")
_IMAGE = re.compile(r"\b([\w.-]+)/moorage/([\w-]+):([\w.]+)")
_TOGGLE = re.compile(r"^\| ([\w-]+) \| `(\w+\.enabled)` \| (on|off) \|", re.MULTILINE)
_KIND = re.compile(r"\b[a-z]+\.netinfra\.darkbrains\.com\b")


def helm_commands(text: str) -> list[list[str]]:
    """The words of every call of Helm in the fenced blocks."""
    lines = "\n".join(blocks(text)).replace("\\\n", " ")
    return [shlex.split(line, comments=True) for line in _HELM.findall(lines)]


def wrong_words(command: list[str]) -> Iterator[str]:
    """Charts, templates of them and values that do not exist."""
    for before, word in pairwise(command):
        if before == "--show-only":
            if not (CHART / _folder(word)).is_file():
                yield word
        elif before.startswith("--set"):
            yield from (key for key in _keys(word) if not is_value(key))
        elif word.startswith("charts/") and not (ROOT / word / "Chart.yaml").is_file():
            yield word


def _folder(template: str) -> str:
    """Helm names a template by the key of its part, which is an alias of the folder's name."""
    for part in PARTS.values():
        template = template.replace(f"charts/{part.key}/", f"charts/{part.name}/")
    return template


def _keys(assignments: str) -> list[str]:
    """The paths in ``a.b=1,c={x,y}``, without what a backslash escapes."""
    outside = re.sub(r"\{.*?\}", "", assignments)
    return [re.split(r"=|\\|\[", one)[0] for one in re.split(r"(?<!\\),", outside)]


def wrong_values(text: str) -> list[str]:
    """Values in backticks that the chart does not have."""
    spans = {span.partition(":")[0].partition("=")[0] for span in code_spans(text)}
    named = {span for span in spans if _VALUE.fullmatch(span) and not _FILE.fullmatch(span)}
    # An API group of others that begins as the key of a part does.
    return sorted(name for name in named - {*GROUPS} if not is_value(name))


def wrong_images(text: str) -> list[str]:
    """Images in the fenced blocks with another name or version than they are built with."""
    found = {match for block in blocks(text) for match in _IMAGE.findall(block)}
    wrong = (one for one in found if one[1] not in programs() or one[2] != version())
    return sorted(f"{registry}/moorage/{name}:{tag}" for registry, name, tag in wrong)


def wrong_fields(text: str) -> list[str]:
    """Fields of manifests of our kind that it does not have."""
    found = {
        field
        for manifest in manifests(text)
        if manifest["kind"] == "NetIPAllocation"
        for field in set_paths(manifest["spec"], "spec")
    }
    return sorted(found - fields())


def manifests(text: str) -> list[dict[str, Any]]:
    """The objects that a document has people apply."""
    return [
        one
        for block in blocks(text)
        for found in _MANIFEST.findall(block)
        for one in yaml.safe_load_all(found)
    ]


_MAPS = ("spec.nodeSelector", "spec.reservedIPSelector")


def set_paths(value: object, prefix: str) -> Iterator[str]:
    """Every field that a manifest sets, but for the keys of maps to strings."""
    if isinstance(value, dict) and prefix not in _MAPS:
        for name, one in value.items():
            path = f"{prefix}.{name}"
            yield path
            yield from set_paths(one, path)


def wrong_kinds(text: str) -> list[str]:
    """Full names of kinds of ours that no CRD has."""
    return sorted(
        name for name in set(_KIND.findall(text)) if not (ROOT / "crds" / f"{name}.yaml").exists()
    )


def wrong(text: str) -> list[str]:
    """All of the above."""
    words = [word for command in helm_commands(text) for word in wrong_words(command)]
    parts = wrong_values(text), wrong_images(text), wrong_fields(text), wrong_kinds(text)
    return words + [name for part in parts for name in part]


def test_documents_name_charts_values_images_and_fields_that_exist() -> None:
    found = {shown(path): wrong(path.read_text("utf-8")) for path in documents()}
    assert {name: names for name, names in found.items() if names} == {}


def test_the_install_of_the_readme_is_one_that_is_looked_at() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    commands = {tuple(words[:4]) for words in helm_commands(text)}
    assert ("helm", "install", "moorage", "charts/moorage") in commands
    assert {one["kind"] for one in manifests(text)} == {"NetIPAllocation"}
    assert f"localhost/moorage/core:{version()}" in text


def test_every_part_is_in_the_tables_with_its_toggle() -> None:
    parts = {
        (part.name, f"{part.key}.enabled", "on" if part.on else "off") for part in PARTS.values()
    }
    assert {toggle for _, toggle, _ in parts} | {"crds.enabled"} == toggles()
    for path in (ROOT / "README.md", CHART / "README.md"):
        rows = _TOGGLE.findall(path.read_text("utf-8"))
        assert set(rows) == parts | {("crds", "crds.enabled", "on")}, shown(path)


def test_what_does_not_exist_is_noticed() -> None:
    text = """
`core.replicas`, `core.policies`, `core.resources.limits`, `core.enabled: false`, `core.tar`,
`core.replica`, `global.registry`, `core.enabled.x`, `netipallocation.netinfra.darkbrains.com`
```sh
helm install a charts/moorages --set core.image.tag=1,core.image.taag=2 \\
  --set 'core.podLabels.x\\.y/z=1,core.policies.settledTaints={a/b,c}' # charts/none
helm template a charts/moorage --show-only charts/core/templates/none.yaml
docker push a.example/moorage/corn:0
kubectl apply -f - <<'YAML'
kind: NetIPAllocation
spec: {reservedIPs: [], reservedIps: [], nodeSelector: {any: thing}}
YAML
```
"""
    assert wrong(text) == [
        "charts/moorages",
        "core.image.taag",
        "charts/core/templates/none.yaml",
        "core.enabled.x",
        "core.replica",
        "global.registry",
        "a.example/moorage/corn:0",
        "spec.reservedIps",
        "netipallocation.netinfra.darkbrains.com",
    ]
