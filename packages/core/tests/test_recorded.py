"""What a status says is believed where this controller wrote it, and else no more than the spec."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from core_builders import IP1, IP2, node, node_ref, record

from moorage_api.netipallocation import MAX_RECORDS
from moorage_core.model import AddressRecord, Phase
from moorage_core.recorded import Reader, Recorded, known_places, seconds_of
from moorage_core.seal import Seal
from moorage_core.status import record_to_wire

SEAL, OTHER = Seal(b"k" * 32), Seal(b"o" * 32)
FULL = record(
    IP1, "n2", phase=Phase.ATTACHING, operation="attach/r1", handle="h", previous=node_ref("n1"),
    restore_pending=(node_ref("n3"),), attempts=2, since=60.0, observed_at=60.0, held_since=30.0,
)  # fmt: skip


def read(*entries: object, seal: Seal | None = SEAL, before: Recorded | None = None) -> Recorded:
    """What a status with these entries says to an allocation that lists IP1."""
    return Reader("uid-a", {IP1}, seal, before or Recorded()).read(list(entries))


def ours(one: AddressRecord, uid: str = "uid-a") -> dict[str, Any]:
    return SEAL.on(uid, record_to_wire(one))


def test_sec_08_what_this_controller_wrote_is_believed_whole() -> None:
    assert read(ours(FULL)) == Recorded((FULL,), frozenset({IP1}), ())
    # Of an address that is not listed any more as well: it must be released.
    gone = replace(FULL, ip=IP2)
    assert read(ours(gone)).records == (gone,)


@pytest.mark.parametrize(
    "change",
    [
        {"providerID": "memory://vm-foreign"},
        {"operation": "prepared/x"},
        {"handle": "https://evil.example/poll"},
        {"owed": [{"nodeName": "x", "nodeUID": "x", "providerID": "memory://vm-x"}]},
        {"owed": None},
        {"heldSince": "1970-01-01T00:00:00Z"},
        {"attempts": -1},
        {"seal": ""},
        {"seal": 5},
        {"seal": "\u00e4" * 24},
        {"more": "x"},
    ],
)
def test_sec_08_no_field_can_be_changed_without_the_key(change: dict[str, Any]) -> None:
    assert not SEAL.is_on("uid-a", ours(FULL) | change)
    assert read(ours(FULL) | change).proven == frozenset()


def test_sec_08_a_seal_counts_for_one_object_and_one_key() -> None:
    assert SEAL.is_on("uid-a", ours(FULL))
    assert not SEAL.is_on("uid-b", ours(FULL))
    assert not OTHER.is_on("uid-a", ours(FULL))
    assert read(ours(FULL), seal=None).proven == frozenset()


def test_sec_08_of_others_nothing_counts_that_the_spec_does_not_say() -> None:
    found = read(record_to_wire(FULL))
    assert found.records == (
        record(IP1, "n2", phase=Phase.PENDING, since=60.0, observed_at=60.0),
    )  # fmt: skip
    assert found.doubts == (f"{IP1}: what its entry says of operation, handle, previousNode, owed",)


def test_sec_08_an_address_that_is_not_listed_is_not_released_because_a_status_names_it() -> None:
    found = read(record_to_wire(record(IP2, "n1")))
    assert found.records == ()
    assert found.doubts[0].startswith(f"{IP2} is in status.addresses and not in spec.reservedIPs")


def test_sec_08_what_others_change_while_we_run_is_as_if_they_had_not() -> None:
    before = read(ours(FULL))
    found = read(record_to_wire(FULL) | {"owed": None, "nodeName": "n9"}, before=before)
    assert (found.records, found.proven) == ((FULL,), frozenset({IP1}))
    assert found.doubts == (f"{IP1}: its entry was changed by somebody else; what we wrote counts",)


def test_sec_08_of_two_entries_of_an_address_the_first_counts() -> None:
    other = record(IP1, "n7")
    assert read(ours(FULL), ours(other)).records == (FULL,)


@pytest.mark.parametrize(
    "entry",
    [None, 5, "x", [], {}, {"ip": 5}, {"ip": "x" * 5000}, {"ip": IP1, "phase": "x" * 5000},
     {"ip": IP1, "phase": "Bound", "owed": 5}, {"ip": IP1, "phase": "Bound", "attempts": 10**30},
     {"ip": IP1, "phase": "Bound", "owed": [{}] * 10_000}],
)  # fmt: skip
def test_sec_08_an_entry_that_is_none_spoils_no_other(entry: object) -> None:
    found = read(entry, ours(record(IP2, "n1")))
    assert [one.ip for one in found.records if one.ip == IP2] == [IP2]
    assert found.doubts == ("an entry of status.addresses cannot be read",)


@pytest.mark.parametrize("entries", [None, {}, "x", 5])
def test_sec_08_a_list_that_is_none_is_as_good_as_none(entries: object) -> None:
    assert Reader("uid-a", {IP1}, SEAL).read(entries) == Recorded()


def test_sec_08_no_more_entries_are_read_than_a_status_may_have() -> None:
    found = read(*[record_to_wire(record(IP1, "n1"))] * 10_000)
    assert len(found.records) == 1
    assert found.doubts == (f"of 10000 entries of status.addresses {MAX_RECORDS} are read",)


@pytest.mark.parametrize(
    "text",
    ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "0001-01-01",
     "1969-01-01T00:00:00Z", "never", "2026-01-01T00:00:00Z" * 9],
)  # fmt: skip
def test_sec_08_a_date_that_no_clock_shows_is_none(text: str) -> None:
    assert seconds_of(text) == 0.0


def test_sec_08_a_place_that_is_no_node_and_was_none_is_not_believed() -> None:
    stated = read(record_to_wire(record(IP1, "n1")))
    n1 = node("n1")
    assert known_places(stated, {"n1": n1}, {}) == stated
    assert known_places(stated, {}, {n1.uid: n1.provider_id}) == stated
    for nodes, gone in (
        ({}, {}),
        ({"n1": node("n1", provider_id="memory://vm-other")}, {}),
        ({"n1": node("n1", uid="uid-other")}, {}),
        ({}, {n1.uid: "memory://vm-other"}),
    ):
        found = known_places(stated, nodes, gone)
        assert found.records == (replace(stated.records[0], phase=Phase.PENDING, node_ref=None),)
        (doubt,) = found.doubts
        assert doubt == (
            f"{IP1}: that it is on machine memory://vm-n1 (node n1), which is no node of this"
            " cluster"
        )


def test_sec_08_a_place_that_we_wrote_is_believed_after_its_node_is_gone() -> None:
    stated = read(ours(record(IP1, "n1")))
    assert known_places(stated, {}, {}) == stated
