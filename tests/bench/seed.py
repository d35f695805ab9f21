"""The seed's reconciler, rewritten from its description, on clouds that count its reads.

    for every node, for every address: GET the instance until one matches    (who holds any)
    for every address, for every node: GET the instance
        it has the address      drained: take it off and give it to the first free node; else label
        it has not, is labelled and has none of the list                     label off
    nobody had it: the first schedulable node that held none gets it
    for every labelled node: none of the list                                label off, pods deleted

It runs serially; nothing is remembered between two GETs. Where its source leaves a choice, this
takes the cheaper one: addresses in the order of their nodes, an answer without any delay.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from moorage_testing.clouds.memory import MemoryCloud, MemoryProvider

LOOP_SECONDS = 5
ELECTION_SECONDS = 20
DEFAULT_INTERVAL_SECONDS = 30


class Cloud(Protocol):
    """One GET of an instance, and the two changes."""

    def has(self, node: int, ip: int) -> bool: ...

    def detach(self, node: int, ip: int) -> None: ...

    def attach(self, node: int, ip: int) -> None: ...


class CountingCloud:
    """Counts reads; answers from a table, so that tens of millions are feasible.

    Attributes:
        reads: GETs so far.
        writes: GETs that had gone before each change.
    """

    def __init__(self, addresses: int) -> None:
        self.reads = 0
        self.writes: list[int] = []
        self._on = {ip: ip for ip in range(addresses)}

    def has(self, node: int, ip: int) -> bool:
        self.reads += 1
        return self._on.get(node) == ip

    def detach(self, node: int, ip: int) -> None:
        self.writes.append(self.reads)
        if self._on.get(node) == ip:
            del self._on[node]

    def attach(self, node: int, ip: int) -> None:
        self.writes.append(self.reads)
        self._on[node] = ip


class RecordingCloud:
    """Reads the memory cloud through its provider, and counts its call log."""

    def __init__(self, nodes: int, addresses: int) -> None:
        self._cloud = MemoryCloud()
        for node in range(nodes):
            self._cloud.add_machine(f"vm-{node}")
        for ip in range(addresses):
            self._cloud.add_address(_ip(ip))
            self._cloud.assign(_ip(ip), f"vm-{ip}")
        self._provider = MemoryProvider(self._cloud)
        self._runner = asyncio.Runner()

    @property
    def reads(self) -> int:
        """GETs that reached the cloud."""
        return self._cloud.faults.ops().count("machine")

    def has(self, node: int, ip: int) -> bool:
        machine = self._runner.run(self._provider.machine(f"vm-{node}"))
        return machine.public_ip == _ip(ip)

    def detach(self, node: int, ip: int) -> None:
        raise AssertionError(f"a healthy cluster needs no change, not {ip} off {node}")

    def attach(self, node: int, ip: int) -> None:
        raise AssertionError(f"a healthy cluster needs no change, not {ip} on {node}")

    def close(self) -> None:
        """Close the event loop."""
        self._runner.close()


@dataclass(slots=True)
class SeedController:
    """The seed with every address on its node; nodes and addresses are numbers.

    Attributes:
        drained: nodes that are cordoned and have no workload pods.
        requests: its requests to the API server, by verb and resource.
    """

    cloud: Cloud
    nodes: int
    addresses: int
    drained: frozenset[int] = frozenset()
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    _labelled: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._labelled = set(range(self.addresses))

    def run(self, seconds: float, interval: int) -> None:
        """Run the loops of one leader for this long; calls take no time."""
        due = 0
        for now in range(0, int(seconds), LOOP_SECONDS):
            self.requests["list", "netipallocations"] += 1
            if now >= due:
                self.reconcile()
                due = now + interval
            if now % ELECTION_SECONDS == 0:
                self.requests["get", "leases"] += 1
                self.requests["update", "leases"] += 1
                self.requests["patch", "pods"] += 1

    def reconcile(self) -> None:
        """One pass over the one allocation."""
        self.requests["list", "nodes"] += 1
        holding = {node for node in range(self.nodes) if self._has_any(node)}
        for ip in range(self.addresses):
            self._place(ip, holding)
        self.requests["list", "nodes"] += 1
        for node in sorted(self._labelled):
            if not self._has_any(node):
                self._unlabel(node)

    def _place(self, ip: int, holding: set[int]) -> None:
        for node in range(self.nodes):
            if self.cloud.has(node, ip):
                if node in self.drained:
                    self.cloud.detach(node, ip)
                    # The first schedulable node of all, whatever it holds already.
                    self._attach(next(n for n in range(self.nodes) if n not in self.drained), ip)
                return
            if node in self._labelled and not self._has_any(node):
                self._unlabel(node)
        free = (n for n in range(self.nodes) if n not in holding and n not in self.drained)
        if (node := next(free, -1)) >= 0:
            self._attach(node, ip)

    def _has_any(self, node: int) -> bool:
        has = self.cloud.has
        return any(has(node, ip) for ip in range(self.addresses))

    def _attach(self, node: int, ip: int) -> None:
        self.cloud.attach(node, ip)
        self.requests["patch", "nodes"] += 1
        self._labelled.add(node)

    def _unlabel(self, node: int) -> None:
        self.requests["patch", "nodes"] += 1
        self._labelled.discard(node)


def counted_reads(nodes: int, addresses: int) -> int:
    """GETs of one pass at rest, by running the loops over a table."""
    cloud = CountingCloud(addresses)
    SeedController(cloud, nodes, addresses).reconcile()
    return cloud.reads


def executed_reads(nodes: int, addresses: int) -> int:
    """GETs of one pass at rest, as logged by the memory cloud."""
    cloud = RecordingCloud(nodes, addresses)
    try:
        SeedController(cloud, nodes, addresses).reconcile()
        return cloud.reads
    finally:
        cloud.close()


def reads_before_first_write(nodes: int, addresses: int) -> int:
    """GETs of one pass before its first change, when the middle one of the holders is drained."""
    cloud = CountingCloud(addresses)
    SeedController(cloud, nodes, addresses, frozenset({addresses // 2})).reconcile()
    return cloud.writes[0]


def requests_at_rest(seconds: float, interval: int) -> Counter[tuple[str, str]]:
    """Requests to the API server at rest; they do not depend on the cluster's size."""
    controller = SeedController(CountingCloud(2), 3, 2)
    controller.run(seconds, interval)
    return controller.requests


def _ip(number: int) -> str:
    return f"198.18.{number // 250}.{number % 250 + 1}"
