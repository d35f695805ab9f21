"""Write every CRD into a folder: ``python -m moorage_kube.api crds``."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from moorage_kube.api.crds import ALL

HEADER = "# Generated from moorage_kube.api by `nox -s sync`; do not edit.\n"


def main(folder: Path) -> None:
    """Write one file per kind."""
    for make in ALL:
        crd = make()
        text = HEADER + yaml.safe_dump(crd, sort_keys=False, width=100, allow_unicode=True)
        (folder / f"{crd['metadata']['name']}.yaml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
