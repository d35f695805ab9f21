"""What this process has seen of nodes: how long one is gone or silent, which marks are fresh."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from moorage_danm.caches import Caches
from moorage_danm.model.lease import NodeLease, lease_key
from moorage_danm.model.node import Mark, Node, Ready
from moorage_danm.reclaim.node_class import NodeFacts
from moorage_ipam.first_seen import FirstSeen
from moorage_kube.cache.store import Change

MOST_DEPARTED = 1000
"""Of more nodes that are gone, those are forgotten whose host no endpoint names."""
_ABSENT = "absent"


class NodeMemory:
    """Follows nodes and their Leases; everything belongs to a node's uid, not to its name.

    Attributes:
        stale_marks: marks that prove nothing, by node, of nodes that are not ready.
    """

    def __init__(self, caches: Caches) -> None:
        self._caches = caches
        self._gone = FirstSeen()
        self._leases = FirstSeen()
        self._departed: dict[str, tuple[str, ...]] = {}
        self._departed_hosts: dict[str, set[str]] = {}
        self._fresh: dict[str, tuple[str, frozenset[str]]] = {}
        caches.nodes.subscribe(self._node_changed)
        caches.leases.subscribe(self._lease_changed)

    def departed(self, host: str) -> frozenset[str]:
        """Nodes that are gone and had this host name, in lower case."""
        return frozenset(self._departed_hosts.get(host, ()))

    def hosts_of(self, name: str) -> tuple[str, ...]:
        """The host names of a node that is there, or that was."""
        node = self._caches.nodes.get(name)
        return node.hosts if node is not None else self._departed.get(name, (name,))

    def facts(self, name: str) -> NodeFacts:
        """What is known of a node; ``""`` = none is known."""
        if not name:
            return NodeFacts("", there=False)
        node, lease = self._caches.nodes.get(name), self._caches.leases.get(lease_key(name))
        silent = self._leases.seconds(name, lease.renewed if lease else _ABSENT)
        if node is None:
            absent = self._gone.seconds(name, _ABSENT)
            return NodeFacts(
                name,
                there=False,
                absent_seconds=absent,
                has_lease=lease is not None,
                lease_seconds=silent,
            )
        _, fresh = self._fresh.get(name, ("", frozenset()))
        marks = tuple(mark.name for mark in node.marks)
        return NodeFacts(
            name,
            ready=node.ready,
            unreachable=node.unreachable,
            fences=tuple(one for one in marks if one in fresh),
            stale=tuple(one for one in marks if one not in fresh),
            has_lease=lease is not None,
            lease_seconds=silent,
        )

    def _lease_changed(self, change: Change[NodeLease]) -> None:
        seen = change.new or change.old
        if seen is not None:
            self._leases.seconds(seen.node, change.new.renewed if change.new else _ABSENT)

    def _node_changed(self, change: Change[Node]) -> None:
        name, old, new = change.key, change.old, change.new
        if new is None:
            self._fresh.pop(name, None)
            self._gone.seconds(name, _ABSENT)
            if old is not None:
                self._depart(old)
            return
        self._gone.forget(name)
        self._return(name)
        uid, before = self._fresh.get(name, ("", frozenset()))
        same = old is not None and old.uid == new.uid == uid
        fresh = frozenset(_fresh(new, old if same else None, before if same else frozenset()))
        self._fresh[name] = (new.uid, fresh)

    def _depart(self, node: Node) -> None:
        self._departed[node.name] = node.hosts
        for host in node.hosts:
            self._departed_hosts.setdefault(host, set()).add(node.name)
        if len(self._departed) > MOST_DEPARTED:
            for name in list(self._unused()):
                self._return(name)
                self._gone.forget(name)
                self._leases.forget(name)

    def _unused(self) -> Iterator[str]:
        groups = self._caches.groups.values()
        for name, hosts in self._departed.items():
            if not any(caches.by_host.get(host) for caches in groups for host in hosts):
                yield name

    def _return(self, name: str) -> None:
        for host in self._departed.pop(name, ()):
            names = self._departed_hosts.get(host, set())
            names.discard(name)
            if not names:
                self._departed_hosts.pop(host, None)


def _fresh(new: Node, old: Node | None, before: Iterable[str]) -> Iterator[str]:
    """Marks that were set after the node was ready last.

    One that was there while it was ready proves nothing, until it is removed and set again. One
    that was not seen to come proves something where its own time says so.
    """
    if new.ready is Ready.TRUE:
        return
    kept, had = set(before), {mark.name for mark in old.marks} if old is not None else None
    for mark in new.marks:
        known = had is not None and mark.name in had
        came = had is not None and not known and old is not None and _same_silence(old, new)
        if (known and mark.name in kept) or came or _is_newer(mark, new):
            yield mark.name


def _same_silence(old: Node, new: Node) -> bool:
    """Whether it has not been ready in between, also where versions in between were not seen."""
    return old.ready is not Ready.TRUE and old.ready_since == new.ready_since


def _is_newer(mark: Mark, node: Node) -> bool:
    since = node.ready_since
    return mark.since is not None and since is not None and mark.since > since
