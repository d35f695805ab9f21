"""Start the core controller: ``moorage-core --help``."""

from __future__ import annotations

from typing import NoReturn

from moorage_core.controller import build
from moorage_core.settings import CoreSettings
from moorage_kube.settings import load
from moorage_kube.shell import Shell, leave


def main() -> NoReturn:
    """Run until told to stop; the exit code says how it ended."""
    leave(Shell(load(CoreSettings), build).run())


if __name__ == "__main__":
    main()
