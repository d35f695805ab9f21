"""What is said about a pool, and when it may go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from moorage_domain.plans import Finalizer
from moorage_domain.subject import Subject
from moorage_ipam.pool_decide import PoolObserved, decide_pool

LIVE = Subject("lab", "shop", "u", "1")
DELETED = replace(LIVE, deleting=True)


def observed(**changes: Any) -> PoolObserved:
    usual = PoolObserved(
        subject=LIVE,
        problem="",
        waiters="claims",
        total=10,
        used=2,
        free=8,
        quarantined=1,
        out_of_range=0,
        waiting=4,
        bound=2,
        users=("10.0.0.1 (IPAddressClaim shop/a)", "10.0.0.2 (reserved)"),
        overlapping=(),
        nearly_full_percent=80,
    )
    return replace(usual, **changes)


def conditions(**changes: Any) -> dict[str, tuple[str, str, str]]:
    status = decide_pool(observed(**changes)).status
    assert status is not None
    return {one.type: (one.status, one.reason, one.message) for one in status.conditions}


def test_a_pool_that_is_well() -> None:
    plan = decide_pool(observed())
    assert (plan.reason, plan.actions, plan.finalizer) == ("Ready", (), Finalizer.PRESENT)
    assert plan.status is not None
    assert plan.status.fields == {
        "total": "10", "used": 2, "free": "8", "quarantined": 1, "outOfRange": 0, "waiting": 4,
    }  # fmt: skip
    assert conditions() == {
        "Ready": ("True", "Ready", "addresses can be given away"),
        "NearlyFull": ("False", "BelowThreshold", "less than 80 % of its addresses are in use"),
        "Exhausted": ("False", "SomeFree", "addresses are free"),
        "Overlapping": ("False", "Alone", "no other pool of its network has addresses of it"),
        "OutOfRange": ("False", "AllInside", "every address of it in use is in its ranges"),
    }


def test_a_pool_that_makes_no_sense_says_why() -> None:
    assert conditions(problem="no range")["Ready"] == ("False", "Invalid", "no range")


@pytest.mark.parametrize(("used", "full"), [(7, "False"), (8, "True"), (10, "True")])
def test_a_pool_is_nearly_full_from_its_threshold_on(used: int, full: str) -> None:
    assert conditions(used=used)["NearlyFull"][0] == full


def test_what_is_full_is_said_in_numbers() -> None:
    found = conditions(used=10, free=0)
    assert found["NearlyFull"] == (
        "True", "AboveThreshold", "80 % or more of its addresses are in use",
    )  # fmt: skip
    assert found["Exhausted"] == ("True", "NoneFree", "no address is free; 4 claims wait")


def test_a_pool_without_addresses_is_neither_full_nor_exhausted() -> None:
    found = conditions(total=0, used=0, free=0, problem="no range")
    assert (found["NearlyFull"][0], found["Exhausted"][0]) == ("False", "False")


def test_of_the_pools_that_share_its_addresses_the_first_five_are_named() -> None:
    names = tuple(f"shop/p{number}" for number in range(7))
    status, reason, message = conditions(overlapping=names)["Overlapping"]
    assert (status, reason) == ("True", "SharedAddresses")
    before = "addresses of it are of these pools, too, and are given once: "
    assert message == before + "shop/p0, shop/p1, shop/p2, shop/p3, shop/p4"


def test_of_the_addresses_that_an_edit_left_outside_the_first_five_are_named() -> None:
    named = ("10.0.1.1 (IPAddressClaim shop/a)",)
    status, reason, message = conditions(out_of_range=3, outside=named)["OutOfRange"]
    assert (status, reason) == ("True", "AddressesOutside")
    assert message == (
        "the pool was edited under addresses in use, which stay with their owners until these go:"
        " 10.0.1.1 (IPAddressClaim shop/a) and 2 more"
    )


def test_a_deleted_pool_stays_while_its_addresses_are_in_use() -> None:
    plan = decide_pool(observed(subject=DELETED, bound=7))
    assert (plan.reason, plan.finalizer) == ("InUse", None)
    assert plan.message == (
        "it is deleted once these addresses are released: 10.0.0.1 (IPAddressClaim shop/a),"
        " 10.0.0.2 (reserved) and 5 more"
    )
    assert decide_pool(observed(subject=DELETED)).message.endswith("10.0.0.2 (reserved)")


@pytest.mark.parametrize("changes", [{"bound": 0}, {"moved": True}])
def test_then_it_goes_or_where_it_moves(changes: dict[str, Any]) -> None:
    plan = decide_pool(observed(subject=DELETED, **changes))
    assert (plan.reason, plan.finalizer, plan.status) == ("Deleted", Finalizer.ABSENT, None)


def test_what_moves_does_not_get_its_finalizer_again() -> None:
    assert decide_pool(observed(moved=True)).finalizer is None
