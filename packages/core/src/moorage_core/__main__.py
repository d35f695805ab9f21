"""Start the core controller: ``moorage-core --help``."""

from __future__ import annotations

import sys

from moorage_core.controller import build
from moorage_core.settings import CoreSettings
from moorage_kube.settings import load
from moorage_kube.shell import Shell


def main() -> int:
    """Run until told to stop; the exit code says how it ended."""
    return Shell(load(CoreSettings), build).run()


if __name__ == "__main__":
    sys.exit(main())
