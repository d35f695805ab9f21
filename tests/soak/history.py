"""The history of labels and status, write by write, and its contradictions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from .watching import Change

READY_LABEL = "ip.ready"
IP_LABEL = "moorage.dev/ip"
BOUND = "Bound"


@dataclass(frozen=True, slots=True)
class Labelled:
    """A node's label changed to an address, ``""`` = none."""

    version: int
    node: str
    ip: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """The status changed the node of a bound address, ``""`` = none."""

    version: int
    ip: str
    node: str


Fact: TypeAlias = Labelled | Recorded


def shown_by(labels: Mapping[str, str]) -> str:
    """The address that a node's labels show, ``""`` = none; the label has dashes."""
    return labels.get(IP_LABEL, "").replace("-", ".")


@dataclass(slots=True)
class History:
    """All changes, in the order of the writes of each kind of object.

    Attributes:
        ips: the addresses that the NetIPAllocation lists.
        labels: node -> the address its label shows now; without nodes that have none.
        ready: nodes with the first version's label.
        bound: address -> the node it is bound to now in the status.
        phases: address -> phase.
        facts: every change of labels and bound.
        missing: addresses that disappeared from the status, each with the write.
    """

    ips: frozenset[str]
    labels: dict[str, str] = field(default_factory=dict)
    ready: set[str] = field(default_factory=set)
    bound: dict[str, str] = field(default_factory=dict)
    phases: dict[str, str] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def node(self, change: Change) -> None:
        """Add a write to a Node."""
        labels = {} if change.gone else change.object["metadata"].get("labels", {})
        ip = shown_by(labels)
        if ip != self.labels.get(change.name, ""):
            self.facts.append(Labelled(change.version, change.name, ip))
            _put(self.labels, change.name, ip)
        if labels.get(READY_LABEL) == "true":
            self.ready.add(change.name)
        else:
            self.ready.discard(change.name)

    def allocation(self, change: Change) -> None:
        """Add a write to the NetIPAllocation."""
        entries = {
            entry["ip"]: entry for entry in change.object.get("status", {}).get("addresses", ())
        }
        for ip in sorted(self.phases.keys() & self.ips - entries.keys()):
            self.missing.append(f"{ip} is missing in the status of revision {change.version}")
        self.phases = {ip: entry["phase"] for ip, entry in entries.items()}
        for ip in self.bound.keys() | entries.keys():
            entry = entries.get(ip, {})
            node = entry.get("nodeName", "") if entry.get("phase") == BOUND else ""
            if node != self.bound.get(ip, ""):
                self.facts.append(Recorded(change.version, ip, node))
                _put(self.bound, ip, node)

    @property
    def moves(self) -> int:
        """How often an address was bound to another node than before."""
        last: dict[str, str] = {}
        moves = 0
        for fact in self.facts:
            if isinstance(fact, Recorded) and fact.node:
                moves += last.get(fact.ip, fact.node) != fact.node
                last[fact.ip] = fact.node
        return moves


def doubled(facts: Iterable[Fact]) -> list[str]:
    """Every revision at which one address had two nodes, or one node two addresses.

    Labels and status are in objects of two kinds, with two watches; the revisions of the one etcd
    order their writes.
    """
    complaints: list[str] = []
    replay = _Replay()
    for fact in sorted(facts, key=lambda fact: fact.version):
        complaints += (f"revision {fact.version}: {one}" for one in replay.take(fact))
    return complaints


@dataclass(slots=True)
class _Replay:
    """The state at one revision."""

    nodes_by_label: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    label_of: dict[str, str] = field(default_factory=dict)
    bound: dict[str, str] = field(default_factory=dict)

    def take(self, fact: Fact) -> Iterator[str]:
        """Apply one write, and return the new contradictions."""
        match fact:
            case Labelled(_, node, ip):
                self.nodes_by_label[self.label_of.get(node, "")].discard(node)
                self.nodes_by_label[ip].add(node)
                self.label_of[node] = ip
                if ip:
                    yield from self._labels_of(ip)
            case Recorded(_, ip, node):
                _put(self.bound, ip, node)
                if node:
                    others = sorted(o for o, at in self.bound.items() if at == node and o != ip)
                    yield from (f"{ip} and {other} are bound to {node}" for other in others)
                    yield from self._labels_of(ip)

    def _labels_of(self, ip: str) -> Iterator[str]:
        nodes = self.nodes_by_label[ip]
        if len(nodes) > 1:
            yield f"{ip} is shown by the labels of {', '.join(sorted(nodes))}"
        bound = self.bound.get(ip, "")
        if bound and (elsewhere := nodes - {bound}):
            yield f"{ip} is bound to {bound} and shown by {', '.join(sorted(elsewhere))}"


def unsettled(
    history: History, holders: Mapping[str, str], machines: Mapping[str, str]
) -> list[str]:
    """Violations at rest: every address must be bound in the pool, and all three sources agree.

    Args:
        history: labels and status.
        holders: address -> the machine that has it, ``""`` = none, from the cloud.
        machines: machine -> its node, for all nodes.
    """
    complaints = []
    for ip in sorted(history.ips):
        node = history.bound.get(ip, "")
        held = machines.get(holders.get(ip, ""), "")
        shown = sorted(name for name, label in history.labels.items() if label == ip)
        if not node:
            complaints.append(f"{ip} is {history.phases.get(ip, 'not in the status')}")
        elif not held:
            complaints.append(f"{ip} is bound to {node}, but {holders.get(ip) or 'nobody'} has it")
        elif held != node or shown != [node]:
            complaints.append(f"{ip} is bound to {node}, held by {held}, shown by {shown}")
    return complaints + _strays(history.labels, history.ready, history.ips)


def _strays(labels: Mapping[str, str], ready: Collection[str], ips: Collection[str]) -> list[str]:
    complaints = [f"{node} shows {ip}" for node, ip in sorted(labels.items()) if ip not in ips]
    differ = sorted(labels.keys() ^ set(ready))
    return complaints + [f"{node} has one of the two labels only" for node in differ]


def _put(table: dict[str, str], key: str, value: str) -> None:
    """Set a value, ``""`` = remove the key."""
    if value:
        table[key] = value
    else:
        table.pop(key, None)
