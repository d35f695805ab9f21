"""Write every CRD into a folder: ``python -m moorage_api crds``."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from moorage_api import DEFINITIONS
from moorage_api.crds import crd

HEADER = "# Generated from moorage_api by `nox -s sync`; do not edit.\n"


def main(folder: Path) -> None:
    """Write one file per kind."""
    for definition in DEFINITIONS:
        manifest = crd(definition)
        text = HEADER + yaml.safe_dump(manifest, sort_keys=False, width=100, allow_unicode=True)
        (folder / f"{manifest['metadata']['name']}.yaml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
