"""Collects the pages of the site into a folder of their own: ``./nox -s docs`` builds it there."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from .files import ROOT, documents, repository_files, shown

CONFIG = ROOT / "docs" / "zensical.toml"


def pages() -> list[Path]:
    """The documents, and the pictures in them."""
    return documents() + [path for path in repository_files() if path.suffix == ".svg"]


def collect(target: Path) -> None:
    """Make the folder anew. Its tree is that of the repository, so every link stays as it is."""
    shutil.rmtree(target, ignore_errors=True)
    for path in pages():
        copy = target / "pages" / shown(path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    shutil.copyfile(CONFIG, target / CONFIG.name)


if __name__ == "__main__":
    collect(Path(sys.argv[1]))
