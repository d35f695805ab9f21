"""The figures of a soak, each with its target and a verdict."""

from __future__ import annotations

from .growth import Growth, Pooled, over_generations, over_time
from .judged import Row, none
from .trial import REST_SECONDS, Trial


def rows(trial: Trial) -> list[Row]:
    """All figures of a soak."""
    return [
        *trial.scene.rows(),
        _at_rest(trial),
        _trouble(trial),
        none("controllers that ended by themselves", trial.replicas.complaints),
        none("tracebacks in the controllers' logs", trial.replicas.bugs()),
        *_growth(trial),
    ]


def _at_rest(trial: Trial) -> Row:
    seconds = trial.rest_seconds
    measured = "never" if seconds is None else f"{seconds:.1f} s"
    return Row(
        "at rest after the end of all trouble", f"<= {REST_SECONDS:g} s", measured,
        seconds is not None, none("", trial.unsettled, trial.scene.rest).note,
    )  # fmt: skip


def _trouble(trial: Trial) -> Row:
    """The disturbances that took place: a soak without them proves nothing."""
    there_was, which = trial.scene.trouble([replica.calls for replica in trial.replicas.all])
    killed, wanted = len(trial.replicas.killed), trial.options.kills
    return Row("leaders killed", f"{wanted}", f"{killed}", killed == wanted and there_was, which)


def _growth(trial: Trial) -> list[Row]:
    pooled = trial.scene.pooled
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


def _growth_rows(growth: Growth, allowed: float, pooled: Pooled) -> list[Row]:
    early, late = growth.early, growth.late
    share = growth.rss_share
    memory = Row(
        f"memory: {growth.what}", f"within {allowed:.0%}", f"{share:+.1%}",
        abs(share) <= allowed, f"{early.rss_mib:.1f} MiB, then {late.rss_mib:.1f} MiB",
    )  # fmt: skip
    grown = growth.grown(pooled)
    rest = Row(
        f"descriptors, threads, tasks: {growth.what}",
        "no growth",
        ", ".join(grown) or "none",
        not grown,
        f"descriptors {early.fds}, then {late.fds}; threads {early.threads}, then {late.threads},"
        f" of which pools may have {pooled.threads}; tasks {early.tasks}, then {late.tasks}",
    )
    return [memory, rest]
