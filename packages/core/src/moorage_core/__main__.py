"""Start the core controller: ``moorage-core --help``."""

from __future__ import annotations

import sys
from typing import NoReturn

from moorage_api.netipallocation import NETIPALLOCATIONS
from moorage_core import clean_up
from moorage_core.controller import setup
from moorage_core.settings import CoreSettings
from moorage_kube.manager.check import run_check
from moorage_kube.manager.process import run
from moorage_kube.manager.settings import load
from moorage_kube.manager.shutdown import leave


def main() -> NoReturn:
    """Run until stopped, or do what the first word says; the exit code says how it ended."""
    match sys.argv[1:]:
        case ["check", *flags]:
            leave(run_check(load(CoreSettings, flags), [NETIPALLOCATIONS]))
        case ["clean-up", *flags]:
            leave(run(load(clean_up.CleanUpSettings, flags), clean_up.setup))
        case _:
            leave(run(load(CoreSettings), setup))


if __name__ == "__main__":
    main()
