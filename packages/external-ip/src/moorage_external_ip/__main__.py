"""Start the controller: ``moorage-external-ip --help``."""

from __future__ import annotations

import sys
from typing import NoReturn

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_api.ipclaim import IPCLAIMS
from moorage_api.ipclaimpool import IPCLAIMPOOLS
from moorage_api.ipnode import IPNODES
from moorage_external_ip import clean_up
from moorage_external_ip.controller import setup
from moorage_external_ip.settings import ExternalIpSettings
from moorage_kube.manager.check import run_check
from moorage_kube.manager.process import run
from moorage_kube.manager.settings import load
from moorage_kube.manager.shutdown import leave


def main() -> NoReturn:
    """Run until stopped, or do what the first word says; the exit code says how it ended."""
    match sys.argv[1:]:
        case ["check", *flags]:
            kinds = (IPALLOCATIONS, IPCLAIMS, IPCLAIMPOOLS, IPNODES)
            leave(run_check(load(ExternalIpSettings, flags), kinds))
        case ["clean-up", *flags]:
            leave(run(load(clean_up.CleanUpSettings, flags), clean_up.setup))
        case _:
            leave(run(load(ExternalIpSettings), setup))


if __name__ == "__main__":
    main()
