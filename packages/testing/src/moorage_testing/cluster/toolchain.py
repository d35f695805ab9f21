"""Finds the binaries of the control plane, building from pinned Go modules what is missing.

`python -m moorage_testing.cluster.toolchain` builds those of a cluster ahead of time.
Adding a tool family: one folder with a go.mod below e2e/toolchain and one row in FAMILIES.
"""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from moorage_testing.cluster.go_tool import (
    BuildOrder,
    GoTool,
    Progress,
    ToolchainError,
    ToolMissingError,
)

KEY_LENGTH = 16
ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"
FOLDER_VARIABLE = "MOORAGE_TOOLCHAIN"
SOURCE_FOLDER = Path("e2e", "toolchain")


@dataclass(frozen=True, slots=True)
class Tool:
    """One binary: its file name and the Go package that makes it."""

    name: str
    package: str


@dataclass(frozen=True, slots=True)
class Family:
    """The tools of one go.mod."""

    name: str
    """The folder below e2e/toolchain."""
    module: str
    """The Go module whose version is the family's."""
    tools: tuple[Tool, ...]
    version_variable: str | None = None
    """A Go variable to be set to that version, for tools that do not know their own version."""
    data: str | None = None
    """A folder of the module that is needed at run time."""
    tags: str = ""
    """Build tags, with commas between them."""
    on_demand: bool = False
    """No part of a cluster, so built only where one of its tools is asked for."""


FAMILIES = (
    Family(
        name="etcd",
        module="go.etcd.io/etcd/server/v3",
        tools=(Tool("etcd", "go.etcd.io/etcd/server/v3"),),
    ),
    Family(
        name="kubernetes",
        module="k8s.io/kubernetes",
        tools=tuple(
            Tool(name, f"k8s.io/kubernetes/cmd/{name}")
            for name in ("kube-apiserver", "kubectl", "kube-controller-manager", "kube-scheduler")
        ),
        version_variable="k8s.io/component-base/version.gitVersion",
    ),
    # A go.mod of its own: what most runs need is not built anew because of it.
    Family(
        name="node",
        module="k8s.io/kubernetes",
        tools=tuple(
            Tool(name, f"k8s.io/kubernetes/cmd/{name}") for name in ("kubelet", "kube-proxy")
        ),
        version_variable="k8s.io/component-base/version.gitVersion",
        on_demand=True,
    ),
    # Programs of our own: what is in the images of pods.
    Family(
        name="images",
        module="moorage/toolchain/images",
        tools=tuple(Tool(name, f"moorage/toolchain/images/{name}") for name in ("pause", "probe")),
        on_demand=True,
    ),
    Family(
        name="kwok",
        module="sigs.k8s.io/kwok",
        tools=(Tool("kwok", "sigs.k8s.io/kwok/cmd/kwok"),),
        data="kustomize/stage",
    ),
    Family(
        name="prometheus",
        module="github.com/prometheus/prometheus",
        tools=tuple(
            Tool(name, f"github.com/prometheus/prometheus/cmd/{name}")
            for name in ("prometheus", "promtool")
        ),
        # Targets are listed by hand here: the SDKs of a dozen clouds would only cost time.
        tags="remove_all_sd",
        on_demand=True,
    ),
    Family(
        name="helm3",
        module="helm.sh/helm/v3",
        tools=(Tool("helm3", "helm.sh/helm/v3/cmd/helm"),),
        on_demand=True,
    ),
    Family(
        name="helm4",
        module="helm.sh/helm/v4",
        tools=(Tool("helm4", "helm.sh/helm/v4/cmd/helm"),),
        on_demand=True,
    ),
    Family(
        name="kube-score",
        module="github.com/zegl/kube-score",
        tools=(Tool("kube-score", "github.com/zegl/kube-score/cmd/kube-score"),),
        on_demand=True,
    ),
)


def tool_paths(names: Iterable[str]) -> dict[str, Path]:
    """Return the path of each named binary; builds the missing ones.

    Raises ToolMissingError when a binary is missing and cannot be built here, and
    ToolchainError when a build fails.
    """
    return {name: tool_path(name) for name in names}


def tool_path(name: str) -> Path:
    """Return the path of one binary; see `tool_paths`."""
    family, tool = _known(name)
    assets = os.environ.get(ASSETS_VARIABLE)
    if assets and os.access(Path(assets, name), os.X_OK):
        return Path(assets, name)
    built = _cache_folder(family) / name
    if not built.exists():
        with _lock(built.parent):
            # Another process may have built it while this one waited for the lock.
            if not built.exists():
                _build(family, tool, built)
    return built


def data_folder(family_name: str) -> Path:
    """Return the folder of run-time files of a family, for instance kwok's stages."""
    family = next(family for family in FAMILIES if family.name == family_name)
    if family.data is None:
        raise ToolchainError(f"the tool family {family_name} has no run-time files")
    copied = _cache_folder(family) / Path(family.data).name
    if not copied.exists():
        with _lock(copied.parent):
            if not copied.exists():
                _copy_data(family, family.data, copied)
    return copied


def cache_root() -> Path:
    """Return the folder that holds what was built."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "moorage" / "toolchain"


def source_root() -> Path:
    """Return the folder of the pinned Go modules: MOORAGE_TOOLCHAIN, or that of the source tree."""
    override = os.environ.get(FOLDER_VARIABLE)
    if override:
        if not Path(override).is_dir():
            raise ToolMissingError(f"{FOLDER_VARIABLE}={override} is not a folder")
        return Path(override)
    for start in (Path(__file__).resolve(), Path.cwd() / "here"):
        for parent in start.parents:
            if (parent / SOURCE_FOLDER).is_dir():
                return parent / SOURCE_FOLDER
    raise ToolMissingError(
        f"no {SOURCE_FOLDER} above the package or the working folder: work in a checkout of "
        f"Moorage, or set {FOLDER_VARIABLE} to that folder, or {ASSETS_VARIABLE} to ready binaries"
    )


def _known(name: str) -> tuple[Family, Tool]:
    for family in FAMILIES:
        for tool in family.tools:
            if tool.name == name:
                return family, tool
    raise ToolchainError(f"no tool family makes {name!r}")


def _ldflags(family: Family, go_mod: str) -> str:
    flags = "-s -w"
    if family.version_variable is not None:
        flags += f" -X {family.version_variable}={_version(family, go_mod)}"
    return flags


def _version(family: Family, go_mod: str) -> str:
    pattern = rf"^(?:require)?\s*{re.escape(family.module)} (v\S+)"
    found = re.search(pattern, go_mod, re.MULTILINE)
    if found is None:
        raise ToolchainError(f"the go.mod of {family.name} does not require {family.module}")
    return found[1]


def _module_folder(family: Family) -> Path:
    folder = source_root() / family.name
    if not (folder / "go.mod").is_file():
        raise ToolMissingError(f"{folder} has no go.mod")
    return folder


def _cache_folder(family: Family) -> Path:
    """Return the folder whose name changes with everything that goes into the binaries."""
    folder = _module_folder(family)
    go_mod = (folder / "go.mod").read_bytes()
    digest = hashlib.sha256()
    parts = [
        go_mod,
        (folder / "go.sum").read_bytes(),
        " ".join(GoTool.BUILD_FLAGS).encode(),
        _ldflags(family, go_mod.decode()).encode(),
        f"{sys.platform} {platform.machine()}".encode(),
        *([family.tags.encode()] if family.tags else ()),
        *(source.read_bytes() for source in sorted(folder.rglob("*.go"))),
    ]
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return cache_root() / f"{family.name}-{digest.hexdigest()[:KEY_LENGTH]}"


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(family: Family, tool: Tool, target: Path) -> None:
    module = _module_folder(family)
    go_mod = (module / "go.mod").read_text(encoding="utf-8")
    partial = target.with_name(f".{target.name}.partial")
    go = GoTool.find(go_mod)
    with Progress(tool.name) as progress:
        ldflags = _ldflags(family, go_mod)
        order = BuildOrder(module, tool.package, ldflags, partial, family.tags)
        go.build(order, progress.tick)
    # A rename is atomic: whoever sees the binary sees the whole of it.
    partial.replace(target)


def _copy_data(family: Family, data: str, target: Path) -> None:
    module = _module_folder(family)
    go = GoTool.find((module / "go.mod").read_text(encoding="utf-8"))
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    # File by file: Go keeps its module cache read-only, and copied modes would stop a removal.
    source = go.module_source(module, family.module) / data
    for file in source.rglob("*"):
        if file.is_file():
            copied = partial / file.relative_to(source)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copied)
    partial.replace(target)


def build_all() -> None:
    """Have every tool of a cluster ready; raises what `tool_paths` raises."""
    for family in FAMILIES:
        if family.on_demand:
            continue
        tool_paths(tool.name for tool in family.tools)
        if family.data is not None:
            data_folder(family.name)


def main() -> int:
    """Build every tool of a cluster, printing nothing but progress and one line per error."""
    try:
        build_all()
    except ToolchainError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
