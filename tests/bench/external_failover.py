"""External addresses on nodes: fail-over, a graceful move, an outage of the API, and rest (EL)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

from moorage_testing.lab.probes import (
    PERIOD_SECONDS,
    Probes,
    Question,
    doubled,
    first_answer,
    longest_silence,
    lost,
)
from moorage_testing.processes import Child
from moorage_testing.waiting import wait_for

from .external_apply import apply_row
from .external_lab import PATIENCE_SECONDS, NodeLab, node_lab
from .report import step
from .rows import NO_SEED, How, Row, Seed

FAILOVER_TARGET_SECONDS = 5.5
GRACEFUL_TARGET_SECONDS = 1.5
REFRESH_TARGET_PERCENT = 1.0
MEMORY_TARGET_MIB = 80.0
_AFTER_SECONDS = 15.0
"""A leader that lost its Lease has ended by then, and leases of five seconds are judged anew."""
_SETTLE_SECONDS = 5.0
"""The announcements of new addresses are over by then."""
_MOST_KILLS = 4
# Measured on the same kind of machine by others' benchmarks of 100 addresses, see the issue.
_PEERS = "MetalLB L2 was measured with 6.8 s at 100 Services, kube-vip with 20.0 s."


@dataclass
class Phase:
    """A time that is watched: when it began, monotonic seconds, and what was asked in it."""

    begun: float
    asked: list[list[Question]] = field(default_factory=list)

    @property
    def doubled(self) -> int:
        """Questions that two nodes answered."""
        return sum(map(doubled, self.asked))

    def moved(self, mac: str) -> list[float]:
        """By address, seconds until this MAC answered, the shortest first."""
        firsts = (first_answer(one, mac) for one in self.asked)
        return sorted(at - self.begun for at in firsts if at is not None)


@dataclass
class Found:
    """The figures of one run; times in seconds."""

    held: int
    outage_seconds: int
    rest_seconds: int
    failover: list[float] = field(default_factory=list)
    kills: int = 0
    graceful: Sequence[float] = ()
    silence: Sequence[float] = ()
    doubled: int = 0
    doubled_gracefully: int = 0
    lost: int = 0
    asked: int = 0
    moves: int = 0
    refresh_percent: float = 0.0
    idle_percent: float = 0.0
    memory_mib: float = 0.0


def lab_rows(held: int, outage_seconds: int, rest_seconds: int) -> list[Row]:
    """Measure in a lab of its own; needs root."""
    found = Found(held, outage_seconds, rest_seconds)
    with node_lab() as lab:
        with step(f"{held:,} addresses on one node"):
            lab.start_agent(1)
            addresses = lab.create(held)
            lab.start_agent(2)
            time.sleep(_SETTLE_SECONDS)
        _rest(lab, found)
        with Probes(lab.lab.station.namespace, addresses) as probes:
            _wait_for_holder(probes, lab, 1)
            _outage(lab, probes, found)
            # When in the second between two renewals it dies is left to chance.
            for number in range(min(_MOST_KILLS, 1 + held // 100)):
                _fail_over(lab, probes, found, 1 + number % 2)
            _move_gracefully(lab, probes, found)
        row = apply_row(lab.lab, held)
    return [*_rows(found), row]


def _rest(lab: NodeLab, found: Found) -> None:
    """What renewing the addresses costs an agent, beside one that has none."""
    with step("at rest"):
        loaded, idle = _cpu(lab.agents[1]), _cpu(lab.agents[2])
        begun = time.monotonic()
        time.sleep(found.rest_seconds)
        seconds = time.monotonic() - begun
        found.idle_percent = 100 * (_cpu(lab.agents[2]) - idle) / seconds
        whole = 100 * (_cpu(lab.agents[1]) - loaded) / seconds
        found.refresh_percent = whole - found.idle_percent
    found.memory_mib = psutil.Process(lab.agents[1].pid).memory_info().rss / 2**20


def _outage(lab: NodeLab, probes: Probes, found: Found) -> None:
    before = lab.places()
    server = lab.cluster.pids["kube-apiserver"]
    what = f"the API server does not answer for {found.outage_seconds} s"
    with step(what), _watched(probes) as phase:
        os.kill(server, signal.SIGSTOP)
        try:
            time.sleep(found.outage_seconds)
        finally:
            os.kill(server, signal.SIGCONT)
        time.sleep(_AFTER_SECONDS)
        wait_for(lambda: _ready(lab), PATIENCE_SECONDS, "the scheduler to lead again")
        time.sleep(_SETTLE_SECONDS)
    found.lost = sum(map(lost, phase.asked))
    found.asked = sum(map(len, phase.asked))
    found.doubled += phase.doubled
    after = lab.places()
    found.moves = sum(after[claim] != node for claim, node in before.items())


def _fail_over(lab: NodeLab, probes: Probes, found: Found, number: int) -> None:
    other = 3 - number
    with step(f"the agent of node{number} is killed"), _watched(probes) as phase:
        lab.agents.pop(number).send(signal.SIGKILL)
        _wait_for_holder(probes, lab, other)
    found.failover += phase.moved(lab.station(other).mac)
    found.doubled += phase.doubled
    found.kills += 1
    lab.start_agent(number)
    time.sleep(_SETTLE_SECONDS)


def _move_gracefully(lab: NodeLab, probes: Probes, found: Found) -> None:
    number = 1 if found.kills % 2 == 0 else 2
    other = 3 - number
    with step(f"node{number} is excluded"), _watched(probes) as phase:
        lab.exclude(number, excluded=True)
        _wait_for_holder(probes, lab, other)
    found.graceful = phase.moved(lab.station(other).mac)
    found.silence = sorted(map(longest_silence, phase.asked))
    found.doubled_gracefully = phase.doubled
    lab.exclude(number, excluded=False)


def _wait_for_holder(probes: Probes, lab: NodeLab, number: int) -> None:
    mac = lab.station(number).mac
    what = f"node{number} to answer for all addresses"
    wait_for(lambda: probes.all_answered_by(mac), PATIENCE_SECONDS, what)


@contextmanager
def _watched(probes: Probes) -> Iterator[Phase]:
    phase = Phase(time.monotonic())
    yield phase
    phase.asked = probes.between(phase.begun, time.monotonic())


def _ready(lab: NodeLab) -> bool:
    """Whether a scheduler leads."""
    log = lab.schedulers[-1].log.read_text()
    return lab.schedulers[-1].alive and "listening on" in log


def _cpu(child: Child) -> float:
    times = psutil.Process(child.pid).cpu_times()
    return float(times.user + times.system)


def _rows(found: Found) -> list[Row]:
    found.failover.sort()
    size = f"{found.held:,} addresses"
    finely = f"asked by ARP each {PERIOD_SECONDS} s from a client on the link. "
    return [
        Row(
            "ELa", f"{size} fail over, p95", FAILOVER_TARGET_SECONDS, _p95(found.failover), "s",
            NO_SEED,
            f"from SIGKILL of the agent to the first answer of the other node, in {found.kills}"
            f" fail-overs; the first"
            f" {found.failover[0]:.1f} s, the last {found.failover[-1]:.1f} s; {finely}{_PEERS}",
        ),
        Row(
            "ELb", "answers of two nodes for one address", 0.0, float(found.doubled), "",
            Seed(None, How.DESCRIBED),
            f"in the outage and the fail-overs; {found.doubled_gracefully} in the graceful move.",
        ),
        Row(
            "ELc", f"graceful move of {size}, longest gap", GRACEFUL_TARGET_SECONDS,
            found.silence[-1], "s", NO_SEED,
            f"without an answer, of the worst address; p95 {_p95(found.silence):.1f} s, the time"
            f" between two questions included. From the label to the new node's answer: p95"
            f" {_p95(found.graceful):.1f} s, the last {found.graceful[-1]:.1f} s.",
        ),
        Row(
            "ELd", f"answers lost, API down for {found.outage_seconds} s", 0.0,
            float(found.lost), "", NO_SEED, f"of {found.asked:,} questions, with"
            f" {_AFTER_SECONDS + _SETTLE_SECONDS:.0f} s and a new leader after it.",
        ),
        Row("ELe", f"moves, API down for {found.outage_seconds} s", 0.0, float(found.moves), ""),
        Row(
            "ELf", f"CPU of an agent with {size}", REFRESH_TARGET_PERCENT, found.refresh_percent,
            "%", NO_SEED,
            "of one core at rest, beyond what an agent without addresses takes:"
            f" {found.idle_percent:.1f} %.",
        ),
        Row("ELg", f"RSS of an agent with {size}", MEMORY_TARGET_MIB, found.memory_mib, "MiB"),
    ]  # fmt: skip


def _p95(figures: Sequence[float]) -> float:
    """Of figures in their order."""
    return figures[round(0.95 * len(figures)) - 1]
