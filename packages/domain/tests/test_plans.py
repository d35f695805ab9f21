"""The first rule with an opinion decides, and a list of rules without one is a bug."""

from __future__ import annotations

from datetime import timedelta

import pytest

from moorage_domain.plans import Plan, first_match


def when_negative(number: int) -> str | None:
    return "negative" if number < 0 else None


def when_odd(number: int) -> str | None:
    return "odd" if number % 2 else None


def test_the_first_rule_that_hits_decides() -> None:
    assert first_match((when_negative, when_odd), -3) == "negative"
    assert first_match((when_odd, when_negative), -3) == "odd"


def test_rules_after_the_one_that_hits_are_not_asked() -> None:
    def never(_: int) -> str | None:
        raise AssertionError("asked after the decision")

    assert first_match((when_odd, never), 1) == "odd"


def test_a_decision_that_is_false_is_still_a_decision() -> None:
    assert first_match((lambda _: "", lambda _: "later"), 0) == ""


def test_rules_that_leave_a_case_open_are_a_bug_that_names_the_case() -> None:
    with pytest.raises(LookupError, match="no rule decides about 2"):
        first_match((when_negative, when_odd), 2)


def test_a_plan_does_nothing_and_waits_for_a_change_unless_told_otherwise() -> None:
    plan: Plan[str] = Plan("Settled", "all is well")
    assert plan == Plan("Settled", "all is well", (), None)


def test_two_plans_that_promise_the_same_are_the_same() -> None:
    def plan(seconds: int) -> Plan[str]:
        return Plan("Moving", "to node b", ("detach", "attach"), timedelta(seconds=seconds))

    assert plan(5) == plan(5)
    assert plan(5) != plan(6)
