"""Hosts: kubelets with the containers that really run there, whatever the API server says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from moorage_kube.client.errors import KubeError
from moorage_testing.danm.cni import Cni, InUse, new_cid

Raw = dict[str, Any]

AGAIN_SECONDS = 5.0
"""A kubelet that could not start a pod tries again after so long."""


@dataclass(slots=True)
class Container:
    """A pod that really runs; ``endpoints`` as they were made."""

    pod: Raw
    cid: str
    endpoints: list[Raw]


@dataclass(slots=True)
class Host:
    """One machine.

    Attributes:
        power: it runs; without power all its containers are gone, and it does nothing.
        network: it reaches the API server; without it its containers run on.
        wanted: pods that it shall run, by uid.
        running: what really runs.
    """

    name: str
    cni: Cni
    power: bool = True
    network: bool = True
    wanted: dict[str, Raw] = field(default_factory=dict)
    running: dict[str, Container] = field(default_factory=dict)
    _task: asyncio.Task[None] | None = None
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self) -> asyncio.Task[None]:
        """Let its kubelet work; returns the task."""
        self._task = asyncio.create_task(self._work(), name=f"kubelet of {self.name}")
        return self._task

    def run(self, pod: Raw) -> None:
        """The pod is bound to it."""
        self.wanted[pod["metadata"]["uid"]] = pod
        self._woken.set()

    def stop_pod(self, uid: str) -> None:
        """The pod is deleted, and the kubelet has heard of it."""
        self.wanted.pop(uid, None)
        self._woken.set()

    def cut_power(self) -> None:
        """All that it runs is gone at once, in the middle of whatever it did."""
        self.power = False
        self.running.clear()
        self.wanted.clear()
        self.end()

    def end(self) -> None:
        """Stop its kubelet."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def cut_network(self) -> None:
        """Its containers run on, and nobody hears of it; what it did stops where it is."""
        self.network = False
        self.end()

    def join(self) -> asyncio.Task[None]:
        """It reaches the API server again, with all that it still runs."""
        self.network = True
        return self.start()

    async def _work(self) -> None:
        while True:
            busy = await self._once()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_SECONDS if busy else None):
                    await self._woken.wait()
            self._woken.clear()

    async def _once(self) -> bool:
        """Stop what is not wanted and start what is; whether something is left to do."""
        for uid in list(self.running.keys() - self.wanted.keys()):
            container = self.running[uid]
            # The container ends first; then its interfaces go.
            del self.running[uid]
            await self.cni.delete(container.cid)
        for uid in list(self.wanted.keys() - self.running.keys()):
            if uid in self.wanted:
                await self._try(uid, self.wanted[uid])
        return bool(self.wanted.keys() ^ self.running.keys())

    async def _try(self, uid: str, pod: Raw) -> None:
        cid = new_cid()
        try:
            endpoints = await self.cni.add(pod, cid)
        except (InUse, KubeError):
            # Of several interfaces some may have been made.
            await self.cni.delete(cid)
            return
        self.running[uid] = Container(pod, cid, endpoints)


@dataclass(slots=True)
class Hosts:
    """All of them."""

    by_name: dict[str, Host] = field(default_factory=dict)

    def add(self, host: Host) -> Host:
        """One more, which works from now on."""
        self.by_name[host.name] = host
        _ = host.start()
        return host

    def containers(self) -> Iterator[tuple[Host, Container]]:
        """All that really runs."""
        for host in self.by_name.values():
            for container in list(host.running.values()):
                yield host, container

    def end(self) -> None:
        """Stop every kubelet."""
        for host in self.by_name.values():
            host.end()
