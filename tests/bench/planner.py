"""The cost of a decision: the pure planner on clusters of any size."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from moorage_core.actions import LabelNode, Mutate
from moorage_core.decide.allocation import decide
from moorage_core.decide.node_labels import labels_for
from moorage_core.model import Allocation, Observed, Present, Workload
from moorage_core.status import AllocationStatus
from moorage_domain.nodes import Node
from moorage_provider.protocol import CloudAddress, MachineHolder

from .report import say, step
from .rows import NO_SEED, How, Row, Seed
from .seed import counted_reads

CPU_TARGET_MS = 50.0
# A little above linear: larger states fit worse into the processor's caches.
GROWTH_TARGET = 1.2
REPEATS = 15
_NOW = 1_800_000_000.0
_POOL = (("pool", "edge"),)


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU of one decision in milliseconds, over several repeats."""

    median: float
    worst: float


def planner_rows(nodes: int, addresses: int) -> list[Row]:
    """T8: the three decisions that are hardest at this size."""
    with step(f"planner: {nodes:,} nodes, {addresses:,} addresses"):
        first = first_binding(nodes, addresses)
        settled = at_rest(first)
        worlds = {
            "at rest": settled,
            "all to move": all_to_move(settled),
            "first binding": first,
        }
        costs = {name: cpu(observed) for name, observed in worlds.items()}
    with step("planner: the seed's loops without any cloud"):
        begun = time.process_time()
        counted_reads(nodes, addresses)
        loops = Seed((time.process_time() - begun) * 1000, How.COUNTED)
    drained = len({record.node_ref for record in settled.records}) / nodes
    notes = {
        "at rest": "nothing is planned; the seed's figure is its loops alone, each GET free.",
        "all to move": f"{drained:.0%} of the nodes drained at once, {addresses:,} moves planned.",
        "first binding": f"{addresses:,} attachments planned.",
    }
    return [
        Row(
            f"T8{letter}",
            f"planner CPU, {name}",
            CPU_TARGET_MS,
            cost.median,
            "ms",
            loops if name == "at rest" else NO_SEED,
            f"process time of one decision, median of {REPEATS} (worst {cost.worst:.1f} ms);"
            f" {notes[name]}",
        )
        for letter, (name, cost) in zip("abc", costs.items(), strict=True)
    ]


def growth_rows(sizes: Sequence[int]) -> list[Row]:
    """J3: the same by cluster size, half as many addresses as nodes."""
    costs: dict[int, float] = {}
    for size in sizes:
        costs[size] = cpu(at_rest(first_binding(size, size // 2))).median
        say(f"planner: {size:,} nodes at rest: {costs[size]:.2f} ms")
    smallest, largest = sizes[0], sizes[-1]
    seed_reads = {size: counted_reads(size, size // 2) for size in sizes[:2]}
    curve = ", ".join(f"{size:,}: {cost:.2f} ms" for size, cost in costs.items())
    growth = Row(
        "J3a",
        f"planner CPU ~ N^x, {smallest:,} to {largest:,} nodes",
        GROWTH_TARGET,
        _exponent(costs, smallest, largest),
        "",
        Seed(_exponent(seed_reads, sizes[0], sizes[1]), How.COUNTED),
        f"the exponent x; at rest, half as many addresses as nodes. {curve}."
        " The seed's exponent is that of its GETs between the two smallest sizes.",
    )
    return [growth]


def cpu(observed: Observed) -> Cost:
    """The CPU time of one decision."""
    decide(observed)
    gc.collect()
    taken = []
    for _ in range(REPEATS):
        begun = time.process_time()
        decide(observed)
        taken.append((time.process_time() - begun) * 1000)
    return Cost(statistics.median(taken), max(taken))


def first_binding(nodes: int, addresses: int) -> Observed:
    """A pool of healthy nodes, and addresses without a holder."""
    pool = {node.name: node for node in map(_node, range(nodes))}
    ips = tuple(map(ip_text, range(addresses)))
    allocation = Allocation(
        name="edge", uid="uid-edge", created="2026-01-01T00:00:00Z", generation=1, addresses=ips,
        workload=Workload("Deployment", "default", "edge"), selector=_POOL, provider="aws",
        finalizer=True,
    )  # fmt: skip
    machine_of = {node.provider_id: f"i-{number}" for number, node in enumerate(pool.values())}
    observed = Observed(
        allocation=allocation,
        records=(),
        now=_NOW,
        uptime=86_400.0,
        cloud_states={ip: Present(CloudAddress(ip, f"ref-{ip}", None)) for ip in ips},
        nodes=pool,
        by_machine={machine_of[node.provider_id]: node.name for node in pool.values()},
        machine_of=machine_of,
        busy=frozenset(pool),
        crowded=frozenset(pool),
    )
    _expect(_mutations(observed), addresses, "first binding")
    return observed


def at_rest(observed: Observed) -> Observed:
    """The same with every address on a node, as status and labels say."""
    cloud_states = {
        ip: Present(CloudAddress(ip, f"ref-{ip}", MachineHolder(f"i-{number}"), f"token-{ip}"))
        for number, ip in enumerate(observed.allocation.addresses)
    }
    observed = _as_written(replace(observed, cloud_states=cloud_states))
    _expect(len(decide(observed).actions), 0, "at rest")
    return observed


def all_to_move(settled: Observed) -> Observed:
    """Every node with an address is drained, and its pods were counted."""
    held = {record.node_ref.name for record in settled.records if record.node_ref}
    nodes = {
        name: replace(node, unschedulable=name in held) for name, node in settled.nodes.items()
    }
    busy, counted = frozenset(nodes.keys() - held), dict.fromkeys(held, True)
    observed = replace(settled, nodes=nodes, busy=busy, counted=counted)
    free = len(nodes) - len(held)
    _expect(_mutations(observed), min(len(held), free), "all to move")
    return observed


def ip_text(number: int) -> str:
    """Addresses of the range for benchmarks (RFC 2544)."""
    return f"198.18.{number // 250}.{number % 250 + 1}"


def _as_written(observed: Observed) -> Observed:
    """The observed state after the plan's status and labels are written."""
    nodes = dict(observed.nodes)
    plan = decide(observed)
    if isinstance(plan.status, AllocationStatus):
        observed = replace(observed, records=plan.status.records, observed_generation=1)
    for action in plan.actions:
        match action:
            case LabelNode(node, ip):
                labels = {**node.labels, **labels_for(ip)}
                marked = replace(node, labels=labels, owner="uid-edge")
                nodes[node.name] = marked
            case _:
                raise AssertionError(f"not expected here: {action}")
    owned = frozenset(name for name, node in nodes.items() if node.owner)
    return replace(observed, nodes=nodes, owned=owned)


def _node(number: int) -> Node:
    name = f"node-{number:05}"
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "pool": "edge",
        "topology.kubernetes.io/zone": "eu-west-1a",
    }
    return Node(name, f"uid-{name}", f"aws:///eu-west-1a/i-{number:017x}", labels)


def _mutations(observed: Observed) -> int:
    return sum(isinstance(action, Mutate) for action in decide(observed).actions)


def _expect(found: int, wanted: int, what: str) -> None:
    """Check that the benchmark measures what it says."""
    if found != wanted:
        raise AssertionError(f"{what}: {wanted} actions expected, {found} planned")


def _exponent(costs: dict[int, float] | dict[int, int], small: int, large: int) -> float:
    return math.log(costs[large] / costs[small]) / math.log(large / small)
