"""Pods that run where labels say falsely that an address is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.waiting import PATIENCE, wait_for

T = TypeVar("T")


def draw(cluster: EmbeddedCluster, node: str, labels: Sequence[str], drawn: Callable[[], T]) -> T:
    """Label a node by hand until that has drawn pods there: a controller takes the labels off.

    ``labels`` are as kubectl takes them; ``drawn`` is what the pods are found by, and is returned.
    """

    def labelled() -> T:
        if labels:
            cluster.kubectl("label", "--overwrite", "node", node, *labels)
        return drawn()

    return wait_for(labelled, PATIENCE, f"pods to run on {node}", interval_seconds=1.0)
