"""What is decided about a Service: one thing differs from the usual in each case."""

from __future__ import annotations

from typing import Any

import pytest
from service_builders import (
    CLASS,
    MANNERS,
    address,
    claim,
    observed,
    pool,
    reserved,
    service,
    wanted,
)

from moorage_domain.families import Family
from moorage_external_ip.service.actions import (
    Drop,
    Join,
    Leave,
    LookUp,
    MakeClaims,
    Take,
    Withdraw,
    WriteExternal,
)
from moorage_external_ip.service.decide import decide
from moorage_external_ip.service.ingress import ingress_with
from moorage_external_ip.service.model import CONDITION, SlotState
from moorage_external_ip.service.sharing import why_not_shared
from moorage_external_ip.service.wish import Mode, Slot, wish_of

V4, V6 = Slot(Family.IPV4), Slot(Family.IPV6)


def test_it_takes_an_address_of_the_first_pool_that_has_one_for_it() -> None:
    pools = (pool("a", "not for it"), pool("b", free=0), pool("c", free=1, ahead=1), pool("d"))
    plan = decide(observed(None, SlotState(V4, pools=pools)))
    assert plan.actions == (Take("d"), MakeClaims())
    assert plan.status is None


@pytest.mark.parametrize(
    ("pools", "reason", "words"),
    [
        ((), "NoPool", "there is no pool of IPv4"),
        ((pool("a", "it is for others"),), "NoPool", "a: it is for others"),
        ((pool("a", free=0),), "PoolExhausted", "of a is free"),
        ((pool("a", free=1, ahead=1),), "PoolExhausted", "older Services wait"),
    ],
)
def test_why_it_waits_is_said(pools: tuple[Any, ...], reason: str, words: str) -> None:
    plan = decide(observed(None, SlotState(V4, pools=pools)))
    assert (plan.reason, plan.actions) == (reason, ())
    assert plan.status is not None
    (condition,) = plan.status.conditions
    assert (condition.type, condition.status) == (CONDITION, "False")
    assert words in condition.message
    assert plan.wait is not None


def test_both_families_are_taken_at_once_or_none() -> None:
    both = service(ipFamilies=["IPv4", "IPv6"], ipFamilyPolicy="RequireDualStack")
    needs = Slot(Family.IPV6)
    lacking = decide(observed(both, SlotState(V4, pools=(pool(),)), SlotState(needs)))
    assert (lacking.actions, lacking.reason) == ((), "NoPool")
    six = pool("six")
    plan = decide(observed(both, SlotState(V4, pools=(pool(),)), SlotState(needs, pools=(six,))))
    assert plan.actions == (Take("pool"), Take("six"), MakeClaims())


def test_the_second_family_may_be_missing_where_it_is_only_preferred() -> None:
    prefers = service(ipFamilies=["IPv4", "IPv6"], ipFamilyPolicy="PreferDualStack")
    second = Slot(Family.IPV6, required=False)
    state = SlotState(second)
    plan = decide(observed(prefers, SlotState(V4, pools=(pool(),)), SlotState(second)))
    assert plan.actions == (Take("pool"), MakeClaims())
    other_way = SlotState(Slot(Family.IPV6, required=False), pools=(pool("six"),))
    plan = decide(observed(prefers, SlotState(Slot(Family.IPV4, required=False)), other_way))
    assert plan.actions == (Take("six"), MakeClaims())
    neither = decide(observed(prefers, SlotState(Slot(Family.IPV4, required=False)), state))
    assert (neither.reason, neither.actions) == ("NoPool", ())
    held = claim("10.0.0.1", prefers)
    rest = decide(observed(prefers, SlotState(V4, held), SlotState(second), claims=(held,)))
    assert (rest.reason, rest.message) == ("Assigned", "10.0.0.1; without IPv6")


def test_an_answer_that_was_lost_is_looked_up_before_anything_else() -> None:
    assert decide(observed(unsure=True)).actions == (LookUp(),)


def test_what_is_reserved_for_it_becomes_a_claim_or_is_given_back() -> None:
    assert decide(observed(reserved=(reserved(),))).actions == (MakeClaims(),)
    held = claim("10.0.0.2", service())
    state = SlotState(V4, held)
    late = decide(observed(None, state, claims=(held,), reserved=(reserved(),)))
    assert late.actions == (Drop(reserved()),)
    other = service(loadBalancerClass="other")
    assert decide(observed(other, reserved=(reserved(),))).actions == (Drop(reserved()),)


def test_its_status_says_what_it_has_and_keeps_what_others_say() -> None:
    foreign = {"hostname": "lb.example.com"}
    one = service(status={"loadBalancer": {"ingress": [foreign]}})
    held = claim("10.0.0.1", one)
    plan = decide(observed(one, SlotState(V4, held), claims=(held,)))
    assert plan.status is not None
    vip = {"ip": "10.0.0.1", "ipMode": "VIP"}
    assert plan.status.fields == {"loadBalancer": {"ingress": [foreign, vip]}}
    (condition,) = plan.status.conditions
    assert (condition.status, condition.reason) == ("True", "Assigned")


def test_a_former_address_stays_until_a_node_has_the_new_one() -> None:
    one = service()
    former, new = claim("10.0.0.1", one, ready=True), claim("10.0.0.9", one)
    state = SlotState(Slot(Family.IPV4, address("10.0.0.9")), new, (former,))
    plan = decide(observed(one, state, claims=(former, new)))
    assert plan.actions == ()
    assert plan.status is not None
    ips = [entry["ip"] for entry in plan.status.fields["loadBalancer"]["ingress"]]
    assert ips == ["10.0.0.9", "10.0.0.1"]
    up = claim("10.0.0.9", one, ready=True)
    state = SlotState(state.slot, up, (former,))
    plan = decide(observed(one, state, claims=(former, up)))
    assert plan.actions == (Leave(former),)
    assert plan.status is not None
    ips = [entry["ip"] for entry in plan.status.fields["loadBalancer"]["ingress"]]
    assert ips == ["10.0.0.9"]


def test_a_former_address_serves_on_where_the_new_one_cannot_be_had() -> None:
    one = service()
    former = claim("10.0.0.1", one)
    slot = Slot(Family.IPV4, address("10.0.0.9"))
    state = SlotState(slot, None, (former,), wanted(refused="no pool has it"))
    plan = decide(observed(one, state, claims=(former,)))
    assert (plan.reason, plan.actions) == ("KeptFormer", ())
    assert "10.0.0.9: no pool has it; 10.0.0.1 goes on serving" in plan.message


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"refused": "it is an address of Node n1"}, "RequestRefused"),
        ({"used_by": "a person has reserved it"}, "AddressInUse"),
        ({"claim": claim(), "cannot_share": "another key"}, "AddressInUse"),
    ],
)
def test_a_certain_address_is_that_one_or_none(changes: dict[str, Any], reason: str) -> None:
    state = SlotState(Slot(Family.IPV4, address("10.0.0.9")), wanted=wanted(**changes))
    assert decide(observed(None, state)).reason == reason


def test_what_its_status_says_comes_before_a_shared_one_and_that_before_a_new_one() -> None:
    shared = claim("10.0.0.5")
    first = SlotState(V4, remembered=wanted(), shared=shared, pools=(pool(),))
    assert decide(observed(None, first)).actions[0] == Take("pool", address("10.0.0.9"))
    taken = SlotState(V4, remembered=wanted(used_by="x"), shared=shared, pools=(pool(),))
    assert decide(observed(None, taken)).actions == (Join(shared),)


def test_a_service_that_asks_for_nothing_loses_its_status_before_its_claims() -> None:
    entries = [{"ip": "10.0.0.1"}, {"ip": "10.9.9.9"}]
    status = {"loadBalancer": {"ingress": entries}, "conditions": [{"type": CONDITION}]}
    one = service(type="ClusterIP", loadBalancerClass=None, status=status)
    held = claim("10.0.0.1", one)
    plan = decide(observed(one, claims=(held,)))
    assert plan.actions == (Withdraw(frozenset({address("10.0.0.1")})), Leave(held))
    assert plan.status is None
    plain = service(type="ClusterIP", loadBalancerClass=None)
    assert decide(observed(plain)).actions == ()


def test_a_service_that_is_being_deleted_keeps_all_until_it_is_gone() -> None:
    going = service(meta={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    held = claim("10.0.0.1", going)
    plan = decide(observed(going, SlotState(V4, held), claims=(held,)))
    assert (plan.actions, plan.status) == ((), None)


def test_an_annotated_service_of_another_type_is_told_by_its_spec() -> None:
    notes = {"external-ip": "auto"}
    one = service(type="NodePort", loadBalancerClass=None, notes=notes)
    held = claim("10.0.0.1", one)
    plan = decide(observed(one, SlotState(V4, held), claims=(held,)))
    assert plan.actions == (WriteExternal(("10.0.0.1",)),)
    assert plan.status is not None
    assert plan.status.fields == {}
    notes |= {"moorage.dev/external-ips": "10.0.0.1"}
    done = service(type="NodePort", loadBalancerClass=None, notes=notes, externalIPs=["10.0.0.1"])
    plan = decide(observed(done, SlotState(V4, held), claims=(claim("10.0.0.1", done),)))
    assert plan.actions == ()
    off = {"moorage.dev/external-ips": "10.0.0.1"}
    left = service(type="NodePort", loadBalancerClass=None, notes=off, externalIPs=["10.0.0.1"])
    plan = decide(observed(left, claims=(held,)))
    assert plan.actions == (WriteExternal(()), Leave(held))


def test_one_that_lists_addresses_by_hand_is_never_written() -> None:
    one = service(type="ClusterIP", loadBalancerClass=None, externalIPs=["10.0.0.9"])
    (slot,) = wish_of(one, MANNERS).slots
    plan = decide(observed(one, SlotState(slot, wanted=wanted())))
    assert plan.actions == (Take("pool", address("10.0.0.9")), MakeClaims())
    held = claim("10.0.0.9", one)
    plan = decide(observed(one, SlotState(slot, held), claims=(held,)))
    assert (plan.actions, plan.status) == ((), None)


def test_its_entry_in_a_claim_follows_its_ports() -> None:
    before, after = service(), service(ports=[{"port": 81}])
    held = claim("10.0.0.1", before)
    assert decide(observed(after, SlotState(V4, held), claims=(held,))).actions == (Join(held),)


@pytest.mark.parametrize(
    ("fields", "mode"),
    [
        ({}, Mode.STATUS),
        ({"loadBalancerClass": None}, Mode.STATUS),
        ({"loadBalancerClass": "other"}, Mode.NONE),
        ({"loadBalancerClass": "other", "notes": {"external-ip": "auto"}}, Mode.NONE),
        ({"loadBalancerClass": "other", "externalIPs": ["10.0.0.9"]}, Mode.NONE),
        ({"type": "ClusterIP", "loadBalancerClass": None}, Mode.NONE),
        (
            {"type": "ClusterIP", "loadBalancerClass": None, "notes": {"external-ip": "auto"}},
            Mode.EXTERNAL,
        ),
        (
            {"type": "ClusterIP", "loadBalancerClass": None, "notes": {"external-ip": "yes"}},
            Mode.NONE,
        ),
        (
            {"type": "ClusterIP", "loadBalancerClass": None, "externalIPs": ["10.0.0.9"]},
            Mode.INPUT,
        ),
    ],
)
def test_what_is_ours(fields: dict[str, Any], mode: Mode) -> None:
    assert wish_of(service(**fields), MANNERS).mode is mode


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ("nonsense", '"nonsense" is no IP address'),
        ("10.0.0.1, 10.0.0.2", "10.0.0.1 and 10.0.0.2 are both IPv4"),
        ("2001:db8::1", "2001:db8::1 is IPv6, which is no family of the Service"),
    ],
)
def test_a_wish_that_makes_no_sense_is_named(asked: str, problem: str) -> None:
    one = service(notes={"moorage.dev/addresses": asked})
    assert problem in wish_of(one, MANNERS).problem
    assert decide(observed(one)).reason == "RequestRefused"
    held = claim("10.0.0.1", one)
    kept = decide(observed(one, claims=(held,)))
    assert (kept.reason, kept.actions) == ("KeptFormer", ())


def test_who_may_share_is_decided_by_key_port_and_namespace() -> None:
    def user(name: str, key: str, port: int, namespace: str = "shop") -> Any:
        notes = {"moorage.dev/sharing-key": key} if key else {}
        meta = {"namespace": namespace}
        return service(name, f"u-{name}", notes=notes, ports=[{"port": port}], meta=meta)

    held = claim("10.0.0.1", user("a", "k", 80))
    cases = (
        (user("b", "k", 81), ""),
        (user("b", "other", 81), "keys"),
        (user("b", "", 81), "keys"),
        (user("b", "k", 80), "port TCP 80"),
        (user("b", "k", 81, "elsewhere"), "namespace"),
        (user("a", "", 80), ""),
    )
    for one, words in cases:
        reason = why_not_shared(held, one.use, across_namespaces=False)
        assert (words in reason) if words else reason == ""
    far = user("b", "k", 81, "elsewhere").use
    assert why_not_shared(held, far, across_namespaces=True) == ""


def test_entries_of_others_keep_their_place_and_their_fields() -> None:
    mine = {"ip": "10.0.0.1", "ports": [{"port": 80}]}
    other, old = {"ip": "10.9.9.9"}, {"ip": "10.0.0.2"}
    found = ingress_with([old, mine, other], [address("10.0.0.1")], [address("10.0.0.2")])
    assert found == [{**mine, "ipMode": "VIP"}, other]


def test_the_class_decides_and_not_the_annotation() -> None:
    assert wish_of(service(loadBalancerClass=CLASS), MANNERS).slots == (V4,)
