"""At rest: the cloud reads of each resync, and no other calls (T1, T2)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from moorage_testing.waiting import wait_for

from .audit import WRITES, ApiCall
from .clouds import Cloud
from .emulated import CloudCall
from .fleet import INTERVAL_SECONDS, Fleet
from .options import Options
from .report import say, step
from .rows import NO_SEED, How, Row, Seed
from .seed import counted_reads, executed_reads, requests_at_rest

# Calls of one resync arrive together; resyncs are five seconds apart.
_GAP_SECONDS = 1.0
_SMALL = ((3, 2), (10, 5), (50, 20))


@dataclass(frozen=True, slots=True)
class Rest:
    """The observations at rest."""

    cloud: Cloud
    nodes: int
    addresses: int
    calls: Sequence[CloudCall]
    api_calls: Sequence[ApiCall]
    seconds: float
    cpu_seconds: float

    @property
    def resyncs(self) -> list[list[CloudCall]]:
        """The calls by resync, without the last one, which may be incomplete."""
        return _bursts(self.calls)[:-1]

    @property
    def reads(self) -> int:
        """The most reads of one resync."""
        return max(sum(call.reads for call in resync) for resync in self.resyncs)


def watch(fleet: Fleet, resyncs: int) -> Rest:
    """Watch a number of resyncs."""
    since = max((call.at for call in fleet.cloud.calls()), default=0.0) + 1e-6
    mark, cpu, begun = fleet.audit.mark(), fleet.cpu_seconds(), time.monotonic()
    with step(f"watching {resyncs} resyncs, {INTERVAL_SECONDS} s apart"):
        wait_for(
            lambda: len(_bursts(fleet.cloud.calls(since))) > resyncs,
            (resyncs + 5) * 2 * INTERVAL_SECONDS,
            f"{resyncs} resyncs",
            interval_seconds=0.5,
        )
    return Rest(
        cloud=fleet.cloud.cloud,
        nodes=len(fleet.cloud.instances),
        addresses=fleet.cloud.addresses,
        calls=fleet.cloud.calls(since),
        api_calls=fleet.audit.since(mark),
        seconds=time.monotonic() - begun,
        cpu_seconds=fleet.cpu_seconds() - cpu,
    )


def steady_rows(rest: Rest, options: Options) -> list[Row]:
    """The selected rows of one time at rest."""
    rows = []
    if "T1" in options.rows:
        rows.append(_reads_row(rest))
    if "T2" in options.rows:
        rows += _quiet_rows(rest)
    return rows


def independence_row(rest: Rest, few: Rest) -> Row:
    """T1b: as many addresses with a tenth of the nodes cost as many reads."""
    cloud = rest.cloud
    pages = cloud.most_reads(rest.nodes) - cloud.most_reads(few.nodes)
    return Row(
        "T1b", f"the same at {rest.nodes:,} nodes less that at {few.nodes:,}", float(pages),
        float(abs(rest.reads - few.reads)), "", NO_SEED,
        f"reads: {rest.reads} and {few.reads}, with {rest.addresses:,} addresses each time, of"
        f" which {min(few.addresses, few.nodes):,} found a node the second time; a difference"
        " either way is counted. The seed's grow with nodes times addresses (T1).",
        cloud.name,
    )  # fmt: skip


def _bursts(calls: Sequence[CloudCall]) -> list[list[CloudCall]]:
    """Calls that belong together."""
    bursts: list[list[CloudCall]] = []
    for call in calls:
        if not bursts or call.at - bursts[-1][-1].at > _GAP_SECONDS:
            bursts.append([])
        bursts[-1].append(call)
    return bursts


@cache
def _seed_reads(nodes: int, addresses: int) -> Seed:
    """Execute the seed's loops on small clusters, then count them at this size."""
    for some, few in _SMALL:
        executed = executed_reads(some, few)
        if executed != counted_reads(some, few):
            raise AssertionError("the counted loops are not the executed ones")
        say(f"the seed's loops executed: {some} nodes, {few} addresses: {executed:,} reads")
    return Seed(float(counted_reads(nodes, addresses)), How.COUNTED)


def _reads_row(rest: Rest) -> Row:
    ops = Counter(call.op for call in rest.resyncs[-1])
    text = ", ".join(f"{count} {op}" for op, count in sorted(ops.items()))
    small = ", ".join(f"{n}/{a}: {executed_reads(n, a):,}" for n, a in _SMALL)
    return Row(
        "T1",
        "cloud reads per resync at rest",
        float(rest.cloud.most_reads(rest.nodes)),
        float(rest.reads),
        "",
        _seed_reads(rest.nodes, rest.addresses),
        f"the most of {len(rest.resyncs)} resyncs, from the call log of the emulated"
        f" {rest.cloud.title} (at last {text}); the controller used"
        f" {rest.cpu_seconds / rest.seconds:.1%} of a core meanwhile. The seed's loops, executed on"
        f" a recording cloud at nodes/addresses {small}, are counted at this size.",
        rest.cloud.name,
    )


def _quiet_rows(rest: Rest) -> list[Row]:
    if not any(call.resource == "leases" for call in rest.api_calls):
        raise AssertionError("the audit log shows no renewal of the Lease, so it shows nothing")
    writes = sum(not call.reads for call in rest.calls)
    own = [call for call in rest.api_calls if call.resource != "leases"]
    lists = [call for call in own if call.verb == "list"]
    changes = [call for call in own if call.verb in WRITES]
    other = Counter(
        f"{call.verb} {call.resource}" for call in rest.api_calls if call not in lists + changes
    )
    seed = requests_at_rest(rest.seconds, INTERVAL_SECONDS)
    seed_lists = Seed(float(_total(seed, {"list"})), How.EXECUTED)
    seed_writes = Seed(float(_total(seed, WRITES)), How.EXECUTED)
    text = ", ".join(f"{count} {what}" for what, count in sorted(other.items())) or "none"
    window, name = f"over {rest.seconds:.0f} s", rest.cloud.name
    return [
        Row(
            "T2a", "cloud writes at rest", 0.0, float(writes), "",
            Seed(0.0, How.EXECUTED), f"{window}, {len(rest.calls)} calls in the same call log.",
            name,
        ),
        Row(
            "T2b", "LISTs of objects at rest", 0.0, float(len(lists)), "", seed_lists,
            f"{window}, from the API server's audit log, kopf's included; besides: {text}.",
            name,
        ),
        Row(
            "T2c", "writes to the API server at rest", 0.0, float(len(changes)), "", seed_writes,
            f"{window}, likewise, other than renewals of the Lease. The seed: its loops with an"
            " interval of 5 s and its election (Lease updates left out), one replica.",
            name,
        ),
    ]  # fmt: skip


def _total(requests: Counter[tuple[str, str]], verbs: set[str] | frozenset[str]) -> int:
    return sum(
        count
        for (verb, resource), count in requests.items()
        if verb in verbs and resource != "leases"
    )
