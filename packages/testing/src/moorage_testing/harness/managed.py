"""A manager for trials: the controllers of a process, without its ports, signals and election."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from moorage_kube.cache.informer import Informer
from moorage_kube.cache.store import Store, T
from moorage_kube.client.client import EVERYTHING, Client, ListQuery
from moorage_kube.election.none import NoElection
from moorage_kube.manager.manager import Manager, Setup
from moorage_kube.manager.settings import CommonSettings
from moorage_kube.telemetry.events import EventRecorder
from moorage_kube.telemetry.metrics import process_metrics
from moorage_testing.harness.scenario import Start

if TYPE_CHECKING:
    from moorage_domain.kinds import Kind
    from moorage_testing.harness.world import World


class _WithoutKopf(Manager):
    """Our own stream reports every kind: kopf needs a process of its own."""

    def informer(
        self,
        kind: Kind,
        store: Store[T],
        query: ListQuery = EVERYTHING,
        *,
        written_by_people: bool = False,  # noqa: ARG002 - it makes no difference to a controller
        relist_at_takeover: bool = True,
    ) -> Informer[T]:
        return super().informer(kind, store, query, relist_at_takeover=relist_at_takeover)


def managed(settings: CommonSettings, setup: Setup) -> Start:
    """A scenario's ``start``: what ``setup`` adds to a manager, as its process would run it.

    All but servers: there are no sockets in virtual time. Whoever calls them finds them by
    ``world.manager.servers``.
    """

    async def start(client: Client, world: World) -> None:
        events = EventRecorder(client, settings.prog)
        metrics = process_metrics(settings.prog)
        manager = _WithoutKopf(settings, "trial", client, NoElection(), events, metrics)
        setup(manager)
        world.manager = manager
        await _run(manager)

    return start


async def _run(manager: Manager) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(manager.events.run())
        informers: tuple[Informer[Any], ...] = manager.informers
        for informer in informers:
            group.create_task(informer.run())
        for informer in informers:
            await informer.listed.wait()
        for on_leading in manager.on_leading:
            await on_leading()
        for task in manager.background:
            if task.name not in manager.servers:
                group.create_task(task.run())
        for controller in manager.controllers:
            group.create_task(controller.queue.run(controller.reconcile, controller.workers))
