"""What the addresses of an allocation amount to, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from core_builders import IP1, IP2, allocation, record

from moorage_core import reasons
from moorage_core.decide.conditions import conditions as conditions_of
from moorage_core.decide.conditions import count_bound, rejected, serves, troubled
from moorage_core.model import AddressRecord, Allocation, Phase
from moorage_domain.conditions import Condition

FINE = record(IP1, "n1", message="on node n1")
CALM = (
    Condition("Progressing", "False", "Settled", "no address is on its way"),
    Condition("Degraded", "False", "Healthy", "no address is in trouble"),
    Condition("Conflict", "False", "NoConflict", "no older allocation lists these addresses"),
)


def conditions(one: Allocation, records: Sequence[AddressRecord]) -> tuple[Condition, ...]:
    return conditions_of(one, records, {})


def test_all_is_well() -> None:
    ready = Condition("Ready", "True", "AllBound", "1 of 1 addresses are on their nodes")
    assert conditions(allocation(IP1), (FINE,)) == (ready, *CALM)


def test_an_empty_list_is_not_ready_and_no_trouble() -> None:
    ready = Condition("Ready", "False", "NoAddresses", "spec.reservedIPs is empty")
    assert conditions(allocation(), ()) == (ready, *CALM)


def test_an_address_without_a_pass_yet_is_on_its_way() -> None:
    message = f"{IP1}: not looked at yet"
    assert conditions(allocation(IP1), (AddressRecord(IP1),))[:2] == (
        Condition("Ready", "False", "Pending", f"0 of 1 addresses are on their nodes: {message}"),
        Condition("Progressing", "True", "Pending", message),
    )


def test_trouble_gives_the_reason_before_what_is_only_late() -> None:
    late = AddressRecord("203.0.113.20", Phase.ATTACHING, "Moving", "moving")
    bad = AddressRecord("203.0.113.21", Phase.BLOCKED, "NotFound", "is not reserved")
    message = "203.0.113.20: moving; 203.0.113.21: is not reserved"
    assert conditions(allocation(IP1), (FINE, late, bad)) == (
        Condition("Ready", "False", "NotFound", f"1 of 3 addresses are on their nodes: {message}"),
        Condition("Progressing", "True", "Moving", "203.0.113.20: moving"),
        Condition("Degraded", "True", "NotFound", "203.0.113.21: is not reserved"),
        CALM[2],
    )


def test_without_trouble_the_first_address_that_is_late_gives_the_reason() -> None:
    late = [
        AddressRecord(IP1, Phase.ATTACHING, "Moving"),
        AddressRecord(IP2, Phase.WAITING, "NoEligibleNode"),
    ]
    assert conditions(allocation(IP1), late)[0].reason == "Moving"


def test_what_could_not_be_read_leaves_it_unknown_whether_all_is_well() -> None:
    unknown = record(IP2, "n2", phase=Phase.UNKNOWN, reason="Throttled", message="slow down")
    ready, _, degraded, _ = conditions(allocation(IP1), (FINE, unknown))
    assert (ready.status, ready.reason) == ("Unknown", "Throttled")
    assert (degraded.status, degraded.reason) == ("True", "Throttled")


def test_harm_19_what_cannot_be_read_was_on_its_node_and_still_counts() -> None:
    unknown = record(IP2, "n2", phase=Phase.UNKNOWN, reason="Throttled", message="slow down")
    other = record(IP1, "n1", phase=Phase.UNKNOWN, reason="Throttled", message="slow down")
    both = f"{IP1}, {IP2}: slow down"
    told = "addresses were on their nodes when last read"
    for records, message, bound in (
        ((unknown,), f"1 of 1 {told}: {IP2}: slow down", 1),
        ((other, unknown), f"2 of 2 {told}: {both}", 2),
        (
            (FINE, unknown),
            f"1 of 2 addresses are on their nodes, 1 more was when last read: {IP2}: slow down",
            2,
        ),
    ):
        assert conditions(allocation(IP1, IP2), records)[0].message == message
        assert count_bound(records) == bound
    # Where one that was on its way has come to is another question.
    on_its_way = replace(unknown, operation="move/r1")
    message = conditions(allocation(IP2), (on_its_way,))[0].message
    assert message.startswith("0 of 1 addresses are on their nodes")
    assert count_bound((on_its_way,)) == 0


def test_nodes_that_refuse_their_labels_are_trouble_but_no_other_is_hidden_by_it() -> None:
    errors = {"n2": "too long", "n1": "forbidden"}
    ready, _, degraded, _ = conditions_of(allocation(IP1), (FINE,), errors)
    assert ready.status == "True"
    assert degraded == Condition(
        "Degraded", "True", "NodeNotLabelled", "n1: forbidden; n2: too long"
    )
    bad = AddressRecord(IP2, Phase.BLOCKED, "NotFound", "is not reserved")
    assert conditions_of(allocation(IP1), (FINE, bad), errors)[2].reason == "NotFound"


def test_a_conflict_has_a_message_of_its_own() -> None:
    bad = AddressRecord(IP2, Phase.BLOCKED, "Conflict", "old has it")
    conflict = conditions(allocation(IP1), (FINE, bad))[3]
    assert conflict == Condition("Conflict", "True", "Conflict", f"{IP2}: old has it")


def test_three_addresses_are_named_and_the_others_counted() -> None:
    many = [AddressRecord(f"203.0.113.{n}", Phase.WAITING, "X", f"late {n}") for n in range(5)]
    three = "203.0.113.0: late 0; 203.0.113.1: late 1; 203.0.113.2: late 2"
    for count, rest in ((3, ""), (4, "; and 1 more"), (5, "; and 2 more")):
        ready = conditions(allocation(), many[:count])[0]
        assert ready.message == f"0 of {count} addresses are on their nodes: {three}{rest}"


def test_an_allocation_being_deleted_is_not_ready_whatever_its_addresses_are() -> None:
    gone = allocation(IP1, deleting=True)
    assert conditions(gone, (FINE,))[0] == Condition(
        "Ready", "False", "Releasing", f"{IP1}: on node n1"
    )
    assert conditions(gone, ())[0].message == "being deleted"


def test_a_spec_that_cannot_be_carried_out_is_degraded() -> None:
    assert rejected(reasons.INVALID_SPEC, "spec.x: bad") == (
        Condition("Ready", "False", "InvalidSpec", "spec.x: bad"),
        CALM[0],
        Condition("Degraded", "True", "InvalidSpec", "spec.x: bad"),
        CALM[2],
    )


@pytest.mark.parametrize("phase", Phase)
def test_on_its_way_is_what_ends_by_itself(phase: Phase) -> None:
    still = {Phase.BLOCKED, Phase.WAITING, Phase.BOUND, Phase.HOLDING, Phase.UNKNOWN}
    progressing = conditions(allocation(IP1), (AddressRecord(IP1, phase, "X", "x"),))[1]
    assert progressing.status == ("False" if phase in still else "True")


def test_an_address_serves_where_its_workload_can_use_it() -> None:
    held = {"phase": Phase.HOLDING}
    assert serves(FINE)
    assert serves(record(IP1, "n1", **held, reason="WorkloadRunning"))
    assert not serves(record(IP1, "n1", **held, reason="MassNotReady"))
    assert not serves(record(IP1, "n1", **held, reason="NodeGone"))
    assert not serves(record(IP1, "n1", phase=Phase.UNKNOWN, reason="Throttled"))


def test_trouble_is_what_warns() -> None:
    assert troubled(AddressRecord(IP1, reason="NotFound"))
    assert not troubled(AddressRecord(IP1, reason="Moving"))
    assert not troubled(AddressRecord(IP1, reason="NeverHeardOf"))


def test_one_address_unknown_and_one_waiting_leave_it_unknown_whether_all_is_ready() -> None:
    unknown = record(IP1, "n1", phase=Phase.UNKNOWN, reason="Throttled", message="slow down")
    waiting = AddressRecord(IP2, Phase.WAITING, "NoEligibleNode", "no free node")
    for records in ((unknown, waiting), (waiting, unknown)):
        assert conditions(allocation(IP1, IP2), records)[0].status == "Unknown"
