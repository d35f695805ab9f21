"""Which version of Cluster API's claims is read and written, where the settings leave it open."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from moorage_kube.client.client import Client
from moorage_kube.client.connection import ConfigError, Connection, load_connection
from moorage_kube.client.errors import KubeError
from moorage_kube.telemetry import logs
from moorage_machine_ipam.kinds import GROUP, OLDEST, VERSIONS
from moorage_machine_ipam.settings import MachineIpamSettings

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 20.0
"""How long an API server may take that does not answer, or does not serve the group yet."""
_PAUSE_SECONDS = 1.0


def with_served_version(settings: MachineIpamSettings) -> MachineIpamSettings:
    """The settings with a version in place of ``auto``: the one that the API server prefers.

    Of those that are known here; with another one than it prefers its garbage collector asks three
    times for each address. Where no answer comes it is the oldest.
    """
    if settings.ipam_version != "auto":
        return settings
    logs.configure(settings.log_format, settings.log_level)
    version = OLDEST
    # Whoever goes on with these settings says what is wrong with the connection.
    with suppress(ConfigError):
        connection = load_connection(settings.kubeconfig)
        version = asyncio.run(preferred_version(connection, f"{settings.prog}/{settings.version}"))
    return settings.model_copy(update={"ipam_version": version})


async def preferred_version(connection: Connection, user_agent: str) -> str:
    """The version that the API server prefers, of those that are known here; else the oldest."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_SECONDS
    async with Client(connection, user_agent=user_agent) as client:
        while True:
            try:
                served = await client.served_versions(GROUP)
                why = f"the API server serves no version of {GROUP} that is known here"
            except KubeError as error:
                served, why = (), str(error)
            if known := [one for one in served if one in VERSIONS]:
                logger.info("%s is read and written in %s", GROUP, known[0])
                return known[0]
            if loop.time() >= deadline:
                logger.warning("%s; %s is taken for its version", why, OLDEST)
                return OLDEST
            await asyncio.sleep(_PAUSE_SECONDS)
