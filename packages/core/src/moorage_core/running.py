"""The pods that keep an address on its node during a drain, looked up where people read of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from moorage_core.caches import Caches
from moorage_core.model import Allocation, DrainMode
from moorage_core.pods import RunningPod
from moorage_core.projections import PodView


class RunningPods(Mapping[str, tuple[RunningPod, ...]]):
    """By the name of their node, in order; a view of the cache.

    Each look-up goes through all pods: only a node that is being drained is asked about, and no
    index of all pods by node is kept for it.
    """

    def __init__(self, caches: Caches, allocation: Allocation) -> None:
        self._pods = caches.pods
        self._nodes = caches.pod_nodes
        self._caches = caches
        self._allocation = allocation

    def __getitem__(self, node_name: str) -> tuple[RunningPod, ...]:
        owners, others = self._count()
        there = [
            RunningPod(key, pod.terminating_since)
            for key, pod in self._pods.items()
            if pod.node_name == node_name and _counts(pod, owners, others=others)
        ]
        return tuple(sorted(there, key=lambda pod: pod.key))

    def __iter__(self) -> Iterator[str]:
        return iter({pod.node_name for pod in self._pods.values()})

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _count(self) -> tuple[Collection[str], bool]:
        if self._allocation.drain is DrainMode.ALL_PODS_GONE:
            return (), True
        return self._caches.pods_of(self._allocation.workload)


def _counts(pod: PodView, owners: Collection[str], *, others: bool) -> bool:
    return pod.owner_uid in owners or (others and not pod.daemon)
