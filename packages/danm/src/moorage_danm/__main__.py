"""Start one of the processes: ``moorage-danm controller --help``."""

from __future__ import annotations

import asyncio
import sys
from typing import NoReturn

from moorage_danm.controller import setup
from moorage_danm.kinds import GROUPS, endpoints
from moorage_danm.settings import DanmSettings
from moorage_danm.webhook import controller as webhook
from moorage_kube.client.client import Client
from moorage_kube.client.connection import ConfigError, load_connection
from moorage_kube.client.errors import KubeError
from moorage_kube.manager.check import run_check
from moorage_kube.manager.process import run
from moorage_kube.manager.settings import EXIT_BAD_SETTINGS, load
from moorage_kube.manager.shutdown import leave

_USAGE = (
    "usage: moorage-danm controller [OPTION ...]   free addresses of pods that are dead\n"
    "       moorage-danm webhook [OPTION ...]      say beforehand what comes of static addresses\n"
    "       moorage-danm check [OPTION ...]        whether a controller leads, and DANM is there\n"
    "Each of them takes --help and --version.\n"
)


def main() -> NoReturn:
    """Run what the first word names until it is stopped; the exit code says how it ended."""
    match sys.argv[1:]:
        case ["controller", *flags]:
            leave(run(load(DanmSettings, flags), setup))
        case ["webhook", *flags]:
            leave(webhook.main(flags))
        case ["check", *flags]:
            leave(_check(load(DanmSettings, flags)))
        case ["--version"]:
            sys.stdout.write(f"{DanmSettings.prog} {DanmSettings.version}\n")
            leave(0)
        case ["--help" | "-h"]:
            sys.stdout.write(_USAGE)
            leave(0)
        case words:
            what = f"{words[0]!r} is no command" if words else "a command is missing"
            sys.stderr.write(f"{DanmSettings.prog}: {what}; see --help\n")
            leave(EXIT_BAD_SETTINGS)


def _check(settings: DanmSettings) -> int:
    """The groups of DANM that are served must answer; one of them must be there."""
    try:
        groups = asyncio.run(_served(settings))
    except (ConfigError, KubeError) as error:
        sys.stderr.write(f"{settings.prog}: {error}\n")
        return 1
    if not groups:
        names = " nor ".join(GROUPS)
        sys.stderr.write(f"{settings.prog}: the API server serves neither {names}: install DANM\n")
        return 1
    return run_check(settings, tuple(endpoints(one) for one in groups))


async def _served(settings: DanmSettings) -> list[str]:
    connection = load_connection(settings.kubeconfig)
    async with Client(connection, user_agent=f"{settings.prog}-check") as client:
        return [group for group in GROUPS if await client.served_versions(group)]


if __name__ == "__main__":
    main()
