"""Writes all that is generated from code, CRDs, pins and tables: ``./nox -s sync``, ``--
--check``."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import textwrap
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from moorage_api.__main__ import main as write_crds

from . import tables
from .chart_files import chart_files

ROOT = Path(__file__).parents[2]

TABLES: Mapping[str, Callable[[], str]] = {
    "cases": tables.cases,
    "fields": tables.fields,
    "status": tables.status,
    "reasons": tables.reason_rows,
    "settings": tables.settings,
    "metrics": tables.metrics,
    "rights": tables.rights,
    "values": tables.values,
}
_PROMETHEUS_RULE = """\
# Made from rules.yaml by ./nox -s sync. Do not edit by hand.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: moorage-core
  labels:
    app: moorage-core
spec:
"""
_MARKED = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_IMAGE = re.compile(r"(/moorage/[a-z-]+:)[\w.]*\w")
_PIN = re.compile(r'"(moorage-[a-z-]+(?:\[[a-z,]+\])?)==[^"]*"')


def generated(root: Path) -> dict[Path, str]:
    """The expected text of every generated file, by path."""
    texts = _pins(root) | _image_tags(root) | _readmes(root)
    return texts | _crds(root) | _prometheus_rule(root) | chart_files(root)


def stale(root: Path) -> list[Path]:
    """Generated files with another text, missing ones, and superfluous ones."""
    wanted = generated(root)
    kept = root / "charts" / "moorage" / "charts" / "crds" / "templates"
    there = {*(root / "crds").glob("*.yaml"), *kept.glob("*.yaml")}
    left_over = there - wanted.keys()
    return sorted(left_over | {path for path, text in wanted.items() if _text(path) != text})


def write(root: Path) -> list[Path]:
    """Bring every generated file up to date; the paths of those that were stale."""
    found = stale(root)
    wanted = generated(root)
    for path in found:
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
    return found


def main(argv: Sequence[str]) -> int:
    """Write, or with ``--check`` only report: 1 if something is stale, else 0."""
    parser = argparse.ArgumentParser(prog="tests.repo.generated", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; 1 if one is stale")
    check = parser.parse_args(argv).check
    found = stale(ROOT) if check else write(ROOT)
    for path in found:
        sys.stdout.write(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}\n")
    return int(check and bool(found))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _crds(root: Path) -> dict[Path, str]:
    with tempfile.TemporaryDirectory() as folder:
        write_crds(Path(folder))
        return {root / "crds" / path.name: _text(path) for path in Path(folder).iterdir()}


def _pins(root: Path) -> dict[Path, str]:
    """Siblings are released together, so every one is pinned to the one version."""
    return {
        path: _PIN.sub(rf'"\1=={_version(root)}"', _text(path))
        for path in root.glob("packages/*/pyproject.toml")
    }


def _image_tags(root: Path) -> dict[Path, str]:
    """People copy the names of images from the README."""
    readme = root / "README.md"
    return {readme: _IMAGE.sub(rf"\g<1>{_version(root)}", _text(readme))}


def _version(root: Path) -> str:
    return str(tomllib.loads(_text(root / "pyproject.toml"))["project"]["version"])


def _readmes(root: Path) -> dict[Path, str]:
    readmes = (*root.glob("packages/*/README.md"), *root.glob("charts/*/README.md"))
    paths = (path for path in readmes if _MARKED.search(_text(path)))
    return {path: _MARKED.sub(_fill, _text(path)) for path in paths}


def _prometheus_rule(root: Path) -> dict[Path, str]:
    """The alerts as the object that the Prometheus operator reads."""
    _, groups, rules = _text(root / "dashboards" / "rules.yaml").partition("groups:\n")
    text = _PROMETHEUS_RULE + textwrap.indent(groups + rules, "  ")
    return {root / "dashboards" / "prometheusrule.yaml": text}


def _fill(match: re.Match[str]) -> str:
    begin, name, end = match.groups()
    return f"{begin}{TABLES[name]()}{end}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
