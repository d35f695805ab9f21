"""The loop carries a plan out in order and gives every error its one meaning."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from moorage_domain.plans import Plan
from moorage_kube.client import errors as kube
from moorage_kube.election.lease import LeadershipLost
from moorage_kube.reconcile.reconciler import Failure, FailureKind, Guards, Reconciler, explain
from moorage_kube.telemetry.metrics import ControllerMetrics, controller_metrics
from moorage_provider import errors as cloud

TIE: Plan[str] = Plan("Tying", "boat is being tied", ("rope", "knot"), timedelta(seconds=7))
REST: Plan[str] = Plan("Tied", "boat is tied")


@dataclass
class Harbour:
    """Steps over boats: what is seen is planned, and each of them can go wrong."""

    plan: Plan[str] = TIE
    seen: str | None = "boat"
    observe_error: Exception | None = None
    act_errors: dict[str, Exception] = field(default_factory=dict)
    report_error: Exception | None = None
    acted: list[str] = field(default_factory=list)
    reports: list[tuple[str, Plan[str] | None, Failure | None]] = field(default_factory=list)

    async def observe(self, key: str) -> str | None:
        assert key == "b1"
        if self.observe_error is not None:
            raise self.observe_error
        return self.seen

    def decide(self, observed: str) -> Plan[str]:
        assert observed == self.seen
        return self.plan

    async def act(self, observed: str, action: str) -> None:
        assert observed == self.seen
        if action in self.act_errors:
            raise self.act_errors[action]
        self.acted.append(action)

    async def report(self, key: str, plan: Plan[str] | None, failure: Failure | None) -> None:
        if self.report_error is not None:
            raise self.report_error
        self.reports.append((key, plan, failure))


def open_fence() -> None:
    """A fence of a leader."""


def reconciler(
    harbour: Harbour, *, fence: Callable[[], None] = open_fence, dry_run: bool = False
) -> tuple[Reconciler[str, str], ControllerMetrics]:
    metrics = controller_metrics("harbour")
    return Reconciler(harbour, Guards(fence, dry_run), metrics), metrics


def outcomes(metrics: ControllerMetrics) -> dict[str, float]:
    return {
        sample.labels["outcome"]: sample.value
        for family in metrics.reconciles.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    }


def kube_error(kind: type[kube.KubeError], status: int = 0) -> kube.KubeError:
    return kind(status=status, reason=kind.__name__, message="refused", what="GET boats/b1")


async def test_a_plan_is_carried_out_in_order_then_reported_then_waited_for() -> None:
    harbour = Harbour()
    look, metrics = reconciler(harbour)
    assert await look("b1") == 7.0
    assert harbour.acted == ["rope", "knot"]
    assert harbour.reports == [("b1", TIE, None)]
    assert outcomes(metrics) == {"done": 1.0}


async def test_at_rest_nothing_is_waited_for() -> None:
    look, _ = reconciler(Harbour(plan=REST))
    assert await look("b1") is None


async def test_an_object_that_is_gone_is_neither_decided_about_nor_reported() -> None:
    harbour = Harbour(seen=None)
    look, _ = reconciler(harbour)
    assert await look("b1") is None
    assert (harbour.acted, harbour.reports) == ([], [])


async def test_the_first_error_stops_the_plan() -> None:
    error = cloud.MachineUnfit("b1 is too big")
    harbour = Harbour(act_errors={"rope": error})
    look, metrics = reconciler(harbour)
    assert await look("b1") == 300.0  # a policy may change, which nobody tells
    assert harbour.acted == []
    assert harbour.reports == [
        ("b1", TIE, Failure(FailureKind.REFUSED, "MachineUnfit", "b1 is too big", error))
    ]
    assert outcomes(metrics) == {"refused": 1.0}


async def test_a_stale_pass_is_not_reported_and_looked_at_again_ever_less_eagerly() -> None:
    harbour = Harbour(act_errors={"knot": kube_error(kube.Conflict, 409)})
    look, _ = reconciler(harbour)
    pauses = [await look("b1") or 0.0 for _ in range(12)]
    assert harbour.reports == []
    assert pauses[0] < 0.06
    assert 4.5 <= pauses[-1] <= 5.5


async def test_a_growing_pause_starts_over_after_a_success() -> None:
    harbour = Harbour(observe_error=kube_error(kube.Unavailable))
    look, _ = reconciler(harbour)
    pauses = [await look("b1") or 0.0 for _ in range(12)]
    assert 0.9 <= pauses[0] <= 1.1
    assert 270 <= pauses[-1] <= 330
    harbour.observe_error = None
    await look("b1")
    harbour.observe_error = kube_error(kube.Unavailable)
    assert (await look("b1") or 0.0) <= 1.1


async def test_the_pause_the_cloud_asked_for_is_kept() -> None:
    harbour = Harbour(act_errors={"rope": cloud.Throttled("slow down", retry_after=33.0)})
    look, _ = reconciler(harbour)
    assert await look("b1") == 33.0


async def test_a_failed_observation_is_reported_without_a_plan() -> None:
    error = kube_error(kube.Unavailable)
    harbour = Harbour(observe_error=error)
    look, _ = reconciler(harbour)
    await look("b1")
    ((key, plan, failure),) = harbour.reports
    assert (key, plan) == ("b1", None)
    assert failure is not None
    assert failure.cause is error


async def test_a_bug_is_reported_and_raised_for_the_queue() -> None:
    harbour = Harbour(act_errors={"rope": KeyError("knot")})
    look, metrics = reconciler(harbour)
    with pytest.raises(KeyError, match="knot"):
        await look("b1")
    assert [failure and failure.kind for _, _, failure in harbour.reports] == [FailureKind.BUG]
    assert outcomes(metrics) == {"bug": 1.0}


async def test_a_report_that_fails_is_tried_again_later() -> None:
    harbour = Harbour(report_error=kube_error(kube.Unavailable))
    look, metrics = reconciler(harbour)
    assert await look("b1") is not None
    assert outcomes(metrics) == {"retry": 1.0}


async def test_a_fence_that_falls_between_two_actions_stops_the_second_and_the_report() -> None:
    harbour = Harbour()

    def fence() -> None:
        if harbour.acted:
            raise LeadershipLost("frozen")

    look, _ = reconciler(harbour, fence=fence)
    assert await look("b1") is None
    assert harbour.acted == ["rope"]
    assert harbour.reports == []


async def test_a_dry_run_says_what_it_would_do_and_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harbour = Harbour()
    look, _ = reconciler(harbour, dry_run=True)
    with caplog.at_level(logging.INFO):
        assert await look("b1") == 7.0
    assert (harbour.acted, harbour.reports) == ([], [])
    assert "dry run, not done: rope" in caplog.text


async def test_the_same_reason_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    harbour = Harbour()
    look, _ = reconciler(harbour)
    with caplog.at_level(logging.INFO):
        await look("b1")
        await look("b1")
        harbour.plan = REST
        await look("b1")
    assert [record.message for record in caplog.records] == [
        "b1: boat is being tied",
        "b1: boat is tied",
    ]


@pytest.mark.parametrize(
    ("error", "kind", "after"),
    [
        (kube_error(kube.Conflict), FailureKind.STALE, None),
        (kube_error(kube.AlreadyExists), FailureKind.STALE, None),
        (kube_error(kube.NotFound), FailureKind.STALE, None),
        (kube_error(kube.Gone), FailureKind.STALE, None),
        (kube_error(kube.Throttled), FailureKind.RETRY, None),
        (kube_error(kube.Unavailable), FailureKind.RETRY, None),
        (kube_error(kube.Forbidden), FailureKind.RETRY, 300.0),
        (kube_error(kube.Unauthorized), FailureKind.RETRY, 300.0),
        (kube_error(kube.Invalid), FailureKind.REFUSED, None),
        (cloud.Stale("x"), FailureKind.STALE, None),
        (cloud.AddressNotFound("x"), FailureKind.STALE, None),
        (cloud.MachineNotFound("x"), FailureKind.STALE, None),
        (cloud.Locked("x", retry_after=4.0), FailureKind.RETRY, 4.0),
        (cloud.Unavailable("x"), FailureKind.RETRY, None),
        (cloud.InUse("x", owner="y"), FailureKind.RETRY, 300.0),
        (cloud.Denied("x"), FailureKind.RETRY, 300.0),
        (cloud.CredentialsRejected("x"), FailureKind.RETRY, 300.0),
        (cloud.QuotaExceeded("x"), FailureKind.RETRY, 300.0),
        (cloud.MachineUnfit("x"), FailureKind.REFUSED, None),
        (cloud.Unsupported("x"), FailureKind.REFUSED, None),
        (cloud.InvalidOptions("x"), FailureKind.REFUSED, None),
        (ValueError("x"), FailureKind.BUG, None),
        (LookupError("no rule"), FailureKind.BUG, None),
    ],
)
def test_every_error_has_one_meaning(
    error: Exception, kind: FailureKind, after: float | None
) -> None:
    failure = explain(error)
    assert (failure.kind, failure.after, failure.reason) == (kind, after, type(error).__name__)
