"""Writes all that is generated from code, CRDs, pins and tables: ``./nox -s sync``, ``--
--check``."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import textwrap
import tomllib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from moorage_api.__main__ import main as write_crds

from . import tables
from .chart_files import chart_files
from .parts import PARTS

ROOT = Path(__file__).parents[2]

_PROMETHEUS_RULE = """\
# Made from rules.yaml by ./nox -s sync. Do not edit by hand.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: moorage-{part}
  labels:
    app: moorage-{part}
spec:
"""
_MARKED = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_IMAGE = re.compile(r"(/moorage/[a-z-]+:)[\w.]*\w")
_PIN = re.compile(r'"(moorage-[a-z-]+(?:\[[a-z,]+\])?)==[^"]*"')


def generated(root: Path) -> dict[Path, str]:
    """The expected text of every generated file, by path."""
    texts = _pins(root) | _image_tags(root) | _readmes(root)
    return texts | _crds(root) | _prometheus_rules(root) | chart_files(root)


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
    texts = {path: _text(path) for path in readmes}
    return {
        path: _MARKED.sub(partial(_fill, path.parent.name), text)
        for path, text in texts.items()
        if _MARKED.search(text)
    }


def _prometheus_rules(root: Path) -> dict[Path, str]:
    """The alerts of each part as the object that the Prometheus operator reads."""
    found = {}
    for part in PARTS:
        folder = root / "dashboards" / part
        _, groups, rules = _text(folder / "rules.yaml").partition("groups:\n")
        text = _PROMETHEUS_RULE.format(part=part) + textwrap.indent(groups + rules, "  ")
        found[folder / "prometheusrule.yaml"] = text
    return found


def _fill(folder: str, match: re.Match[str]) -> str:
    """A table; those in the README of a package are about the part of its name."""
    begin, name, end = match.groups()
    made = tables.OF_ALL[name]() if name in tables.OF_ALL else tables.OF_PARTS[name](PARTS[folder])
    return f"{begin}{made}{end}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
