"""The lifecycle of a manager: started in order, stopped without losing what is in hand."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

from moorage_kube.cache.informer import Informer, list_afresh
from moorage_kube.cache.kopf_source import KopfSource
from moorage_kube.client.client import Call, Client
from moorage_kube.client.connection import Connection
from moorage_kube.election.lease import LeadershipLost, LeaseElection
from moorage_kube.election.none import NoElection
from moorage_kube.election.strategy import Election
from moorage_kube.manager import garbage
from moorage_kube.manager.manager import Manager, Setup
from moorage_kube.manager.settings import CommonSettings, ElectedSettings, new_identity
from moorage_kube.manager.shutdown import leave_within
from moorage_kube.manager.termination import explain
from moorage_kube.telemetry.events import EventRecorder
from moorage_kube.telemetry.metrics import leader_metric, process_metrics
from moorage_kube.telemetry.probes import Check, Health, keep_beating, serve

logger = logging.getLogger(__name__)

ACTION_SECONDS = 25.0
"""How long the actions in hand may take to end; a pod is killed 30 s after SIGTERM."""
EVENTS_SECONDS = 1.0
LOST_SECONDS = 3.0
"""How long a process may take to end that lost its Lease: nothing is left for it to do."""


class Lifecycle:
    """One run of a manager in this process."""

    def __init__(self, settings: CommonSettings, connection: Connection, setup: Setup) -> None:
        self.stop_wanted = asyncio.Event()
        self.exit_code = 0
        self.user_agent = f"{settings.prog}/{settings.version}"
        self._settings = settings
        self._connection = connection
        self._setup = setup
        self._resources = AsyncExitStack()
        self._health = Health()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = False

    async def open(self) -> None:
        """Take what the manager needs before anything runs.

        Raises :class:`moorage_kube.telemetry.probes.ProbesFailed` where the port is taken.
        """
        self._metrics = process_metrics(self._settings.prog, self._settings.cluster_name or "")
        identity = new_identity()
        client = await self._open_client()
        events = EventRecorder(client, self._settings.prog, identity)
        election = await self._election(identity)
        self.manager = Manager(self._settings, identity, client, election, events, self._metrics)
        self.manager.namespace = self._namespace()
        self.manager.stop = self.stop_wanted.set
        self._setup(self.manager)
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
        manager = self.manager
        for controller in manager.controllers:
            controller.queue.pause()
        self._run("heartbeat", keep_beating(self._health))
        self._run("events", manager.events.run())
        for informer in manager.informers:
            self._run(f"cache of {informer.name}", informer.run())
        for task in manager.background:
            if not task.while_leading:
                self._run(task.name, task.run())
        for controller in manager.controllers:
            work = controller.queue.run(controller.reconcile, controller.workers)
            self._run(f"workers of {controller.name}", work)
        self._run("leadership", manager.election.run(self._take_over, self._stand_down))
        # Kopf discovers the kinds once, at its start.
        for informer in manager.informers:
            if isinstance(informer.source, KopfSource):
                await informer.listed.wait()

    async def stop(self) -> bool:
        """Finish the actions in hand, give the Lease up, close everything. May be repeated.

        Returns whether this call did it: another one does not wait for the first.
        """
        if self._stopping:
            return False
        self._stopping = True
        # Also where it was not what stopped us: kopf has a task waiting for it to the very end.
        self.stop_wanted.set()
        if self._tasks:
            await self._stop_tasks()
        await self._resources.aclose()
        return True

    async def _stop_tasks(self) -> None:
        manager = self.manager
        queues = [controller.queue for controller in manager.controllers]
        for queue in queues:
            queue.pause()
        # Servers answer for a while yet, until nobody is sent to them; nothing else waits for that.
        serving = [self._tasks.pop(name) for name in manager.servers if name in self._tasks]
        closing = asyncio.create_task(_cancel(*serving), name="closing servers")
        deadline = time.monotonic() + (ACTION_SECONDS if manager.election.is_leader else 0.0)
        if manager.election.is_leader:
            # The Lease is renewed meanwhile: the actions in hand are still ours to take.
            await asyncio.gather(*(queue.drain(ACTION_SECONDS) for queue in queues))
        for on_stopping in manager.on_stopping:
            try:
                await on_stopping(max(0.0, deadline - time.monotonic()))
            except Exception:
                # A successor waits for the Lease, whatever went wrong here.
                logger.exception("something is left undone at the end")
        writing = self._tasks.pop("events")
        await _cancel(*self._tasks.values())
        await manager.election.release()
        await manager.events.flush(EVENTS_SECONDS)
        await _cancel(writing)
        await closing

    async def _take_over(self) -> None:
        """The caches may be out of date: list afresh before acting."""
        manager = self.manager
        async with asyncio.TaskGroup() as group:
            for informer in manager.informers:
                # Where it is not listed afresh it must have been once: a process that has just
                # started knows nothing yet.
                fresh = informer in manager.relisted
                group.create_task(list_afresh(informer) if fresh else informer.listed.wait())
        for on_leading in manager.on_leading:
            await on_leading()
        garbage.keep_caches()
        if self._stopping:
            # Stopped while it took over: nothing may begin that nobody would wait for.
            return
        for task in manager.background:
            if task.while_leading:
                self._run(task.name, task.run())
        for controller in manager.controllers:
            controller.queue.resume()
        logger.info("working")

    async def _stand_down(self) -> None:
        self.exit_code = 1
        leave_within(LOST_SECONDS, lambda: self.exit_code)
        self.stop_wanted.set()
        manager = self.manager
        leading = [task.name for task in manager.background if task.while_leading]
        for controller in manager.controllers:
            controller.queue.pause()
            leading.append(f"workers of {controller.name}")
        await _cancel(*(self._tasks[name] for name in leading if name in self._tasks))

    async def _open_client(self) -> Client:
        client = Client(self._connection, user_agent=self.user_agent, on_call=self._count)
        return await self._resources.enter_async_context(client)

    async def _election(self, identity: str) -> Election:
        """By the settings: a Lease where they have one, else none."""
        if not isinstance(self._settings, ElectedSettings):
            return NoElection()
        lease = self._settings.lease(self._namespace(), identity)
        # Over connections of its own: what holds the others up must not cost the Lease.
        election = LeaseElection(await self._open_client(), lease)
        leader = leader_metric(self._metrics.registry, self._settings.prog)
        leader.set_function(lambda: float(election.is_leader))
        return election

    def _namespace(self) -> str:
        known = self._connection.namespace or "default"
        if isinstance(self._settings, ElectedSettings):
            return self._settings.lease_namespace or known
        return known

    def _watch_health(self) -> None:
        for informer in self.manager.informers:
            self._health.require(f"cache of {informer.name}", _synced(informer))
        self._health.require("leadership", self.manager.election.missing)
        for name, check in self.manager.checks.items():
            self._health.require(name, check)

    def _count(self, call: Call) -> None:
        # As RBAC spells it, so that rules and metrics can be compared.
        resource = "/".join(part for part in (call.resource, call.subresource) if part)
        self._metrics.requests.labels(call.verb, resource, str(call.status)).inc()

    def _run(self, name: str, coroutine: Coroutine[Any, Any, None]) -> None:
        """Start a task the process cannot live without."""
        task = asyncio.create_task(coroutine, name=name)
        self._tasks[name] = task
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, LeadershipLost):
            explain(str(error))
        if self._stopping or self.stop_wanted.is_set():
            return
        name = task.get_name()
        self._health.died(name, str(error or "ended"))
        if not isinstance(error, LeadershipLost):
            logger.critical("%s ended, and so does the process", name, exc_info=error)
            explain(f"{name} ended: {error}")
        self.exit_code = 1
        self.stop_wanted.set()


def _synced(informer: Informer[Any]) -> Check:
    def missing() -> str | None:
        if informer.store.synced:
            return None
        return f"not listed yet: {informer.failure}" if informer.failure else "not listed yet"

    return missing


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
