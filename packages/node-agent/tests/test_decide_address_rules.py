"""Each rule about one address, in the order of the drawn table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from agent_builders import (
    BEFORE,
    ETH0,
    FOUR,
    LO,
    NOW,
    SIX,
    STRANGER,
    claim,
    does,
    find,
    held,
    memory,
    observed,
    remembered,
    said,
)

from moorage_domain.families import parse_address
from moorage_node_agent.actions import Add, Announce, Probe, Refresh, Remove, Reread
from moorage_node_agent.decide import decide
from moorage_node_agent.decide.address import heard, refused
from moorage_node_agent.link.choose import Wish
from moorage_node_agent.link.model import Holding, Link
from moorage_node_agent.model import Memory, Observed, Policy, State

HOLDING = Holding(FOUR, ETH0.index)
ASKED = Memory(NOW - 1, probed_at=NOW - 0.2)


def test_a_new_address_is_asked_for_before_anything_else() -> None:
    now = observed(claim())
    assert find(now, Probe) == Probe(((FOUR, ETH0),))
    assert find(now, Add) is None
    assert said(now).state is State.PROBING
    assert decide(now).wait is not None
    assert decide(now).wait.total_seconds() == pytest.approx(0.15)  # type: ignore[union-attr]  # seen above


def test_it_waits_150_ms_for_answers() -> None:
    now = observed(claim(), memory={FOUR: replace(ASKED, probed_at=NOW - 0.1)})
    assert find(now, Add) is None
    assert find(now, Probe) is None


def test_unanswered_it_is_added_and_announced_at_once() -> None:
    now = observed(claim(), memory={FOUR: ASKED})
    assert find(now, Add) == Add((HOLDING,))
    assert find(now, Announce) == Announce(((FOUR, ETH0),))
    assert said(now).state is State.ANNOUNCED
    assert (said(now).link, said(now).mac) == ("eth0", ETH0.mac)


def test_an_unknown_mac_that_answers_is_a_conflict_that_is_asked_again_later() -> None:
    now = observed(claim(), memory={FOUR: replace(ASKED, answered=STRANGER)})
    assert find(now, Add) is None
    assert (said(now).state, said(now).mac) == (State.CONFLICT, STRANGER)
    after = memory(now)
    assert after.retry_at == NOW + 5
    later = replace(now, now=NOW + 4.9, memory={FOUR: after})
    assert find(later, Probe) is None
    assert said(later).state is State.CONFLICT
    assert find(replace(later, now=NOW + 5), Probe) is not None


def test_conflicts_are_asked_less_and_less_often_but_each_minute() -> None:
    pauses = []
    one = replace(ASKED, answered=STRANGER)
    for _ in range(6):
        one = memory(observed(claim(), memory={FOUR: one}))
        pauses.append(one.retry_at - NOW)
        one = replace(one, probed_at=NOW - 0.2, retry_at=NOW)
    assert pauses == [5, 10, 20, 40, 60, 60]


def test_the_previous_holders_answer_is_no_conflict() -> None:
    mine = claim(previous=frozenset({BEFORE}))
    now = observed(mine, memory={FOUR: replace(ASKED, answered=BEFORE)})
    assert find(now, Add) == Add((HOLDING,))


def test_what_was_here_is_taken_back_from_the_previous_holder_only_after_the_claims_were_read() -> (
    None
):
    """A node whose cable was out: the address may have gone back meanwhile."""
    mine = claim(previous=frozenset({BEFORE}))
    unplugged = held(observed(mine, links=(LO, replace(ETH0, carrier=False))))
    let_go = memory(unplugged)
    assert let_go.was_here
    asked = replace(let_go, probed_at=NOW - 0.2, answered=BEFORE)
    now = observed(mine, memory={FOUR: asked})
    assert find(now, Add) is None
    assert find(now, Reread) is not None
    assert said(now).state is State.PROBING
    # That they were read while it was asked says nothing of what came after.
    assert find(replace(now, read_at=NOW - 0.2), Add) is None
    assert find(replace(now, read_at=NOW - 0.1), Add) == Add((HOLDING,))
    # Where nobody answers, nobody has it, and the API server may be away.
    assert find(observed(mine, memory={FOUR: replace(asked, answered="")}), Add) is not None


def test_of_two_that_answer_the_unknown_one_counts() -> None:
    mine = claim(previous=frozenset({BEFORE}))
    for order in ((BEFORE, STRANGER), (STRANGER, BEFORE)):
        one = ASKED
        for mac in order:
            one = heard(one, mine, mac, NOW)
        assert one.answered == STRANGER


def test_an_address_held_is_kept_refreshed_and_announced_each_half_minute() -> None:
    now = held(observed(claim(), refreshed_at=NOW - 1.5))
    assert find(now, Refresh) == Refresh((HOLDING,))
    assert find(now, Announce) is None
    assert find(now, Remove) is None
    assert find(replace(now, now=NOW + 40), Announce) is not None


def test_announcements_come_at_0_02_11_22_and_44_seconds() -> None:
    now, times = observed(claim(), memory={FOUR: ASKED}), []
    now = held(now, memory(now))
    for tenth in range(60):
        now = replace(now, now=NOW + tenth / 10 + 0.001)
        if find(now, Announce) is not None:
            times.append(tenth / 10)
        now = replace(now, memory={FOUR: memory(now)})
    assert times == [0.2, 1.1, 2.2, 4.4]


def test_periodic_announcements_can_be_off() -> None:
    now = held(observed(claim(), policy=Policy(announce_every=0)), now=NOW + 10_000)
    assert find(now, Announce) is None


def test_no_more_is_announced_than_the_rate_allows() -> None:
    many = [claim(parse_address(f"10.0.0.{number}")) for number in range(10, 20)]
    memories = {one.address: ASKED for one in many}
    now = observed(*many, memory=memories, budget=4)
    announced = find(now, Announce)
    assert announced is not None
    assert len(announced.targets) == 4
    assert decide(now).wait is not None
    assert decide(now).wait.total_seconds() <= 0.02  # type: ignore[union-attr]  # seen above
    added = find(now, Add)
    assert added is not None
    assert len(added.holdings) == 10


def test_what_the_agent_before_left_is_adopted_without_asking() -> None:
    now = replace(held(observed(claim())), memory={})
    assert find(now, Probe) is None
    assert find(now, Remove) is None
    assert said(now).state is State.ANNOUNCED
    assert find(now, Announce) is not None


def test_an_address_that_vanished_is_asked_for_and_added_again() -> None:
    lost = Memory(NOW - 61, added_at=NOW - 60, announced=5)
    now = observed(claim(), memory={FOUR: lost})
    assert find(now, Add) is None
    assert find(now, Probe) is not None


@pytest.mark.parametrize("mine", [claim(), claim(previous=frozenset({BEFORE}))])
def test_an_address_that_another_machine_announces_is_let_go_at_once(mine: Any) -> None:
    contested = Memory(NOW - 61, added_at=NOW - 60, heard=STRANGER, heard_at=NOW)
    now = held(observed(mine), contested)
    assert find(now, Remove) == Remove((HOLDING,))
    assert find(now, Reread) is not None
    assert (said(now).state, said(now).mac) == (State.YIELDED, STRANGER)


def test_a_yielded_address_stays_away_until_the_claims_were_read_again() -> None:
    away = Memory(NOW - 61, yielded=STRANGER, yielded_at=NOW - 1, tries=1, retry_at=NOW - 0.5)
    now = observed(claim(), memory={FOUR: away})
    assert find(now, Probe) is None
    assert find(now, Reread) is not None
    read = replace(now, read_at=NOW - 0.1)
    assert find(read, Reread) is None
    assert find(read, Probe) is not None


def contested_by_the_previous_holder(**parts: Any) -> Observed:
    mine = claim(previous=frozenset({BEFORE}))
    since = Memory(NOW - 61, added_at=NOW - 60, announced=5, announced_at=NOW - 2)
    heard_now = replace(since, heard=BEFORE, heard_at=NOW)
    return replace(held(observed(mine), heard_now), **parts)


def test_the_previous_holder_is_checked_with_the_api_server_and_then_answered() -> None:
    now = contested_by_the_previous_holder()
    assert not does(now, Remove, Announce)
    assert does(now, Reread)
    confirmed = replace(now, now=NOW + 0.1, read_at=NOW + 0.05)
    assert not does(confirmed, Remove, Reread)
    assert does(confirmed, Announce)
    assert memory(confirmed).heard == ""


def test_who_cannot_confirm_that_an_address_is_its_own_yields_to_the_previous_holder() -> None:
    now = contested_by_the_previous_holder(now=NOW + 0.3)
    assert find(now, Remove) == Remove((HOLDING,))
    assert said(now).state is State.YIELDED


def test_being_heard_again_and_again_does_not_put_that_off() -> None:
    mine = claim(previous=frozenset({BEFORE}))
    one = Memory(NOW - 61, added_at=NOW - 60)
    for tenth in range(3):
        one = heard(one, mine, BEFORE, NOW + tenth / 10)
    assert one.heard_at == NOW


def test_an_address_on_another_link_moves_to_its_own() -> None:
    now = held(observed(claim()), held={FOUR: (7,)})
    assert find(now, Remove) == Remove((Holding(FOUR, 7),))
    after = replace(now, held={}, memory={FOUR: memory(now)})
    assert find(after, Probe) == Probe(((FOUR, ETH0),))


def test_without_carrier_the_address_is_let_go() -> None:
    down = replace(ETH0, carrier=False)
    now = held(observed(claim(), links=(LO, down)))
    assert find(now, Remove) == Remove((HOLDING,))
    assert said(now).state is State.NO_LINK
    assert said(now).message == "eth0 has no carrier"


def test_a_link_made_again_under_its_name_gets_the_address() -> None:
    again = replace(ETH0, index=9)
    now = held(observed(claim(), links=(LO, again)))
    assert find(now, Remove) == Remove((HOLDING,))
    after = replace(now, held={}, memory={FOUR: memory(now)})
    assert find(after, Probe) == Probe(((FOUR, again),))


def test_an_address_of_the_node_itself_is_refused_and_not_touched() -> None:
    now = observed(claim(), untagged=frozenset({FOUR}))
    assert said(now).state is State.REFUSED
    assert not does(now, Add, Probe, Remove)


def test_what_the_kernel_refused_is_tried_again_later() -> None:
    no = refused(Memory(NOW - 1, probed_at=NOW - 0.2), NOW, "no right")
    now = observed(claim(), memory={FOUR: no})
    assert (said(now).state, said(now).message) == (State.REFUSED, "no right")
    assert not does(now, Add, Probe)
    assert find(replace(now, now=NOW + 5), Probe) is not None


def waiting(**parts: Any) -> Observed:
    mine = claim(health_ports=(31000,))
    given: dict[str, Any] = {"memory": {FOUR: Memory(NOW - 1)}, "proxy": True}
    return observed(mine, **(given | {"healthy_ports": frozenset({31000})} | parts))


@pytest.mark.parametrize("parts", [{"proxy": False}, {"healthy_ports": frozenset()}])
def test_an_address_waits_for_the_proxy_and_for_an_endpoint(parts: dict[str, Any]) -> None:
    assert find(waiting(), Probe) is not None
    now = waiting(**parts)
    assert find(now, Probe) is None
    assert said(now).state is State.WAITING_FOR_PROXY


def test_after_two_seconds_it_is_taken_and_says_so() -> None:
    tired = Memory(NOW - 2, probed_at=NOW - 0.2)
    now = waiting(proxy=False, memory={FOUR: tired})
    assert find(now, Add) is not None
    assert said(now).unready
    assert not said(waiting(memory={FOUR: tired})).unready


def test_an_address_held_does_not_leave_for_an_unhealthy_proxy() -> None:
    assert find(held(waiting(proxy=False)), Remove) is None


def test_a_proxy_that_is_not_asked_is_not_waited_for() -> None:
    assert find(observed(claim(), proxy=None), Probe) is not None


def test_every_node_has_the_address_on_lo_and_says_nothing_on_the_network() -> None:
    quiet = replace(ETH0, arp_ignore=1)
    now = observed(claim(wish=Wish(loopback=True)), links=(LO, quiet))
    assert find(now, Add) == Add((Holding(FOUR, LO.index),))
    assert not does(now, Probe, Announce)


def test_every_node_is_refused_where_a_link_would_answer_for_lo() -> None:
    now = observed(claim(wish=Wish(loopback=True)))
    assert said(now).state is State.REFUSED
    assert "arp_ignore=1" in said(now).message
    assert find(now, Add) is None
    six = observed(claim(SIX, wish=Wish(loopback=True)))
    assert find(six, Add) == Add((Holding(SIX, LO.index),))


def test_withdraw_lets_go_when_the_lease_is_too_old_and_hold_does_not() -> None:
    strict = Policy(withdraw=True, withdraw_after=4.0)
    now = held(observed(claim(), policy=strict, lease_at=NOW - 4.1))
    assert find(now, Remove) == Remove((HOLDING,))
    assert said(now).state is State.YIELDED
    assert find(replace(now, lease_at=NOW - 3.9), Remove) is None
    assert find(replace(now, policy=Policy()), Remove) is None


def test_with_withdraw_nothing_is_renewed_or_taken_that_could_outlive_the_lease() -> None:
    strict = Policy(withdraw=True)
    old = held(observed(claim(), policy=strict, lease_at=NOW - 0.9, refreshed_at=NOW - 9))
    assert not does(old, Refresh, Remove)
    assert does(replace(old, lease_at=NOW - 0.7), Refresh)
    taking = observed(claim(), policy=strict, lease_at=NOW - 0.9, memory={FOUR: ASKED})
    assert not does(taking, Add)
    assert does(replace(taking, lease_at=NOW - 0.7), Add)


def test_what_no_claim_asks_for_is_removed() -> None:
    now = observed(held={FOUR: (2, 3)})
    assert find(now, Remove) == Remove((Holding(FOUR, 2), Holding(FOUR, 3)))
    assert remembered(now).memory == {}


def test_after_a_freeze_all_is_let_go_and_nothing_taken_until_the_claims_are_read() -> None:
    now = held(observed(claim(), void_before=NOW))
    assert find(now, Remove) == Remove((HOLDING,))
    assert find(now, Reread) is not None
    assert not does(now, Refresh, Add, Probe)
    after = observed(claim(), void_before=NOW, read_at=NOW + 0.1, now=NOW + 0.2)
    assert find(after, Probe) is not None


def test_a_foreign_claim_of_link_names_is_respected() -> None:
    other = Link(5, "eth1", "02:00:00:00:00:05")
    for wish in (Wish(name="eth1"), Wish(pattern="eth[1-9]")):
        now = observed(claim(wish=wish), links=(LO, ETH0, other))
        assert find(now, Probe) == Probe(((FOUR, other),))
