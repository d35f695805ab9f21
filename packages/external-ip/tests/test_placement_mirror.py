"""What the IpNode of a node says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from placement_builders import link, node

from moorage_domain.subject import Subject
from moorage_external_ip.placement.mirror import (
    CreateMirror,
    MirrorObserved,
    MirrorView,
    decide_mirror,
)
from moorage_external_ip.placement.model import Life, NodeView


def mirror(**status: Any) -> MirrorView:
    return MirrorView(Subject("n1", None, "uid-mirror", "1", status=status))


def said(view: NodeView, kept: MirrorView | None = None, **fields: Any) -> dict[str, Any]:
    """The status, with the reasons of its conditions by their types."""
    status = decide_mirror(MirrorObserved(view, kept or mirror(), **fields)).status
    assert status is not None
    return {one.type: one.reason for one in status.conditions} | dict(status.fields)


def test_a_node_with_an_agent_gets_one_that_goes_with_it() -> None:
    plan = decide_mirror(MirrorObserved(node("n1")))
    assert plan.actions == (CreateMirror("n1", "uid-n1", {"Revision": "1"}),)
    without = replace(node("n1", Life.NONE), agent=None)
    assert not decide_mirror(MirrorObserved(without)).actions


@pytest.mark.parametrize(
    ("life", "held", "reason", "live"),
    [
        (Life.LIVE, False, "Live", True),
        (Life.LATE, False, "Live", True),
        (Life.HELD, False, "Restarting", False),
        (Life.LOST, False, "Lost", False),
        (Life.LOST, True, "MovesHeld", False),
        (Life.NONE, False, "NoAgent", False),
    ],
)
def test_it_says_how_its_agent_is(life: Life, *, held: bool, reason: str, live: bool) -> None:
    status = said(node("n1", life), held=held)
    assert (status["Ready"], status["live"]) == (reason, live)


def test_a_node_that_drains_says_so() -> None:
    status = said(node("n1", draining=True))
    assert (status["Ready"], status["draining"]) == ("Draining", True)


def test_the_end_of_a_hold_is_reckoned_once() -> None:
    held = node("n1", Life.HELD)
    assert said(held, hold_until="10:00")["holdUntil"] == "10:00"
    assert said(held, mirror(holdUntil="09:59"), hold_until="10:00")["holdUntil"] == "09:59"
    assert said(node("n1"), mirror(holdUntil="09:59"))["holdUntil"] == ""


def test_a_link_that_answers_for_another_one_is_named() -> None:
    bad = link("eth1", "10.0.0.201/24", problem="set arp_ignore to 1")
    plan = decide_mirror(MirrorObserved(node("n1", links=(link(), bad)), mirror()))
    assert plan.status is not None
    (condition,) = (one for one in plan.status.conditions if one.type == "LinksHealthy")
    assert (condition.status, condition.message) == ("False", "eth1: set arp_ignore to 1")
    assert said(node("n1", links=None))["LinksHealthy"] == "Unreadable"


def test_nothing_is_written_before_agents_are_judged() -> None:
    plan = decide_mirror(MirrorObserved(node("n1", Life.UNKNOWN), mirror(), starting=True))
    assert (plan.actions, plan.status) == ((), None)
