"""Who uses which net-attach-def: pods, and templates of pods; kept up with every change."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol, TypeVar

from moorage_endpoints.nads.model import Users
from moorage_kube.cache.store import Change, Index, Store

SHOWN = 3
"""So many pods are named to people."""


class PodOnNetworks(Protocol):
    """What a projection of pods has to say.

    Attributes:
        nads: keys of the net-attach-defs that it uses, as :func:`nads_of` says; empty for a pod
            that has ended.
        running: whether its phase is Running.
    """

    @property
    def nads(self) -> frozenset[str]: ...

    @property
    def running(self) -> bool: ...


PodT = TypeVar("PodT", bound=PodOnNetworks)


class NadUsage:
    """The users of every net-attach-def; a change of a pod costs what it changes.

    Attributes:
        combinations: how many running pods use exactly these net-attach-defs.
    """

    def __init__(
        self,
        pods: Store[PodT],
        templates: Mapping[str, Store[frozenset[str]]] = MappingProxyType({}),
    ) -> None:
        """``templates``: by the word for their kind, what the pods of a workload will use."""
        self._is_known: Callable[[], bool] = lambda: (
            pods.synced and all(one.synced for one in templates.values())
        )
        self._listeners: list[Callable[[str], None]] = []
        self.combinations: Counter[frozenset[str]] = Counter()
        self._index = Index(pods, lambda pod: pod.nads)
        for key, pod in pods.items():
            self._changed(Change(key, None, pod))
        pods.subscribe(self._changed)
        self._templates = {
            word: Index(store, lambda nads: nads) for word, store in templates.items()
        }
        for store in templates.values():
            store.subscribe(self._template_changed)

    def subscribe(self, listener: Callable[[str], None]) -> None:
        """Call it with the key of a net-attach-def that comes into use, or out of it."""
        self._listeners.append(listener)

    def users(self, key: str) -> Users | None:
        """Who uses a net-attach-def; ``None`` = not known yet."""
        if not self._is_known():
            return None
        pods = self._index.by_index_key.get(key, frozenset())
        first = heapq.nsmallest(SHOWN, pods)
        workloads = [
            f"{word} {one}"
            for word, index in self._templates.items()
            for one in sorted(index.by_index_key.get(key, ()))
        ]
        return Users(len(pods) + len(workloads), tuple([*first, *workloads][:SHOWN]))

    def used(self) -> Mapping[str, int]:
        """How many pods use each net-attach-def that is used."""
        return {str(key): len(pods) for key, pods in self._index.by_index_key.items()}

    def _changed(self, change: Change[PodT]) -> None:
        old = change.old.nads if change.old is not None else frozenset()
        new = change.new.nads if change.new is not None else frozenset()
        self._count(change)
        pods = self._index.by_index_key
        # The index has heard of the change before.
        turned = [key for key in new - old if len(pods[key]) == 1]
        turned += [key for key in old - new if key not in pods]
        for key in turned:
            for listener in self._listeners:
                listener(key)

    def _template_changed(self, change: Change[frozenset[str]]) -> None:
        for key in (change.old or frozenset()) ^ (change.new or frozenset()):
            for listener in self._listeners:
                listener(key)

    def _count(self, change: Change[PodT]) -> None:
        for pod, step in ((change.old, -1), (change.new, 1)):
            if pod is not None and pod.running and pod.nads:
                self.combinations[pod.nads] += step
                if not self.combinations[pod.nads]:
                    del self.combinations[pod.nads]
