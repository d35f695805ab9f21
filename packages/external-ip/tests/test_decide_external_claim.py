"""What is decided about an IpClaim: one thing differs from the usual in each case."""

from __future__ import annotations

from dataclasses import replace

from service_builders import claim, claim_observed, record, reserved, service

from moorage_external_ip.claim.decide import decide_claim
from moorage_external_ip.claim.model import (
    Adopt,
    Bind,
    Delete,
    DropUses,
    LookUp,
    Mend,
    NoteGoing,
    Release,
)
from moorage_ipam.records import Owner, Phase

WEB = service()
USED = claim("10.0.0.1", WEB)


def test_a_claim_without_a_record_gets_one_before_anything_else() -> None:
    assert decide_claim(claim_observed(USED)).actions == (Bind(None),)
    gone = claim_observed(USED, gone=USED.uses)
    assert decide_claim(gone).actions == (Bind(None),)


def test_a_record_that_waits_for_it_or_was_a_namesakes_is_taken_over() -> None:
    for one in (
        reserved(),
        record(owner=replace(record().owner or Owner("", "", "", "", ""), uid="another")),
        record(phase=Phase.QUARANTINED),
    ):
        assert decide_claim(claim_observed(USED, one)).actions == (Bind(one),)


def test_a_record_of_somebody_else_is_a_conflict_and_nothing_is_done() -> None:
    foreign = record(owner=Owner("v1", "IPAddressClaim", "ns", "m", "u"))
    for one, words in ((foreign, "IPAddressClaim ns/m"), (record(owner=None), "a person")):
        plan = decide_claim(claim_observed(USED, one))
        assert (plan.reason, plan.actions) == ("AddressConflict", ())
        assert words in plan.message


def test_services_that_are_gone_are_dropped() -> None:
    plan = decide_claim(claim_observed(USED, record(), gone=USED.uses))
    assert plan.actions == (DropUses(USED.uses),)


def test_a_claim_goes_with_its_last_service() -> None:
    unused = claim("10.0.0.1")
    plan = decide_claim(claim_observed(unused, record()))
    assert plan.actions == (NoteGoing(record()), Delete(), Release(record()))
    noted = record(owner_deleting=True)
    assert decide_claim(claim_observed(unused, noted)).actions == (Delete(), Release(noted))


def test_a_claim_that_a_person_has_made_stays() -> None:
    plan = decide_claim(claim_observed(claim("10.0.0.1", made_for=""), record()))
    assert (plan.reason, plan.actions) == ("ByHand", ())


def test_a_claim_of_the_first_version_is_adopted_with_the_services_that_are_there() -> None:
    old = claim("10.0.0.1", made_for="", seed_services=("shop/web", "shop/gone"))
    plan = decide_claim(claim_observed(old, record(), heirs=(WEB.use,)))
    assert plan.actions == (Adopt((WEB.use,)),)


def test_it_says_whether_its_pool_gives_it() -> None:
    inside = decide_claim(claim_observed(USED, record()))
    outside = decide_claim(claim_observed(USED, record(), in_pool=False))
    nowhere = decide_claim(claim_observed(USED, record(), in_pool=False, pool=""))
    assert [one.reason for one in (inside, outside, nowhere)] == [
        "InPool", "OutOfPool", "OutOfPool",
    ]  # fmt: skip
    assert all(one.actions == () for one in (inside, outside, nowhere))


def test_what_is_no_address_or_goes_is_left_alone() -> None:
    assert decide_claim(claim_observed(replace(USED, address=None))).reason == "Unreadable"
    going = replace(USED, subject=replace(USED.subject, deleting=True))
    assert decide_claim(claim_observed(going)).actions == ()


def test_lost_answers_and_stale_fields() -> None:
    assert decide_claim(claim_observed(USED, unsure=True)).actions == (LookUp(),)
    fields = {"spec": {"interface": "eth1"}}
    plan = decide_claim(claim_observed(USED, record(), fields=fields))
    assert plan.actions == (Mend(fields),)
