"""Another controller takes over: how soon it reacts in the cloud to what happened meanwhile
(T6)."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from moorage_testing.processes import Child
from moorage_testing.waiting import wait_for, wait_for_async

from .drains import Status, delete_pod, held, moved, watched
from .fleet import Fleet
from .options import Options
from .planner import ip_text
from .report import step
from .rows import How, Row, Seed

KILLED_TARGET_SECONDS = 17.0
ENDED_TARGET_SECONDS = 3.0
_DEADLINE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Handover:
    """One change of the leader; all in seconds from the signal.

    Attributes:
        idle: the old leader could not write any more, and the address was drained.
        led: the successor was seen to hold the Lease.
        read: the successor's first call to the cloud.
        changed: its first change of the cloud, which moves the drained address.
    """

    idle: float
    led: float
    read: float
    changed: float


def handover_rows(fleet: Fleet, options: Options) -> list[Row]:
    """Change the leader a few times; call it last: it leaves a new controller behind."""
    ips = iter(map(ip_text, range(2 * options.handovers)))
    handovers_of: dict[signal.Signals, list[Handover]] = {signal.SIGKILL: [], signal.SIGTERM: []}
    for number, handovers in handovers_of.items():
        for turn in range(1, options.handovers + 1):
            with step(f"{number.name} to the leader, {turn} of {options.handovers}"):
                handovers.append(asyncio.run(_hand_over(fleet, next(ips), number)))
    name = fleet.cloud.cloud.name
    killed, ended = handovers_of.values()
    return [
        Row(
            "T6a", "leader killed -> successor's cloud write", KILLED_TARGET_SECONDS,
            _worst(killed), "s", Seed(None, How.DESCRIBED),
            f"{_worst_parts(killed)} An address's last pod went as soon as the killed process was"
            " dead. The seed's Lease has no expiry: nobody takes over while the dead leader's"
            " pod object is there (described).",
            name,
        ),
        Row(
            "T6b", "leader ended (SIGTERM) -> the same", ENDED_TARGET_SECONDS,
            _worst(ended), "s", Seed(None, How.DESCRIBED),
            f"{_worst_parts(ended)} An address's last pod went as soon as the Lease was given up."
            " The seed releases nothing: 16 to 24 s and until its pod object is gone"
            " (described).",
            name,
        ),
    ]  # fmt: skip


async def _hand_over(fleet: Fleet, ip: str, number: signal.Signals) -> Handover:
    leader, standby = fleet.controller, await asyncio.to_thread(fleet.start_standby)
    assert leader is not None
    async with watched(fleet) as status:
        node = await held(fleet, status, ip)
        begun = monotonic()
        leader.send(number)
        fleet.controller = standby
        drained = await asyncio.to_thread(_drained_once_idle, fleet, leader, node)
        led = await _led(fleet, standby)
        await moved(fleet, status, ip, node)
        await _wait_restored(status, ip)
    if leader.stop() != (-number if number is signal.SIGKILL else 0):
        raise AssertionError(f"the leader ended with {leader.returncode}:\n{leader.log_tail()}")
    calls = fleet.cloud.calls(drained)
    read = next(call.at for call in calls if call.reads)
    changed = next(call.at for call in calls if not call.reads)
    return Handover(*(at - begun for at in (drained, led, read, changed)))


def _drained_once_idle(fleet: Fleet, leader: Child, node: str) -> float:
    """Delete the last pod once the leader cannot react to it; return the time of the deletion.

    A leader that got SIGTERM still works until it releases the Lease: otherwise it would be
    measured, and not its successor.
    """

    def idle() -> bool:
        return not leader.alive or fleet.lease_holder() != leader.name

    wait_for(idle, _DEADLINE_SECONDS, "the old leader to end", interval_seconds=0.01)
    return delete_pod(fleet, node)


async def _led(fleet: Fleet, standby: Child) -> float:
    async def leads() -> bool:
        return await asyncio.to_thread(fleet.lease_holder) == standby.name

    await wait_for_async(leads, _DEADLINE_SECONDS, "the successor to lead", interval_seconds=0.02)
    return monotonic()


async def _wait_restored(status: Status, ip: str) -> None:
    async def restored() -> bool:
        return not status.addresses[ip].restore_pending

    await wait_for_async(restored, _DEADLINE_SECONDS, "the old node to have its own address again")


def _worst(handovers: Sequence[Handover]) -> float:
    return max(one.changed for one in handovers)


def _worst_parts(handovers: Sequence[Handover]) -> str:
    """The parts of the slowest one, as text."""
    worst = max(handovers, key=lambda one: one.changed)
    return (
        f"worst of {len(handovers)}, from the signal to the first change that the successor, a"
        " standby with warm caches and the default times of the Lease, asks of the cloud. Of it"
        f" {worst.idle:.2f} s until the old leader could change nothing, {worst.led:.2f} s until"
        f" the successor held the Lease, {worst.read:.2f} s until its first call to the cloud."
    )
