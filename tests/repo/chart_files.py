"""The generated files of the charts: schemas, values, rights, CRDs, alerts, versions."""

from __future__ import annotations

import json
import re
import tempfile
import textwrap
import tomllib
from collections.abc import Mapping
from pathlib import Path

import yaml

from moorage_api.__main__ import HEADER
from moorage_api.__main__ import main as write_crds
from moorage_core.rbac import RULES
from moorage_domain.rbac import PolicyRule, cluster_role, role

from . import chart_schema
from .chart_schema import Schema, leaves

RIGHTS: Mapping[str, tuple[PolicyRule, ...]] = {"core": RULES}
"""The rights of each controller that has a chart."""

_MADE = "# Made by ./nox -s sync from {}. Do not edit by hand.\n"
_VERSION = re.compile(r"(?m)^(\s*(?:- )?(?:version|appVersion):) .*$")
_WIDTH = 100


def chart_files(root: Path) -> dict[Path, str]:
    """The expected text of every generated file below charts/moorage, by path."""
    chart = root / "charts" / "moorage"
    crds = chart / "charts" / "crds"
    files = _values(chart, chart_schema.umbrella(root), only=("global", "enabled"))
    files |= _values(crds, chart_schema.crds())
    for name in chart_schema.SETTINGS:
        files |= _part(root, chart / "charts" / name, name)
    return files | _kept_crds(crds) | _versions(root, chart)


def _part(root: Path, chart: Path, name: str) -> dict[Path, str]:
    rules = RIGHTS[name]
    rights = {
        "clusterRules": cluster_role("", rules)["rules"],
        "rules": role("", rules)["rules"],
    }
    dashboards = root / "dashboards"
    return {
        **_values(chart, chart_schema.part(root, name)),
        chart / "files" / "rbac.yaml": _MADE.format(f"moorage_{name}.rbac")
        + yaml.safe_dump(rights, sort_keys=False),
        chart / "files" / "rules.yaml": (dashboards / "rules.yaml").read_text("utf-8"),
        chart / "files" / "grafana.json": (dashboards / "grafana.json").read_text("utf-8"),
    }


def _values(chart: Path, schema: Schema, only: tuple[str, ...] = ()) -> dict[Path, str]:
    """The schema as JSON, and its defaults with its descriptions as values.yaml.

    ``only``: of the parts of an umbrella nothing but this is shown there.
    """
    shown = _only(schema, only) if only else schema
    text = _MADE.format("charts/schema") + "\n" + _yaml(shown, "") if shown["properties"] else ""
    return {
        chart / "values.schema.json": json.dumps(schema, indent=1, ensure_ascii=False) + "\n",
        chart / "values.yaml": text,
    }


def _only(schema: Schema, names: tuple[str, ...]) -> Schema:
    shown = {}
    for key, one in schema["properties"].items():
        inner = one.get("properties", {})
        kept = inner if key in names else {k: v for k, v in inner.items() if k in names}
        if kept:
            shown[key] = {**one, "properties": kept}
    return {**schema, "properties": shown}


def _yaml(schema: Schema, indent: str) -> str:
    blocks = []
    for key, one in schema["properties"].items():
        comment = "".join(
            f"{indent}# {line}\n"
            for line in textwrap.wrap(one.get("description", ""), _WIDTH - len(indent) - 2)
        )
        if "default" in one:
            blocks.append(f"{comment}{indent}{key}: {_inline(one['default'])}\n")
        elif "properties" in one and any(True for _ in leaves(one)):
            blocks.append(f"{comment}{indent}{key}:\n{_yaml(one, indent + '  ')}")
    return ("" if indent else "\n").join(blocks)


def _inline(value: object) -> str:
    if isinstance(value, dict | list):
        return yaml.safe_dump(value, default_flow_style=True, width=1000, sort_keys=False).strip()
    return json.dumps(value, ensure_ascii=False)


def _kept_crds(chart: Path) -> dict[Path, str]:
    """The CRDs as templates; they outlive the release, and with them the addresses."""
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        write_crds(Path(folder))
        for path in Path(folder).iterdir():
            manifest = yaml.safe_load(path.read_text("utf-8"))
            meta = manifest["metadata"]
            meta["annotations"] = {
                "helm.sh/resource-policy": "keep",
                **meta.get("annotations", {}),
            }
            text = yaml.safe_dump(manifest, sort_keys=False, width=100, allow_unicode=True)
            files[chart / "templates" / path.name] = HEADER + text
    return files


def _versions(root: Path, chart: Path) -> dict[Path, str]:
    """All charts are released with the packages, so they have the one version."""
    version = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    return {
        path: _VERSION.sub(rf'\1 "{version}"', path.read_text("utf-8"))
        for path in (chart / "Chart.yaml", *chart.glob("charts/*/Chart.yaml"))
    }
