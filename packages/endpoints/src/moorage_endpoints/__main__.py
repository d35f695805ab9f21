"""Start the controller: ``moorage-endpoints --help``."""

from __future__ import annotations

import sys
from typing import NoReturn

from moorage_endpoints.controller import setup
from moorage_endpoints.settings import EndpointsSettings
from moorage_kube.manager.check import run_check
from moorage_kube.manager.process import run
from moorage_kube.manager.settings import load
from moorage_kube.manager.shutdown import leave


def main() -> NoReturn:
    """Run until stopped, or do what the first word says; the exit code says how it ended."""
    match sys.argv[1:]:
        case ["check", *flags]:
            leave(run_check(load(EndpointsSettings, flags), ()))
        case _:
            leave(run(load(EndpointsSettings), setup))


if __name__ == "__main__":
    main()
