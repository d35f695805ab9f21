"""What goes into an image: runs in the stages of the Dockerfile, so with Python alone.

``requirements``: what is locked for the packages; ``third-party``: that, installed; ``own``: ours.
"""

from __future__ import annotations

import argparse
import compileall
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

_SIBLING = re.compile(r"moorage-(?P<name>[a-z0-9-]+)(?:\[(?P<extras>[^\]]+)\])?==")
LOCKS = Path("e2e/images/locks")
"""Lock files: of all controllers, of each plug-in, and of what builds our wheels."""
_BACKEND = re.compile(r'"(hatchling==[^"]+)"')

# Never imported by a controller; relative to the folder of all packages.
LEFT_OUT = (
    # Tests that packages install with themselves.
    "websocket/tests",
    "certifi/tests",
    # The official client is here for its configuration and its tokens. Its models and calls load
    # by name, when one is asked for; `moorage_kube.client` sends plain JSON instead.
    "kubernetes/client/models/[!_]*",
    "kubernetes/client/api/[!_]*",
    "kubernetes/aio/client/models/[!_]*",
    "kubernetes/aio/client/api/[!_]*",
    # The provider of Azure calls in threads.
    "azure/mgmt/*/aio",
    # For type checkers and C compilers.
    "**/*.pyi",
    "**/*.proto",
    "**/*.pyx",
    "**/*.pxd",
    "**/*.c",
    "**/*.h",
)
# The only entries of these folders that stay.
KEPT = {
    # The service itself, and those that give credentials: roles (sts), sign-in (sso, sso-oidc,
    # signin). The files at the top hold the endpoints of every region and partition.
    "botocore/data": re.compile(r".*\.json|ec2|sts|sso|sso-oidc|signin"),
    # What `moorage_provider_gcp.clients` imports; each client imports the operations it returns.
    "google/cloud/compute_v1/services": re.compile(
        r"__init__\.py|addresses|instances|.*operations"
    ),
}
# Code from generators, a quarter of all that is left: without sources and docstrings. It has no
# `assert` and never reads a docstring, which is all that optimizing takes away.
GENERATED = ("azure/mgmt/compute", "azure/mgmt/network", "google/cloud/compute_v1")


def members(packages: Path, package: str, extras: str) -> Iterator[tuple[str, list[str]]]:
    """A package and the siblings it needs, each with its requirements.

    Args:
        packages: the folder of all our packages.
        package: name of a folder there.
        extras: separated by commas. ``all`` is what there is: a package need not have extras.
    """
    todo, seen = [(package, extras)], set[str]()
    while todo:
        name, wanted = todo.pop(0)
        project = tomllib.loads((packages / name / "pyproject.toml").read_text("utf-8"))["project"]
        offered = project.get("optional-dependencies", {})
        needed = list(project["dependencies"])
        for extra in filter(None, wanted.split(",")):
            if extra != "all" and extra not in offered:
                raise SystemExit(f"moorage-{name} has no extra {extra!r}")
            needed += offered.get(extra, [])
        siblings = [found for text in needed if (found := _SIBLING.match(text))]
        todo += [(found["name"], found["extras"] or "") for found in siblings]
        if name not in seen:
            yield name, [text for text in needed if not _SIBLING.match(text)]
        seen.add(name)


def requirements(source: Path, package: str, extras: str) -> tuple[list[str], list[str]]:
    """What others made of an image, and what builds our wheels; sorted."""
    tools = (source / "pyproject.toml").read_text("utf-8")
    found = {text for _, needed in members(source / "packages", package, extras) for text in needed}
    return sorted(found), _BACKEND.findall(tools)


def locks(source: Path, package: str, extras: str) -> tuple[list[Path], list[Path]]:
    """The files that pin what an image has of others, and what builds our wheels."""
    found = [name for name, _ in members(source / "packages", package, extras)]
    plugins = sorted(name for name in found if name.startswith("provider-"))
    folder = source / LOCKS
    site = [folder / f"{name}.txt" for name in ("controllers", *plugins)]
    return site, [folder / "build.txt"]


def prune(site: Path) -> None:
    """Take away what no controller imports."""
    for pattern in LEFT_OUT:
        for path in list(site.glob(pattern)):
            _remove(path)
    for folder, kept in KEPT.items():
        for path in (site / folder).glob("*"):
            if not kept.fullmatch(path.name):
                _remove(path)


def compile_all(site: Path) -> None:
    """Bytecode that is used without a look at its source: copying changes times."""
    # What an installer compiled is valid only as long as no time changes.
    for cache in list(site.rglob("__pycache__")):
        _remove(cache)
    unchecked = PycInvalidationMode.UNCHECKED_HASH
    for where in filter(Path.is_dir, (site / folder for folder in GENERATED)):
        compileall.compile_dir(
            where, quiet=1, legacy=True, optimize=2, workers=0, invalidation_mode=unchecked,
            stripdir=str(site),
        )  # fmt: skip
        for path in list(where.rglob("*.py")):
            path.unlink()
    compileall.compile_dir(site, quiet=1, workers=0, invalidation_mode=unchecked)


def install_third_party(asked: Path, prepared: Path, site: Path, backend: Path) -> None:
    """Everything but ours into ``site``, what builds our wheels into ``backend``.

    ``prepared`` may hold both, for machines where a build reaches no package index.
    """
    for target in (site, backend):
        if (prepared / target.name).is_dir():
            shutil.copytree(prepared / target.name, target)
        else:
            listed = str(asked / f"{target.name}.txt")
            options = ("--no-cache-dir", "--no-compile", "--require-hashes")
            pip = (sys.executable, "-m", "pip", "install", *options)
            subprocess.run([*pip, "--target", str(target), "-r", listed], check=True)  # noqa: S603 - our own lists
    # Programs of others, such as those of botocore and kopf.
    shutil.rmtree(site / "bin", ignore_errors=True)
    prune(site)
    compile_all(site)


def install_own(source: Path, package: str, extras: str, site: Path) -> None:
    """Build wheels of our packages and unpack them, with one program, ``bin/moorage-PACKAGE``."""
    wheels = site.parent / "wheels"
    for name, _ in members(source / "packages", package, extras):
        build = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels))
        subprocess.run(build, cwd=source / "packages" / name, check=True)  # noqa: S603 - our own
    for wheel in wheels.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(site)
    compile_all(site)
    program = site / "bin" / f"moorage-{package}"
    program.parent.mkdir()
    module = f"moorage_{package.replace('-', '_')}"
    program.write_text(f"#!{sys.executable}\nfrom {module}.__main__ import main\n\nmain()\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    # An entry point in exec form cannot contain the name of the package.
    (site / "bin" / "moorage").symlink_to(program.name)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def main(build: Path = Path("/build")) -> None:
    """One step; its input and output have fixed places below ``/build``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("requirements", "third-party", "own"))
    step: str = parser.parse_args().step
    package, extras = os.environ.get("PACKAGE", ""), os.environ.get("EXTRAS", "")
    source, asked = build / "source", build / "requirements"
    match step:
        case "requirements":
            asked.mkdir()
            for name, files in zip(
                ("site", "backend"), locks(source, package, extras), strict=True
            ):
                text = "".join(file.read_text("utf-8") for file in files)
                (asked / f"{name}.txt").write_text(text, "utf-8")
        case "third-party":
            install_third_party(asked, build / "prepared", build / "site", build / "backend")
        case _:
            install_own(source, package, extras, build / "own")


if __name__ == "__main__":
    main()
