"""The generated files of the charts: schemas, values, rights, CRDs, alerts, versions."""

from __future__ import annotations

import json
import re
import textwrap
import tomllib
from collections.abc import Iterable
from pathlib import Path

import yaml

from moorage_api.__main__ import HEADER
from moorage_api.crds import crd
from moorage_danm.webhook import registration as danm_registration
from moorage_domain.rbac import cluster_role, role
from moorage_endpoints import registration as services
from moorage_endpoints.nads import registration as nads
from moorage_machine_ipam.machine import registration as machines
from moorage_testing.cluster_api import ipam_crds

from . import chart_schema
from .chart_schema import Schema, leaves
from .parts import PARTS, Part

_OFF = """
# Off, also where the values of a release without this part are reused.
enabled: false
"""
_WITH_KINDS = """
# With this part its kinds are installed, too: the umbrella hands this on to their chart.
exports: {{kinds: {{crds: {{{key}: true}}}}}}
"""
_MADE = "# Made by ./nox -s sync from {}. Do not edit by hand.\n"
_OF_OTHERS = "# Made by ./nox -s sync from moorage_testing.cluster_api. Do not edit by hand.\n"
_WEBHOOKS = (
    ("machine-ipam/files/webhook.yaml", machines.__name__, machines.machine_webhook("", "")),
    ("endpoints/files/webhook-nads.yaml", nads.__name__, nads.nad_webhook("", "")),
    ("endpoints/files/webhook-services.yaml", services.__name__, services.service_webhook("", "")),
)
_VERSION = re.compile(r"(?m)^(\s*(?:- )?(?:version|appVersion):) .*$")
_WIDTH = 100


def chart_files(root: Path) -> dict[Path, str]:
    """The expected text of every generated file below charts/moorage, by path."""
    chart = root / "charts" / "moorage"
    crds = chart / "charts" / "crds"
    files = _values(chart, chart_schema.umbrella(root), only=("global", "enabled"))
    files |= _values(crds, chart_schema.crds())
    for part in PARTS.values():
        files |= _part(root, chart / "charts" / part.name, part)
    for place, made, entry in _WEBHOOKS:
        files[chart / "charts" / place] = _MADE.format(made) + yaml.safe_dump(
            entry, sort_keys=False
        )
    files |= _danm_webhooks(chart / "charts" / "danm" / "files")
    others = chart / "charts" / "machine-ipam" / "files" / "ipam-crds.yaml"
    files[others] = _OF_OTHERS + "---\n".join(map(_kept, ipam_crds()))
    return files | _kept_crds(crds) | _versions(root, chart)


def _danm_webhooks(folder: Path) -> dict[Path, str]:
    """The entries in its ValidatingWebhookConfiguration, by mode."""
    made = _MADE.format(danm_registration.__name__)
    asked = {
        mode: danm_registration.validating_webhooks("", "", sync=mode == "sync")
        for mode in ("advise", "sync")
    }
    return {folder / "webhooks.yaml": made + _plain(asked)}


def _plain(value: object) -> str:
    """YAML without anchors: Helm reads each of them into one object."""
    return yaml.safe_dump(json.loads(json.dumps(value)), sort_keys=False)


def _part(root: Path, chart: Path, part: Part) -> dict[Path, str]:
    rights = {
        "clusterRules": cluster_role("", part.rules)["rules"],
        "rules": role("", part.rules)["rules"],
    }
    rights |= {key: cluster_role("", more)["rules"] for key, more in part.clean_up.items()}
    for what, more in part.optional.items():
        rights[f"{what}ClusterRules"] = cluster_role("", more)["rules"]
        rights[f"{what}Rules"] = role("", more)["rules"]
    dashboards = root / "dashboards" / part.name
    files = _values(chart, chart_schema.part(root, part))
    if not part.on:
        kinds = _WITH_KINDS.format(key=part.key) if part.kinds else ""
        files[chart / "values.yaml"] += _OFF + kinds
    return {
        **files,
        chart / "files" / "rbac.yaml": _MADE.format(f"{part.module}.rbac")
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
        if "default" in one and one["default"] is not None:
            blocks.append(f"{comment}{indent}{key}: {_inline(one['default'])}\n")
        elif "properties" in one and any(True for _ in leaves(one)):
            blocks.append(f"{comment}{indent}{key}:\n{_yaml(one, indent + '  ')}")
    return ("" if indent else "\n").join(blocks)


def _inline(value: object) -> str:
    if isinstance(value, dict | list):
        return yaml.safe_dump(value, default_flow_style=True, width=1000, sort_keys=False).strip()
    return json.dumps(value, ensure_ascii=False)


def _kept_crds(chart: Path) -> dict[Path, str]:
    """The CRDs as templates; they outlive the release, and with them the addresses.

    Those that only parts need that are off by default come with one of these: a cluster may have
    them from somebody else.
    """
    needed: dict[str, list[Part]] = {}
    manifests = {}
    for part in PARTS.values():
        for definition in part.kinds:
            manifest = crd(definition)
            name = manifest["metadata"]["name"]
            manifests[name] = manifest
            needed.setdefault(name, []).append(part)
    return {
        chart / "templates" / f"{name}.yaml": _where_needed(HEADER + _kept(manifest), needed[name])
        for name, manifest in manifests.items()
    }


def _kept(manifest: Schema) -> str:
    meta = manifest["metadata"]
    keep = {"helm.sh/resource-policy": "keep"}
    meta["annotations"] = keep | meta.get("annotations", {})
    return yaml.safe_dump(manifest, sort_keys=False, width=100, allow_unicode=True)


def _where_needed(text: str, parts: Iterable[Part]) -> str:
    if any(part.on for part in parts):
        return text
    keys = " ".join(f".Values.{part.key}" for part in parts)
    return f"{{{{- if or {keys} }}}}\n{text}{{{{- end }}}}\n"


def _versions(root: Path, chart: Path) -> dict[Path, str]:
    """All charts are released with the packages, so they have the one version."""
    version = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    return {
        path: _VERSION.sub(rf'\1 "{version}"', path.read_text("utf-8"))
        for path in (chart / "Chart.yaml", *chart.glob("charts/*/Chart.yaml"))
    }
