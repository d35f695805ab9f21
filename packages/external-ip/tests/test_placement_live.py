"""Who is live, by how long ago a Lease was seen to change; and the guard against mass death."""

from __future__ import annotations

from typing import Any

import pytest

from moorage_external_ip.placement.leases import agent_of, links_of
from moorage_external_ip.placement.live import Liveness
from moorage_external_ip.placement.model import Agent, Life, Proxy
from moorage_kube.cache.store import Store


class Clockwork:
    """Leases, and a clock that a test moves."""

    def __init__(self, *nodes: str) -> None:
        self.now = 1000.0
        self.leases: Store[Agent] = Store(agent_of)
        self.count = 0
        for node in nodes:
            self.renew(node)
        self.live = Liveness(self.leases, lambda: self.now)
        self.changed: list[str] = []
        self.live.subscribe(self.changed.append, lambda: self.changed.append("*"))
        self.leases.synced = True
        for node in nodes:
            # As a list brings them.
            self.renew(node)
        self.live.advance()

    def renew(self, *nodes: str, lease: float = 5, **said: str) -> None:
        for node in nodes:
            self.count += 1
            self.leases.apply(
                {
                    "metadata": {
                        "name": f"moorage-agent-{node}",
                        "uid": f"uid-{node}",
                        "annotations": {
                            f"moorage.dev/{key.replace('_', '-')}": value
                            for key, value in said.items()
                        },
                    },
                    # By a clock that goes backwards.
                    "spec": {"renewTime": str(-self.count), "leaseDurationSeconds": lease},
                }
            )

    def passes(self, seconds: float, *renewing: str) -> None:
        """Time goes by in small steps; these renew each second."""
        end = self.now + seconds
        while self.now < end - 1e-9:
            before = int(self.now)
            self.now = round(min(end, self.now + 0.05), 6)
            if int(self.now) != before:
                self.renew(*renewing)
            self.live.advance()

    def lives(self, *nodes: str) -> list[Life]:
        return [self.live.life(node) for node in nodes]


def test_nobody_is_judged_before_a_whole_lease_was_watched() -> None:
    clock = Clockwork("n1", "n2")
    clock.passes(4.9, "n1")
    assert clock.live.starting
    assert clock.lives("n1", "n2", "n3") == [Life.UNKNOWN] * 3
    clock.passes(0.2, "n1")
    assert not clock.live.starting
    assert clock.lives("n1", "n2", "n3") == [Life.LIVE, Life.LOST, Life.NONE]
    assert "*" in clock.changed


def test_a_lease_ends_when_it_was_not_seen_to_change_for_its_duration() -> None:
    clock = Clockwork("n1", "n2")
    clock.passes(6.0, "n1", "n2")
    clock.passes(2.4, "n2")
    assert clock.lives("n1", "n2") == [Life.LIVE, Life.LIVE]
    clock.passes(0.3, "n2")
    assert clock.lives("n1", "n2") == [Life.LATE, Life.LIVE]
    clock.passes(2.2, "n2")
    assert clock.lives("n1", "n2") == [Life.LATE, Life.LIVE]
    clock.passes(0.2, "n2")
    assert clock.lives("n1", "n2") == [Life.LOST, Life.LIVE]
    clock.renew("n1")
    assert clock.lives("n1", "n2") == [Life.LIVE, Life.LIVE]


def test_a_renewal_alone_reports_nothing_and_what_it_says_anew_does() -> None:
    clock = Clockwork("n1")
    clock.passes(6.0, "n1")
    clock.changed.clear()
    clock.passes(10.0, "n1")
    assert clock.changed == []
    clock.renew("n1", draining="true")
    assert clock.changed == ["n1"]


def test_a_hold_begins_with_the_last_change_and_ends_with_the_next_agent() -> None:
    clock = Clockwork("n1", "n2")
    clock.passes(6.0, "n1", "n2")
    clock.renew("n1", hold_seconds="30")
    clock.passes(29.9, "n2")
    assert clock.lives("n1") == [Life.HELD]
    clock.passes(0.2, "n2")
    assert clock.lives("n1") == [Life.LOST]
    clock.renew("n1", hold_seconds="30")
    clock.passes(20.0, "n2")
    clock.renew("n1")
    assert clock.lives("n1") == [Life.LIVE]
    clock.passes(5.1, "n2")
    assert clock.lives("n1") == [Life.LOST]


def test_a_hold_is_never_shorter_than_the_lease_and_never_endless() -> None:
    clock = Clockwork("n1", "n2")
    clock.passes(6.0, "n1", "n2")
    clock.renew("n1", hold_seconds="1")
    clock.passes(4.9, "n2")
    assert clock.lives("n1") == [Life.HELD]
    clock.renew("n1", hold_seconds="1e300")
    clock.now += 3601.0
    clock.renew("n2")
    clock.live.advance()
    assert clock.lives("n1") == [Life.LOST]


def test_a_lease_that_was_deleted_counts_until_it_would_have_ended() -> None:
    clock = Clockwork("n1", "n2")
    clock.passes(6.0, "n1", "n2")
    clock.leases.forget("moorage-agent-n1")
    clock.passes(4.9, "n2")
    assert clock.lives("n1") == [Life.LATE]
    clock.passes(0.2, "n2")
    assert clock.lives("n1") == [Life.NONE]


def test_a_lease_that_was_deleted_during_a_hold_counts_until_the_hold_ends() -> None:
    """Its Node was deleted while the agent restarted: the kernel has the addresses for so long."""
    clock = Clockwork("n1", "n2")
    clock.passes(6.0, "n1", "n2")
    clock.renew("n2", hold_seconds="30")
    clock.passes(1.0, "n1")
    clock.leases.forget("moorage-agent-n2")
    clock.passes(29.8, "n1")
    assert clock.lives("n2") == [Life.LATE]
    clock.passes(0.4, "n1")
    assert clock.lives("n2") == [Life.NONE]


def test_an_agent_that_drained_has_let_go_when_it_deletes_its_lease() -> None:
    clock = Clockwork("n1", "n2")
    clock.passes(6.0, "n1", "n2")
    clock.renew("n1", draining="true")
    clock.leases.forget("moorage-agent-n1")
    assert clock.lives("n1") == [Life.NONE]


def test_a_node_that_joins_later_is_live_at_once() -> None:
    clock = Clockwork("n1")
    clock.passes(6.0, "n1")
    clock.renew("n2")
    assert clock.lives("n2") == [Life.LIVE]
    clock.passes(5.1, "n1")
    assert clock.lives("n2") == [Life.LOST]


def test_a_proxy_fails_once_it_is_unhealthy_for_two_seconds() -> None:
    clock = Clockwork("n1")
    clock.passes(6.0, "n1")
    clock.renew("n1", proxy="Unhealthy")
    clock.passes(1.9)
    assert not clock.live.proxy_failing("n1")
    clock.changed.clear()
    clock.passes(0.2)
    assert clock.live.proxy_failing("n1")
    assert clock.changed == ["n1"]
    clock.renew("n1", proxy="Healthy")
    assert not clock.live.proxy_failing("n1")


# Mass death.

FIVE = ("n1", "n2", "n3", "n4", "n5")


def test_more_than_half_at_once_hold_all_moves_until_a_lease_was_renewed() -> None:
    clock = Clockwork(*FIVE)
    clock.passes(6.0, *FIVE)
    clock.passes(5.1, "n4", "n5")
    assert clock.lives(*FIVE) == [Life.LOST] * 3 + [Life.LIVE] * 2
    assert clock.live.guard.held
    clock.passes(4.5, "n4", "n5")
    assert clock.live.guard.held
    clock.changed.clear()
    clock.passes(0.6, "n4", "n5")
    assert not clock.live.guard.held
    assert set(clock.changed) == {"n1", "n2", "n3"}, "their claims are looked at again"
    clock.passes(60.0, "n4", "n5")
    assert not clock.live.guard.held, "the same dead do not count twice"


def test_the_first_of_them_is_not_moved_before_the_others_are_missed() -> None:
    clock = Clockwork(*FIVE)
    clock.passes(6.0, *FIVE)
    clock.renew("n1")
    clock.passes(0.4, "n4", "n5")
    clock.renew("n2")
    clock.passes(0.4, "n4", "n5")
    clock.renew("n3")
    held_when_lost: dict[str, bool] = {}

    def note(node: str) -> None:
        if clock.live.life(node) is Life.LOST:
            held_when_lost[node] = clock.live.guard.held

    clock.live.subscribe(note, lambda: None)
    clock.passes(5.5, "n4", "n5")
    assert held_when_lost == {"n1": True, "n2": True, "n3": True}


@pytest.mark.parametrize("lost", [1, 2])
def test_up_to_half_of_four_are_moved_at_once(lost: int) -> None:
    nodes = FIVE[:4]
    clock = Clockwork(*nodes)
    clock.passes(6.0, *nodes)
    clock.passes(6.0, *nodes[lost:])
    assert clock.lives(*nodes[:lost]) == [Life.LOST] * lost
    assert not clock.live.guard.held


def test_one_of_two_is_moved_and_the_only_one_of_one_is_no_mass() -> None:
    clock = Clockwork("n1", "n2")
    clock.passes(6.0, "n1", "n2")
    clock.passes(6.0, "n2")
    assert not clock.live.guard.held
    alone = Clockwork("n1")
    alone.passes(6.0, "n1")
    alone.passes(6.0)
    assert not alone.live.guard.held


def test_those_who_die_one_after_the_other_are_no_mass() -> None:
    clock = Clockwork(*FIVE)
    clock.passes(6.0, *FIVE)
    for number in range(1, 4):
        clock.passes(12.0, *FIVE[number:])
        assert not clock.live.guard.held


def test_without_any_renewal_moves_are_held_until_they_come_for_a_lease() -> None:
    clock = Clockwork(*FIVE)
    clock.passes(6.0, *FIVE)
    clock.passes(60.0)
    assert clock.live.guard.held
    clock.passes(4.0, *FIVE)
    assert clock.live.guard.held
    clock.passes(3.0, *FIVE)
    assert not clock.live.guard.held
    assert clock.lives(*FIVE) == [Life.LIVE] * 5


def test_a_process_that_was_stopped_itself_calls_nobody_lost_before_it_is_guarded() -> None:
    clock = Clockwork(*FIVE)
    clock.passes(6.0, *FIVE)
    held_when_lost: list[bool] = []

    def note(node: str) -> None:
        if clock.live.life(node) is Life.LOST:
            held_when_lost.append(clock.live.guard.held)

    clock.live.subscribe(note, lambda: None)
    clock.now += 3600.0
    clock.live.advance()
    assert held_when_lost == [True] * 5


def test_agents_that_drain_or_restart_together_are_no_mass() -> None:
    clock = Clockwork(*FIVE)
    clock.passes(6.0, *FIVE)
    clock.renew("n1", "n2", "n3", draining="true")
    clock.passes(6.0, "n4", "n5")
    assert clock.lives("n1", "n2", "n3") == [Life.LOST] * 3
    assert not clock.live.guard.held
    clock = Clockwork(*FIVE)
    clock.passes(6.0, *FIVE)
    clock.renew("n1", "n2", "n3", hold_seconds="30")
    clock.passes(20.0, "n4", "n5")
    assert clock.lives("n1", "n2", "n3") == [Life.HELD] * 3
    assert not clock.live.guard.held


def test_who_was_dead_before_the_process_began_is_no_mass_when_the_others_live() -> None:
    clock = Clockwork(*FIVE)
    clock.passes(6.0, "n3", "n4", "n5")
    assert clock.lives("n1", "n2") == [Life.LOST, Life.LOST]
    assert not clock.live.guard.held


def test_a_look_costs_as_much_as_is_due() -> None:
    nodes = tuple(f"n{number}" for number in range(500))
    clock = Clockwork(*nodes)
    clock.passes(6.0, *nodes)
    looked: list[str] = []
    update = clock.live._update

    def counted(node: str, now: float) -> bool:
        looked.append(node)
        return update(node, now)

    clock.live._update = counted  # type: ignore[method-assign]  # it only counts
    for _ in range(100):
        clock.live.advance()
    assert not looked
    clock.renew("n7")
    assert looked == ["n7"]


# Leases as they may be written.


def lease(name: str = "moorage-agent-n1", spec: Any = None, **said: Any) -> Agent | None:
    notes = {f"moorage.dev/{key.replace('_', '-')}": value for key, value in said.items()}
    return agent_of({"metadata": {"name": name, "annotations": notes}, "spec": spec})


def test_leases_of_others_are_of_no_agent() -> None:
    assert lease("moorage-external-ip") is None
    assert lease("moorage-agent-") is None


@pytest.mark.parametrize("wrong", ["", "soon", "-3", "nan", None])
def test_what_a_lease_says_wrongly_is_not_believed(wrong: Any) -> None:
    agent = lease(hold_seconds=wrong, proxy=wrong, draining=wrong)
    assert agent is not None
    assert (agent.hold_seconds, agent.proxy, agent.draining) == (0.0, Proxy.UNCHECKED, False)
    assert agent.lease_seconds == 5.0


@pytest.mark.parametrize("text", ["{", "3", '[{"mac": "x"}]', '[{"name": "a", "subnets": ["?"]}]'])
def test_links_that_cannot_be_read_are_unknown_and_not_none(text: str) -> None:
    assert links_of(text) is None
    assert links_of("[]") == ()


def test_sec_08_links_nested_without_end_are_unknown() -> None:
    assert links_of("[" * 100_000) is None
