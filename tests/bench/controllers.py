"""A controller's process while it is measured, and what its own metrics say of it."""

from __future__ import annotations

import asyncio
import re
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psutil

from moorage_testing.processes import Child, Command, Run

# Nothing else leads, and how fast a dead leader is replaced is measured elsewhere (T6): where the
# machine is slow, a leader that could not renew must not end the measurement.
_LEASE = ("--lease-duration", "120", "--lease-renew-deadline", "110")
_LOOK_SECONDS = 1.0


@dataclass
class Controller:
    """The process, and what its own metrics say of it."""

    child: Child

    @property
    def url(self) -> str:
        listening = re.search(r'"message": "listening on [^"]*:(\d+)"', self.child.log.read_text())
        return f"http://127.0.0.1:{listening[1]}" if listening else ""

    async def until_ready(self) -> None:
        """Wait until it says so of itself."""
        await asyncio.to_thread(self._wait_ready)

    def _wait_ready(self) -> None:
        while True:
            try:
                with _ask(f"{self.url}/readyz"):
                    return
            except (OSError, ValueError):
                self.child.check()
                time.sleep(0.05)

    async def until_quiet(self, plurals: Iterable[str], seconds: float) -> float:
        """Wait until it has written nothing for so long; returns how often it ever has."""
        before = -1.0
        while before != (before := self.writes(plurals)):  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(seconds)
        return before

    def writes(self, plurals: Iterable[str]) -> float:
        """How often it has changed objects of these kinds."""
        with _ask(f"{self.url}/metrics") as answer:
            text = answer.read().decode()
        total = 0.0
        for labels, value in re.findall(r"kube_requests_total\{([^}]*)\} ([0-9.e+]+)", text):
            # What was refused, as a patch of an older version, changed nothing.
            writes = re.search(r'verb="(create|update|patch|delete)"', labels) and (
                re.search(r'code="2\d\d"', labels)
            )
            if writes and any(f'resource="{plural}' in labels for plural in plurals):
                total += float(value)
        return total

    @property
    def memory_mib(self) -> float:
        return float(psutil.Process(self.child.pid).memory_info().rss) / 2**20

    @property
    def cpu_seconds(self) -> float:
        times = psutil.Process(self.child.pid).cpu_times()
        return float(times.user + times.system)

    async def until_it_ends(self) -> None:
        """Wait for its end, which nobody wants."""
        while self.child.alive:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(_LOOK_SECONDS)


@asynccontextmanager
async def running(
    run: Run, module: str, kubeconfig: str, lease: str, *flags: str
) -> AsyncIterator[Controller]:
    """Start ``python -m module``, which leads by a Lease of this name; it is stopped at the end.

    Raises:
        ChildError: it ended meanwhile: whoever waits for what it writes would wait for ever.
    """
    controller = Controller(run.start(command(module, kubeconfig, lease, *flags, *_LEASE)))
    try:
        async with asyncio.timeout(None) as limit:
            watching = asyncio.create_task(controller.until_it_ends())
            watching.add_done_callback(lambda _: limit.reschedule(0.0))
            try:
                yield controller
            finally:
                watching.cancel()
    except TimeoutError:
        controller.child.check()
        raise
    finally:
        controller.child.stop()


def command(module: str, kubeconfig: str, lease: str, *flags: str) -> Command:
    """Its command, whose metrics listen on a free port of the loopback."""
    argv = [sys.executable, "-m", module, "--kubeconfig", kubeconfig, *flags]
    argv += ["--metrics-port", "0", "--metrics-host", "127.0.0.1"]
    argv += ["--lease-name", lease, "--lease-namespace", "default"]
    return Command(f"{module}-{lease}", argv)


def _ask(url: str) -> Any:  # what urllib answers has many types
    return urllib.request.urlopen(url, timeout=30.0)  # noqa: S310 - of our own process
