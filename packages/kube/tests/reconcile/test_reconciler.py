"""The loop carries a plan out in order, and every error has its one meaning."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from prometheus_client import CollectorRegistry
from recording_api import WIDGETS, RecordingApi, raw_object

from moorage_domain.conditions import Condition
from moorage_domain.errors import Disposition, MendedElsewhere, MoorageError
from moorage_domain.kinds import Kind
from moorage_domain.plans import Finalizer, PlainStatus, Plan
from moorage_domain.subject import DRY_RUN_ANNOTATION, Subject
from moorage_kube.cache.store import Store
from moorage_kube.client import errors as kube
from moorage_kube.client.client import Target
from moorage_kube.election.lease import LeadershipLost
from moorage_kube.reconcile.assumed import Assumed
from moorage_kube.reconcile.logic import Failure, Pass
from moorage_kube.reconcile.reconciler import Guards, Reconciler
from moorage_kube.telemetry.metrics import ControllerMetrics, controller_metrics
from moorage_kube.writes.rivals import RivalWriter
from moorage_kube.writes.subjects import Subjects
from moorage_kube.writes.writer import ObjectWriter
from moorage_provider import errors as cloud

KEY = "w1"
FINALIZER = "example.dev/widget"
NOW = "2026-01-02T00:00:00Z"
READY = Condition("Ready", "False", "Working", "two steps to go")
WORK: Plan[object] = Plan("Working", "two steps to go", ("first", "second"), timedelta(seconds=7))
REST: Plan[object] = Plan("Done", "nothing to do")
FULL: Plan[object] = replace(WORK, status=PlainStatus((READY,)))
ENDING: Plan[object] = Plan(
    "Ending", "it ends", ("undo",), status=PlainStatus((READY,)), finalizer=Finalizer.ABSENT
)


@dataclass(frozen=True)
class View:
    """What the store keeps of an object."""

    subject: Subject


@dataclass(frozen=True)
class Read:
    """An action that only reads."""

    reads_only: ClassVar[bool] = True


@dataclass(frozen=True)
class Beside:
    """An action that needs no finalizer."""

    beside_finalizer: ClassVar[bool] = True


@dataclass
class Scene:
    """One object, its API server, and a logic each of whose parts can go wrong; ``log`` is what
    happened, in order."""

    plan: Plan[object] = REST
    observed: str | None = "what is"
    errors: dict[object, Exception] = field(default_factory=dict)
    log: list[object] = field(default_factory=list)
    reports: list[Pass[str, object]] = field(default_factory=list)
    assumed: Assumed = field(default_factory=Assumed)
    fence: Callable[[], None] = lambda: None
    dry_run: bool = False
    has_writer: bool = True

    def __post_init__(self) -> None:
        self.store: Store[View] = Store(lambda raw: View(Subject.of(raw)))
        self.api = RecordingApi(on_patch=self._patched)
        self.metrics = controller_metrics(CollectorRegistry(), "widgets")
        self.put(raw_object(KEY))
        self.writer = ObjectWriter(self.api, Subjects(WIDGETS, self.store, FINALIZER), lambda: NOW)
        guards = Guards(
            self._check_fence,
            self.dry_run,
            self.writer if self.has_writer else None,
            self.assumed,
        )
        self.reconciler: Reconciler[str, object] = Reconciler(self, guards, self.metrics)

    def put(self, raw: dict[str, object]) -> None:
        self.store.apply(self.api.put(raw))

    def _check_fence(self) -> None:
        self.fence()
        self.log.append("fence")

    def _patched(self, what: str) -> None:
        self._do(what)

    def _do(self, what: object) -> None:
        if what in self.errors:
            raise self.errors[what]
        self.log.append(what)

    async def observe(self, key: str) -> str | None:
        assert key == KEY
        if "observe" in self.errors:
            raise self.errors["observe"]
        return self.observed

    def decide(self, observed: str) -> Plan[object]:
        assert observed == self.observed
        if "decide" in self.errors:
            raise self.errors["decide"]
        return self.plan

    async def act(self, observed: str, action: object) -> None:
        assert observed == self.observed
        self._do(action)

    async def report(self, ended: Pass[str, object]) -> None:
        self.reports.append(ended)
        self._do("report")

    async def reconcile(self) -> float | None:
        return await self.reconciler(KEY)

    @property
    def status(self) -> dict[str, object]:
        found: dict[str, object] = self.api.objects[KEY].get("status", {})
        return found

    @property
    def conditions(self) -> dict[str, tuple[str, str, str]]:
        conditions: list[dict[str, str]] = self.status.get("conditions", [])  # type: ignore[assignment]  # raw JSON
        return {one["type"]: (one["status"], one["reason"], one["message"]) for one in conditions}

    @property
    def outcomes(self) -> dict[str, float]:
        return outcomes(self.metrics)


def outcomes(metrics: ControllerMetrics) -> dict[str, float]:
    return {
        sample.labels["outcome"]: sample.value
        for family in metrics.reconciles.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    }


def kube_error(kind: type[kube.KubeError], status: int = 0) -> kube.KubeError:
    return kind(status=status, reason=kind.__name__, message="refused", what="GET widgets/w1")


def finalized(**metadata: object) -> dict[str, object]:
    return raw_object(KEY, finalizers=[FINALIZER], **metadata)


# The order of things.


async def test_finalizer_and_status_are_written_before_the_first_action_each_fenced() -> None:
    scene = Scene(plan=replace(FULL, finalizer=Finalizer.PRESENT))
    assert await scene.reconcile() == 7.0
    assert scene.log == [
        "fence", "finalizer", "fence", "status", "fence", "first", "fence", "second",
        "fence", "report",
    ]  # fmt: skip
    assert scene.api.objects[KEY]["metadata"]["finalizers"] == [FINALIZER]
    assert scene.conditions == {"Ready": ("False", "Working", "two steps to go")}
    assert scene.outcomes == {"done": 1.0}


class Crossing(Scene):
    """The finalizer is written only once the action has begun, and the action ends only then."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.begun, self.written = asyncio.Event(), asyncio.Event()
        patch = self.api.patch

        async def once_begun(kind: Kind, target: Target, body: dict[str, Any]) -> dict[str, Any]:
            await self.begun.wait()
            self.written.set()
            return await patch(kind, target, body)

        self.api.patch = once_begun  # type: ignore[method-assign]  # only its moment is another one

    async def act(self, observed: str, action: object) -> None:
        self.begun.set()
        async with asyncio.timeout(5.0):
            await self.written.wait()
        await super().act(observed, action)


BESIDE: Plan[object] = replace(WORK, actions=(Beside(), "second"), finalizer=Finalizer.PRESENT)


async def test_an_action_that_needs_no_finalizer_is_carried_out_while_that_is_written() -> None:
    scene = Crossing(plan=BESIDE)
    assert await scene.reconcile() == 7.0
    done = [one for one in scene.log if one != "fence"]
    assert set(done[:2]) == {"finalizer", Beside()}
    assert done[2:] == ["second", "report"]
    assert scene.outcomes == {"done": 1.0}


@pytest.mark.parametrize("broken", ["finalizer", Beside()])
async def test_where_one_of_the_two_fails_the_other_is_finished_and_nothing_else_begun(
    broken: object,
) -> None:
    scene = Crossing(plan=BESIDE)
    scene.errors[broken] = kube_error(kube.Unavailable)
    assert await scene.reconcile() is not None
    (done,) = {"finalizer", Beside()} - {broken}
    assert [one for one in scene.log if one != "fence"] == [done, "report"]
    assert scene.reports[0].failure is not None
    assert scene.reports[0].failure.cause is scene.errors[broken]


@pytest.mark.parametrize(
    "plan",
    [
        replace(FULL, actions=(Beside(),), finalizer=Finalizer.PRESENT),
        replace(WORK, actions=("first", Beside()), finalizer=Finalizer.PRESENT),
    ],
)
async def test_no_action_overtakes_the_finalizer_where_something_else_comes_first(
    plan: Plan[object],
) -> None:
    scene = Scene(plan=plan)
    await scene.reconcile()
    assert next(one for one in scene.log if one != "fence") == "finalizer"
    assert scene.log.index(Beside()) > scene.log.index("finalizer") + 1


async def test_a_fence_that_has_fallen_lets_neither_begin() -> None:
    def fallen() -> None:
        raise LeadershipLost("frozen")

    scene = Scene(plan=BESIDE, fence=fallen)
    await scene.reconcile()
    assert scene.log == []


async def test_the_finalizer_is_taken_off_after_everything_else() -> None:
    scene = Scene(plan=ENDING)
    scene.put(finalized(deletionTimestamp=NOW))
    assert await scene.reconcile() is None
    assert scene.log == [
        "fence", "status", "fence", "undo", "fence", "finalizer", "fence", "report",
    ]  # fmt: skip
    assert scene.api.objects[KEY]["metadata"]["finalizers"] == []


async def test_each_write_fits_the_answer_to_the_one_before() -> None:
    scene = Scene(plan=replace(FULL, finalizer=Finalizer.PRESENT))
    await scene.reconcile()
    versions = [patch.body["metadata"]["resourceVersion"] for patch in scene.api.patches]
    assert versions == ["1", "2"]
    assert {patch.body["metadata"]["uid"] for patch in scene.api.patches} == {"uid-w1"}
    held = scene.store.get(KEY)
    assert held is not None
    assert held.subject.resource_version == "3"


async def test_a_second_pass_with_the_same_plan_writes_nothing() -> None:
    scene = Scene(plan=replace(FULL, finalizer=Finalizer.PRESENT))
    await scene.reconcile()
    scene.log.clear()
    await scene.reconcile()
    assert [one for one in scene.log if one != "fence"] == ["first", "second", "report"]


@pytest.mark.parametrize("broken", ["finalizer", "status", "first", "second"])
async def test_what_comes_after_an_error_is_not_begun(broken: str) -> None:
    scene = Scene(plan=replace(FULL, finalizer=Finalizer.PRESENT))
    order = ["finalizer", "status", "first", "second"]
    scene.errors[broken] = kube_error(kube.Unavailable)
    assert await scene.reconcile() is not None
    done = order[: order.index(broken)]
    assert [one for one in scene.log if one != "fence"] == [*done, "report"]
    (ended,) = scene.reports
    assert ended.failure is not None
    assert ended.failure.cause is scene.errors[broken]


@pytest.mark.parametrize("broken", ["status", "undo"])
async def test_the_finalizer_stays_while_anything_before_it_fails(broken: str) -> None:
    scene = Scene(plan=ENDING)
    scene.put(finalized(deletionTimestamp=NOW))
    scene.errors[broken] = kube_error(kube.Unavailable)
    await scene.reconcile()
    assert scene.api.objects[KEY]["metadata"]["finalizers"] == [FINALIZER]


@pytest.mark.parametrize("allowed", range(5))
async def test_a_fence_that_falls_stops_the_pass_at_that_very_point(allowed: int) -> None:
    scene = Scene(plan=replace(FULL, finalizer=Finalizer.PRESENT))
    checks = iter([True] * allowed + [False])

    def fence() -> None:
        if not next(checks):
            raise LeadershipLost("frozen")

    scene.fence = fence
    assert await scene.reconcile() is None
    everything = ["finalizer", "status", "first", "second", "report"]
    assert [one for one in scene.log if one != "fence"] == everything[:allowed]
    assert scene.outcomes == {"lost": 1.0}


async def test_a_plan_without_status_and_finalizer_writes_neither() -> None:
    scene = Scene(plan=WORK)
    await scene.reconcile()
    assert scene.api.patches == []
    assert [one for one in scene.log if one != "fence"] == ["first", "second", "report"]


async def test_a_controller_without_a_writer_acts_alone() -> None:
    scene = Scene(plan=replace(FULL, finalizer=Finalizer.PRESENT), has_writer=False)
    assert await scene.reconcile() == 7.0
    assert scene.api.patches == []
    assert [one for one in scene.log if one != "fence"] == ["first", "second", "report"]


async def test_at_rest_nothing_is_waited_for() -> None:
    assert await Scene(plan=REST).reconcile() is None


async def test_an_object_that_is_gone_is_neither_decided_about_nor_reported() -> None:
    scene = Scene(plan=FULL, observed=None)
    assert await scene.reconcile() is None
    assert scene.log == []
    assert scene.outcomes == {"done": 1.0}


@pytest.mark.parametrize("has_writer", [True, False])
async def test_nothing_is_remembered_of_an_object_that_is_gone(
    caplog: pytest.LogCaptureFixture,
    has_writer: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    scene = Scene(plan=FULL, has_writer=has_writer)
    with caplog.at_level(logging.INFO):
        await scene.reconcile()
        scene.observed = None
        assert await scene.reconcile() is None
        assert scene.writer._rivals._written == {}
        scene.observed = "what is"
        await scene.reconcile()
    assert caplog.messages == ["w1: two steps to go"] * 2


# Objects that change while they are observed.


class Vanishing(Scene):
    """The object is deleted while it is observed, though what was read first is still reported."""

    async def observe(self, key: str) -> str | None:
        self.store.forget(key)
        self.api.objects.pop(key)
        return await super().observe(key)


class Changing(Scene):
    """Somebody changes the object while it is observed."""

    async def observe(self, key: str) -> str | None:
        found = await super().observe(key)
        self.put(raw_object(key, generation=2))
        return found


async def test_nothing_is_done_for_an_object_to_which_nothing_can_be_written() -> None:
    scene = Scene(plan=FULL)
    scene.store.forget(KEY)
    assert (await scene.reconcile() or 0.0) <= 0.05
    assert [one for one in scene.log if one != "fence"] == []
    assert scene.outcomes == {"stale": 1.0}


async def test_an_object_that_vanishes_while_it_is_observed_is_not_acted_on() -> None:
    scene = Vanishing(plan=FULL)
    await scene.reconcile()
    assert scene.log == ["fence"]
    assert scene.outcomes == {"stale": 1.0}


async def test_a_status_does_not_answer_a_version_that_came_after_it_was_observed() -> None:
    scene = Changing(plan=FULL)
    await scene.reconcile()
    assert scene.status == {}
    assert scene.log == ["fence"]
    assert scene.outcomes == {"stale": 1.0}


# Reports.


async def test_a_report_gets_all_of_the_pass() -> None:
    scene = Scene(plan=FULL)
    before = scene.store.by_key[KEY].subject
    await scene.reconcile()
    (ended,) = scene.reports
    assert ended == Pass(KEY, "what is", FULL, None, ended.seconds, dry_run=False, subject=before)
    assert ended.seconds > 0.0


async def test_the_first_error_stops_the_plan_and_is_reported() -> None:
    error = cloud.MachineUnfit("w1 is too big")
    scene = Scene(plan=WORK, errors={"first": error})
    assert await scene.reconcile() == 300.0  # a policy may change, which nobody reports
    (ended,) = scene.reports
    failure = Failure(Disposition.REFUSED, "MachineUnfit", "w1 is too big", error)
    assert (ended.plan, ended.failure) == (WORK, failure)
    assert scene.outcomes == {"refused": 1.0}


async def test_a_failed_observation_is_reported_without_a_plan() -> None:
    error = kube_error(kube.Unavailable)
    scene = Scene(errors={"observe": error})
    await scene.reconcile()
    (ended,) = scene.reports
    assert (ended.key, ended.observed, ended.plan) == (KEY, None, None)
    assert ended.failure is not None
    assert ended.failure.cause is error


async def test_a_stale_pass_is_not_reported_and_repeated_after_growing_pauses() -> None:
    scene = Scene(plan=WORK, errors={"second": kube_error(kube.Conflict, 409)})
    pauses = [await scene.reconcile() or 0.0 for _ in range(12)]
    assert scene.reports == []
    assert pauses[0] <= 0.05
    assert 3.75 <= pauses[-1] <= 5.0


@pytest.mark.parametrize("broken", ["observe", "decide", "first"])
async def test_a_bug_is_reported_and_raised_for_the_queue(broken: str) -> None:
    scene = Scene(plan=WORK, errors={broken: KeyError("knot")})
    with pytest.raises(KeyError, match="knot"):
        await scene.reconcile()
    (ended,) = scene.reports
    assert ended.failure is not None
    assert ended.failure.disposition is Disposition.BUG
    assert scene.outcomes == {"bug": 1.0}


async def test_a_report_that_fails_is_tried_again_later(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(errors={"report": kube_error(kube.Unavailable)})
    with caplog.at_level(logging.INFO):
        assert 0.75 <= (await scene.reconcile() or 0.0) <= 1.0
    assert scene.outcomes == {"retry": 1.0}
    assert caplog.messages[-1].startswith("w1: report: GET widgets/w1: refused")


@pytest.mark.parametrize("second", [kube_error(kube.Unavailable), KeyError("report")])
async def test_the_first_failure_is_kept_where_the_report_fails_as_well(second: Exception) -> None:
    first = cloud.MachineUnfit("too big")
    scene = Scene(plan=WORK, errors={"first": first, "report": second})
    assert await scene.reconcile() == 300.0
    assert scene.outcomes == {"refused": 1.0}


async def test_a_bug_is_raised_though_its_report_can_be_tried_again() -> None:
    scene = Scene(
        plan=WORK, errors={"first": KeyError("knot"), "report": kube_error(kube.Unavailable)}
    )
    with pytest.raises(KeyError, match="knot"):
        await scene.reconcile()


# Pauses.


async def test_a_growing_pause_starts_over_after_a_success() -> None:
    scene = Scene(errors={"observe": kube_error(kube.Throttled)})
    pauses = [await scene.reconcile() or 0.0 for _ in range(12)]
    assert 0.75 <= pauses[0] <= 1.0
    assert 225 <= pauses[-1] <= 300
    error = scene.errors.pop("observe")
    await scene.reconcile()
    scene.errors["observe"] = error
    assert (await scene.reconcile() or 0.0) <= 1.0


async def test_an_api_server_that_is_away_is_soon_asked_again() -> None:
    scene = Scene(errors={"observe": kube_error(kube.Unavailable)})
    pauses = [await scene.reconcile() or 0.0 for _ in range(12)]
    assert 0.75 <= pauses[0] <= 1.0
    assert 11.25 <= pauses[-1] <= 15.0, "nobody reports that it is back"


async def test_a_growing_pause_starts_over_for_a_successor_of_the_object() -> None:
    scene = Scene(errors={"observe": kube_error(kube.Unavailable)})
    for _ in range(5):
        await scene.reconcile()
    error = scene.errors.pop("observe")
    scene.observed = None
    await scene.reconcile()
    scene.errors["observe"] = error
    assert (await scene.reconcile() or 0.0) <= 1.0


async def test_a_growing_pause_starts_over_after_a_refusal() -> None:
    scene = Scene(plan=WORK, errors={"first": kube_error(kube.Unavailable)})
    for _ in range(5):
        await scene.reconcile()
    unavailable = scene.errors["first"]
    scene.errors["first"] = cloud.MachineUnfit("too big")
    await scene.reconcile()
    scene.errors["first"] = unavailable
    assert (await scene.reconcile() or 0.0) <= 1.0


async def test_the_pause_the_cloud_asked_for_is_kept() -> None:
    scene = Scene(plan=WORK, errors={"first": cloud.Throttled("slow down", retry_after=33.0)})
    assert [await scene.reconcile() for _ in range(12)] == [33.0] * 12


async def test_who_asks_for_no_pause_at_all_is_not_believed_for_ever() -> None:
    scene = Scene(plan=WORK, errors={"first": cloud.Throttled("slow down", retry_after=0.0)})
    pauses = [await scene.reconcile() or 0.0 for _ in range(12)]
    assert pauses[0] > 0.0
    assert 3.75 <= pauses[-1] <= 5.0


async def test_a_rival_writer_of_the_status_leads_to_a_bounded_wait() -> None:
    scene = Scene(plan=WORK)
    await scene.reconcile()
    pauses = []
    for number in range(3):
        scene.plan = replace(FULL, status=PlainStatus((READY,), {"step": number}))
        scene.put(raw_object(KEY, status={"step": "rival", "round": number}))
        pauses.append(await scene.reconcile())
    assert pauses[:2] == [7.0, 7.0]  # the first answer is written at once
    assert 1.0 < (pauses[2] or 0.0) <= 2.0
    failure = scene.reports[-1].failure
    assert failure is not None
    assert isinstance(failure.cause, RivalWriter)
    assert scene.outcomes == {"done": 3.0, "retry": 1.0}


# Dry run.


def annotated(**fields: object) -> dict[str, object]:
    return raw_object(KEY, annotations={DRY_RUN_ANNOTATION: "true"}, **fields)


async def dry_scene(way: str, plan: Plan[object]) -> Scene:
    scene = Scene(plan=plan, dry_run=way == "setting")
    if way == "annotation":
        scene.put(annotated())
    return scene


@pytest.mark.parametrize("way", ["setting", "annotation"])
async def test_a_dry_run_writes_the_status_and_nothing_else(way: str) -> None:
    scene = await dry_scene(way, replace(FULL, finalizer=Finalizer.PRESENT))
    assert await scene.reconcile() == 7.0
    assert [one for one in scene.log if one != "fence"] == ["status", "report"]
    assert scene.conditions == {
        "Ready": ("False", "Working", "two steps to go"),
        "DryRun": ("True", "WouldChange", "would first; second"),
    }
    (ended,) = scene.reports
    assert ended.dry_run
    assert ended.plan is not None
    assert ended.plan.message == "dry run: would first; second"


async def test_a_dry_run_of_an_ending_object_leaves_it_its_finalizer() -> None:
    scene = Scene(plan=ENDING, dry_run=True)
    scene.put(finalized(deletionTimestamp=NOW))
    await scene.reconcile()
    assert scene.api.objects[KEY]["metadata"]["finalizers"] == [FINALIZER]
    assert scene.conditions["DryRun"] == (
        "True",
        "WouldChange",
        "would undo; remove the finalizer",
    )


@pytest.mark.parametrize("way", ["setting", "annotation"])
async def test_actions_that_only_read_are_carried_out_in_a_dry_run(way: str) -> None:
    scene = await dry_scene(way, replace(FULL, actions=("first", Read(), "second")))
    await scene.reconcile()
    assert [one for one in scene.log if one != "fence"] == ["status", Read(), "report"]
    assert scene.conditions["DryRun"] == ("True", "WouldChange", "would first; second")


async def test_a_dry_run_with_nothing_to_do_says_so() -> None:
    scene = Scene(plan=replace(REST, status=PlainStatus()), dry_run=True)
    await scene.reconcile()
    assert scene.conditions == {"DryRun": ("True", "NothingToDo", "nothing would be changed")}


async def test_a_long_plan_is_not_spelled_out_to_its_end() -> None:
    scene = Scene(plan=replace(FULL, actions=tuple("abcdefg")), dry_run=True)
    await scene.reconcile()
    assert scene.conditions["DryRun"][2] == "would a; b; c; d; e; and 2 more"


@pytest.mark.parametrize("dry_run", [True, False])
async def test_the_controllers_own_condition_about_a_dry_run_wins(dry_run: bool) -> None:  # noqa: FBT001 - a parameter of the test
    own = Condition("DryRun", "True", "WouldAttach", "would attach a")
    before = {"conditions": [{"type": "DryRun", "status": "True", "reason": "Old"}]}
    scene = Scene(plan=replace(FULL, status=PlainStatus((own,))), dry_run=dry_run)
    scene.put(raw_object(KEY, status=before))
    await scene.reconcile()
    assert scene.conditions["DryRun"] == ("True", "WouldAttach", "would attach a")


async def test_after_a_dry_run_the_condition_says_that_it_is_over() -> None:
    scene = await dry_scene("annotation", FULL)
    await scene.reconcile()
    scene.put(raw_object(KEY, status=scene.status))
    scene.log.clear()
    await scene.reconcile()
    assert scene.conditions["DryRun"] == ("False", "Off", "changes are made")
    assert [one for one in scene.log if one != "fence"] == ["status", "first", "second", "report"]
    assert not scene.reports[-1].dry_run


async def test_an_object_that_never_saw_a_dry_run_has_no_condition_about_it() -> None:
    scene = Scene(plan=FULL)
    await scene.reconcile()
    assert list(scene.conditions) == ["Ready"]


async def test_a_plan_without_status_has_one_in_a_dry_run() -> None:
    scene = Scene(plan=WORK, dry_run=True)
    await scene.reconcile()
    assert [one for one in scene.log if one != "fence"] == ["status", "report"]
    assert list(scene.conditions) == ["DryRun"]


# What is assumed.


async def test_what_a_plan_gives_away_is_assumed_before_the_first_write() -> None:
    scene = Scene(plan=replace(FULL, assumes=frozenset({"n1"})))
    scene.errors["status"] = kube_error(kube.Unavailable)
    await scene.reconcile()
    assert scene.assumed.of(KEY) == {"n1"}
    scene.plan = replace(FULL, assumes=frozenset({"n2"}))
    await scene.reconcile()
    assert scene.assumed.of(KEY) == {"n2"}
    scene.observed = None
    await scene.reconcile()
    assert scene.assumed.tokens() == {}


async def test_a_dry_run_keeps_nothing_from_others() -> None:
    scene = Scene(plan=replace(FULL, assumes=frozenset({"n1"})))
    scene.put(annotated())
    await scene.reconcile()
    assert scene.assumed.tokens() == {}


# Logs and meanings.


async def test_the_same_reason_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(plan=WORK)
    with caplog.at_level(logging.INFO):
        await scene.reconcile()
        await scene.reconcile()
        scene.plan = REST
        await scene.reconcile()
    assert caplog.messages == ["w1: two steps to go", "w1: nothing to do"]


async def test_the_same_failure_is_logged_once_until_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene(plan=WORK)
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            scene.errors["first"] = cloud.Unavailable("no answer")
            await scene.reconcile()
            await scene.reconcile()
            scene.errors.clear()
            await scene.reconcile()
    assert caplog.messages == ["w1: two steps to go", "w1: no answer", "w1: no answer"]


class Special(MendedElsewhere):
    """An error of a controller of its own."""


@pytest.mark.parametrize(
    ("error", "disposition", "after"),
    [
        (kube_error(kube.Conflict), Disposition.STALE, None),
        (kube_error(kube.AlreadyExists), Disposition.STALE, None),
        (kube_error(kube.NotFound), Disposition.STALE, None),
        (kube_error(kube.Gone), Disposition.STALE, None),
        (kube_error(kube.Throttled), Disposition.RETRY, None),
        (kube.Throttled(429, "", "", "", retry_after=4.0), Disposition.RETRY, 4.0),
        (kube_error(kube.Unavailable), Disposition.RETRY, None),
        (kube_error(kube.KubeError), Disposition.RETRY, None),
        (kube_error(kube.Forbidden), Disposition.RETRY, 300.0),
        (kube_error(kube.Unauthorized), Disposition.RETRY, 300.0),
        (kube_error(kube.Invalid), Disposition.REFUSED, None),
        (cloud.Stale("x"), Disposition.STALE, None),
        (cloud.AddressNotFound("x"), Disposition.STALE, None),
        (cloud.MachineNotFound("x"), Disposition.STALE, None),
        (cloud.Locked("x", retry_after=4.0), Disposition.RETRY, 4.0),
        (cloud.Throttled("x"), Disposition.RETRY, None),
        (cloud.Unavailable("x"), Disposition.RETRY, None),
        (cloud.CloudError("x"), Disposition.RETRY, 300.0),
        (cloud.InUse("x", owner="y"), Disposition.RETRY, 300.0),
        (cloud.Denied("x"), Disposition.RETRY, 300.0),
        (cloud.CredentialsRejected("x"), Disposition.RETRY, 300.0),
        (cloud.QuotaExceeded("x"), Disposition.RETRY, 300.0),
        (cloud.MachineUnfit("x"), Disposition.REFUSED, None),
        (cloud.Unsupported("x"), Disposition.REFUSED, None),
        (cloud.InvalidOptions("x"), Disposition.REFUSED, None),
        (RivalWriter(12.0), Disposition.RETRY, 12.0),
        (MoorageError("x"), Disposition.RETRY, None),
        (Special("x"), Disposition.RETRY, 300.0),
        (ValueError("x"), Disposition.BUG, None),
        (LookupError("no rule"), Disposition.BUG, None),
        (TimeoutError(), Disposition.BUG, None),
    ],
)
def test_every_error_has_one_meaning(
    error: Exception, disposition: Disposition, after: float | None
) -> None:
    failure = Failure.of(error)
    assert (failure.disposition, failure.retry_after) == (disposition, after)
    assert (failure.reason, failure.cause) == (type(error).__name__, error)


def test_a_bug_names_its_kind_in_the_message_and_an_error_of_ours_speaks_for_itself() -> None:
    assert Failure.of(KeyError("knot")).message == "KeyError: 'knot'"
    assert Failure.of(cloud.Denied("no right to attach")).message == "no right to attach"


# What is done before a plan is carried out.


@dataclass
class Preparing(Scene):
    """A logic that prepares; what it then sees changes its plan."""

    learns: bool = True

    async def prepare(self, observed: str, plan: Plan[object]) -> bool:
        assert observed == self.observed
        self._do(f"prepare {plan.reason}")
        if self.learns:
            self.plan = REST
        return self.learns


async def test_what_was_prepared_is_decided_on_before_the_status_is_written() -> None:
    scene = Preparing(plan=FULL)
    await scene.reconcile()
    # Once: the second plan is carried out, whatever it is.
    assert scene.log == ["fence", "prepare Working", "fence", "report"]
    assert scene.reports[-1].plan is REST


async def test_where_nothing_was_prepared_the_plan_is_carried_out() -> None:
    scene = Preparing(plan=FULL, learns=False)
    await scene.reconcile()
    assert scene.log[:4] == ["fence", "prepare Working", "fence", "status"]


async def test_an_object_that_goes_meanwhile_is_left_alone() -> None:
    scene = Preparing(plan=FULL)

    async def gone(_observed: str, _plan: Plan[object]) -> bool:
        scene.observed = None
        return True

    scene.prepare = gone  # type: ignore[assignment,method-assign]  # it goes meanwhile
    assert await scene.reconcile() is None
    assert scene.log == ["fence"]
