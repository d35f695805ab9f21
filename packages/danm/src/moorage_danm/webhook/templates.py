"""Workloads whose pods share one template: what in them can never work with a static address; pure.

kind            what is wrong with one static address in the template
Deployment      more than one replica; a rolling update that starts the new pod before the old
ReplicaSet      more than one replica
StatefulSet     more than one replica
DaemonSet       always: a pod on every node
Job             more than one pod at a time
CronJob         that, and runs that may overlap
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from moorage_domain.wire import Raw, as_map

KINDS = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob")
_DEFAULT_SHARE = "25%"
"""Of maxSurge and maxUnavailable."""


def template_of(kind: str, raw: Raw) -> Raw:
    """The template of a workload's pods; empty where there is none."""
    spec = as_map(raw.get("spec"))
    if kind == "CronJob":
        spec = as_map(as_map(spec.get("jobTemplate")).get("spec"))
    return as_map(spec.get("template"))


def is_changed(raw: Raw, before: Raw | None) -> bool:
    """Whether there is anything new to say: a status or a label of the workload is not."""
    return before is None or raw.get("spec") != before.get("spec")


def shape_problems(kind: str, raw: Raw, addresses: str) -> Iterator[str]:
    """Why pods of this workload cannot all have these addresses, each with the way out.

    ``addresses``: the static ones of the template, as text.
    """
    spec = as_map(raw.get("spec"))
    if kind == "DaemonSet":
        yield (
            f"only one of a DaemonSet's pods can have {addresses}: use a Deployment of 1 replica"
        )
    elif kind == "CronJob":
        policy = spec.get("concurrencyPolicy") or "Allow"
        if policy != "Forbid":
            yield (
                f"spec.concurrencyPolicy is {policy}: runs that overlap would share {addresses};"
                " set Forbid"
            )
        job = as_map(as_map(spec.get("jobTemplate")).get("spec"))
        yield from _too_many("spec.jobTemplate.spec.parallelism", job, addresses)
    elif kind == "Job":
        yield from _too_many("spec.parallelism", spec, addresses)
    else:
        yield from _too_many("spec.replicas", spec, addresses)
        if kind == "Deployment":
            yield from _surge(spec, addresses)


def _too_many(path: str, spec: Raw, addresses: str) -> Iterator[str]:
    count = _number(spec.get(path.rpartition(".")[2]), 1)
    if count > 1:
        yield f"{path} is {count}, and only one pod can have {addresses}: set it to 1"


def _surge(spec: Raw, addresses: str) -> Iterator[str]:
    strategy = as_map(spec.get("strategy"))
    if strategy.get("type") == "Recreate":
        return
    rolling = as_map(strategy.get("rollingUpdate"))
    replicas = max(1, _number(spec.get("replicas"), 1))
    surge = _share(rolling.get("maxSurge"), replicas, math.ceil)
    if not surge:
        return
    may_be_missing = _share(rolling.get("maxUnavailable"), replicas, math.floor)
    what = "waits for" if may_be_missing else "waits for ever for"
    yield f"spec.strategy: at an update the new pod {what} {addresses} of the old one; use Recreate"


def _share(value: object, whole: int, rounded: Any) -> int:  # noqa: ANN401 - math.ceil is overloaded
    """A number of pods, or a percentage of them."""
    text = _DEFAULT_SHARE if value is None else value
    if isinstance(text, str) and text.endswith("%") and text[:-1].isdecimal():
        return int(rounded(int(text[:-1]) * whole / 100))
    return _number(text, 0)


def _number(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise
