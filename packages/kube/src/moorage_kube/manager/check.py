"""``COMMAND check``: whether a controller of this installation works, as ``helm test`` asks."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from moorage_domain.kinds import Kind
from moorage_kube.client.client import Client, ListQuery
from moorage_kube.client.connection import ConfigError, load_connection
from moorage_kube.client.errors import KubeError, NotFound
from moorage_kube.client.kinds import LEASES
from moorage_kube.manager.settings import EXIT_BAD_SETTINGS, CommonSettings, ElectedSettings

PATIENCE_SECONDS = 60.0
"""How long replicas that have just been started may take until one of them leads."""
PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Renewed:
    """A Lease that somebody must renew.

    Attributes:
        namespace: ``None`` = that of the connection.
        well: said where it is renewed.
        missing: what it means that there is none, and where to look.
    """

    name: str
    namespace: str | None
    well: str = "a controller leads"
    missing: str = "no replica has ever led; see the log of one"


def run_check(settings: ElectedSettings, kinds: Sequence[Kind]) -> int:
    """Say in one line whether the API server serves ``kinds`` and a leader renews the Lease.

    Returns the exit code: 0, 1 where something is missing, 2 where nothing can be asked.
    """
    lease = settings.lease("default", identity="")
    return check_lease(settings, kinds, Renewed(lease.name, settings.lease_namespace))


def check_lease(settings: CommonSettings, kinds: Sequence[Kind], lease: Renewed) -> int:
    """The same of any Lease, for a process that nobody leads."""
    try:
        connection = load_connection(settings.kubeconfig)
    except ConfigError as error:
        sys.stderr.write(f"{settings.prog}: {error}\n")
        return EXIT_BAD_SETTINGS
    for risk in connection.risks():
        sys.stderr.write(f"{settings.prog}: {risk}\n")
    namespace = lease.namespace or connection.namespace or "default"
    there = replace(lease, namespace=namespace)

    async def ask() -> str | None:
        async with Client(connection, user_agent=f"{settings.prog}-check") as client:
            return await Check(client, kinds, there).wait(PATIENCE_SECONDS)

    problem = asyncio.run(ask())
    if problem:
        sys.stderr.write(f"{settings.prog}: {problem}\n")
        return 1
    sys.stdout.write(f"{settings.prog}: {lease.well}, and every kind is served\n")
    return 0


class Check:
    """What must be so, asked again until it is."""

    def __init__(self, client: Client, kinds: Sequence[Kind], lease: Renewed) -> None:
        self._client = client
        self._kinds = kinds
        self.lease = lease
        self._seen: tuple[str, str] | None = None

    async def wait(self, patience_seconds: float) -> str | None:
        """``None`` as soon as all is well; else, in the end, what is not."""
        deadline = time.monotonic() + patience_seconds
        while problem := await self._problem():
            if time.monotonic() >= deadline:
                return problem
            await asyncio.sleep(PAUSE_SECONDS)
        return None

    async def _problem(self) -> str | None:
        for kind in self._kinds:
            if problem := await self._unserved(kind):
                return problem
        return await self._leaderless()

    async def _unserved(self, kind: Kind) -> str | None:
        try:
            async for _ in self._client.pages(kind, ListQuery(limit=1)):
                return None
        except NotFound:
            return f"the API server does not know {kind.plural}.{kind.group}: install the CRDs"
        except KubeError as error:
            return str(error)
        return None

    async def _leaderless(self) -> str | None:
        """A renewal must be seen: what the Lease says may be of a leader that is gone."""
        name, namespace = self.lease.name, self.lease.namespace
        what = f"Lease {namespace}/{name}"
        try:
            raw = await self._client.get(LEASES, name, namespace)
        except NotFound:
            return f"there is no {what}: {self.lease.missing}"
        except KubeError as error:
            return str(error)
        spec = raw.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        before, self._seen = self._seen, (holder, spec.get("renewTime") or "")
        if not holder:
            return f"nobody holds the {what}; see the log of who should"
        if before is None or before == self._seen:
            return f"{holder} holds the {what} and does not renew it"
        return None
