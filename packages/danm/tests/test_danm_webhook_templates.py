"""Workloads that can never work with one static address are told so, with the way out."""

from __future__ import annotations

from typing import Any

import pytest

from moorage_danm.webhook.templates import is_changed, shape_problems, template_of

IP = "10.0.0.5"


def problems(kind: str, **spec: Any) -> list[str]:
    return list(shape_problems(kind, {"spec": spec}, IP))


def rolling(**how: Any) -> dict[str, Any]:
    return {"strategy": {"type": "RollingUpdate", "rollingUpdate": how}}


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet", "StatefulSet"])
def test_tmpl_replicas_warn(kind: str) -> None:
    recreate = {"strategy": {"type": "Recreate"}} if kind == "Deployment" else {}
    for fine in ({}, {"replicas": 0}, {"replicas": 1}, {"replicas": None}):
        assert problems(kind, **fine, **recreate) == []
    assert problems(kind, replicas=3, **recreate) == [
        "spec.replicas is 3, and only one pod can have 10.0.0.5: set it to 1"
    ]


WAITS = "spec.strategy: at an update the new pod waits for 10.0.0.5 of the old one; use Recreate"
FOR_EVER = WAITS.replace("waits for", "waits for ever for")


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ({"strategy": {"type": "Recreate"}}, []),
        (rolling(maxSurge=0, maxUnavailable=1), []),
        (rolling(maxSurge="0%", maxUnavailable=1), []),
        # As the API server fills it in for one replica: one more, and none may be missing.
        ({}, [FOR_EVER]),
        (rolling(maxSurge="25%", maxUnavailable="25%"), [FOR_EVER]),
        (rolling(maxSurge=1, maxUnavailable=0), [FOR_EVER]),
        (rolling(maxSurge=1, maxUnavailable=1), [WAITS]),
        (rolling(maxSurge="1%", maxUnavailable="100%"), [WAITS]),
    ],
)
def test_tmpl_surge_warn(strategy: dict[str, Any], said: list[str]) -> None:
    assert problems("Deployment", replicas=1, **strategy) == said


def test_tmpl_daemonset_warn() -> None:
    assert problems("DaemonSet") == [
        "only one of a DaemonSet's pods can have 10.0.0.5: use a Deployment of 1 replica"
    ]


def test_tmpl_jobs_warn() -> None:
    assert problems("Job", parallelism=1) == []
    assert problems("Job", parallelism=2) == [
        "spec.parallelism is 2, and only one pod can have 10.0.0.5: set it to 1"
    ]
    job = {"spec": {"parallelism": 2}}
    assert problems("CronJob", concurrencyPolicy="Forbid", jobTemplate={"spec": {}}) == []
    assert problems("CronJob", jobTemplate=job) == [
        "spec.concurrencyPolicy is Allow: runs that overlap would share 10.0.0.5; set Forbid",
        "spec.jobTemplate.spec.parallelism is 2, and only one pod can have 10.0.0.5: set it to 1",
    ]


def test_what_makes_no_sense_is_no_problem_of_ours() -> None:
    """The API server refuses it itself; nothing here may raise."""
    for kind in ("Deployment", "StatefulSet", "Job", "CronJob", "ReplicaSet", "DaemonSet"):
        specs: tuple[Any, ...] = (None, [], "x", {"replicas": "many", "strategy": 7})
        for spec in specs:
            list(shape_problems(kind, {"spec": spec}, IP))
            assert template_of(kind, {"spec": spec}) == {}


def test_the_template_is_found_in_every_kind() -> None:
    template = {"metadata": {"annotations": {"a": "b"}}}
    for kind in ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job"):
        assert template_of(kind, {"spec": {"template": template}}) == template
    cron = {"spec": {"jobTemplate": {"spec": {"template": template}}}}
    assert template_of("CronJob", cron) == template


def test_only_a_change_of_the_spec_has_anything_new_to_say() -> None:
    raw = {"spec": {"replicas": 1}, "status": {"replicas": 1}}
    assert is_changed(raw, None)
    assert not is_changed(raw, {"spec": {"replicas": 1}, "status": {}})
    assert is_changed(raw, {"spec": {"replicas": 2}})
