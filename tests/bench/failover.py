"""Half of the nodes that hold an address lose it at once, in a slow cloud that throttles (T7)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from time import monotonic

from moorage_core.settings import CoreSettings
from moorage_kube.client.client import Target
from moorage_kube.client.kinds import NODES

from .clouds import Cloud
from .drains import Status, until, watched
from .emulated import CloudCall
from .fleet import Fleet
from .limited import BURST, WRITES_PER_SECOND
from .options import Options
from .planner import ip_text
from .report import step
from .rows import How, Row, Seed

CHANGE_SECONDS = 5.0
"""How long each change takes: L of the target."""
FULL = 250
"""The addresses that the clouds' targets are for."""
TAINT = "aws-node-termination-handler/spot-itn"
_WORKERS = CoreSettings.model_fields["cloud_calls"].default


@dataclass(frozen=True, slots=True)
class Failover:
    """The result.

    Attributes:
        moves: by address, seconds from the first taint until it was bound elsewhere.
        nowhere: by address, seconds from its detachment until it was bound elsewhere.
        tainted: seconds until the last taint was there.
        calls: the calls to the cloud meanwhile.
    """

    moves: dict[str, float]
    nowhere: dict[str, float]
    tainted: float
    calls: Sequence[CloudCall]


def failover_rows(fleet: Fleet, options: Options) -> list[Row]:
    """Taint half of the holders, wait until their addresses have moved, and remove the taints."""
    cloud = fleet.cloud.cloud
    ips = list(map(ip_text, range(max(1, options.addresses // 2))))
    one_move = cloud.changes * CHANGE_SECONDS + 3.0
    target = max(one_move, cloud.failover_seconds * len(ips) / FULL)
    before = fleet.cloud.holders()
    with step(f"failover of {len(ips)} addresses at once"):
        failover = asyncio.run(_fail_over(fleet, ips, 60.0 + 5 * target))
    _check(before, fleet.cloud.holders(), ips)
    with step("everything to be well again"):
        fleet.wait_bound(options.addresses)
    name, whole = cloud.name, failover.moves.values()
    rows = [
        Row(
            "T7", f"{len(ips)} of {options.addresses} addresses fail over", target,
            max(whole), "s", Seed(None, How.DESCRIBED), _note(failover, cloud.changes * len(ips)),
            name,
        )
    ]  # fmt: skip
    if cloud.changes > 1:
        rows.append(_nowhere_row(cloud, failover))
    return rows


def _nowhere_row(cloud: Cloud, failover: Failover) -> Row:
    times = failover.nowhere.values()
    return Row(
        "T7b", "longest that one of them is nowhere", CHANGE_SECONDS + 3.0, max(times), "s",
        Seed(None, How.DESCRIBED),
        "from when the status tells that an address, off its old node now, is being attached to"
        f" the new one, until it is bound there; half of them {median(times):.1f} s at most. One"
        " change and no more is needed meanwhile: a move that is begun is to be finished before the"
        " next one is.",
        cloud.name,
    )  # fmt: skip


async def _fail_over(fleet: Fleet, ips: Sequence[str], seconds: float) -> Failover:
    async with watched(fleet) as status:
        await until(fleet, lambda: all(status.is_in(ip, "Bound") for ip in ips), "all to be bound")
        nodes = {ip: status.addresses[ip].node for ip in ips}
        taken_off: dict[str, float] = {}
        with fleet.cloud.slow(CHANGE_SECONDS), fleet.cloud.limited():
            begun = monotonic()
            await _taint(status, nodes.values(), [{"key": TAINT, "effect": "NoSchedule"}])
            tainted = monotonic()

            def elsewhere() -> bool:
                for ip in ips:
                    if status.is_in(ip, "Attaching"):
                        taken_off.setdefault(ip, status.addresses[ip].at)
                return all(
                    status.is_in(ip, "Bound") and status.addresses[ip].node != node
                    for ip, node in nodes.items()
                )

            await until(fleet, elsewhere, f"{len(ips)} addresses to leave their nodes", seconds)
            calls = await asyncio.to_thread(fleet.cloud.calls, begun)
        bound = {ip: status.addresses[ip].at for ip in ips}
        await _taint(status, nodes.values(), [])
        owing = "the nodes that were left to have their own addresses again"
        await until(
            fleet,
            lambda: not any(s.restore_pending for s in status.addresses.values()),
            owing,
            seconds,
        )
    return Failover(
        moves={ip: at - begun for ip, at in bound.items()},
        nowhere={ip: bound[ip] - at for ip, at in taken_off.items()},
        tainted=tainted - begun,
        calls=calls,
    )


async def _taint(status: Status, nodes: Iterable[str], taints: list[dict[str, str]]) -> None:
    """Set the taints of these nodes, a few at a time."""
    body, some = {"spec": {"taints": taints}}, asyncio.Semaphore(10)

    async def set_taints(node: str) -> None:
        async with some:
            await status.client.patch(NODES, Target(node), body)

    async with asyncio.TaskGroup() as tasks:
        for node in nodes:
            tasks.create_task(set_taints(node))


def _check(before: dict[str, str], after: dict[str, str], moved: Sequence[str]) -> None:
    """Check that only these addresses moved, and that each is on its own machine."""
    wrong = [ip for ip, machine in after.items() if (before[ip] != machine) != (ip in moved)]
    if wrong or len(set(after.values())) < len(after):
        raise AssertionError(f"not the moves that were asked for: {wrong or after}")


def _note(failover: Failover, needed: int) -> str:
    changes = Counter(call.op for call in failover.calls if not call.reads)
    requested = ", ".join(f"{count} {op}" for op, count in sorted(changes.items()))
    times = sorted(failover.moves.values())
    return (
        f"from the first of {len(times)} taints {TAINT} to the last address that the status shows"
        f" on another node; the last taint was there after {failover.tainted:.1f} s, the first"
        f" address after {times[0]:.1f} s, half of them after {median(times):.1f} s. Every change"
        f" takes {CHANGE_SECONDS:g} s, {_WORKERS} may be under way, and the cloud refuses what"
        f" comes faster than {WRITES_PER_SECOND:g} a second, after {BURST:g} at once. {needed}"
        f" changes are needed; asked for were {requested}, refused ones and what the old nodes get"
        " back included. Nothing else moved. The target is in proportion to 250 of 500 addresses,"
        " and no less than for one move."
        " The seed moves one after the other (described)."
    )
