"""Start the core controller: ``moorage-core --help``."""

from __future__ import annotations

from typing import NoReturn

from moorage_core.controller import build
from moorage_core.settings import CoreSettings
from moorage_kube.manager.process import Shell, leave
from moorage_kube.manager.settings import load


def main() -> NoReturn:
    """Run until told to stop; the exit code says how it ended."""
    leave(Shell(load(CoreSettings), build).run())


if __name__ == "__main__":
    main()
