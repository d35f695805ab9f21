"""Claims of machines, which come and go while their pool is edited, for a soak."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import re
import sys
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.bench.claim_cluster import (
    ADDRESSES,
    CLAIMS,
    NAMESPACE,
    POOL,
    VERSION,
    claim_cluster,
    create_claims,
)
from tests.bench.framework import in_parallel

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_api.ippool import IPPOOLS
from moorage_domain.kinds import Kind
from moorage_domain.rbac import cluster_role, role
from moorage_kube.client.client import Client, Target
from moorage_kube.client.connection import load_connection
from moorage_kube.client.errors import NotFound
from moorage_kube.client.kinds import resource_path
from moorage_machine_ipam.rbac import RULES
from moorage_testing.cluster import ApiError, EmbeddedCluster
from moorage_testing.cluster.objects import granted
from moorage_testing.processes import Command, Run

from .claim_history import ClaimHistory
from .counted import SHARE_FILE, set_share
from .growth import Pooled
from .judged import Row, none
from .options import Options
from .scene import LEASE_FLAGS, PROGRAM, asyncio_threads
from .watching import watch

REUSE_SECONDS = 10
ACCOUNT = f"{NAMESPACE}/moorage-machine-ipam"
_LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/moorage-machine-ipam"
# So many of all claims are concerned by one disturbance, but one at least.
_SHARE = 0.002
# In turn: what is left out of the pool, which live addresses may be among.
_EXCLUDES: tuple[list[str], ...] = ([], ["10.0.0.0/28"], ["10.0.0.16-10.0.0.40", "10.0.1.0/24"])


class Disturbance(StrEnum):
    """What happens to some claims at once."""

    REPLACE = "replaced by others"
    RECREATE = "recreated with the same name"
    CUT = "deleted before they were bound"
    LOSE = "without their IPAddress"
    EDIT = "edits of the pool"


_WEIGHTS = {
    Disturbance.REPLACE: 8,
    Disturbance.RECREATE: 4,
    Disturbance.CUT: 4,
    Disturbance.LOSE: 2,
    Disturbance.EDIT: 1,
}


@dataclass(slots=True)
class ClaimSite:
    """Controllers under their own rights, whose calls fail as a file says."""

    cluster: EmbeddedCluster
    run: Run
    share: Path
    calls: re.Pattern[str] = re.compile(
        r'^soak_api_calls_total\{outcome="(\w+)"\} (\S+)$', re.MULTILINE
    )

    def command(self, name: str, port: int) -> Command:
        """A controller."""
        kubeconfig = self.cluster.kubeconfig_for(ACCOUNT)
        argv = [sys.executable, str(PROGRAM), "machine_ipam", "--kubeconfig", str(kubeconfig)]
        argv += ["--metrics-port", str(port), "--metrics-host", "127.0.0.1"]
        argv += ["--lease-namespace", NAMESPACE, "--ipam-version", VERSION, *LEASE_FLAGS]
        return Command(name, argv, env={"POD_NAME": name, SHARE_FILE: str(self.share)})

    def lease_holder(self) -> str:
        """Who leads."""
        try:
            holder = self.cluster.request("GET", _LEASE)["spec"].get("holderIdentity") or ""
        except ApiError:
            return ""
        return str(holder).rpartition("_")[0]


@dataclass(slots=True)
class ClaimScene:
    """One pool, and claims on it.

    Attributes:
        history: what was written to claims, IPAddresses and IPAllocations.
        live: the names of the claims that are there, and that nothing happens to just now.
        done: how many claims each disturbance concerned.
    """

    options: Options
    site: ClaimSite
    dice: random.Random
    history: ClaimHistory = field(default_factory=lambda: ClaimHistory(REUSE_SECONDS))
    live: list[str] = field(default_factory=list)
    done: dict[Disturbance, int] = field(default_factory=lambda: dict.fromkeys(Disturbance, 0))
    rest: str = "each claim has the address of its one IPAllocation, and nobody else has any"
    # Each of eight workers of four controllers may have needed one at the same time.
    pooled: Pooled = field(default_factory=lambda: Pooled(asyncio_threads(), connections=32))
    _names: Iterator[str] = field(
        default_factory=lambda: (f"m-{number:06}" for number in itertools.count())
    )
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    def sizes(self) -> Mapping[str, object]:
        """For the file."""
        return {"claims": self.options.claims}

    def watchers(self) -> Sequence[Coroutine[Any, Any, None]]:
        """All that is written about addresses."""
        return (
            self._follow(CLAIMS),
            self._follow(ADDRESSES),
            self._follow(IPALLOCATIONS),
        )

    async def begin(self) -> None:
        """All claims are there."""
        async with self._client() as client:
            await self._create(client, self.options.claims)

    def fail(self) -> None:
        """The API server fails."""
        set_share(self.site.share, self.options.errors)

    def heal(self) -> None:
        """It does so no more."""
        set_share(self.site.share, 0.0)

    async def churn(self) -> None:
        """Disturb some claims at intervals."""
        count = max(1, round(self.options.claims * _SHARE))
        weights = list(_WEIGHTS.values())
        async with self._client() as client, asyncio.TaskGroup() as group:
            while not self._over.is_set():
                (disturbance,) = self.dice.choices(list(_WEIGHTS), weights)
                # Some wait until somebody leads again; others go on meanwhile.
                group.create_task(self._disturb(client, disturbance, count))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._over.wait(), self.options.churn_seconds)

    def end_churn(self) -> None:
        """Let them be."""
        self._over.set()

    async def unsettled(self) -> list[str]:
        """Claims, IPAddresses and IPAllocations that do not fit together."""
        return self.history.unsettled(self.options.claims)

    @property
    def changes(self) -> int:
        """Of all of them."""
        return self.history.changes

    def progress(self) -> str:
        """Bound and disturbed."""
        history = self.history
        return (
            f"{history.bound:,} of {self.options.claims:,} bound, {history.changes:,} changes seen,"
            f" {sum(self.done.values()):,} disturbances,"
            f" {len(history.doubled) + len(history.early)} addresses given twice"
        )

    def rows(self) -> list[Row]:
        """Addresses that were given twice, or changed."""
        history = self.history
        return [
            none(
                "addresses with two claims at one time", history.doubled,
                f"{len(history.given):,} addresses, {history.changes:,} changes, all that were"
                " written",
            ),
            none(f"addresses given again within {REUSE_SECONDS} s", history.early),
            none("claims whose address changed", history.moved),
            none("addresses leaked", history.unsettled(self.options.claims), self.rest),
        ]  # fmt: skip

    def trouble(self, calls: Sequence[Mapping[str, float]]) -> tuple[bool, str]:
        """Disturbed claims, failed calls."""
        failed = sum(one.get("failed", 0.0) for one in calls)
        every = failed + sum(one.get("passed", 0.0) for one in calls)
        claims = ", ".join(f"{count:,} {what}" for what, count in self.done.items())
        return failed > 0 and all(self.done.values()), (
            f"claims: {claims}. {failed:,.0f} of {every:,.0f} calls of the API server failed: half"
            " of them refused, half lost, of those again half after the work was done"
        )

    async def _disturb(self, client: Client, disturbance: Disturbance, count: int) -> None:
        match disturbance:
            case Disturbance.REPLACE:
                await self._delete(client, CLAIMS, self._some(count))
                await self._create(client, count)
            case Disturbance.RECREATE:
                names = self._some(count)
                await self._delete(client, CLAIMS, names)
                await asyncio.gather(*(self._again(client, name) for name in names))
            case Disturbance.CUT:
                names = [f"cut-{next(self._names)}" for _ in range(count)]
                await create_claims(client, names)
                await asyncio.sleep(self.dice.uniform(0, 0.1))
                await self._delete(client, CLAIMS, names)
            case Disturbance.LOSE:
                await self._delete(client, ADDRESSES, self.dice.sample(self.live, count))
            case Disturbance.EDIT:
                exclude = self.dice.choice(_EXCLUDES)
                target = Target(POOL, NAMESPACE)
                await client.patch(IPPOOLS, target, {"spec": {"exclude": exclude}})
        self.done[disturbance] += 1 if disturbance is Disturbance.EDIT else count

    def _some(self, count: int) -> list[str]:
        """Take some of the live claims out: nothing else happens to them meanwhile."""
        some = self.dice.sample(self.live, count)
        self.live = [name for name in self.live if name not in set(some)]
        return some

    async def _create(self, client: Client, count: int) -> None:
        names = list(itertools.islice(self._names, count))
        await create_claims(client, names)
        self.live += names

    async def _again(self, client: Client, name: str) -> None:
        """Create a claim of this name as soon as the former one is gone."""
        with contextlib.suppress(NotFound):
            while True:
                await client.get(CLAIMS, name, NAMESPACE)
                await asyncio.sleep(0.2)
        await create_claims(client, [name])
        self.live.append(name)

    async def _delete(self, client: Client, kind: Kind, names: Iterable[str]) -> None:
        async def delete(name: str) -> None:
            with contextlib.suppress(NotFound):
                await client.delete(kind, name, NAMESPACE)

        await in_parallel(delete, names)

    async def _follow(self, kind: Kind) -> None:
        take = {CLAIMS: self.history.claim, ADDRESSES: self.history.address}.get(
            kind, self.history.record
        )
        async for change in watch(self.site.cluster, resource_path(kind)):
            take(change)

    def _client(self) -> Client:
        return Client(load_connection(str(self.site.cluster.kubeconfig)), user_agent="soak")


@contextlib.contextmanager
def opened_claims(options: Options) -> Iterator[ClaimScene]:
    """A control plane with a pool, without claims."""
    with claim_cluster(**{"reuse-delay-seconds": REUSE_SECONDS}) as cluster, Run.open() as run:
        name = ACCOUNT.rpartition("/")[2]
        rights = (cluster_role(name, RULES), role(name, RULES))
        cluster.apply([one for each in rights for one in granted(each, ACCOUNT)])
        share = run.folder / "share"
        set_share(share, 0.0)
        yield ClaimScene(options, ClaimSite(cluster, run, share), random.Random(options.seed))
