"""Start the core controller: ``moorage-core --help``."""

from __future__ import annotations

from typing import NoReturn

from moorage_core.controller import setup
from moorage_core.settings import CoreSettings
from moorage_kube.manager.process import run
from moorage_kube.manager.settings import load
from moorage_kube.manager.shutdown import leave


def main() -> NoReturn:
    """Run until stopped; the exit code says how it ended."""
    leave(run(load(CoreSettings), setup))


if __name__ == "__main__":
    main()
