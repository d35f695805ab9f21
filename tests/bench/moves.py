"""Drains: time to the first cloud write, number of changes, time until bound (T3 to T5)."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from .clouds import CHANGE_SECONDS, Cloud
from .drains import Drain, drain_all
from .emulated import CloudCall, matching
from .fleet import Fleet
from .options import Options
from .planner import ip_text
from .report import step
from .rows import NO_SEED, How, Row, Seed
from .seed import DEFAULT_INTERVAL_SECONDS, LOOP_SECONDS, reads_before_first_write

FIRST_WRITE_TARGET = 2.0
FIRST_WRITE_AIM = 0.3
# The quota of a project in the seed's own cloud: reads per minute.
READS_PER_MINUTE = 1500


def move_rows(fleet: Fleet, options: Options) -> list[Row]:
    """Drain node after node; then some more with a slow cloud."""
    rows: list[Row] = []
    cloud = fleet.cloud.cloud
    # First those that T7 does not move: the others would return to their old nodes, which in some
    # clouds takes another call, because the first one repeats an old request id.
    half = options.addresses // 2
    numbers = (*range(half, options.addresses), *range(half))
    ips = itertools.cycle(map(ip_text, numbers))
    if options.rows & {"T3", "T4"}:
        cpu = fleet.cpu_seconds()
        with step(f"{options.moves} drains"):
            drains = drain_all(fleet, list(itertools.islice(ips, options.moves)))
        cpu = (fleet.cpu_seconds() - cpu) / len(drains)
        calls = fleet.cloud.calls(drains[0].drained)
        if "T3" in options.rows:
            rows.append(_changes_row(cloud, drains, calls))
        if "T4" in options.rows:
            rows += _first_write_rows(cloud, options, drains, calls)
            rows[-1] = replace(rows[-1], note=f"likewise. {_whole(drains, cpu)}")
    few = list(itertools.islice(ips, 2 * options.few_moves))
    if "T5" in options.rows:
        title = f"{options.few_moves} drains with {CHANGE_SECONDS:g} s more for each change"
        with step(title), fleet.cloud.slow():
            slow = drain_all(fleet, few[: options.few_moves])
        rows.append(_slow_row(cloud, slow))
    if "T3" in options.rows and cloud.bare_changes:
        fleet.cloud.remove_ephemeral_addresses()
        with step(f"{options.few_moves} drains to nodes without an address of their own"):
            drains = drain_all(fleet, few[options.few_moves :])
        rows.append(_bare_row(cloud, drains, fleet.cloud.calls(drains[0].drained)))
    return rows


def _changes_row(cloud: Cloud, drains: Sequence[Drain], calls: Sequence[CloudCall]) -> Row:
    where = ", each to a node with an address of its own" if cloud.bare_changes else ""
    return Row(
        "T3", "cloud mutations per move until bound", float(cloud.changes),
        _most_changes(cloud, drains, calls), "", NO_SEED,
        f"the most of {len(drains)} moves{where}; in all {_counts(cloud, calls)}. The seed takes"
        " the address off and gives it to the first schedulable node of all, whose own address"
        " goes: up to five changes, of other addresses too (described, of Google Cloud).",
        cloud.name,
    )  # fmt: skip


def _bare_row(cloud: Cloud, drains: Sequence[Drain], calls: Sequence[CloudCall]) -> Row:
    return Row(
        "T3b", "the same, the target has no address", float(cloud.bare_changes),
        _most_changes(cloud, drains, calls), "", NO_SEED,
        f"the most of {len(drains)} moves; in all {_counts(cloud, calls)}.",
        cloud.name,
    )  # fmt: skip


def _most_changes(cloud: Cloud, drains: Sequence[Drain], calls: Sequence[CloudCall]) -> float:
    """Changes of one move, without those after it that restore the old node's address."""
    most = 0
    ends = [*(drain.drained for drain in drains[1:]), math.inf]
    for drain, end in zip(drains, ends, strict=True):
        changes = [call for call in calls if drain.drained <= call.at < end and not call.reads]
        move = list(itertools.takewhile(lambda call: not _restores(cloud, call), changes))
        if not move or not all(_restores(cloud, call) for call in changes[len(move) :]):
            raise AssertionError(f"not a move and then a restore: {[one.op for one in changes]}")
        most = max(most, len(move))
    return float(most)


def _counts(cloud: Cloud, calls: Sequence[CloudCall]) -> str:
    """The changes by name; restores after a move are counted separately."""
    changes = [call for call in calls if not call.reads]
    moves = Counter(call.op for call in changes if not _restores(cloud, call))
    text = ", ".join(f"{count} {op}" for op, count in sorted(moves.items()))
    if restores := len(changes) - moves.total():
        text += (
            f"; not counted: {restores} {cloud.gives} after the move was bound, with which the node"
            " that was left gets an address of its own again"
        )
    return text


def _restores(cloud: Cloud, call: CloudCall) -> bool:
    return cloud.restores(call.op, call.params)


def _first_write_rows(
    cloud: Cloud, options: Options, drains: Sequence[Drain], calls: Sequence[CloudCall]
) -> list[Row]:
    firsts = _after_drains(drains, [call for call in calls if not call.reads])
    p50 = statistics.median(firsts)
    p99 = firsts[math.ceil(0.99 * len(firsts)) - 1]
    reads = _seed_reads(options.nodes, options.addresses)
    wait = (DEFAULT_INTERVAL_SECONDS + LOOP_SECONDS) / 2
    seed = Seed(wait + reads / READS_PER_MINUTE * 60, How.MODELLED)
    fast = "meets" if p99 <= FIRST_WRITE_AIM else "misses"
    return [
        Row(
            "T4a", "drained -> first cloud write, p99", FIRST_WRITE_TARGET, p99, "s", seed,
            f"{len(firsts)} moves (of fewer than 100 the p99 is the worst), {options.pods:,} pods;"
            " from the API server's acknowledgement of the last pod's deletion to the first change"
            f" in the call log of {cloud.title}; it {fast} the aim of {FIRST_WRITE_AIM:g} s."
            f"{_target_reads(cloud, drains, calls)} The seed: {wait:g} s on average until its next"
            f" look, then {reads:,} reads (counted) before its first change, at"
            f" {READS_PER_MINUTE:,} a minute.",
            cloud.name,
        ),
        Row(
            "T4b", "drained -> first cloud write, p50", FIRST_WRITE_TARGET, p50, "s", seed,
            cloud=cloud.name,
        ),
    ]  # fmt: skip


def _target_reads(cloud: Cloud, drains: Sequence[Drain], calls: Sequence[CloudCall]) -> str:
    if not cloud.target_read:
        return ""
    target_reads = _after_drains(drains, matching(calls, cloud.target_read))
    return (
        f" Of it p50 {statistics.median(target_reads):.2f} s, worst {target_reads[-1]:.2f} s,"
        " to the first look at the target, when the status is written;"
        " the rest is reading it in the emulated"
        " cloud, which does one thing at a time."
    )


@cache
def _seed_reads(nodes: int, addresses: int) -> int:
    return reads_before_first_write(nodes, addresses)


def _after_drains(drains: Sequence[Drain], calls: Sequence[CloudCall]) -> list[float]:
    """Seconds from each drain to the first of these calls after it; moves do not overlap."""
    firsts = []
    for drain in drains:
        at = next((call.at for call in calls if call.at >= drain.drained), math.inf)
        if at > drain.bound:
            raise AssertionError(f"no such call between the drain and the end for {drain.ip}")
        firsts.append(at - drain.drained)
    return sorted(firsts)


def _whole(drains: Sequence[Drain], cpu: float) -> str:
    whole = [drain.bound - drain.drained for drain in drains]
    return (
        f"Until bound on the new node: p50 {statistics.median(whole):.2f} s, worst"
        f" {max(whole):.2f} s; the controller used {cpu * 1000:.0f} ms of CPU per cordon and move,"
        " the status of all addresses included."
    )


def _slow_row(cloud: Cloud, drains: Sequence[Drain]) -> Row:
    whole = sorted(drain.bound - drain.drained for drain in drains)
    return Row(
        "T5", f"drained -> bound, each change takes {CHANGE_SECONDS:g} s",
        cloud.whole_move_seconds, whole[-1], "s", NO_SEED,
        f"worst of {len(whole)} moves ({', '.join(f'{one:.2f}' for one in whole)}), changes one"
        f" after the other: {cloud.changes}; to the status as a watch saw it. The seed awaits no"
        " operation: it calls a move done when it was asked for, on whatever node (described).",
        cloud.name,
    )  # fmt: skip
