"""Reserved addresses and the nodes that have them, for a soak."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import random
import re
import sys
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.bench.fleet import ALLOCATION, Fleet

from moorage_testing.processes import Command, Run

from .churn import Churn, Disturbance, drawn
from .growth import Pooled
from .history import History, doubled, unsettled
from .judged import Row, none
from .options import Options
from .pool import NodePool, opened
from .scene import LEASE_FLAGS, PROGRAM, asyncio_threads
from .watching import watch
from .witness import Witness

LOOK_SECONDS = 2.0


@dataclass(slots=True)
class CoreSite:
    """The controllers of the bench's fleet."""

    fleet: Fleet
    calls: re.Pattern[str] = re.compile(
        r'^moorage_core_cloud_api_requests_total\{.*outcome="(\w+)".*\} (\S+)$', re.MULTILINE
    )

    @property
    def run(self) -> Run:
        """What their processes belong to."""
        return self.fleet.run

    def command(self, name: str, port: int) -> Command:
        """The controller under its own rights, counted."""
        command = self.fleet.command(name, port, *LEASE_FLAGS)
        return replace(command, argv=[sys.executable, str(PROGRAM), "core", *command.argv[3:]])

    def lease_holder(self) -> str:
        """Who leads."""
        return self.fleet.lease_holder()


@dataclass(slots=True)
class CoreScene:
    """Nodes with reserved addresses.

    Attributes:
        history: the changes of labels and status.
        witness: compares the cloud with the labels.
        disturbances: of nodes.
    """

    options: Options
    pool: NodePool
    history: History
    witness: Witness
    disturbances: Churn
    site: CoreSite
    rest: str = "every address bound in the pool; status, cloud and labels say the same"
    pooled: Pooled = field(init=False)

    def __post_init__(self) -> None:
        provider = importlib.import_module(f"moorage_provider_{self.options.cloud.name}.provider")
        self.pooled = Pooled(asyncio_threads() + int(provider.THREADS), connections=4)

    @classmethod
    def of(cls, pool: NodePool, options: Options) -> CoreScene:
        """Of nodes that are there."""
        ips = frozenset(pool.account.holders())
        history = History(ips)
        churn = Churn(pool, history.labels, random.Random(options.seed))
        witness = Witness(pool, ips)
        return cls(options, pool, history, witness, churn, CoreSite(pool.fleet))

    def sizes(self) -> Mapping[str, object]:
        """For the file."""
        options = self.options
        return {
            "cloud": options.cloud.name,
            "nodes": options.nodes,
            "pods": options.pods,
            "addresses": options.addresses,
        }

    def watchers(self) -> Sequence[Coroutine[Any, Any, None]]:
        """Labels, status, and the cloud."""
        return self._follow_nodes(), self._follow_allocation(), self.witness.follow(LOOK_SECONDS)

    async def begin(self) -> None:
        """All is there."""

    def fail(self) -> None:
        """The cloud fails."""
        self.pool.account.fail(self.options.errors)

    def heal(self) -> None:
        """It does so no more."""
        self.pool.account.heal()

    async def churn(self) -> None:
        """Disturb nodes."""
        await self.disturbances.run(drawn(self.options), self.options.churn_seconds)

    def end_churn(self) -> None:
        """Let them be."""
        self.disturbances.end()

    async def unsettled(self) -> list[str]:
        """Addresses that are not where status, cloud and labels say."""
        holders = await asyncio.to_thread(self.pool.account.holders)
        return unsettled(self.history, holders, self.pool.nodes_by_machine())

    @property
    def changes(self) -> int:
        """Of labels and status."""
        return len(self.history.facts)

    def progress(self) -> str:
        """Bound, moved, disturbed."""
        done = self.disturbances.done
        return (
            f"{len(self.history.bound):,} of {self.options.addresses:,} bound,"
            f" {self.history.moves:,} moves,"
            f" {sum(done.values()):,} nodes disturbed ({done[Disturbance.REPLACE]:,} replaced),"
            f" {len(self.history.missing)} lost"
        )

    def rows(self) -> list[Row]:
        """Addresses that were lost, or in two places."""
        history, witness = self.history, self.witness
        return [
            none(
                "addresses lost", [*history.missing, *witness.lost],
                f"of {len(history.ips):,}: reserved at each of {witness.checks:,} looks at the"
                " account, and in every status that was written",
            ),
            none(
                "addresses in two places", [*doubled(history.facts), *witness.doubled],
                f"{len(history.facts):,} changes of labels and status, all that were written, in"
                " the order of etcd's revisions; and the cloud beside the labels at each look",
            ),
            none("requests that break the cloud's description", self.pool.account.violations()),
        ]  # fmt: skip

    def trouble(self, calls: Sequence[Mapping[str, float]]) -> tuple[bool, str]:
        """Moves, disturbed nodes, failed calls."""
        every = sum(sum(one.values()) for one in calls)
        failed = every - sum(one.get("success", 0.0) for one in calls)
        arrived, moves = len(self.pool.account.cloud.calls()), self.history.moves
        nodes = ", ".join(f"{count} {what}" for what, count in self.disturbances.done.items())
        return moves > 0, (
            f"{moves:,} moves of addresses; nodes: {nodes}. {self.options.errors:.0%} of all calls"
            f" of the cloud failed: {arrived:,} arrived, {every:,.0f} were told of by the"
            f" controllers, of which {failed:,.0f} failed after all that the SDK repeats by itself"
        )

    async def _follow_nodes(self) -> None:
        async for change in watch(self.pool.fleet.cluster, "/api/v1/nodes", metadata_only=True):
            self.history.node(change)

    async def _follow_allocation(self) -> None:
        async for change in watch(self.pool.fleet.cluster, ALLOCATION.rpartition("/")[0]):
            self.history.allocation(change)


@contextlib.contextmanager
def opened_core(options: Options) -> Iterator[CoreScene]:
    """A fleet of nodes with as many spare machines as will be replaced."""
    in_stock = drawn(options).count(Disturbance.REPLACE)
    with opened(options, in_stock) as pool:
        yield CoreScene.of(pool, options)
