"""The manager: what one process runs, and what its controllers are built on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from prometheus_client import CollectorRegistry

from moorage_domain.kinds import Kind
from moorage_kube.cache.informer import Informer
from moorage_kube.cache.kopf_source import KopfSource
from moorage_kube.cache.store import Store
from moorage_kube.client.client import EVERYTHING, Client, ListQuery
from moorage_kube.election.strategy import Election
from moorage_kube.manager.settings import CommonSettings
from moorage_kube.reconcile.assumed import Assumed
from moorage_kube.reconcile.logic import ActionT, Logic, ObservedT
from moorage_kube.reconcile.queue import WorkQueue
from moorage_kube.reconcile.reconciler import Guards, Reconciler
from moorage_kube.telemetry.events import EventRecorder
from moorage_kube.telemetry.metrics import ProcessMetrics, controller_metrics
from moorage_kube.telemetry.probes import Check
from moorage_kube.writes.subjects import Subjects
from moorage_kube.writes.writer import ObjectWriter

T = TypeVar("T")
Run = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Controller:
    """One queue and what handles its keys."""

    name: str
    queue: WorkQueue
    reconcile: Callable[[str], Awaitable[float | None]]
    workers: int


@dataclass(frozen=True, slots=True)
class Background:
    """A task that runs as long as the process does, or only while it leads."""

    name: str
    run: Run
    while_leading: bool


class Server(Protocol):
    """A server that every replica runs, such as that of webhooks."""

    async def run(self) -> None: ...

    def ready(self) -> str | None: ...


@dataclass(slots=True)
class Manager:
    """Collects what a process runs; the process then starts and stops it in order.

    Attributes:
        settings: of this process.
        identity: a name of this process that no other and no later one has.
        client: the API server.
        election: who may write; ``election.fence()`` comes before every write of one's own.
        events: where Kubernetes Events go.
        metrics: standard series; controllers add theirs to :attr:`registry`.
        on_leading: called at takeover, after the caches were listed afresh and before any pass.
        on_stopping: called once when the process stops, with the seconds that work in the
            background may still take: 0 where leadership is lost.
        stop: ends the process as SIGTERM does; it is there once the process has one.
        namespace: of this process: where its Lease and the Secret of its webhooks are.
    """

    settings: CommonSettings
    identity: str
    client: Client
    election: Election
    events: EventRecorder
    metrics: ProcessMetrics
    controllers: list[Controller] = field(default_factory=list)
    background: list[Background] = field(default_factory=list)
    servers: dict[str, Server] = field(default_factory=dict)
    checks: dict[str, Check] = field(default_factory=dict)
    on_leading: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    on_stopping: list[Callable[[float], Awaitable[None]]] = field(default_factory=list)
    stop: Callable[[], None] = field(default=lambda: None)
    namespace: str = "default"
    _informers: dict[int, Informer[Any]] = field(default_factory=dict)
    _not_relisted: set[int] = field(default_factory=set)

    @property
    def registry(self) -> CollectorRegistry:
        """Where series of one's own are registered."""
        return self.metrics.registry

    @property
    def informers(self) -> tuple[Informer[Any], ...]:
        """All caches of the process."""
        return tuple(self._informers.values())

    @property
    def relisted(self) -> tuple[Informer[Any], ...]:
        """Those that are listed afresh at takeover."""
        return tuple(one for key, one in self._informers.items() if key not in self._not_relisted)

    def informer(
        self,
        kind: Kind,
        store: Store[T],
        query: ListQuery = EVERYTHING,
        *,
        written_by_people: bool = False,
        relist_at_takeover: bool = True,
    ) -> Informer[T]:
        """Keep a store true; controllers that share the store share the informer.

        ``written_by_people``: kopf watches the kind; for all of a few thousand objects at most.
        ``relist_at_takeover=False``: for kinds with too many objects. What the store says may be
        old then: whoever acts on it asks the API server first.
        """
        known = self._informers.get(id(store))
        if known is not None:
            if relist_at_takeover:
                self._not_relisted.discard(id(store))
            return known
        source = KopfSource() if written_by_people else None
        informer = Informer(self.client, kind, store, query, source)
        same = sum(other.kind.plural == kind.plural for other in self.informers)
        if same:
            informer.name = f"{kind.plural} ({same + 1})"
        self._informers[id(store)] = informer
        if not relist_at_takeover:
            self._not_relisted.add(id(store))
        return informer

    def add_controller(
        self,
        name: str,
        logic: Logic[ObservedT, ActionT],
        queue: WorkQueue,
        subjects: Subjects | None = None,
        assumed: Assumed | None = None,
    ) -> None:
        """Run a controller: keys come into the queue by triggers, the reconciler handles them.

        ``name`` names its metrics. Without ``subjects`` plans have neither status nor finalizer.
        """
        writer = ObjectWriter(self.client, subjects) if subjects else None
        guards = Guards(
            self.election.fence,
            dry_run=self.settings.dry_run,
            writer=writer,
            assumed=assumed,
        )
        metrics = controller_metrics(self.registry, name)
        metrics.queue_depth.set_function(lambda: queue.depth)
        reconciler = Reconciler(logic, guards, metrics)
        self.controllers.append(Controller(name, queue, reconciler, self.settings.workers))

    def run_always(self, name: str, run: Run) -> None:
        """Run a task on every replica; where it ends, the process does."""
        self._add_background(Background(name, run, while_leading=False))

    def run_while_leading(self, name: str, run: Run) -> None:
        """Run a task on the leader; where it ends, the process does."""
        self._add_background(Background(name, run, while_leading=True))

    def serve(self, name: str, server: Server) -> None:
        """Run a server on every replica; the process is ready only while the server is.

        At the end of the process it is the first to be cancelled, and may take its time to end:
        the actions in hand are finished and the Lease is released meanwhile.
        """
        self.run_always(name, server.run)
        self.servers[name] = server
        self.require(name, server.ready)

    def require(self, name: str, check: Check) -> None:
        """Make the process ready only while ``check`` returns ``None``."""
        self.checks[name] = check

    def _add_background(self, task: Background) -> None:
        if any(other.name == task.name for other in self.background):
            raise ValueError(f"there is a task {task.name!r} already")
        self.background.append(task)


Setup = Callable[[Manager], None]
"""What makes a process of a manager: it adds informers, controllers and tasks."""
