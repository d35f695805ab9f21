"""Drains, one by one: how soon the cloud is told, how soon all is well again (T3 to T5)."""

from __future__ import annotations

import asyncio
import contextlib
import math
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from moorage_kube.client import Client, ListQuery, Target
from moorage_kube.connection import load_connection
from moorage_kube.errors import KubeError
from moorage_kube.kinds import NETIPALLOCATIONS, NODES
from moorage_testing.waiting import wait_for_async

from .fleet import CloudCall, Fleet
from .options import SLOW_MOVES, Options
from .planner import ip_text
from .report import say, step
from .rows import NO_SEED, How, Row, Seed
from .seed import DEFAULT_INTERVAL_SECONDS, LOOP_SECONDS, reads_before_first_write

MUTATIONS_TARGET = 1.0
FIRST_WRITE_TARGET = 2.0
FIRST_WRITE_AIM = 0.3
SLOW_SECONDS = 2.0
WHOLE_MOVE_TARGET = SLOW_SECONDS + 3.0
# The quota that the seed's own cloud gives a project: reads a minute.
READS_PER_MINUTE = 1500
_ASSOCIATE = "AssociateAddress"
_MOVE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Drain:
    """One move as the cluster saw it; seconds of the machine's monotonic clock."""

    ip: str
    drained: float
    bound: float


@dataclass(slots=True)
class Status:
    """``status.addresses`` as a watch tells it: phase, node, and when that was first seen."""

    client: Client
    seen: dict[str, tuple[str, str, float]] = field(default_factory=dict)

    async def follow(self) -> None:
        """Keep it true, for ever."""
        query = ListQuery(field_selector="metadata.name=edge")
        while True:
            with contextlib.suppress(KubeError):
                version = ""
                async for page in self.client.pages(NETIPALLOCATIONS, query):
                    version = page.resource_version
                    for raw in page.items:
                        self._take(raw)
                async for event in self.client.watch(NETIPALLOCATIONS, query, version):
                    if event.type == "MODIFIED":
                        self._take(event.object)

    def node(self, ip: str) -> str:
        """Where an address is, or is going."""
        return self.seen[ip][1]

    def is_in(self, ip: str, phase: str) -> bool:
        """Whether an address is in a phase."""
        return ip in self.seen and self.seen[ip][0] == phase

    def _take(self, raw: dict[str, Any]) -> None:
        now = time.monotonic()
        for entry in raw.get("status", {}).get("addresses", ()):
            told = (entry["phase"], entry.get("nodeName", ""))
            if self.seen.get(entry["ip"], ("", "", 0.0))[:2] != told:
                self.seen[entry["ip"]] = (*told, now)


def move_rows(fleet: Fleet, options: Options) -> list[Row]:
    """Drain node after node; then some more with a cloud that takes its time."""
    rows: list[Row] = []
    ips = [ip_text(number) for number in range(options.addresses)]
    if options.rows & {"T3", "T4"}:
        cpu = fleet.cpu_seconds()
        with step(f"{options.moves} drains"):
            drains = asyncio.run(_drain_all(fleet, ips, options.moves))
        cpu = (fleet.cpu_seconds() - cpu) / len(drains)
        rows += _fast_rows(options, drains, fleet.ec2.calls(drains[0].drained), cpu)
    if "T5" in options.rows:
        title = f"{SLOW_MOVES} drains with {SLOW_SECONDS:g} s more for {_ASSOCIATE}"
        with step(title), fleet.ec2.slow(_ASSOCIATE, SLOW_SECONDS):
            # From the other end: addresses that have not moved yet, where there are enough.
            slow = asyncio.run(_drain_all(fleet, ips[::-1], SLOW_MOVES))
        rows.append(_slow_row(slow))
    return rows


async def _drain_all(fleet: Fleet, ips: Sequence[str], count: int) -> list[Drain]:
    drains: list[Drain] = []
    async with _status(fleet) as status:
        for number in range(count):
            drains.append(await _drain(fleet, status, ips[number % len(ips)]))
            if (number + 1) % 10 == 0:
                say(f"{number + 1} of {count} drained")
    return drains


@contextlib.asynccontextmanager
async def _status(fleet: Fleet) -> AsyncIterator[Status]:
    async with Client(load_connection(str(fleet.cluster.kubeconfig)), "moorage-bench") as client:
        status = Status(client)
        following = asyncio.create_task(status.follow())
        try:
            yield status
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def _drain(fleet: Fleet, status: Status, ip: str) -> Drain:
    """Cordon the node, see the address held back, take the workload's pod away, see it move."""
    await _until(fleet, lambda: status.is_in(ip, "Bound"), f"{ip} to be bound before its move")
    node = status.node(ip)
    await status.client.patch(NODES, Target(node), {"spec": {"unschedulable": True}})
    await _until(fleet, lambda: status.is_in(ip, "Holding"), f"{ip} to be held on {node}")
    drained = await asyncio.to_thread(_delete_pod, fleet, f"edge-{node}")

    def moved() -> bool:
        return status.is_in(ip, "Bound") and status.node(ip) != node

    await _until(fleet, moved, f"{ip} to leave {node}")
    return Drain(ip, drained, status.seen[ip][2])


async def _until(fleet: Fleet, condition: Callable[[], bool], what: str) -> None:
    async def holds() -> bool:
        fleet.process  # noqa: B018 - raises with its log once it is dead
        return condition()

    await wait_for_async(holds, _MOVE_SECONDS, what, interval_seconds=0.02)


def _delete_pod(fleet: Fleet, name: str) -> float:
    """Remove a pod at once; return when the API server had acknowledged it."""
    path = f"/api/v1/namespaces/default/pods/{name}"
    fleet.cluster.request("DELETE", path, {"gracePeriodSeconds": 0})
    return time.monotonic()


def _fast_rows(
    options: Options, drains: Sequence[Drain], calls: Sequence[CloudCall], cpu: float
) -> list[Row]:
    """Rows over moves with a cloud that answers at once; ``cpu`` in seconds per move."""
    writes = [call for call in calls if not call.reads]
    rows = []
    if "T3" in options.rows:
        kinds = ", ".join(sorted({call.op for call in writes}))
        rows.append(
            Row(
                "T3", "cloud mutations per move", MUTATIONS_TARGET, len(writes) / len(drains), "",
                NO_SEED,
                f"{len(writes)} in {len(drains)} moves ({kinds}). The seed takes the address off"
                " and gives it to the first schedulable node of all, whose own address goes: up to"
                " five changes, of other addresses too (described; it has no AWS).",
            )
        )  # fmt: skip
    if "T4" in options.rows:
        looks = [call for call in calls if call.op == "DescribeInstances"]
        firsts = _after_drains(drains, writes)
        rows += _first_write_rows(options, firsts, _after_drains(drains, looks))
        rows[-1] = replace(rows[-1], note=f"likewise. {_whole(drains, cpu)}")
    return rows


def _whole(drains: Sequence[Drain], cpu: float) -> str:
    whole = [drain.bound - drain.drained for drain in drains]
    return (
        f"Until bound on the new node: p50 {statistics.median(whole):.2f} s, worst"
        f" {max(whole):.2f} s; the controller used {cpu * 1000:.0f} ms of CPU per cordon and move,"
        " the status of all addresses included."
    )


def _after_drains(drains: Sequence[Drain], calls: Sequence[CloudCall]) -> list[float]:
    """Seconds from each drain to the first such call after it; the moves came one by one."""
    firsts = []
    for drain in drains:
        at = next((call.at for call in calls if call.at >= drain.drained), math.inf)
        if at > drain.bound:
            raise AssertionError(f"no such call between the drain and the end for {drain.ip}")
        firsts.append(at - drain.drained)
    return sorted(firsts)


def _first_write_rows(
    options: Options, firsts: Sequence[float], looks: Sequence[float]
) -> list[Row]:
    p50 = statistics.median(firsts)
    p99 = firsts[math.ceil(0.99 * len(firsts)) - 1]
    reads = reads_before_first_write(options.nodes, options.addresses)
    wait = (DEFAULT_INTERVAL_SECONDS + LOOP_SECONDS) / 2
    seed = Seed(wait + reads / READS_PER_MINUTE * 60, How.MODELLED)
    fast = "meets" if p99 <= FIRST_WRITE_AIM else "misses"
    return [
        Row(
            "T4a", "drained -> first cloud write, p99", FIRST_WRITE_TARGET, p99, "s", seed,
            f"{len(firsts)} moves (of fewer than 100 the p99 is the worst), {options.pods:,} pods;"
            " from the API server's acknowledgement of the last pod's deletion to"
            f" {_ASSOCIATE} in EC2's call log; it {fast} the aim of {FIRST_WRITE_AIM:g} s. Of it"
            f" p50 {statistics.median(looks):.2f} s, worst {looks[-1]:.2f} s, to the first look at"
            " the target, when the status is written; the rest is three reads of the emulated EC2,"
            f" which does one thing at a time. The seed: {wait:g} s on average until its next look,"
            f" then {reads:,} reads (counted) before its first change, at {READS_PER_MINUTE:,} a"
            " minute.",
        ),
        Row("T4b", "drained -> first cloud write, p50", FIRST_WRITE_TARGET, p50, "s", seed),
    ]  # fmt: skip


def _slow_row(drains: Sequence[Drain]) -> Row:
    whole = sorted(drain.bound - drain.drained for drain in drains)
    return Row(
        "T5", f"drained -> bound, {_ASSOCIATE} takes {SLOW_SECONDS:g} s", WHOLE_MOVE_TARGET,
        whole[-1], "s", NO_SEED,
        f"worst of {len(whole)} moves ({', '.join(f'{one:.2f}' for one in whole)}), to the status"
        " as a watch saw it. The seed awaits no operation: it calls a move done when it was asked"
        " for, on whatever node (described).",
    )  # fmt: skip
