"""The first rule that matches decides; a list of rules of which none matches is a bug."""

from __future__ import annotations

from datetime import timedelta

import pytest

from moorage_domain.conditions import Condition
from moorage_domain.plans import PlainStatus, Plan, first_match


def when_negative(number: int) -> str | None:
    return "negative" if number < 0 else None


def when_odd(number: int) -> str | None:
    return "odd" if number % 2 else None


def test_the_first_rule_that_matches_decides() -> None:
    assert first_match((when_negative, when_odd), -3) == "negative"
    assert first_match((when_odd, when_negative), -3) == "odd"


def test_rules_after_the_one_that_matches_are_not_called() -> None:
    def never(_: int) -> str | None:
        raise AssertionError("called after the decision")

    assert first_match((when_odd, never), 1) == "odd"


def test_a_decision_that_is_false_is_still_a_decision() -> None:
    assert first_match((lambda _: "", lambda _: "later"), 0) == ""


def test_rules_that_leave_a_case_open_are_a_bug_that_names_the_case() -> None:
    with pytest.raises(LookupError, match="no rule decides about 2"):
        first_match((when_negative, when_odd), 2)


def test_a_plan_has_no_actions_and_waits_for_a_change_by_default() -> None:
    plan: Plan[str] = Plan("Settled", "all is well")
    assert plan == Plan("Settled", "all is well", (), None)


def test_two_plans_with_the_same_values_are_equal() -> None:
    def plan(seconds: int) -> Plan[str]:
        return Plan("Moving", "to node b", ("detach", "attach"), timedelta(seconds=seconds))

    assert plan(5) == plan(5)
    assert plan(5) != plan(6)


def test_a_plan_leaves_status_and_finalizer_as_they_are_unless_told_otherwise() -> None:
    plan: Plan[str] = Plan("Settled", "all is well")
    assert (plan.status, plan.finalizer, plan.assumes) == (None, None, frozenset())


def test_a_status_with_one_more_condition_is_another_status() -> None:
    ready, dry_run = Condition("Ready", "True", "Fine"), Condition("DryRun", "False", "Off")
    status = PlainStatus((ready,), {"node": "n1"})
    assert status.with_condition(dry_run) == PlainStatus((ready, dry_run), {"node": "n1"})
    assert status == PlainStatus((ready,), {"node": "n1"})


@pytest.mark.parametrize(("ready", "status"), [(True, "True"), (False, "False")])
def test_a_status_of_nothing_but_ready(ready: bool, status: str) -> None:  # noqa: FBT001 - a column of the table
    (condition,) = PlainStatus.ready("Copied", "it is equal", ready=ready).conditions
    assert (condition.type, condition.status, condition.reason) == ("Ready", status, "Copied")
