"""The table of decisions about Machines that are about to be created, row by row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from decide_builders import MACHINE_OWNER, NS, record
from lab_machines import DUAL_CONFIG, HOOK, README_CONFIG, spec_of

from moorage_domain.admission import AdmissionRequest, Allowed, Denied, GroupKind, Patched
from moorage_domain.families import parse_address
from moorage_ipam.records import Phase, Record, Reservation
from moorage_machine_ipam.decide.admission import (
    AdmissionObserved,
    AskForName,
    Reserve,
    Verdict,
    decide_admission,
)
from moorage_machine_ipam.kinds import MACHINES
from moorage_machine_ipam.machine.hook_config import parse_hook_config
from moorage_machine_ipam.machine.hook_pools import slots_of
from moorage_machine_ipam.machine.model import Supply

CONFIG, DUAL = parse_hook_config(README_CONFIG), parse_hook_config(DUAL_CONFIG)
LABEL = {"moorage.dev/static-addresses": "true"}
LAB = {"networkName": "lab"}
ADDRESS = "192.168.101.70"
SUPPLY = {"/hook-ipv4": Supply(2, None), "/hook-ipv6": Supply(2, None)}


def request(devices: Any = None, **changes: Any) -> AdmissionRequest:
    fields = ("operation", "subresource", "dry_run", "resource", "object")
    own = {name: changes.pop(name) for name in fields if name in changes}
    spec = spec_of([LAB] if devices is None else devices, changes.pop("hooks", {}))
    spec |= changes.pop("spec", {})
    meta = {"name": "web", "namespace": NS, "labels": LABEL} | changes
    kind = GroupKind(MACHINES.group, MACHINES.version, MACHINES.plural)
    usual = AdmissionRequest(
        "q-2", "CREATE", kind, kind, namespace=NS, object={"metadata": meta, "spec": spec}
    )
    return replace(usual, **own)


def decided(asked: AdmissionRequest | None = None, **changes: Any) -> Verdict:
    usual = AdmissionObserved(
        asked or request(), "web", config=CONFIG, supply=SUPPLY, now=1_800_000_000.0
    )
    return decide_admission(replace(usual, **changes))


def reserved(address: str = ADDRESS, question: str = "q-2", slot: str = "device-0-ipv4") -> Record:
    """For the Machine ``web``, by this request."""
    reservation = Reservation("2027-01-15T08:05:00Z", question)
    owner = replace(MACHINE_OWNER, uid="", slot=slot, reservation=reservation)
    return record(address, owner, phase=Phase.RESERVED)


def named(*addresses: str) -> list[Any]:
    return [LAB | {"ipAddrs": [f"{one}/23"]} for one in addresses]


@pytest.mark.parametrize(
    "asked",
    [
        request(labels={}),
        request(labels=None),
        request(operation="UPDATE"),
        request(operation="DELETE", object=None),
        request(subresource="status"),
        request(resource=GroupKind("cluster.x-k8s.io", "v1beta1", "machines")),
        request(resource=GroupKind(MACHINES.group, MACHINES.version, "machinesets")),
        request(hooks={"preCreate": [HOOK]}),
    ],
)
def test_what_is_not_meant_is_let_through_whatever_is_wrong(asked: AdmissionRequest) -> None:
    assert decided(asked, problem="x", name_is_known=True, supply={}) == Allowed()


def test_what_can_have_no_name_is_left_to_the_api_server() -> None:
    assert decided(name="") == Allowed()


def test_what_cluster_api_is_to_have_is_let_through_with_a_warning() -> None:
    found = decided(request(spec={"authoritativeAPI": "ClusterAPI"}), problem="x")
    warning = "it gets no static addresses: spec.authoritativeAPI is ClusterAPI"
    assert found == Allowed((warning,))
    assert decided(request(spec={"authoritativeAPI": "MachineAPI"})) != found


def test_while_nobody_can_be_served_it_is_refused() -> None:
    found = decided(problem="why", name_is_known=True)
    message = "no static address can be given now: why; try again"
    assert found == Denied(message, 503, "ServiceUnavailable")
    assert isinstance(decided(config=None), Denied)


@pytest.mark.parametrize(
    ("known", "taken", "reason"),
    [(True, None, "ask"), (True, True, "AlreadyExists"), (True, False, ""), (False, None, "")],
)
def test_a_name_that_may_be_taken_is_asked_for(known: bool, taken: Any, reason: str) -> None:  # noqa: FBT001 - a case
    found = decided(name_is_known=known, name_is_taken=taken)
    if reason == "ask":
        assert found == AskForName()
    elif reason:
        message = 'machines.machine.openshift.io "web" already exists'
        assert found == Denied(message, 409, reason)
    else:
        assert isinstance(found, Reserve)


@pytest.mark.parametrize(
    ("devices", "hooks", "says"),
    [
        ([], {}, "network.devices is empty: add a device with a networkName"),
        (["x"], {}, "is not a list of objects"),
        ([LAB] * 11, {}, "has 11 devices, and a VM at most 10"),
        ([LAB], {"preTerminate": [HOOK | {"owner": "bob"}]}, 'is of "bob"'),
        (named(ADDRESS, ADDRESS), {}, f"name {ADDRESS} 2 times"),
    ],
)
def test_a_machine_without_a_place_for_addresses_is_refused(
    devices: Any, hooks: Any, says: str
) -> None:
    found = decided(request(devices, hooks=hooks))
    assert isinstance(found, Denied)
    assert (found.code, found.reason) == (422, "Invalid")
    assert says in found.message


def test_an_address_of_somebody_else_is_refused_by_name() -> None:
    holders = {parse_address(ADDRESS): "it belongs to Machine shop/other"}
    found = decided(request(named("192.168.101.71", ADDRESS)), holders=holders)
    message = f"device 1 names {ADDRESS}: it belongs to Machine shop/other; name another one"
    assert found == Denied(message, 422, "Invalid")


@pytest.mark.parametrize(
    ("changes", "meta", "says"),
    [
        ({"dry_run": True}, {}, "the controller runs with --dry-run"),
        (
            {},
            {"annotations": {"moorage.dev/dry-run": "true"}},
            "its annotation moorage.dev/dry-run",
        ),
    ],
)
def test_a_dry_run_of_ours_changes_nothing(changes: Any, meta: Any, says: str) -> None:
    found = decided(request(**meta), **changes)
    assert found == Allowed((f"it gets no static addresses: {says}",))


@pytest.mark.parametrize(("free", "devices"), [(0, 1), (2, 3)])
@pytest.mark.parametrize("dry_run", [False, True])
def test_all_or_nothing(free: int, devices: int, dry_run: bool) -> None:  # noqa: FBT001 - a case
    supply = {"/hook-ipv4": Supply(free, 30.0)}
    found = decided(request([LAB] * devices, dry_run=dry_run), supply=supply)
    message = (
        f"no static address: {devices} of 192.168.101.64/28 needed, {free} free; a released one"
        " comes free at 2027-01-15T08:00:30Z"
    )
    assert found == Denied(message, 403, "Forbidden")


def test_what_is_lacking_is_reserved_first() -> None:
    slots = slots_of([LAB, LAB], CONFIG)
    assert decided(request([LAB, LAB])) == Reserve(slots=slots)
    found = decided(request([LAB, LAB]), reserved=(reserved(),))
    assert found == Reserve(slots=slots[1:])


def test_a_reservation_of_an_earlier_request_is_used_again_by_a_write() -> None:
    earlier = reserved(question="q-1")
    assert decided(reserved=(earlier,)) == Reserve(again=(earlier,))
    assert isinstance(decided(request(dry_run=True), reserved=(earlier,)), Patched)


@pytest.mark.parametrize(
    "unfit",
    [reserved(slot="device-1-ipv4"), reserved("10.0.0.5"), reserved("192.168.100.1")],
)
def test_a_reservation_that_the_device_cannot_use_counts_for_none(unfit: Record) -> None:
    assert decided(reserved=(unfit,)) == Reserve(slots=slots_of([LAB], CONFIG))


def test_an_address_that_it_names_and_nobody_has_is_reserved() -> None:
    address = parse_address(ADDRESS)
    devices = [LAB, *named(ADDRESS)]
    found = decided(request(devices), unowned=frozenset({address}))
    slots = slots_of([LAB], CONFIG)
    assert found == Reserve(named=(("device-1-ipv4", address),), slots=slots)
    # Where another webhook put a device in front, the reservation stays with its address.
    found = decided(request(devices), reserved=(reserved(),))
    assert found == Reserve(slots=slots)


def test_an_address_that_no_range_has_is_left_to_who_wrote_it() -> None:
    found = decided(request(named("10.9.9.9")))
    assert isinstance(found, Patched)
    assert not [one for one in found.operations if "devices" in one["path"]]


def test_each_family_is_reserved_for_itself() -> None:
    four, six = slots_of([LAB], DUAL)
    assert decided(config=DUAL) == Reserve(slots=(four, six))
    assert decided(request(named(ADDRESS)), config=DUAL) == Reserve(slots=(six,))


def test_with_all_of_them_it_is_written_to() -> None:
    found = decided(reserved=(reserved(),))
    assert isinstance(found, Patched)
    assert found.warnings == ()
    paths = {one["path"]: one.get("value") for one in found.operations}
    assert paths["/spec/providerSpec/value/network/devices"] == [
        LAB
        | {
            "ipAddrs": [f"{ADDRESS}/23"],
            "gateway": "192.168.100.1",
            "nameservers": ["192.168.1.215"],
        }
    ]
    assert paths["/spec/lifecycleHooks/preTerminate"] == [HOOK]
    assert set(paths) == {
        "/metadata/annotations",
        "/spec/lifecycleHooks/preTerminate",
        "/spec/providerSpec/value/network/devices",
    }


def test_a_name_that_was_made_up_is_written_too() -> None:
    asked = request(name=None, generateName="web-")
    assert asked.object is not None
    del asked.object["metadata"]["name"]
    found = decided(asked, reserved=(reserved(),))
    assert isinstance(found, Patched)
    assert {"op": "add", "path": "/metadata/name", "value": "web"} in found.operations


def test_a_dry_run_of_the_api_server_shows_what_would_be_given() -> None:
    asked = request(dry_run=True)
    slots = slots_of([LAB], CONFIG)
    assert decided(asked) == Reserve(slots=slots)
    found = decided(asked, preview={slots[0]: parse_address(ADDRESS)})
    assert isinstance(found, Patched)
    assert found.warnings == ("dry run: these addresses are not reserved",)
    assert f"{ADDRESS}/23" in str(found.operations)
