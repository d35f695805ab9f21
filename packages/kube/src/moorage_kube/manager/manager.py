"""An operation: all a controller runs, started in order and stopped without losing a step."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

from moorage_kube.cache.informer import Reflector
from moorage_kube.cache.kopf_source import Feed
from moorage_kube.client.client import Call, Client
from moorage_kube.client.connection import Connection
from moorage_kube.client.errors import KubeError
from moorage_kube.election.lease import LeadershipLost, LeaseElection
from moorage_kube.manager.settings import CommonSettings, new_identity
from moorage_kube.manager.shutdown import leave_within
from moorage_kube.reconcile.queue import WorkQueue
from moorage_kube.reconcile.reconciler import ActionT, Guards, ObservedT, Reconciler, Steps
from moorage_kube.telemetry.events import EventRecorder
from moorage_kube.telemetry.metrics import ControllerMetrics, controller_metrics
from moorage_kube.telemetry.probes import Check, Health, keep_beating, serve

logger = logging.getLogger(__name__)

STEP_SECONDS = 25.0
"""How long the steps in hand may take to end; a pod is killed 30 s after SIGTERM."""
EVENTS_SECONDS = 1.0
LOST_SECONDS = 3.0
"""How long a process may take to end that lost its Lease: nothing is left for it to do."""
CLOSED_SECONDS = 1.0
"""How long the rest may take once everything is closed."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What a controller is built on."""

    settings: CommonSettings
    client: Client
    election: LeaseElection
    events: EventRecorder
    metrics: ControllerMetrics

    def reconciler(
        self, steps: Steps[ObservedT, ActionT], *, dry_run: bool | None = None
    ) -> Reconciler[ObservedT, ActionT]:
        """The loop over these steps, fenced by the Lease, held back by a dry run.

        With ``dry_run=False`` it is never held back: the steps see to a dry run themselves.
        """
        held_back = self.settings.dry_run if dry_run is None else dry_run
        guards = Guards(self.election.fence, dry_run=held_back)
        return Reconciler(steps, guards, self.metrics)


class Relisted(Protocol):
    """A reflector or a feed: a store kept true to the API server."""

    @property
    def name(self) -> str: ...

    async def run(self) -> None: ...

    async def relist(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Controller:
    """What one controller adds to the shell.

    Attributes:
        queue: keys go in by the controller's own store subscriptions.
        reconcile: one pass over one key, usually a
            :class:`moorage_kube.reconcile.reconciler.Reconciler`.
        reflectors: caches of high-volume kinds.
        hints: caches of kinds too many to be listed at takeover. What they say may be old then:
            whoever acts on it asks the API server first.
        feeds: caches of the kinds people write; kopf watches these.
        on_leading: called at takeover, after every other cache was listed afresh and before any
            pass.
        on_stopping: called once when the process stops, with the seconds that work in the
            background may still take: 0 where leadership is lost.
        tasks: whatever else must run as long as the process does, by name.
        checks: further conditions of readiness, by name.
    """

    queue: WorkQueue
    reconcile: Callable[[str], Awaitable[float | None]]
    reflectors: tuple[Reflector[Any], ...] = ()
    hints: tuple[Reflector[Any], ...] = ()
    feeds: tuple[Feed[Any], ...] = ()
    on_leading: Callable[[], Awaitable[None]] | None = None
    on_stopping: Callable[[float], Awaitable[None]] | None = None
    tasks: Mapping[str, Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=dict)
    checks: Mapping[str, Check] = field(default_factory=dict)

    @property
    def caches(self) -> tuple[Reflector[Any] | Feed[Any], ...]:
        """Every cache of the controller."""
        return (*self.relisted, *self.hints)

    @property
    def relisted(self) -> tuple[Reflector[Any] | Feed[Any], ...]:
        """Those that are listed afresh at takeover."""
        return (*self.reflectors, *self.feeds)


Build = Callable[[Ports], Controller]


class Operation:
    """One run of a controller in this process."""

    def __init__(self, settings: CommonSettings, connection: Connection, build: Build) -> None:
        self.stop_wanted = asyncio.Event()
        self.exit_code = 0
        self.user_agent = f"{settings.prog}/{settings.version}"
        self._settings = settings
        self._connection = connection
        self._build = build
        self._resources = AsyncExitStack()
        self._health = Health()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = False

    async def open(self) -> None:
        """Take what the controller needs before anything runs.

        Raises :class:`moorage_kube.telemetry.probes.ProbesFailed` where the port is taken.
        """
        self._metrics = controller_metrics(self._settings.prog)
        identity = new_identity()
        self._client = await self._resources.enter_async_context(
            Client(self._connection, user_agent=self.user_agent, on_call=self._count)
        )
        lease = self._settings.lease(self._connection.namespace or "default", identity)
        self._election = LeaseElection(self._client, lease)
        self._events = EventRecorder(self._client, self._settings.prog, identity)
        self.controller = self._build(
            Ports(self._settings, self._client, self._election, self._events, self._metrics)
        )
        self._watch_health()
        probes = await serve(
            self._settings.metrics_port,
            self._health,
            self._metrics.registry,
            self._settings.metrics_host,
        )
        self._resources.push_async_callback(probes.close)

    async def start(self) -> None:
        """Start all tasks; returns once the API server serves every kind that kopf will watch."""
        self.controller.queue.pause()
        self._run("heartbeat", keep_beating(self._health))
        self._run("events", self._events.run())
        for cache in self.controller.caches:
            self._run(f"cache of {cache.name}", cache.run())
        for name, task in self.controller.tasks.items():
            self._run(name, task())
        self._run("workers", self._work())
        self._run("leadership", self._election.run(self._take_over, self._stand_down))
        # Kopf looks once, at its start, which kinds there are.
        for feed in self.controller.feeds:
            await feed.listed.wait()

    async def stop(self) -> None:
        """Finish the steps in hand, give the Lease up, close everything. May be repeated."""
        if self._stopping:
            return
        self._stopping = True
        # Also where it was not what stopped us: kopf has a task waiting for it to the very end.
        self.stop_wanted.set()
        if self._tasks:
            await self._stop_tasks()
        await self._resources.aclose()
        leave_within(CLOSED_SECONDS, lambda: self.exit_code)

    async def _stop_tasks(self) -> None:
        self.controller.queue.pause()
        deadline = time.monotonic() + (STEP_SECONDS if self._election.is_leader else 0.0)
        if self._election.is_leader:
            # The Lease is renewed meanwhile: the steps in hand are still ours to take.
            await self.controller.queue.drain(STEP_SECONDS)
        if self.controller.on_stopping is not None:
            await self.controller.on_stopping(max(0.0, deadline - time.monotonic()))
        writing = self._tasks.pop("events")
        await _cancel(*self._tasks.values())
        await self._election.release()
        await self._events.flush(EVENTS_SECONDS)
        await _cancel(writing)

    async def _work(self) -> None:
        await self.controller.queue.run(self.controller.reconcile, self._settings.workers)

    async def _take_over(self) -> None:
        """The world may have changed since our caches last heard of it: look before acting."""
        async with asyncio.TaskGroup() as group:
            for cache in self.controller.relisted:
                group.create_task(_relist(cache))
            for hint in self.controller.hints:
                # Listed at least once: a process that has just started knows nothing yet.
                group.create_task(hint.listed.wait())
        if self.controller.on_leading is not None:
            await self.controller.on_leading()
        self.controller.queue.resume()
        logger.info("working")

    async def _stand_down(self) -> None:
        self.exit_code = 1
        leave_within(LOST_SECONDS, lambda: self.exit_code)
        self.stop_wanted.set()
        self.controller.queue.pause()
        await _cancel(self._tasks["workers"])

    def _watch_health(self) -> None:
        election, queue = self._election, self.controller.queue
        for cache in self.controller.caches:
            self._health.require(f"cache of {cache.name}", _synced(cache))
        self._health.require(
            "leadership", lambda: "its loop does not come round" if election.stalled else None
        )
        for name, check in self.controller.checks.items():
            self._health.require(name, check)
        self._metrics.queue_depth.set_function(lambda: queue.depth)
        self._metrics.leader.set_function(lambda: float(election.is_leader))

    def _count(self, call: Call) -> None:
        # As RBAC spells it, so that rights and metrics can be compared.
        resource = "/".join(part for part in (call.resource, call.subresource) if part)
        self._metrics.requests.labels(call.verb, resource, str(call.status)).inc()

    def _run(self, name: str, coroutine: Coroutine[Any, Any, None]) -> None:
        """Start a task the process cannot live without."""
        task = asyncio.create_task(coroutine, name=name)
        self._tasks[name] = task
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if self._stopping or self.stop_wanted.is_set():
            return
        name = task.get_name()
        self._health.died(name, str(error or "ended"))
        if not isinstance(error, LeadershipLost):
            logger.critical("%s ended, and so does the process", name, exc_info=error)
        self.exit_code = 1
        self.stop_wanted.set()


async def _relist(cache: Relisted) -> None:
    """List afresh, however long it takes: a leader that cannot reach the server soon is none."""
    while True:
        try:
            await cache.relist()
        except KubeError as error:
            logger.warning("%s cannot be listed at takeover: %s", cache.name, error)
            await asyncio.sleep(random.uniform(0.5, 1.5))  # noqa: S311  # spreads load only
        else:
            return


def _synced(cache: Reflector[Any] | Feed[Any]) -> Check:
    return lambda: None if cache.store.synced else "not listed yet"


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
