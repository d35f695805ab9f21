"""At rest: what is read from the cloud at each resync, and that nothing else happens (T1, T2)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from moorage_testing.waiting import wait_for

from .fleet import INTERVAL_SECONDS, ApiCall, CloudCall, Fleet
from .options import Options
from .report import say, step
from .rows import NO_SEED, How, Row, Seed
from .seed import counted_reads, executed_reads, requests_at_rest

READS_TARGET = 3.0
# Calls of one resync arrive together; resyncs are five seconds apart.
_GAP_SECONDS = 1.0
_SMALL = ((3, 2), (10, 5), (50, 20))
_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


def steady_rows(fleet: Fleet, options: Options) -> list[Row]:
    """Watch ten resyncs go by."""
    since = max((call.at for call in fleet.ec2.calls()), default=0.0) + 1e-6
    mark, cpu, begun = fleet.audit.mark(), fleet.cpu_seconds(), time.monotonic()
    with step(f"watching {options.resyncs} resyncs, {INTERVAL_SECONDS} s apart"):
        # While they go by, the seed's loops run on the other core.
        reads = _seed_reads(options) if "T1" in options.rows else NO_SEED
        wait_for(
            lambda: len(_bursts(fleet.ec2.calls(since))) > options.resyncs,
            (options.resyncs + 5) * 2 * INTERVAL_SECONDS,
            f"{options.resyncs} resyncs",
            interval_seconds=1.0,
        )
    calls, asked = fleet.ec2.calls(since), fleet.audit.since(mark)
    seconds = time.monotonic() - begun
    rows = []
    if "T1" in options.rows:
        share = (fleet.cpu_seconds() - cpu) / seconds
        # The last burst may not be complete; it only ends the one before.
        rows.append(_reads_row(_bursts(calls)[:-1], reads, share))
    if "T2" in options.rows:
        rows += _quiet_rows(calls, asked, seconds)
    return rows


def _bursts(calls: Sequence[CloudCall]) -> list[list[CloudCall]]:
    """Calls that belong together."""
    bursts: list[list[CloudCall]] = []
    for call in calls:
        if not bursts or call.at - bursts[-1][-1].at > _GAP_SECONDS:
            bursts.append([])
        bursts[-1].append(call)
    return bursts


def _seed_reads(options: Options) -> Seed:
    """Execute the seed's loops on small clusters, then count them at this size."""
    for nodes, addresses in _SMALL:
        executed = executed_reads(nodes, addresses)
        if executed != counted_reads(nodes, addresses):
            raise AssertionError("the counted loops are not the executed ones")
        say(f"the seed's loops executed: {nodes} nodes, {addresses} addresses: {executed:,} reads")
    return Seed(float(counted_reads(options.nodes, options.addresses)), How.COUNTED)


def _reads_row(bursts: Sequence[Sequence[CloudCall]], seed: Seed, share: float) -> Row:
    reads = [sum(call.reads for call in burst) for burst in bursts]
    ops = sorted({call.op for burst in bursts for call in burst})
    small = ", ".join(f"{n}/{a}: {executed_reads(n, a):,}" for n, a in _SMALL)
    return Row(
        "T1",
        "cloud reads per resync at rest",
        READS_TARGET,
        float(max(reads)),
        "",
        seed,
        f"the most of {len(bursts)} resyncs, from the emulated EC2's call log ({', '.join(ops)});"
        f" the controller used {share:.1%} of a core meanwhile. The seed's loops, executed on a"
        f" recording cloud at nodes/addresses {small}, are counted at this size.",
    )


def _quiet_rows(cloud: Sequence[CloudCall], calls: Sequence[ApiCall], seconds: float) -> list[Row]:
    if not any(call.resource == "leases" for call in calls):
        raise AssertionError("the audit log shows no renewal of the Lease, so it shows nothing")
    writes = sum(not call.reads for call in cloud)
    own = [call for call in calls if call.resource != "leases"]
    lists = [call for call in own if call.verb == "list"]
    changes = [call for call in own if call.verb in _WRITES]
    other = Counter(f"{call.verb} {call.resource}" for call in calls if call not in lists + changes)
    seed = requests_at_rest(seconds, INTERVAL_SECONDS)
    seed_lists = Seed(float(_total(seed, {"list"})), How.EXECUTED)
    seed_writes = Seed(float(_total(seed, _WRITES)), How.EXECUTED)
    told = ", ".join(f"{count} {what}" for what, count in sorted(other.items())) or "none"
    window = f"over {seconds:.0f} s"
    return [
        Row(
            "T2a", "cloud writes at rest", 0.0, float(writes), "",
            Seed(0.0, How.EXECUTED), f"{window}, {len(cloud)} calls in the same call log.",
        ),
        Row(
            "T2b", "LISTs to the API server at rest", 0.0, float(len(lists)), "", seed_lists,
            f"{window}, from the API server's audit log, kopf's included; besides: {told}.",
        ),
        Row(
            "T2c", "writes to the API server at rest", 0.0, float(len(changes)), "", seed_writes,
            f"{window}, likewise, other than renewals of the Lease. The seed: its loops with an"
            " interval of 5 s and its election (Lease updates left out), one replica.",
        ),
    ]  # fmt: skip


def _total(requests: Counter[tuple[str, str]], verbs: set[str] | frozenset[str]) -> int:
    return sum(
        count
        for (verb, resource), count in requests.items()
        if verb in verbs and resource != "leases"
    )
