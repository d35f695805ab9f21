"""What other allocations have is looked up node by node."""

from __future__ import annotations

from typing import Any

from core_builders import IP1, IP2, allocation, node_ref, raw_allocation, record

from moorage_core.caches import Caches
from moorage_core.holders import Outranked, RestorePending, Taken
from moorage_kube.reconcile.assumed import Assumed


def caches(**records: Any) -> Caches:
    """Allocations by name, each with one record."""
    made = Caches()
    for name, one in records.items():
        made.allocations.apply(raw_allocation(name, one.ip, records=(one,)))
    return made


def test_a_node_of_another_allocation_is_taken_and_ones_own_is_not() -> None:
    holders = caches(a=record(IP1, "n1"), b=record(IP2, "n2")).holders
    assert Taken(holders, Assumed(), "a") == {"n2": "b"}
    assert Taken(holders, Assumed(), "b") == {"n1": "a"}


def test_a_node_that_another_plan_assumes_is_taken_until_the_next_plan() -> None:
    holders, assumed = caches(a=record(IP1, "n1")).holders, Assumed()
    assumed.replace("b", frozenset({"n2"}))
    taken = Taken(holders, assumed, "a")
    assert taken == {"n2": "b"}
    assert len(taken) == 1
    assumed.replace("b", frozenset())
    assert taken == {}


def test_a_node_is_free_again_once_the_record_has_left_it() -> None:
    made = caches(a=record(IP1, "n1"))
    taken = Taken(made.holders, Assumed(), "b")
    assert "n1" in taken
    made.allocations.apply(raw_allocation("a", IP1, records=(record(IP1, "n2"),)))
    assert ("n1" in taken, "n2" in taken) == (False, True)


def test_an_allocation_on_the_way_to_and_from_a_node_is_found_there() -> None:
    holders = caches(a=record(IP1, "n1", previous=node_ref("n2"))).holders
    assert [sorted(holders.on(name)) for name in ("n1", "n2", "n3")] == [["a"], ["a"], []]


def test_the_older_one_of_several_on_a_node_outranks_the_others() -> None:
    made = Caches()
    for number, name in enumerate(("old", "middle", "new"), 1):
        created = f"202{number}-01-01T00:00:00Z"
        raw = raw_allocation(name, IP1, records=(record(IP1, "n1"),), creationTimestamp=created)
        made.allocations.apply(raw)
    ranks = {
        name: "n1" in Outranked(made.holders, made.allocations.by_key[name].allocation)
        for name in ("old", "middle", "new")
    }
    assert ranks == {"old": False, "middle": True, "new": True}
    assert "n2" not in Outranked(made.holders, allocation(IP1))


def test_a_restore_is_pending_for_a_machine_whatever_its_node_is_called() -> None:
    owing = record(IP1, "n1", restore_pending=(node_ref("n2"),))
    holders = caches(a=owing).holders
    assert node_ref("n2").provider_id in RestorePending(holders, "b")
    assert "n2" not in RestorePending(holders, "b"), "a namesake on another machine owes nothing"
    assert node_ref("n2").provider_id not in RestorePending(holders, "a")
