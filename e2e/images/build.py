"""Builds the image of each package that is a program."""

from __future__ import annotations

import subprocess
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.images import cache, debian
from e2e.images.archive import Archive
from e2e.images.engine import Engine, EngineMissing, find_engine
from e2e.images.prepared import prepared

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "dist" / "images"
EXTRAS = "all"
MADE = "debian"
"""As a base: made of Debian packages."""
PYTHON_IMAGE = f"python:{debian.PYTHON}-slim"


@dataclass(frozen=True, slots=True)
class Built:
    """An image in a file.

    Attributes:
        tag: what it is called once it is imported.
        seconds: how long it took to build and to write.
    """

    package: str
    tag: str
    archive: Path
    seconds: float

    @property
    def size(self) -> int:
        """Bytes, uncompressed."""
        return Archive(self.archive).size()


def programs() -> list[str]:
    """The packages that are programs for users."""
    projects = sorted((ROOT / "packages").glob("*/pyproject.toml"))
    tomls = {path.parent.name: tomllib.loads(path.read_text("utf-8")) for path in projects}
    return [name for name, toml in tomls.items() if "scripts" in toml["project"]]


def version() -> str:
    """Of the checkout."""
    toml = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return str(toml["project"]["version"])


def choose_engine(name: str = "") -> Engine:
    """An engine that works; as root on Debian one is installed where there is none."""
    try:
        return find_engine(name)
    except EngineMissing:
        if name not in ("", "buildah"):
            raise
        debian.install_tools()
        return find_engine("buildah")


def build(
    packages: Sequence[str], engine: Engine, base: str = "", output: Path = OUTPUT
) -> Iterator[Built]:
    """Build images one after the other.

    Args:
        packages: names of folders in ``packages``.
        engine: builds them.
        base: an image; ``debian`` is made here; ``""`` = that with buildah, else one of Python.
        output: where the files go.
    """
    base = base or (MADE if engine.name == "buildah" else PYTHON_IMAGE)
    output.mkdir(parents=True, exist_ok=True)
    with cache.one_at_a_time():
        if base == MADE:
            debian.install_tools()
        image = debian.base(engine) if base == MADE else base
        for package in packages:
            begun = time.monotonic()
            # A build on a base of ours reaches no index: where there is no registry, it may lack
            # certificates of that network.
            contexts = (
                {"prepared": prepared(ROOT, package, EXTRAS, debian.PYTHON)} if base == MADE else {}
            )
            tag = f"localhost/moorage/{package}:{version()}"
            arguments = {
                "BASE": image,
                "PACKAGE": package,
                "EXTRAS": EXTRAS,
                "VERSION": version(),
                "REVISION": _revision(),
            }
            engine.build(ROOT, tag, arguments, contexts)
            archive = output / f"{package}.tar"
            engine.save(tag, archive)
            yield Built(package, tag, archive, time.monotonic() - begun)


def _revision() -> str:
    """The commit, with ``-dirty`` where files differ from it; ``unknown`` outside of a clone."""
    command = ("git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*")
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    return ended.stdout.strip() or "unknown"
