"""The figures of a soak, each with its target and a verdict."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .growth import Growth, over_generations, over_time
from .history import doubled
from .trial import REST_SECONDS, Trial

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes:
        what: its name.
        target: the target, for people.
        measured: the figure, for people.
        met: whether the target is met.
        note: how it was measured, and what was wrong.
    """

    what: str
    target: str
    measured: str
    met: bool
    note: str = ""

    @property
    def verdict(self) -> str:
        """One word."""
        return "met" if self.met else "MISSED"

    def as_json(self) -> dict[str, Any]:
        """For the file."""
        return asdict(self) | {"verdict": self.verdict}


def rows(trial: Trial) -> list[Row]:
    """All figures of a soak."""
    lost = [*trial.history.missing, *trial.witness.lost]
    twice = [*doubled(trial.history.facts), *trial.witness.doubled]
    return [
        _none("addresses lost", lost, _how_lost(trial)),
        _none("addresses in two places", twice, _how_doubled(trial)),
        _at_rest(trial),
        _trouble(trial),
        _none("requests that break the cloud's description", trial.pool.account.violations()),
        _none("controllers that ended by themselves", trial.replicas.complaints),
        _none("tracebacks in the controllers' logs", trial.replicas.bugs()),
        *_growth(trial),
    ]


def _none(what: str, wrong: Sequence[str], note: str = "") -> Row:
    shown = "; ".join(wrong[:_SHOWN])
    if len(wrong) > _SHOWN:
        shown += f"; and {len(wrong) - _SHOWN} more"
    note = ". ".join(filter(None, (note, shown)))
    return Row(what, "0", f"{len(wrong):,}", not wrong, note)


def _how_lost(trial: Trial) -> str:
    return (
        f"of {len(trial.history.ips):,}: reserved at each of {trial.witness.checks:,} looks at the"
        " account, and in every status that was written"
    )


def _how_doubled(trial: Trial) -> str:
    return (
        f"{len(trial.history.facts):,} changes of labels and status, all that were written, in the"
        " order of etcd's revisions; and the cloud beside the labels at each look"
    )


def _at_rest(trial: Trial) -> Row:
    seconds = trial.rest_seconds
    measured = "never" if seconds is None else f"{seconds:.1f} s"
    note = "every address bound in the pool; status, cloud and labels say the same"
    return Row(
        "at rest after the end of all trouble", f"<= {REST_SECONDS:g} s", measured,
        seconds is not None, _none("", trial.unsettled, note).note,
    )  # fmt: skip


def _trouble(trial: Trial) -> Row:
    """The disturbances that took place: a soak without them proves nothing."""
    calls = [replica.calls for replica in trial.replicas.all]
    every = sum(sum(one.values()) for one in calls)
    failed = every - sum(one.get("success", 0.0) for one in calls)
    arrived = len(trial.pool.account.cloud.calls())
    killed, moves = len(trial.replicas.killed), trial.history.moves
    nodes = ", ".join(f"{count} {what}" for what, count in trial.churn.done.items())
    return Row(
        "leaders killed", f"{trial.options.kills}", f"{killed}",
        killed == trial.options.kills and moves > 0,
        f"{moves:,} moves of addresses; nodes: {nodes}. {trial.options.errors:.0%} of all calls of"
        f" the cloud failed: {arrived:,} arrived, {every:,.0f} were told of by the controllers, of"
        f" which {failed:,.0f} failed after all that the SDK repeats by itself",
    )  # fmt: skip


def _growth(trial: Trial) -> list[Row]:
    pooled = _pooled_threads(trial.options.cloud.name)
    killed = [replica.samples for replica in trial.replicas.killed]
    ages = over_generations(killed, "leaders, the first and the last that were killed")
    allowed = trial.options.memory
    rows = _growth_rows(ages, allowed, pooled)
    for replica in trial.replicas.alive:
        led = replica.samples[-1].leads
        what = f"the {'leader' if led else 'standby'} that was left alone"
        grown = over_time(replica.samples, trial.calm_at, trial.over_at, what)
        rows += _growth_rows(grown, allowed, pooled)
    return rows


def _pooled_threads(cloud: str) -> int:
    """The number of threads of a controller whose pools are full."""
    provider = importlib.import_module(f"moorage_provider_{cloud}.provider")
    by_asyncio = min(32, (os.cpu_count() or 1) + 4)
    return 1 + by_asyncio + int(provider.THREADS)


def _growth_rows(growth: Growth, allowed: float, pooled_threads: int) -> list[Row]:
    early, late = growth.early, growth.late
    share = growth.rss_share
    memory = Row(
        f"memory: {growth.what}", f"within {allowed:.0%}", f"{share:+.1%}",
        abs(share) <= allowed, f"{early.rss_mib:.1f} MiB, then {late.rss_mib:.1f} MiB",
    )  # fmt: skip
    grown = growth.grown(pooled_threads)
    rest = Row(
        f"descriptors, threads, tasks: {growth.what}",
        "no growth",
        ", ".join(grown) or "none",
        not grown,
        f"descriptors {early.fds}, then {late.fds}; threads {early.threads}, then {late.threads},"
        f" of which pools may have {pooled_threads}; tasks {early.tasks}, then {late.tasks}",
    )
    return [memory, rest]
