"""Records: names, what is read of an IPAllocation, and what is written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from moorage_domain.families import parse_address
from moorage_ipam.records import (
    Owner,
    Phase,
    PoolRef,
    Record,
    Reservation,
    body_of,
    named_address,
    owner_deleting_patch,
    owner_patch,
    phase_patch,
    record_name,
    record_of,
)

OWNER = Owner("ipam.cluster.x-k8s.io/v1beta1", "IPAddressClaim", "shop", "web", "u-1")
POOL = PoolRef("ipamcontroller.openshift.io", "IPPool", "shop", "lab")
NOW = "2026-01-02T03:04:05Z"


def raw(**changes: Any) -> dict[str, Any]:
    body = body_of("default", parse_address("192.168.100.2"), OWNER, POOL, NOW)
    body["metadata"] |= {"uid": "u-r", "resourceVersion": "7"}
    return body | changes


def raw_record() -> Record:
    record = record_of(raw())
    assert record is not None
    return record


@pytest.mark.parametrize(
    ("network", "address", "name"),
    [
        ("default", "192.168.100.2", "default-c0a86402"),
        ("lab", "0.0.0.1", "lab-00000001"),
        ("lab", "255.255.255.255", "lab-ffffffff"),
        ("lab", "2001:db8::1", "lab-20010db8000000000000000000000001"),
        ("lab", "::1", "lab-00000000000000000000000000000001"),
    ],
)
def test_the_name_is_the_network_and_the_address(network: str, address: str, name: str) -> None:
    assert record_name(network, parse_address(address)) == name


def test_what_is_written_is_read() -> None:
    record = record_of(raw())
    assert record is not None
    assert (record.name, record.uid, record.resource_version) == ("default-c0a86402", "u-r", "7")
    assert (record.network, str(record.address)) == ("default", "192.168.100.2")
    assert (record.owner, record.pool) == (OWNER, POOL)
    assert (record.phase, record.since, record.restored) == (Phase.BOUND, NOW, False)


@pytest.mark.parametrize("status", [{}, {"phase": ""}, {"phase": "Later"}, None])
def test_without_a_phase_that_is_known_an_address_is_bound(status: Any) -> None:
    record = record_of(raw(status=status))
    assert record is not None
    assert record.phase is Phase.BOUND


# Whether it is reserved says its reservation, see below.
@pytest.mark.parametrize("phase", [one for one in Phase if one is not Phase.RESERVED])
def test_a_phase_is_read_as_it_is_written(phase: Phase) -> None:
    record = record_of(raw(status={"phase": phase.value}))
    assert record is not None
    assert record.phase is phase


@pytest.mark.parametrize("owner", [None, {}, {"name": ""}, "web"])
def test_without_an_owner_a_person_has_reserved_it(owner: Any) -> None:
    record = record_of(raw(spec={"address": "192.168.100.2", "owner": owner}))
    assert record is not None
    assert (record.owner, record.pool, record.network) == (None, None, "default")


@pytest.mark.parametrize("address", ["", "192.168.100.256", "lab", None])
def test_what_says_no_address_keeps_others_from_the_one_of_its_name(address: Any) -> None:
    record = record_of(raw(spec={"address": address}))
    assert record is not None
    assert str(record.address) == "192.168.100.2"
    assert record_of(raw(spec={"address": address}, metadata={"name": "printer"})) is None


def test_a_record_with_another_name_keeps_others_from_both_addresses() -> None:
    record = record_of(raw(spec={"address": "192.168.100.9"}))
    assert record is not None
    assert {str(one) for one in record.addresses} == {"192.168.100.2", "192.168.100.9"}


@pytest.mark.parametrize(
    "name",
    ["default", "default-", "default-c0a8640", "default-C0A86402", "lab-c0a86402", "c0a86402"],
)
def test_other_names_mean_no_address(name: str) -> None:
    assert named_address(name, "default") is None


@pytest.mark.parametrize("text", ["192.168.100.2", "2001:db8::1"])
def test_a_name_means_the_address_it_was_made_of(text: str) -> None:
    address = parse_address(text)
    assert named_address(record_name("lab-1", address), "lab-1") == address


def test_a_released_record_without_an_owner_is_a_persons() -> None:
    spec = {"address": "192.168.100.2"}
    record = record_of(raw(spec=spec, status={"phase": "Quarantined", "since": NOW}))
    assert record is not None
    assert record.phase is Phase.BOUND
    moved = record_of(raw(spec=spec, status={"phase": "Moved", "since": NOW}))
    assert moved is not None
    assert moved.phase is Phase.MOVED


def test_which_of_its_owners_addresses_it_is() -> None:
    owner = replace(OWNER, slot="device-0-ipv4")
    body = body_of("default", parse_address("192.168.100.2"), owner, POOL, NOW)
    assert body["spec"]["slot"] == "device-0-ipv4"
    assert "slot" not in body["spec"]["owner"]
    record = record_of(raw(spec=body["spec"]))
    assert record is not None
    assert record.owner == owner
    assert owner_patch(record, OWNER, POOL, NOW)["spec"]["slot"] is None
    assert "slot" not in owner_patch(record, owner, POOL, NOW)["spec"]


def test_an_owner_that_is_about_to_be_created_is_known_by_its_name() -> None:
    expected = replace(OWNER, uid="", reservation=Reservation("2026-01-02T03:09:05Z", "q-1"))
    body = body_of("default", parse_address("192.168.100.2"), expected, POOL, NOW)
    assert body["status"]["phase"] == "Reserved"
    record = record_of(raw(spec=body["spec"]))
    assert record is not None
    assert (record.phase, record.owner) == (Phase.RESERVED, expected)
    assert expected.identity == "IPAddressClaim shop/web"
    assert OWNER.identity == "u-1"
    later = replace(expected, reservation=Reservation("2026-01-02T03:10:00Z", "q-2"))
    used = owner_patch(record, later, None, NOW)
    assert used["spec"]["reservation"] == {"until": "2026-01-02T03:10:00Z", "request": "q-2"}
    assert used["status"]["phase"] == "Reserved"
    bound = owner_patch(record, OWNER, None, NOW)
    assert bound["spec"]["reservation"] is None
    assert (bound["spec"]["owner"]["uid"], bound["status"]["phase"]) == ("u-1", "Bound")
    assert "reservation" not in owner_patch(raw_record(), OWNER, None, NOW)["spec"]


@pytest.mark.parametrize(
    ("uid", "reservation", "phase"),
    [
        ("", {"until": NOW, "request": "q"}, Phase.RESERVED),
        ("", {}, Phase.RESERVED),
        ("", None, Phase.BOUND),
        ("", "soon", Phase.BOUND),
        ("u-1", {"until": NOW, "request": "q"}, Phase.BOUND),
    ],
)
@pytest.mark.parametrize("says", ["Bound", "Reserved", ""])
def test_it_is_reserved_as_long_as_its_owner_has_no_uid(
    uid: str, reservation: Any, phase: Phase, says: str
) -> None:
    owner = {"kind": "Machine", "name": "a", "namespace": "shop", "uid": uid}
    spec = {"address": "192.168.100.2", "owner": owner, "reservation": reservation}
    record = record_of(raw(spec=spec, status={"phase": says}))
    assert record is not None
    assert record.phase is phase


def test_that_an_owner_is_being_deleted_holds_for_that_owner_only() -> None:
    record = record_of(raw())
    assert record is not None
    assert owner_deleting_patch(record) == {
        "metadata": {"uid": "u-r", "resourceVersion": "7"},
        "status": {"ownerDeleting": True},
    }
    noted = record_of(raw(status={"phase": "Bound", "ownerDeleting": True}))
    assert noted is not None
    assert (record.owner_deleting, noted.owner_deleting) == (False, True)
    assert phase_patch(noted, Phase.QUARANTINED, NOW)["status"]["ownerDeleting"] is None


def test_a_record_from_a_backup_is_known_by_its_label() -> None:
    meta = {"name": "default-c0a86402", "labels": {"velero.io/restore-name": "x"}}
    record = record_of(raw(metadata=meta))
    assert record is not None
    assert record.restored


def test_a_change_fits_only_the_version_that_was_read() -> None:
    record = record_of(raw())
    assert record is not None
    precondition = {"uid": "u-r", "resourceVersion": "7"}
    assert phase_patch(record, Phase.QUARANTINED, NOW) == {
        "metadata": precondition,
        "status": {"phase": "Quarantined", "since": NOW},
    }
    moved = phase_patch(record, Phase.MOVED, NOW)
    marked = {"annotations": {"moorage.dev/moved-owner": "IPAddressClaim shop/web"}}
    assert (moved["metadata"], moved["spec"]) == (precondition | marked, {"owner": None})
    other = Owner("v1", "Service", "", "x", "u-2")
    bound = owner_patch(record, other, POOL, NOW)
    assert bound["metadata"] == precondition
    assert bound["status"] == {"phase": "Bound", "since": NOW}
    assert bound["spec"]["owner"]["uid"] == "u-2"
    assert bound["spec"]["poolRef"]["name"] == "lab"
    assert "poolRef" not in owner_patch(record, other, None, NOW)["spec"]


def test_what_moved_remembers_whose_it_was_until_it_comes_back() -> None:
    owner = replace(OWNER, cluster="prod")
    body = body_of("default", parse_address("192.168.100.2"), owner, POOL, NOW)
    body["metadata"] |= {"uid": "u-r", "resourceVersion": "7"}
    record = record_of(body)
    assert record is not None
    assert record.owner == owner
    assert record.is_of("IPAddressClaim shop/web")
    patch = phase_patch(record, Phase.MOVED, NOW)
    assert "Cluster shop/prod" in patch["status"]["message"]
    body["spec"]["owner"] = None
    body["metadata"]["annotations"] |= patch["metadata"]["annotations"]
    moved = record_of(body | {"status": patch["status"]})
    assert moved is not None
    assert (moved.owner, moved.phase) == (None, Phase.MOVED)
    assert moved.is_of("IPAddressClaim shop/web")
    assert not moved.is_of("IPAddressClaim shop/other")
    back = owner_patch(moved, owner, None, NOW)
    annotations = {"moorage.dev/owner-cluster": "prod", "moorage.dev/moved-owner": None}
    assert back["metadata"]["annotations"] == annotations
    assert back["status"] == {"phase": "Bound", "since": NOW, "message": None}


def test_a_reservation_is_nobodys() -> None:
    record = record_of(raw(spec={"address": "192.168.100.2"}))
    assert record is not None
    assert not record.is_of("IPAddressClaim shop/web")


def test_of_an_owner_the_kind_and_the_name_are_shown() -> None:
    assert str(OWNER) == "IPAddressClaim shop/web"
    assert (OWNER.cluster_key, replace(OWNER, cluster="prod").cluster_key) == ("", "shop/prod")
