"""The table of decisions about claims, row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from decide_builders import CLAIM_OWNER, FINALIZER, claim, ip_address, observed, pool, record

from moorage_domain.families import parse_address
from moorage_domain.plans import Finalizer, Plan
from moorage_ipam.records import Phase
from moorage_machine_ipam.actions import (
    Action,
    Allocate,
    Bind,
    DeleteAddress,
    LookUp,
    Release,
    TakeOver,
    WriteAddress,
)
from moorage_machine_ipam.decide.claim import decide

OWN, OTHER = record(), record("10.0.0.6")
FORMER = record("10.0.0.7", replace(CLAIM_OWNER, uid="u-0"))
MEANT = record("10.0.0.8", replace(CLAIM_OWNER, uid=""))
FOREIGN = record("10.0.0.5", replace(CLAIM_OWNER, name="db", uid="u-9"))
RESERVED = record("10.0.0.5", None)
RELEASED = record(phase=Phase.QUARANTINED)
DELETED = {"deletionTimestamp": "2026-01-02T03:04:05Z", "finalizers": [FINALIZER]}
MOVED = record("10.0.0.5", None, phase=Phase.MOVED, moved_owner="IPAddressClaim shop/web")
ASKED = parse_address("10.0.0.9")
MINUTES_5, SECOND = timedelta(minutes=5), timedelta(seconds=1)


def row(plan: Plan[Action]) -> tuple[str, tuple[Action, ...], Finalizer | None, Any]:
    """Reason, actions, finalizer and wait."""
    return plan.reason, plan.actions, plan.finalizer, plan.wait


def ready(plan: Plan[Action]) -> tuple[str, str]:
    """Status and message of the condition that is written; empty texts: none is."""
    if plan.status is None:
        return "", ""
    (condition,) = plan.status.conditions
    assert (condition.type, condition.reason) == ("Ready", plan.reason)
    return condition.status, condition.message


def quarantine(*records: Any) -> tuple[Release, ...]:
    return tuple(Release(one, Phase.QUARANTINED) for one in records)


PRESENT, ABSENT = Finalizer.PRESENT, Finalizer.ABSENT
DONE: list[tuple[dict[str, Any], str, tuple[Action, ...], Finalizer | None, timedelta | None]] = [
    # It moves.
    ({"moves": True, "records": (OWN, RELEASED), "former": (FORMER,)}, "Moving",
     (Release(OWN, Phase.MOVED), Release(FORMER, Phase.MOVED)), None, None),
    ({"moves": True, "paused": True, "claim": claim(**DELETED)}, "Moving", (), ABSENT, None),
    # It is paused, also where it is deleted.
    ({"paused": True, "unsure": True}, "Paused", (), None, None),
    ({"paused": True, "claim": claim(**DELETED), "records": (OWN,)}, "Paused", (), None, None),
    # An answer was lost.
    ({"unsure": True, "claim": claim(**DELETED)}, "Allocating", (LookUp(),), PRESENT, SECOND),
    # It is deleted.
    ({"claim": claim(**DELETED | {"finalizers": ["a/b", FINALIZER]}), "records": (OWN,)},
     "InUse", (), None, None),
    ({"claim": claim(**DELETED), "records": (OWN,), "former": (FORMER,), "meant": (MEANT,),
      "address": ip_address()},
     "Releasing", (DeleteAddress(), *quarantine(OWN, FORMER, MEANT)), ABSENT, None),
    ({"claim": claim(**DELETED), "records": (RELEASED,)}, "Released", (), ABSENT, None),
    ({"claim": claim(**DELETED), "address": ip_address(meta=DELETED)}, "Released", (), ABSENT,
     None),
    ({"claim": claim(**DELETED), "address": ip_address(pool_name="")}, "Released", (), ABSENT,
     None),
    # It adopts what its IPAddress says.
    ({"address": ip_address()}, "Allocating",
     (Bind(parse_address("10.0.0.5")), WriteAddress()), PRESENT, None),
    ({"address": ip_address("10.0.0.7"), "holders": (FORMER,), "former": (FORMER,)},
     "Allocating", (TakeOver(FORMER), WriteAddress()), PRESENT, None),
    ({"address": ip_address(), "holders": (MOVED,)}, "Allocating",
     (TakeOver(MOVED), WriteAddress()), PRESENT, None),
    ({"address": ip_address(), "cluster_missing": True, "pool": pool(problem="it is paused")},
     "Allocating", (Bind(parse_address("10.0.0.5")), WriteAddress()), PRESENT, None),
    ({"meant": (MEANT,)}, "Allocating", (TakeOver(MEANT), WriteAddress()), PRESENT, None),
    # It has a record.
    ({"records": (OWN,)}, "Allocating", (WriteAddress(),), PRESENT, None),
    ({"records": (RELEASED,)}, "Allocating", (TakeOver(RELEASED), WriteAddress()), PRESENT, None),
    ({"records": (RELEASED, OTHER)}, "Allocating", (WriteAddress(),), PRESENT, None),
    ({"records": (OTHER, OWN), "meant": (MEANT,)}, "Allocating", (WriteAddress(),), PRESENT,
     None),
    ({"records": (OWN,), "address": ip_address(uid="u-0"), "holders": (OWN,)}, "Allocating",
     (WriteAddress(),), PRESENT, None),
    ({"records": (OWN,), "address": ip_address(made_for=""), "holders": (OWN,)}, "Allocating",
     (WriteAddress(),), PRESENT, None),
    ({"records": (OWN,), "address": ip_address(controller=""), "holders": (OWN,)}, "Allocating",
     (WriteAddress(),), PRESENT, None),
    ({"records": (OWN,), "address": ip_address(), "holders": (OWN,), "pool": pool(uid="u-new")},
     "Allocating", (WriteAddress(),), PRESENT, None),
    ({"records": (RELEASED,), "address": ip_address(), "holders": (RELEASED,)}, "Allocating",
     (TakeOver(RELEASED), WriteAddress()), PRESENT, None),
    ({"records": (OWN,), "address": ip_address(), "holders": (OWN,)}, "Allocated", (), PRESENT,
     None),
    ({"records": (OWN,), "address": ip_address(), "holders": (OWN,), "pool": None}, "Allocated",
     (), PRESENT, None),
    ({"records": (OTHER, OWN), "address": ip_address(), "holders": (OWN,), "former": (FORMER,)},
     "Allocated", quarantine(OTHER, FORMER), PRESENT, None),
    ({"records": (OWN, OTHER), "address": ip_address("10.0.0.6"), "holders": (OTHER,)},
     "Allocated", quarantine(OWN), PRESENT, None),
    # It has nothing yet.
    ({}, "Allocating", (Allocate(), WriteAddress()), PRESENT, None),
    ({"former": (FORMER,), "pool": pool(free=0)}, "Allocating", quarantine(FORMER), PRESENT, None),
    ({"requested": ASKED, "requested_by": "it is Bob's", "former": (FORMER,)}, "Allocating",
     quarantine(FORMER), PRESENT, None),
    ({"requested": ASKED, "requested_fits": True}, "Allocating", (Bind(ASKED), WriteAddress()),
     PRESENT, None),
    ({"requested": FORMER.address, "requested_fits": True, "requested_by": "somebody",
      "requested_former": FORMER, "former": (FORMER, MEANT)}, "Allocating", quarantine(MEANT),
     PRESENT, None),
    ({"requested": FORMER.address, "requested_fits": True, "requested_by": "somebody",
      "requested_former": FORMER, "former": (FORMER,)}, "Allocating",
     (TakeOver(FORMER), WriteAddress()), PRESENT, None),
    ({"requested": FORMER.address, "requested_former": FORMER, "former": (FORMER,)}, "Allocating",
     quarantine(FORMER), PRESENT, None),
    ({"pool": pool(free=1, ahead=1, oldest=RELEASED)}, "Allocating",
     (TakeOver(RELEASED), WriteAddress()), PRESENT, None),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "reason", "actions", "finalizer", "wait"), DONE)
def test_what_is_done(
    changes: dict[str, Any],
    reason: str,
    actions: tuple[Action, ...],
    finalizer: Finalizer | None,
    wait: timedelta | None,
) -> None:
    plan = decide(observed(**changes))
    assert row(plan) == (reason, actions, finalizer, wait)
    if reason != "Allocated":
        assert ready(plan) == ("", ""), "no status is written on the way"


def test_a_claim_that_is_served_says_which_address_it_has() -> None:
    plan = decide(observed(records=(OWN,), address=ip_address(), holders=(OWN,)))
    assert ready(plan) == ("True", "10.0.0.5 of lab")
    assert plan.status is not None
    assert plan.status.fields == {"addressRef": {"name": "web"}}


LEAVING = ip_address(meta=DELETED)
VELERO = {"labels": {"velero.io/restore-name": "nightly"}}
FULL = {"free": 0}
WAITS: list[tuple[dict[str, Any], str, str, timedelta]] = [
    ({"address": ip_address(spec={"poolRef": {"kind": "Pool", "name": "x"}})}, "AddressConflict",
     "IPAddress web is of Pool. x, not IPPool.ipamcontroller.openshift.io lab", MINUTES_5),
    ({"address": ip_address(spec={"claimRef": {"name": "db"}})}, "AddressConflict",
     "IPAddress web is for the claim db", MINUTES_5),
    ({"address": ip_address("10.0.0.x")}, "AddressConflict",
     'IPAddress web has "10.0.0.x" for an address', MINUTES_5),
    ({"address": ip_address(), "records": (OTHER,)}, "AddressConflict",
     f"IPAddress web says 10.0.0.5, but {OTHER} is the claim's, too", MINUTES_5),
    ({"address": ip_address(), "holders": (FOREIGN,)}, "AddressConflict",
     f"IPAddress web says 10.0.0.5, but {FOREIGN} belongs to IPAddressClaim shop/db", MINUTES_5),
    ({"address": ip_address(), "holders": (OWN, RESERVED), "records": (OWN,)}, "AddressConflict",
     f"IPAddress web says 10.0.0.5, but {RESERVED} is reserved by a person", MINUTES_5),
    ({"address": ip_address("2001:db8::5")}, "AddressConflict",
     "2001:db8::5 is IPv6, but IPPool lab gives IPv4 addresses",
     MINUTES_5),
    ({"meant": (record("2001:db8::5"),)}, "AddressConflict",
     "2001:db8::5 is IPv6, but IPPool lab gives IPv4 addresses",
     MINUTES_5),
    ({"address": LEAVING}, "AddressLeaving", "IPAddress web is being deleted", MINUTES_5),
    ({"cluster_missing": True, "claim": claim(spec={"clusterName": "prod"})}, "ClusterMissing",
     "there is no Cluster prod", MINUTES_5),
    ({"pool": None}, "PoolNotReady", "there is no IPPool lab in its namespace", MINUTES_5),
    ({"pool": pool(problem="it is paused")}, "PoolNotReady", "IPPool lab: it is paused",
     MINUTES_5),
    ({"pool": pool(problem="no range", readable=False), "records": (OWN,)}, "PoolNotReady",
     "IPPool lab: no range", MINUTES_5),
    ({"pool": pool(problem="no range", readable=False), "meant": (MEANT,)}, "PoolNotReady",
     "IPPool lab: no range", MINUTES_5),
    ({"pool": pool(problem="no range", readable=False, family=None), "address": ip_address()},
     "PoolNotReady", "IPPool lab: no range", MINUTES_5),
    ({"pool": pool(restoring=True)}, "Restoring",
     "IPPool lab comes from a backup, and more may follow", timedelta(minutes=1)),
    ({"claim": claim(**VELERO), "age": 590.0}, "Restoring",
     "its IPAddress may still be restored from a backup", timedelta(seconds=10)),
    ({"claim": claim(**VELERO), "age": 599.9}, "Restoring",
     "its IPAddress may still be restored from a backup", SECOND),
    ({"former": (FORMER,), "age": 20.0}, "Restoring",
     f"{FORMER} belongs to a claim of this name; its IPAddress may still be restored from a backup",
     timedelta(seconds=40)),
    ({"claim": claim(annotations={"moorage.dev/ip-address": "ten"})}, "AllocationFailed",
     '"ten" is no IP address', MINUTES_5),
    ({"claim": claim(annotations={"moorage.dev/ip-address": "10.0.0.9"}), "requested": ASKED},
     "AllocationFailed", "10.0.0.9 is no address of IPPool lab", MINUTES_5),
    ({"requested": ASKED, "requested_fits": True, "requested_by": "it is Bob's"},
     "AllocationFailed", "10.0.0.9 is in use: it is Bob's", MINUTES_5),
    ({"pool": pool(**FULL)}, "PoolExhausted", "no address of IPPool lab is free", MINUTES_5),
    ({"pool": pool(free=2, ahead=2, place=15, next_free=30.0)}, "PoolExhausted",
     "no address of IPPool lab is free; a released one comes free at 2027-01-15T08:00:30Z",
     timedelta(seconds=30)),
    ({"pool": pool(**FULL, ahead=1, oldest=RELEASED)}, "PoolExhausted",
     "no address of IPPool lab is free", MINUTES_5),
    ({"pool": pool(**FULL, place=16, next_free=30.0)}, "PoolExhausted",
     "no address of IPPool lab is free, and older claims wait", MINUTES_5),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "reason", "message", "wait"), WAITS)
def test_what_is_waited_for(
    changes: dict[str, Any], reason: str, message: str, wait: timedelta
) -> None:
    plan = decide(observed(**changes))
    assert row(plan) == (reason, (), None, wait)
    if reason == "AddressConflict":
        message += "; find out which is right"
    assert ready(plan) == ("False", message)
    assert plan.message == message


@pytest.mark.parametrize(
    "changes",
    [
        {"claim": claim(**VELERO), "age": 600.0},
        {"pool": pool(free=2, ahead=1)},
        {"pool": pool(free=1, oldest=RELEASED)},
    ],
)
def test_then_it_gets_the_next_address(changes: dict[str, Any]) -> None:
    assert decide(observed(**changes)).actions == (Allocate(), WriteAddress())


@pytest.mark.parametrize(
    "changes",
    [
        {"address": ip_address("2001:db8::5"), "records": (record("2001:db8::5"),)},
        {"address": ip_address("2001:db8::5"), "records": (record("2001:db8::5"),), "pool": None},
    ],
)
def test_who_has_an_address_of_another_family_keeps_it(changes: dict[str, Any]) -> None:
    assert decide(observed(**changes)).reason == "Allocated"


def test_a_claim_that_moved_from_elsewhere_does_not_get_what_another_one_took_along() -> None:
    other = replace(MOVED, moved_owner="IPAddressClaim shop/db")
    plan = decide(observed(address=ip_address(), holders=(other,)))
    assert plan.reason == "AddressConflict"
