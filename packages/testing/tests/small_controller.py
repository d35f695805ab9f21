"""A small controller for trials of the harness: ConfigMaps carry what their Namespace asks for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from moorage_domain.plans import Plan
from moorage_kube.cache.informer import Informer
from moorage_kube.cache.store import Change, Store
from moorage_kube.client.client import Client, Target
from moorage_kube.client.kinds import CONFIGMAPS, NAMESPACES, SERVICE_ACCOUNTS
from moorage_kube.reconcile.logic import Pass
from moorage_kube.reconcile.queue import WorkQueue
from moorage_kube.reconcile.reconciler import Guards, Reconciler
from moorage_kube.telemetry.metrics import controller_metrics
from moorage_testing.apiserver import ApiServer

MARK = "example.com/side"
FINALIZER = "example.com/release"


def side_of(raw: dict[str, Any]) -> str:
    return str((raw["metadata"].get("annotations") or {}).get(MARK, ""))


@dataclass(frozen=True, slots=True)
class Map:
    """One ConfigMap as the controller's cache has it."""

    label: str
    finalizers: tuple[str, ...]
    deleting: bool
    version: str


def project(raw: dict[str, Any]) -> Map:
    meta = raw["metadata"]
    return Map(
        str((meta.get("labels") or {}).get(MARK, "")),
        tuple(meta.get("finalizers") or ()),
        "deletionTimestamp" in meta,
        meta["resourceVersion"],
    )


@dataclass(frozen=True, slots=True)
class Observed:
    """One ConfigMap, and whether the account that belongs to it is there."""

    key: str
    map: Map
    wanted: str
    account: bool


@dataclass
class SmallController:
    """A finalizer, a child of the same name, and a label; ``fault`` makes it a bad one."""

    client: Client
    fault: str = ""
    queue: WorkQueue = field(default_factory=WorkQueue)
    maps: Store[Map] = field(default_factory=lambda: Store(project))
    sides: Store[str] = field(default_factory=lambda: Store(side_of))
    accounts: Store[str] = field(default_factory=lambda: Store(side_of))

    def __post_init__(self) -> None:
        self.maps.subscribe(lambda change: self.queue.add(change.key))
        self.accounts.subscribe(lambda change: self.queue.add(change.key))
        self.sides.subscribe(self._namespace_changed)

    async def run(self) -> None:
        """Keep caches and queue going for ever."""
        metrics = controller_metrics(CollectorRegistry(), "small")
        reconciler: Reconciler[Observed, str] = Reconciler(self, Guards(lambda: None), metrics)
        async with asyncio.TaskGroup() as group:
            for kind, store in (
                (CONFIGMAPS, self.maps),
                (NAMESPACES, self.sides),
                (SERVICE_ACCOUNTS, self.accounts),
            ):
                informer: Informer[Any] = Informer(self.client, kind, store)
                group.create_task(informer.run())
                await informer.listed.wait()
            group.create_task(self.queue.run(reconciler))

    def _namespace_changed(self, change: Change[str]) -> None:
        for key in self.maps.keys():  # noqa: SIM118 - a store is no dict
            if key.startswith(f"{change.key}/") and self.fault != "deaf":
                self.queue.add(key)

    async def observe(self, key: str) -> Observed | None:
        one, wanted = self.maps.get(key), self.sides.get(key.partition("/")[0])
        if one is None:
            return None
        return Observed(key, one, wanted or "", self.accounts.get(key) is not None)

    def decide(self, observed: Observed) -> Plan[str]:
        one = observed.map
        if one.deleting:
            freed = ("remove child",) if observed.account else ("remove finalizer",)
            freed = freed if self.fault != "leaks" else ("remove finalizer",)
            return Plan("Deleting", "let go", freed if FINALIZER in one.finalizers else ())
        if FINALIZER not in one.finalizers and self.fault != "no finalizer":
            return Plan("Begin", "a finalizer first", ("add finalizer",))
        if not observed.account:
            return Plan("Child", "an account", ("add child",))
        if one.label != observed.wanted:
            return Plan("Label", "follow", ("label",))
        hot = timedelta(seconds=0.5) if self.fault == "hot" else None
        writes = ("label",) if self.fault == "restless" else ()
        pause = timedelta(seconds=30) if self.fault == "restless" else hot
        return Plan("Fine", "in step", writes, pause)

    async def act(self, observed: Observed, action: str) -> None:
        namespace, _, name = observed.key.partition("/")
        match action:
            case "add child":
                body = {"metadata": {"name": name, "namespace": namespace}}
                self.accounts.take_created(await self.client.create(SERVICE_ACCOUNTS, body))
            case "remove child":
                await self.client.delete(SERVICE_ACCOUNTS, name, namespace)
                self.queue.add_after(observed.key, 1.0)
            case "label":
                await self._patch(observed, {"labels": {MARK: observed.wanted or None}})
            case "add finalizer":
                await self._patch(observed, {"finalizers": [*observed.map.finalizers, FINALIZER]})
            case _:
                left = [one for one in observed.map.finalizers if one != FINALIZER]
                await self._patch(observed, {"finalizers": left})

    async def report(self, ended: Pass[Observed, str]) -> None:
        if self.fault == "hot":
            await self.client.get(NAMESPACES, ended.key.partition("/")[0])

    async def _patch(self, observed: Observed, meta: dict[str, Any]) -> None:
        namespace, _, name = observed.key.partition("/")
        body = {"metadata": meta | {"resourceVersion": observed.map.version}}
        self.maps.update_known(await self.client.patch(CONFIGMAPS, Target(name, namespace), body))


def arrange(server: ApiServer) -> None:
    """A namespace with two ConfigMaps."""
    annotations = {MARK: "north"}
    server.create(NAMESPACES, {"metadata": {"name": "team", "annotations": annotations}})
    for name in ("a", "b"):
        server.create(CONFIGMAPS, {"metadata": {"name": name, "namespace": "team"}})
