"""Start the controller: ``moorage-machine-ipam --help``."""

from __future__ import annotations

import sys
from typing import NoReturn

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_api.ippool import IPPOOLS
from moorage_kube.manager.check import run_check
from moorage_kube.manager.process import run
from moorage_kube.manager.settings import load
from moorage_kube.manager.shutdown import leave
from moorage_machine_ipam import kinds
from moorage_machine_ipam.controller import setup
from moorage_machine_ipam.served import with_served_version
from moorage_machine_ipam.settings import MachineIpamSettings


def main() -> NoReturn:
    """Run until stopped, or do what the first word says; the exit code says how it ended."""
    match sys.argv[1:]:
        case ["check", *flags]:
            settings = with_served_version(load(MachineIpamSettings, flags))
            version = settings.served_version
            served = (IPALLOCATIONS, IPPOOLS, kinds.claims(version), kinds.addresses(version))
            leave(run_check(settings, served))
        case _:
            leave(run(with_served_version(load(MachineIpamSettings)), setup))


if __name__ == "__main__":
    main()
