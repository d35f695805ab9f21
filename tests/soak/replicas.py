"""The controllers: one leads, one stands by; leaders are killed, all are measured."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
import urllib.request
from dataclasses import dataclass, field

import psutil

from moorage_testing.cluster.control_plane import free_ports
from moorage_testing.processes import Child
from moorage_testing.waiting import wait_for_async

from .samples import Sample
from .scene import Site

# The time limit for a new leader, also on a busy machine.
TAKEOVER_SECONDS = 60.0
_SHOWN = 300  # characters of each end of a line
_TASKS = re.compile(r"^soak_asyncio_tasks (\S+)$", re.MULTILINE)
_LEADS = re.compile(r"^moorage_\w+_leader(?:\{.*\})? 1(?:\.0)?$", re.MULTILINE)


@dataclass(slots=True)
class Replica:
    """One controller, running or ended.

    Attributes:
        child: its process.
        port: of its metrics.
        counted: the calls that count, in its metrics.
        samples: in order.
        calls: outcome -> calls with this outcome, from the last sample.
        killed: the soak killed it while it led.
        missed: it ended by itself, and this was reported.
    """

    child: Child
    port: int
    counted: re.Pattern[str]
    samples: list[Sample] = field(default_factory=list)
    calls: dict[str, float] = field(default_factory=dict)
    killed: bool = False
    missed: bool = False

    def weigh(self) -> None:
        """Take a sample; none if it does not answer in time, or has just ended."""
        try:
            process = psutil.Process(self.child.pid)
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/metrics", timeout=5
            ) as answer:
                text = answer.read().decode()
            tasks = _TASKS.search(text)
            sample = Sample(
                at=time.monotonic(),
                leads=_LEADS.search(text) is not None,
                rss_mib=process.memory_info().rss / 2**20,
                fds=process.num_fds(),
                threads=process.num_threads(),
                tasks=int(float(tasks[1])) if tasks else 0,
            )
        except (OSError, psutil.Error):
            return
        self.samples.append(sample)
        self.calls = {}
        for outcome, count in self.counted.findall(text):
            self.calls[outcome] = self.calls.get(outcome, 0.0) + float(count)


@dataclass(slots=True)
class Replicas:
    """All controllers of the soak.

    Attributes:
        site: where they run.
        all: in the order of their start.
        complaints: unexpected events.
    """

    site: Site
    all: list[Replica] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def alive(self) -> list[Replica]:
        """The running ones."""
        return [one for one in self.all if one.child.alive]

    @property
    def killed(self) -> list[Replica]:
        """The ones that were killed while they led."""
        return [one for one in self.all if one.killed]

    def start(self) -> Replica:
        """Start one more; does not wait for it."""
        name, port = f"replica-{next(self._numbers)}", free_ports(1)[0]
        child = self.site.run.start(self.site.command(name, port))
        replica = Replica(child, port, self.site.calls)
        self.all.append(replica)
        return replica

    async def leader(self) -> Replica:
        """Wait for a running leader and return it."""
        found: list[Replica] = []

        async def leads() -> bool:
            holder = await asyncio.to_thread(self.site.lease_holder)
            found[:] = [one for one in self.alive if one.child.name == holder]
            return bool(found)

        await wait_for_async(leads, TAKEOVER_SECONDS, "a leader", interval_seconds=0.2)
        return found[0]

    async def kill_leader(self) -> None:
        """Kill the leader, and start one more to stand by."""
        leader = await self.leader()
        leader.killed = True
        await asyncio.to_thread(leader.child.stop, 0)
        self.start()

    async def kill_leaders(self, every_seconds: float, seconds: float) -> None:
        """Kill leaders for this long."""
        for _ in range(int(seconds / every_seconds)):
            await asyncio.sleep(every_seconds)
            await self.kill_leader()
        await asyncio.sleep(seconds % every_seconds)

    async def follow(self, every_seconds: float) -> None:
        """Measure all running ones repeatedly; report and replace those that ended by
        themselves."""
        while True:
            await asyncio.gather(*(asyncio.to_thread(one.weigh) for one in self.alive))
            for one in self._just_ended():
                one.missed = True
                status = one.child.returncode
                self.complaints.append(f"{one.child.name} ended with {status} by itself")
                self.start()
            await asyncio.sleep(every_seconds)

    def bugs(self) -> list[str]:
        """The lines of all their logs with a traceback."""
        return [
            f"{one.child.name}: {_ends(line)}"
            for one in self.all
            for line in one.child.log.read_text(encoding="utf-8").splitlines()
            if "Traceback" in line
        ]

    def _just_ended(self) -> list[Replica]:
        """The ones that newly ended by themselves."""
        unasked = (one for one in self.all if not one.killed and not one.missed)
        return [one for one in unasked if not one.child.alive]


def _ends(line: str) -> str:
    """What failed, and the error itself, which comes last."""
    return line if len(line) <= 2 * _SHOWN else f"{line[:_SHOWN]} ... {line[-_SHOWN:]}"
