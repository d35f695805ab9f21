"""The table of decisions about Machines, row by row."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from decide_builders import MACHINE_OWNER, NS, record
from lab_machines import DUAL_CONFIG, FOREIGN, HOOK, README_CONFIG, spec_of

from moorage_ipam.records import Phase, Reservation
from moorage_machine_ipam.decide.machine import Decision, decide_machine
from moorage_machine_ipam.machine.hook_config import parse_hook_config
from moorage_machine_ipam.machine.hook_pools import slots_of
from moorage_machine_ipam.machine.hooks import LifecycleHook
from moorage_machine_ipam.machine.model import (
    Allocate,
    ChangeMachine,
    Forget,
    MachineObserved,
    NoteDeleting,
    ReleaseFormer,
    Supply,
    TakeOver,
)
from moorage_machine_ipam.machine.projections import Machine, machine_of

CONFIG, DUAL = parse_hook_config(README_CONFIG), parse_hook_config(DUAL_CONFIG)
START, END = {"preCreate": [HOOK]}, {"preTerminate": [HOOK]}
DELETED: dict[str, Any] = {"deletionTimestamp": "2026-01-02T03:04:05Z"}
OWN = record("192.168.101.64", MACHINE_OWNER)
NOTED = replace(OWN, owner_deleting=True)
FORMER = record("192.168.101.70", replace(MACHINE_OWNER, uid="u-0"))
SUPPLY = {"/hook-ipv4": Supply(1, None), "/hook-ipv6": Supply(1, None)}
(SLOT,) = slots_of([{}], CONFIG)


def machine(
    hooks: dict[str, Any] | None = None, devices: list[Any] | None = None, **changes: Any
) -> Machine:
    status = changes.pop("status", {"phase": "Provisioning"})
    meta = {"name": "web", "namespace": NS, "uid": "u-1", "resourceVersion": "7"} | changes
    spec = spec_of(devices, START if hooks is None else hooks)
    return machine_of({"metadata": meta, "spec": spec, "status": status})


def decided(found: Machine | None = None, **changes: Any) -> Decision:
    usual = MachineObserved(found, config=CONFIG, supply=SUPPLY, now=1_800_000_000.0)
    return decide_machine(replace(usual, **changes))


def patched(plan: Decision) -> list[tuple[str, str]]:
    """Operation and path of what the last action writes."""
    change = plan.actions[-1]
    assert isinstance(change, ChangeMachine)
    return [(one["op"], one["path"]) for one in change.patch]


def test_what_is_lost_is_found_out_first_and_soon_again() -> None:
    plan = decided(machine(), lost=frozenset({"u-3", "u-2"}), former=(FORMER,))
    assert (plan.reason, plan.actions) == ("MachineGone", (Forget("u-2"), Forget("u-3")))
    assert plan.wait == timedelta(seconds=1)


def test_of_a_machine_that_is_gone_its_records_take_care() -> None:
    plan = decided(None, records=(OWN,))
    assert (plan.reason, plan.actions, plan.wait) == ("MachineGone", (), None)


def test_what_is_reserved_is_bound_before_anything_else() -> None:
    expected = Reservation("2027-01-15T08:05:00Z", "q")
    owner = replace(MACHINE_OWNER, uid="", reservation=expected)
    reserved = record("192.168.101.70", owner, phase=Phase.RESERVED)
    for found in (machine({}), machine(END, **DELETED), machine()):
        plan = decided(found, reserved=(reserved,), former=(FORMER,))
        assert (plan.reason, plan.actions) == ("ReservationTaken", (TakeOver(reserved),))
        assert plan.message == "192.168.101.70, reserved for it, is bound to it"


@pytest.mark.parametrize("phase", ["", "Provisioning", "Running"])
def test_a_machine_that_waits_for_nobody_is_told(phase: str) -> None:
    former = LifecycleHook("oldHook", "bob")
    held = machine({"preCreate": [{"name": "oldHook", "owner": "bob"}]}, status={"phase": phase})
    plan = decided(held, unserved=(former,))
    waits = phase != "Running"
    assert (plan.reason, plan.actions) == ("HookUnserved" if waits else "MachineSettled", ())
    if waits:
        assert plan.message == (
            "it waits by the hook oldHook of bob in preCreate, but the file names ipamController of"
            " network-admin in preCreate: correct one of the two, in the MachineSet too, and"
            " replace the Machine"
        )


def test_a_machine_has_what_it_names_of_a_former_one_and_nothing_else() -> None:
    names = [{"networkName": "lab", "ipAddrs": ["192.168.101.70/23"]}]
    other = record("192.168.101.71", FORMER.owner)
    plan = decided(machine(devices=names), former=(FORMER, other))
    assert (plan.reason, plan.actions) == ("Replacing", (TakeOver(FORMER), ReleaseFormer(other)))


@pytest.mark.parametrize("hooks", [START, END, START | END])
def test_a_deleted_machine_is_noted_and_let_go(hooks: dict[str, Any]) -> None:
    plan = decided(machine(hooks, **DELETED), records=(OWN,))
    assert (plan.reason, plan.actions[0], len(plan.actions)) == ("Leaving", NoteDeleting(OWN), 2)
    assert plan.message == "it is being deleted; 192.168.101.64 is kept until it is gone"
    assert all(operation in ("test", "remove") for operation, _ in patched(plan))


def test_what_is_noted_is_not_noted_again_and_what_is_unsure_is_found_out() -> None:
    plan = decided(machine({}, **DELETED), records=(NOTED,), chosen=frozenset({"x"}))
    assert (plan.reason, plan.actions) == ("Leaving", (Forget("u-1"),))
    nothing = decided(machine({}, **DELETED))
    assert nothing.message == "it is being deleted; no address is kept until it is gone"
    assert nothing.actions == ()


def test_without_a_configuration_no_hook_is_known() -> None:
    plan = decided(machine(END, **DELETED), records=(OWN,), config=None)
    assert (plan.reason, plan.actions) == ("Leaving", (NoteDeleting(OWN),))
    assert decided(machine(), config=None).reason == "MachineSettled"


@pytest.mark.parametrize("authority", ["ClusterAPI", "Migrating"])
def test_what_cluster_api_has_is_left_alone(authority: str) -> None:
    plan = decided(machine(status={"phase": "Running", "authoritativeAPI": authority}))
    assert (plan.reason, plan.actions, plan.wait) == ("OtherAuthority", (), None)


@pytest.mark.parametrize("phase", ["Provisioned", "Running", "Failed"])
def test_a_machine_with_a_vm_is_told(phase: str) -> None:
    plan = decided(machine(status={"phase": phase}))
    assert (plan.reason, plan.actions) == ("TooLate", ())
    assert plan.message == (
        f"its phase is {phase}, so it gets no addresses by the preCreate hook ipamController any"
        " more: remove the hook, or replace the Machine"
    )


@pytest.mark.parametrize(
    ("devices", "hooks", "says"),
    [
        ([], START, "spec.providerSpec.value.network.devices is empty: add a device with a"),
        (["x"], START, "spec.providerSpec.value.network.devices is not a list of objects"),
        ([{}], START | {"preTerminate": [HOOK | {"owner": "bob"}]}, "the preTerminate hook"),
    ],
)
def test_a_machine_without_a_place_for_addresses_takes_none(
    devices: list[Any], hooks: dict[str, Any], says: str
) -> None:
    plan = decided(machine(hooks, devices))
    assert (plan.reason, plan.actions, plan.wait) == ("MachineUnusable", (), None)
    assert plan.message.startswith(says)


def test_what_is_lacking_is_allocated() -> None:
    plan = decided(machine())
    assert (plan.reason, plan.actions) == ("Allocating", (Allocate((SLOT,)),))
    assert plan.message == "allocate device-0-ipv4"


@pytest.mark.parametrize(
    ("free", "devices", "chosen", "reason"),
    [
        (0, 1, (), "PoolExhausted"),
        (1, 2, (), "PoolExhausted"),
        (2, 2, (), "Allocating"),
        (1, 2, ("device-0-ipv4",), "Allocating"),
        (0, 2, ("device-0-ipv4", "device-1-ipv4"), "Allocating"),
    ],
)
def test_all_or_nothing(free: int, devices: int, chosen: tuple[str, ...], reason: str) -> None:
    supply = {"/hook-ipv4": Supply(free, 30.0)}
    found = machine(devices=[{"networkName": "lab"}] * devices)
    plan = decided(found, supply=supply, chosen=frozenset(chosen))
    assert plan.reason == reason
    if reason == "PoolExhausted":
        needed = f"{devices} of 192.168.101.64/28 needed, {free} free"
        assert plan.message == f"{needed}; a released one comes free at 2027-01-15T08:00:30Z"
        assert (plan.actions, plan.wait) == ((), timedelta(seconds=30))


def test_each_family_has_to_suffice() -> None:
    supply = {"/hook-ipv4": Supply(1, None), "/hook-ipv6": Supply(0, None)}
    held = machine({"preProvision": [HOOK]})
    plan = decided(held, config=DUAL, supply=supply)
    assert (plan.reason, plan.message) == ("PoolExhausted", "1 of 2001:db8:1::/64 needed, 0 free")
    assert plan.wait == timedelta(minutes=5)


def test_one_patch_writes_all_and_lets_it_go() -> None:
    plan = decided(machine(START | {"preDrain": [FOREIGN]}), records=(OWN,))
    assert (plan.reason, len(plan.actions), plan.wait) == ("AddressesWritten", 1, None)
    assert plan.message == "write 192.168.101.64 for device 0"
    assert patched(plan)[0] == ("test", "/metadata/resourceVersion")
    assert ("add", "/spec/providerSpec/value/network/devices/0/config") in patched(plan)


@pytest.mark.parametrize(
    "unfit",
    [
        replace(OWN, owner=replace(MACHINE_OWNER, slot="device-1-ipv4")),
        record("10.0.0.5", MACHINE_OWNER),
        record("192.168.100.1", MACHINE_OWNER),
        record("2001:db8::5", MACHINE_OWNER),
    ],
)
def test_a_record_that_the_device_cannot_use_counts_for_none(unfit: Any) -> None:
    assert decided(machine(), records=(unfit,)).actions == (Allocate((SLOT,)),)


def test_a_machine_whose_devices_have_claims_just_goes_on() -> None:
    pools = [{"networkName": "lab", "addressesFromPools": [{"name": "lab"}]}]
    plan = decided(machine(devices=pools))
    assert plan.message == "write no addresses: its devices take them from pools"
    assert not [path for _, path in patched(plan) if "devices" in path]


def test_a_conflict_is_told_where_nothing_else_is_to_be_done() -> None:
    plan = decided(machine({}), conflicts=("one", "two"))
    assert (plan.reason, plan.message, plan.actions) == ("MachineConflict", "one; two", ())
    assert decided(machine(), conflicts=("one",)).reason == "Allocating"


@pytest.mark.parametrize("hooks", [{}, END, {"preCreate": [FOREIGN]}, {"preProvision": [HOOK]}])
def test_most_machines_wait_for_nothing_of_ours(hooks: dict[str, Any]) -> None:
    before = copy.deepcopy(hooks)
    plan = decided(machine(hooks))
    assert (plan.reason, plan.actions, plan.wait) == ("MachineSettled", (), None)
    assert hooks == before
