"""What kubelets do with DANM's CNI on a real API server; whether their pods run, this says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from moorage_kube.client.client import Client
from moorage_kube.client.connection import load_connection
from moorage_testing.danm.cni import Cni, InUse

Object = dict[str, Any]


class Kubelets:
    """One for each node.

    Attributes:
        running: node and container of each pod that really runs, by its uid.
        idle: nodes whose kubelet does nothing at the moment.
    """

    def __init__(self, kubeconfig: Path, group: str = "danm.k8s.io") -> None:
        self._kubeconfig = kubeconfig
        self._group = group
        self.running: dict[str, tuple[str, str]] = {}
        self.idle: set[str] = set()
        # Containers that lost power; their nodes take down what is left of them, once they can.
        self._cut: set[tuple[str, str]] = set()

    def step(self, pods: Iterable[Object]) -> None:
        """Start pods that have a node, and clean up after those that are gone."""
        there = {pod["metadata"]["uid"]: pod for pod in pods}
        for uid, (node, container) in list(self.running.items()):
            if uid not in there and node not in self.idle:
                self._remove(node, container)
                del self.running[uid]
        for uid, pod in there.items():
            node = pod["spec"].get("nodeName", "")
            starts = node and node not in self.idle and "deletionTimestamp" not in pod["metadata"]
            if starts and uid not in self.running:
                self._start(pod, node)

    def cut_power(self, node: str) -> None:
        """All that runs there is gone at once, and nobody cleans up."""
        self.idle.add(node)
        gone = {uid: one for uid, one in self.running.items() if one[0] == node}
        self._cut |= set(gone.values())
        self.running = {uid: one for uid, one in self.running.items() if uid not in gone}

    def restore_power(self, node: str) -> None:
        """It works again, and first takes down what ran there before."""
        self.idle.discard(node)
        for one in sorted(self._cut):
            if one[0] == node:
                self._remove(*one)
                self._cut.discard(one)

    def _start(self, pod: Object, node: str) -> None:
        uid = pod["metadata"]["uid"]
        container = f"container-of-{uid}"

        async def add(cni: Cni) -> bool:
            try:
                await cni.add(pod, container)
            except InUse:
                return False
            return True

        if self._with_cni(node, add):
            self.running[uid] = (node, container)

    def _remove(self, node: str, container: str) -> None:
        async def delete(cni: Cni) -> bool:
            await cni.delete(container)
            return True

        self._with_cni(node, delete)

    def _with_cni(self, node: str, work: Callable[[Cni], Awaitable[bool]]) -> bool:
        async def whole() -> bool:
            async with Client(load_connection(str(self._kubeconfig))) as client:
                return await work(Cni(client, node, self._group))

        return asyncio.run(whole())
