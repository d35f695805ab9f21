"""Every package has the same layout, and no file names the machine it was written on."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from .files import ROOT, repository_files, shown

PROJECTS = sorted((ROOT / "packages").glob("*/pyproject.toml"))
CONTROLLER_FILES = (
    "__main__", "settings", "triggers", "observe", "decide", "act", "reasons", "rbac", "metrics",
)  # fmt: skip
HATCH_VERSION = {
    "path": "../../pyproject.toml",
    "pattern": '(?m)^version = "(?P<version>[^"]+)"',
}

# One letter of each is in brackets, so that this file does not contain them itself.
_MACHINE_PATH = re.compile(r"(?<![\w.$}~*-])/(?:w[o]rk|r[o]ot|t[m]p|h[o]me)/[\w.]")
_REGISTRIES = re.compile(
    r"pypi[.]org|pythonhosted[.]org|(?:proxy|sum)[.]golang[.]org|npmjs[.]org|docker[.]io|ghcr[.]io"
    r"|quay[.]io|gcr[.]io|registry[.]k8s[.]io"
)


def places(text: str) -> list[str]:
    """Absolute paths of one machine, and hosts that serve packages."""
    return _MACHINE_PATH.findall(text) + _REGISTRIES.findall(text)


def project(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8"))


def module(path: Path) -> Path:
    """The folder of a package's one import package."""
    return path.parent / "src" / f"moorage_{path.parent.name.replace('-', '_')}"


def test_there_are_packages() -> None:
    assert {path.parent.name for path in PROJECTS} >= {"domain", "api", "kube", "core", "testing"}


@pytest.mark.parametrize("path", PROJECTS, ids=shown)
def test_every_package_is_built_alike(path: Path) -> None:
    toml = project(path)
    name = path.parent.name
    assert toml["build-system"] == project(PROJECTS[0])["build-system"]
    assert toml["tool"]["hatch"]["version"] == HATCH_VERSION
    wheel = toml["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel == {"packages": [f"src/{module(path).name}"]}
    declared = toml["project"]
    assert declared["name"] == f"moorage-{name}"
    assert declared["dynamic"] == ["version"]
    assert declared["license"] == "Apache-2.0"
    assert declared["readme"] == "README.md"
    root = project(ROOT / "pyproject.toml")["project"]
    assert declared["requires-python"] == root["requires-python"]


@pytest.mark.parametrize("path", PROJECTS, ids=shown)
def test_every_package_is_typed_documented_and_tested(path: Path) -> None:
    assert [entry.name for entry in (path.parent / "src").glob("moorage_*")] == [module(path).name]
    for needed in (module(path) / "py.typed", path.parent / "README.md", path.parent / "tests"):
        assert needed.exists(), shown(needed)


def test_the_domain_needs_nothing() -> None:
    assert project(ROOT / "packages/domain/pyproject.toml")["project"]["dependencies"] == []


@pytest.mark.parametrize(
    "path", [path for path in PROJECTS if "scripts" in project(path)["project"]], ids=shown
)
def test_every_controller_has_the_agreed_files(path: Path) -> None:
    # A package with a room for each of its controllers has some of them there.
    there = {entry.stem for entry in module(path).glob("*")}
    there |= {entry.stem for entry in module(path).glob("*/*.py")}
    assert [name for name in CONTROLLER_FILES if name not in there] == []


def test_the_version_is_written_once() -> None:
    lines = (ROOT / "pyproject.toml").read_text("utf-8").splitlines()
    assert len([line for line in lines if line.startswith("version = ")]) == 1


def test_the_license_is_there() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text("utf-8")


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = {
        shown(path): places(path.read_text("utf-8", errors="replace"))
        for path in repository_files()
    }
    assert {name: named for name, named in found.items() if named} == {}


@pytest.mark.parametrize("folder", ["tmp", "root", "home"])
def test_a_path_of_a_machine_is_noticed(folder: str) -> None:
    assert places(f"see /{folder}/.cache/x")
    assert places(f"see $HOME/{folder}/x and {folder}/x") == []


@pytest.mark.parametrize("host", ["pypi", "files.pythonhosted", "proxy.golang", "registry.npmjs"])
def test_a_registry_is_noticed(host: str) -> None:
    assert places(f"from {host}.org") != []
