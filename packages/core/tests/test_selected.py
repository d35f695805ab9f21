"""Addresses that are found by the labels of their reservations: they come, stay and leave."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from core_builders import IP1, IP2, IP3, allocation, observed_with, record
from random_life import ADDRESSES, Run
from virtual_core import NAME, Lab, play

from moorage_api.netipallocation import MAX_ADDRESSES, NETIPALLOCATIONS
from moorage_core.decide.selection import selection_condition
from moorage_core.model import Allocation, Phase, Selection, Unread
from moorage_core.reasons import UNREADABLE
from moorage_core.selected import with_selected
from moorage_provider.errors import Denied, Unavailable
from moorage_testing.clouds.memory import MemoryCloud
from moorage_testing.faults import Fault

EDGE = {"kubeip": "reserved", "environment": "edge"}
LABELS = frozenset(EDGE.items())
SELECTS = {"reservedIPSelector": EDGE, "reconcileInterval": 30}
TWICE = 65.0
"""Seconds in which the cloud is read twice."""


def selecting(*listed: str, **fields: Any) -> Allocation:
    return replace(allocation(*listed), labels=LABELS, **fields)


def chosen(one: Allocation) -> tuple[tuple[str, ...], frozenset[str]]:
    return one.addresses, one.selected


# Which addresses there are, as a pure decision.


def test_what_the_cloud_shows_comes_to_what_is_listed() -> None:
    one = with_selected(selecting(IP1), (), Selection(frozenset({IP1, IP2})), {})
    assert chosen(one) == ((IP1, IP2), frozenset({IP2}))


@pytest.mark.parametrize("selection", [None, Selection(frozenset(), certain=False)])
def test_what_is_not_known_to_have_lost_its_labels_stays(selection: Selection | None) -> None:
    records = (record(IP2, "n2", selected=True), record(IP3, "n3"))
    one = with_selected(selecting(IP1), records, selection, {})
    assert chosen(one) == ((IP1, IP2, IP3), frozenset({IP2, IP3}))


def test_what_certainly_lost_its_labels_goes_but_not_where_its_row_is_odd() -> None:
    records = (record(IP2, "n2", selected=True),)
    selection = Selection(frozenset())
    assert chosen(with_selected(selecting(IP1), records, selection, {}))[0] == (IP1,)
    odd = {IP2: Unread(UNREADABLE, "not understood")}
    assert chosen(with_selected(selecting(IP1), records, selection, odd))[0] == (IP1, IP2)


def test_what_is_being_released_does_not_come_back_before_it_is_shown() -> None:
    records = (record(IP2, "n2", phase=Phase.RELEASING),)
    assert with_selected(selecting(IP1), records, None, {}).addresses == (IP1,)
    shown = Selection(frozenset({IP2}), certain=False)
    assert with_selected(selecting(IP1), records, shown, {}).addresses == (IP1, IP2)


def test_neither_private_addresses_nor_those_that_may_not_be_touched_are_selected() -> None:
    shown = Selection(frozenset({"10.0.0.1", "odd", IP2, IP3}))
    one = with_selected(selecting(), (), shown, {}, lambda ip: ip != IP3)
    assert one.addresses == (IP2,)
    told = selection_condition(observed_with(one=one, selection=shown))
    assert (told.status, told.reason) == ("False", "NotAllKept")
    assert "these are not kept: 10.0.0.1" in told.message


def test_there_are_no_more_than_an_allocation_may_have_and_those_it_has_stay() -> None:
    many = frozenset(f"198.51.{n // 200}.{n % 200 + 1}" for n in range(MAX_ADDRESSES + 9))
    last = max(many)
    one = with_selected(selecting(IP1), (record(last, "n1", selected=True),), Selection(many), {})
    assert len(one.addresses) == MAX_ADDRESSES
    assert one.addresses[:2] == (IP1, last)


def test_without_a_selector_nothing_is_selected() -> None:
    one = allocation(IP1)
    assert with_selected(one, (record(IP2, "n2"),), Selection(frozenset({IP2})), {}) is one
    told = selection_condition(observed_with(one=one))
    assert (told.status, told.reason) == ("False", "NotAsked")


# The whole controller.


def selected(lab: Lab) -> dict[str, bool]:
    """By address, whether the status says that it was selected."""
    entries = lab.status().get("addresses") or ()
    return {one["ip"]: bool(one.get("selected")) for one in entries}


def begin(lab: Lab, *nodes: str, **spec: Any) -> None:
    for name in nodes:
        lab.add_node(name)
    lab.allocate(**(SELECTS | spec))


def bound(lab: Lab) -> int:
    return int(lab.status().get("bound") or 0)


def test_a_new_reservation_joins_by_itself_and_the_status_says_where_it_came_from() -> None:
    async def story(lab: Lab) -> None:
        lab.cloud.add_address(IP1)
        lab.cloud.add_address(IP2, labels=EDGE | {"team": "a"})
        lab.cloud.add_address(IP3, labels={"kubeip": "reserved"})
        begin(lab, "n1", "n2", "n3", reservedIPs=[IP1])
        await lab.until(lambda: bound(lab) == 2, "both to be there", 60)
        assert selected(lab) == {IP1: False, IP2: True}
        assert lab.status()["reserved"] == 2
        lab.cloud.label(IP3, EDGE)
        await lab.until(lambda: bound(lab) == 3, "the new one", 60)
        told = lab.condition("AddressesSelected")
        assert (told["status"], told["reason"]) == ("True", "Selected")
        assert told["message"] == "2 addresses have environment=edge,kubeip=reserved"

    play(story)


@pytest.mark.parametrize("policy", ["Detach", "Retain"])
def test_one_without_its_labels_leaves_by_the_release_policy(policy: str) -> None:
    async def story(lab: Lab) -> None:
        for ip in (IP1, IP2):
            lab.cloud.add_address(ip, labels=EDGE)
        begin(lab, "n1", "n2", releasePolicy=policy)
        await lab.until(lambda: bound(lab) == 2, "both to be there", 60)
        holder = lab.where(IP1)
        lab.cloud.label(IP1, {"kubeip": "reserved"})
        await lab.until(lambda: IP1 not in selected(lab), "it to be let go", TWICE + 30)
        assert lab.where(IP1) == ("" if policy == "Detach" else holder)
        assert bound(lab) == 1

    play(story)


def test_one_answer_without_the_labels_takes_nothing_off() -> None:
    """What a cloud shows of labels may be a while behind."""

    async def story(lab: Lab) -> None:
        lab.cloud.add_address(IP1, labels=EDGE)
        begin(lab, "n1", "n2")
        await lab.until(lambda: bound(lab) == 1, "it to be there", 60)
        await lab.world.pass_time(60.0)
        lab.cloud.mutations.clear()
        lab.cloud.label(IP1, {})
        before = lab.cloud.faults.ops().count("snapshot")
        await lab.until(
            lambda: lab.cloud.faults.ops().count("snapshot") > before, "the next read", 40
        )
        lab.cloud.label(IP1, EDGE)
        await lab.world.pass_time(200.0)
        assert (bound(lab), lab.cloud.mutations) == (1, [])

    play(story)


@pytest.mark.parametrize("seconds", [0.0, 20.0, 300.0])
def test_unknown_is_never_absent_neither_in_an_outage_nor_after_a_restart(seconds: float) -> None:
    async def story(lab: Lab) -> None:
        lab.cloud.add_address(IP1, labels=EDGE)
        begin(lab, "n1", "n2")
        await lab.until(lambda: bound(lab) == 1, "it to be there", 60)
        await lab.world.pass_time(60.0)
        holder = lab.where(IP1)
        lab.cloud.mutations.clear()
        lab.cloud.faults.inject(Fault(op="snapshot", error=Unavailable("away"), times=None))
        await lab.world.pass_time(seconds)
        await lab.world.restart()
        await lab.world.pass_time(200.0)
        assert set(selected(lab)) == {IP1}
        lab.cloud.faults.clear()
        await lab.world.pass_time(200.0)
        assert (lab.where(IP1), bound(lab), lab.cloud.mutations) == (holder, 1, [])

    play(story)


def test_a_row_that_nobody_understands_keeps_its_address() -> None:
    async def story(lab: Lab) -> None:
        lab.cloud.add_address(IP1, labels=EDGE)
        begin(lab, "n1")
        await lab.until(lambda: bound(lab) == 1, "it to be there", 60)
        lab.cloud.spoil(IP1)
        await lab.world.pass_time(200.0)
        assert (lab.where(IP1), set(selected(lab))) == ("n1", {IP1})
        lab.cloud.spoil(IP1, spoiled=False)
        await lab.until(lambda: lab.condition()["status"] == "True", "to be read again", 120)

    play(story)


def test_an_address_that_is_no_longer_listed_stays_where_its_labels_fit() -> None:
    async def story(lab: Lab) -> None:
        lab.cloud.add_address(IP1, labels=EDGE)
        begin(lab, "n1", "n2", reservedIPs=[IP1])
        await lab.until(lambda: bound(lab) == 1, "it to be there", 60)
        assert selected(lab) == {IP1: False}
        lab.cloud.mutations.clear()
        lab.edit(reservedIPs=[])
        await lab.until(lambda: selected(lab) == {IP1: True}, "to be selected", 60)
        lab.edit(reservedIPs=[IP1])
        await lab.until(lambda: selected(lab) == {IP1: False}, "to be listed", 60)
        await lab.world.pass_time(100.0)
        assert (bound(lab), lab.cloud.mutations) == (1, [])

    play(story)


@pytest.mark.parametrize("other", [dict.fromkeys(EDGE) | {"pool": "blue"}, None])
def test_another_selector_or_none_lets_go_of_what_the_old_one_found(
    other: dict[str, str | None] | None,
) -> None:
    async def story(lab: Lab) -> None:
        lab.cloud.add_address(IP1, labels=EDGE)
        lab.cloud.add_address(IP2, labels={"pool": "blue"})
        begin(lab, "n1", "n2", reservedIPs=[])
        await lab.until(lambda: bound(lab) == 1, "it to be there", 60)
        lab.edit(reservedIPSelector=other)
        wanted = {IP2} if other else set()
        await lab.until(lambda: set(selected(lab)) == wanted, "the others", TWICE + 30)
        assert lab.where(IP1) == ""

    play(story)


def test_deleted_it_releases_all() -> None:
    async def story(lab: Lab) -> None:
        for ip in (IP1, IP2):
            lab.cloud.add_address(ip, labels=EDGE)
        begin(lab, "n1", "n2")
        await lab.until(lambda: bound(lab) == 2, "both to be there", 60)
        lab.delete()
        await lab.until(lambda: not lab.server.find(NETIPALLOCATIONS, NAME), "the end", 60)
        assert (lab.where(IP1), lab.where(IP2)) == ("", "")

    play(story)


def test_a_dry_run_shows_what_the_selector_would_take() -> None:
    async def story(lab: Lab) -> None:
        lab.cloud.add_address(IP1, labels=EDGE)
        lab.add_node("n1")
        lab.allocate(**SELECTS)
        lab.server.patch(
            NETIPALLOCATIONS, NAME, {"metadata": {"annotations": {"moorage.dev/dry-run": "true"}}}
        )
        await lab.until(lambda: "would" in lab.record(IP1).get("message", ""), "to be said", 60)
        await lab.world.pass_time(100.0)
        assert lab.record(IP1)["message"] == f"would give {IP1} to node n1"
        assert "AddressesSelected" in {one["type"] for one in lab.status()["conditions"]}
        assert lab.cloud.mutations == []

    play(story)


def test_five_hundred_selected_addresses_cost_one_read_an_interval() -> None:
    cloud = MemoryCloud()
    ips = [f"198.51.{n // 200}.{n % 200 + 1}" for n in range(500)]

    async def story(lab: Lab) -> None:
        for ip in ips:
            cloud.add_address(ip, labels=EDGE)
        begin(lab, "n1")
        await lab.until(lambda: len(selected(lab)) == 500, "all to be recorded", 60)
        await lab.world.pass_time(90.0)
        before = cloud.faults.ops().count("snapshot")
        await lab.world.pass_time(300.0)
        assert cloud.faults.ops().count("snapshot") - before <= 11

    play(story, cloud)


def test_nothing_that_has_the_labels_is_said_so() -> None:
    async def story(lab: Lab) -> None:
        begin(lab, "n1")
        await lab.until(lambda: bool(lab.condition("AddressesSelected")), "a status", 30)
        await lab.world.pass_time(40.0)
        told = lab.condition()
        assert (told["status"], told["reason"]) == ("False", "NoAddresses")
        assert told["message"] == "no address has environment=edge,kubeip=reserved"

    play(story)


def test_a_selector_that_cannot_be_looked_for_says_why_and_then_what_it_found() -> None:
    async def story(lab: Lab) -> None:
        denied = Denied("you may not list addresses", "Denied", "memory:snapshot")
        lab.cloud.faults.inject(Fault(op="snapshot", error=denied, times=None))
        begin(lab, "n1")
        await lab.until(lambda: lab.condition().get("status") == "Unknown", "to be said", 30)
        told = lab.condition()
        assert told["reason"] == "PermissionDenied"
        assert "you may not list addresses" in told["message"]
        told = lab.condition("AddressesSelected")
        assert (told["status"], told["reason"]) == ("Unknown", "PermissionDenied")
        lab.cloud.faults.clear()
        await lab.until(
            lambda: lab.condition()["message"].startswith("no address has"), "to be read", 120
        )
        assert lab.condition("AddressesSelected")["message"].startswith("0 addresses have")

    play(story)


def test_an_entry_that_somebody_wrote_makes_no_address_a_selected_one() -> None:
    async def story(lab: Lab) -> None:
        lab.cloud.add_address(IP1, labels=EDGE)
        lab.cloud.add_address(IP2)
        begin(lab, "n1", "n2")
        await lab.until(lambda: bound(lab) == 1, "it to be there", 60)
        entries = [*lab.status()["addresses"], {"ip": IP2, "phase": "Pending", "selected": True}]
        lab.server.patch(NETIPALLOCATIONS, NAME, {"status": {"addresses": entries}})
        await lab.world.pass_time(200.0)
        assert (lab.where(IP1) != "", lab.where(IP2)) == (True, "")
        lab.server.patch(NETIPALLOCATIONS, NAME, {"status": {"addresses": []}})
        await lab.world.pass_time(200.0)
        assert (lab.where(IP1) != "", bound(lab)) == (True, 1)

    play(story)


# Random lives in which labels come and go.


class Selecting(Run):
    """Allocations that select, too; labels of reservations come and go."""

    def allocate(self) -> None:
        super().allocate()
        for stored in self.simulation.stored.values():
            if self.rng.random() < 0.7:
                labels = LABELS if self.rng.random() < 0.8 else frozenset()
                stored.allocation = replace(stored.allocation, labels=labels)
                stored.read(stored.records)
            if stored.allocation.retain:
                self.excused |= {*ADDRESSES}
        self.excuse_pending_restores()

    def workload(self) -> None:
        super().workload()
        for ip in self.simulation.cloud.holders:
            if self.rng.random() < 0.5:
                self.simulation.cloud.label(ip, EDGE if self.rng.random() < 0.6 else {})


def test_random_lives_with_a_selector_lose_nothing() -> None:
    for seed in range(600):
        try:
            Selecting(seed).live()
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error
