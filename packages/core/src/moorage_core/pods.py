"""Pods that run where the address they ask for is not, and their eviction."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MisplacedPod:
    """A pod that asks for a node with an address and runs on one that says it has none.

    Attributes:
        key: ``namespace/name``.
        uid: another pod may come to bear the name.
        node_name: where it runs.
    """

    key: str
    uid: str
    node_name: str

    def __str__(self) -> str:
        return f"pod {self.key} on node {self.node_name}"


@dataclass(frozen=True, slots=True)
class RunningPod:
    """A pod that keeps an address on its node during a drain.

    Attributes:
        key: ``namespace/name``.
        terminating_since: epoch seconds, 0 = it was not asked to leave.
    """

    key: str
    terminating_since: float = 0.0


@dataclass(frozen=True, slots=True)
class EvictPod:
    """Evict a pod, so that it is recreated elsewhere; its PodDisruptionBudget may refuse."""

    pod: MisplacedPod

    def __str__(self) -> str:
        return f"evict {self.pod}"
