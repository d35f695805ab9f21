"""Packages of others, collected outside of a build that reaches no package index."""

from __future__ import annotations

import subprocess
from pathlib import Path

from e2e.images import cache
from e2e.images.contents import locks, prune
from e2e.images.engine import BuildFailed


def prepared(source: Path, package: str, extras: str, python: str) -> Path:
    """A folder with ``site`` and ``backend``, as the Dockerfile's stage ``prepared`` offers them.

    Made again only when a lock file changes.

    ``python`` is the version of the base's Python, ``3.11``.
    """
    site, backend = locks(source, package, extras)

    def collect(folder: Path) -> None:
        for name, files in (("site", site), ("backend", backend)):
            _install(folder / name, files, python)
        # The build does so, too; half as much is then copied into it each time.
        prune(folder / "site")

    texts = [file.read_text("utf-8") for file in (*site, *backend)]
    return cache.kept(f"packages-{cache.key(python, *texts)}", collect)


def _install(target: Path, files: list[Path], python: str) -> None:
    # Wheels only: what is built here might not run there.
    options = ("--quiet", "--only-binary=:all:", "--python-version", python, "--require-hashes")
    listed = [word for file in files for word in ("-r", str(file))]
    command = ("uv", "pip", "install", *options, "--target", str(target), *listed)
    ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own lists
    if ended.returncode:
        raise BuildFailed(f"{' '.join(command)} failed:\n{ended.stderr}")
