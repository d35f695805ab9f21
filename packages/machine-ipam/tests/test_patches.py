"""One patch gives a Machine its addresses, and changes nothing of it but what it names."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage_machine_ipam.machine.hooks import (
    HOOK_ANNOTATION,
    LifecycleHook,
    StartList,
    remembered_hook,
)
from moorage_machine_ipam.machine.patches import (
    JsonPatch,
    MachineError,
    addresses_patch,
    admitted_machine,
    comes_too_late,
    devices,
    devices_to_address,
    is_deleting,
    is_ours,
    needs_addresses,
    paused_by_authority,
    release_hooks_patch,
)
from moorage_machine_ipam.render.values import Device, Dns, Lease
from moorage_machine_ipam.render.vsphere import device_with_config, vsphere_device

Json = dict[str, Any]

HOOK = LifecycleHook()
OURS = {"name": "ipamController", "owner": "network-admin"}
NOTE = {HOOK_ANNOTATION: '{"name": "ipamController", "owner": "network-admin"}'}
FOREIGN = {"name": "firewall", "owner": "security", "note": "of a newer API"}
LEASE = Lease("192.168.101.64", 23, "192.168.100.1")
DNS = Dns(("192.168.1.215",))
DEVICES = "/spec/providerSpec/value/network/devices"
GONE = "2026-01-01T00:00:00Z"


def machine(**changes: object) -> Json:
    """A Machine of the README's MachineSet; ``a__b=value`` sets a field, ``None`` removes it."""
    made: Json = {
        "apiVersion": "machine.openshift.io/v1beta1",
        "kind": "Machine",
        "metadata": {"name": "worker-0", "uid": "u", "resourceVersion": "7"},
        "spec": {
            "lifecycleHooks": {"preCreate": [OURS]},
            "metadata": {},
            "providerSpec": {
                "value": {
                    "apiVersion": "machine.openshift.io/v1beta1",
                    "kind": "VSphereMachineProviderSpec",
                    "metadata": {"creationTimestamp": None},
                    "dataDisks": [{"name": "a/b~c", "sizeGiB": 5}],
                    "tagIDs": ["urn:vmomi:InventoryServiceTag:1"],
                    "network": {"devices": [{"networkName": "lab"}]},
                    "template": "cluster-rhcos",
                }
            },
        },
        "status": {"phase": "Provisioning"},
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        at = made
        for key in parents:
            at = at.setdefault(key, {})
        if value is None:
            at.pop(last)
        else:
            at[last] = copy.deepcopy(value)
    return made


def network(found: object) -> dict[str, object]:
    return {"spec__providerSpec__value__network": found}


def rendered(one: Json, *leases: Lease) -> dict[int, Json]:
    those = leases or (LEASE,)
    return {index: vsphere_device(each, those, DNS) for index, each in enumerate(devices(one))}


def applied(document: Json, patch: JsonPatch) -> Json:
    """As RFC 6902 has it, and no milder: what is removed or replaced must be there."""
    result = copy.deepcopy(document)
    for operation in patch:
        *parents, last = (
            part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]
        )
        at: Any = result
        for key in parents:
            at = at[int(key)] if isinstance(at, list) else at[key]
        key = int(last) if isinstance(at, list) else last
        there = key < len(at) if isinstance(key, int) else key in at
        match operation["op"]:
            case "test":
                assert at[key] == operation["value"]
            case "add" if isinstance(at, list):
                at.insert(key, copy.deepcopy(operation["value"]))
            case "add":
                at[key] = copy.deepcopy(operation["value"])
            case "replace" if there:
                at[key] = copy.deepcopy(operation["value"])
            case "remove" if there:
                del at[key]
            case other:
                raise AssertionError(other)
    return result


def test_hook_precreate_single_patch() -> None:
    one = machine()
    before = copy.deepcopy(one)
    assert addresses_patch(one, HOOK, rendered(one)) == [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "add", "path": f"{DEVICES}/0/ipAddrs", "value": ["192.168.101.64/23"]},
        {"op": "add", "path": f"{DEVICES}/0/gateway", "value": "192.168.100.1"},
        {"op": "add", "path": f"{DEVICES}/0/nameservers", "value": ["192.168.1.215"]},
        {"op": "add", "path": "/metadata/annotations", "value": NOTE},
        {"op": "remove", "path": "/spec/lifecycleHooks/preCreate"},
        {"op": "add", "path": "/spec/lifecycleHooks/preTerminate", "value": [OURS]},
    ]
    assert one == before


def test_hook_precreate_with_the_config_of_the_readme() -> None:
    one = machine()
    device = device_with_config(devices(one)[0], Device(0, leases=(LEASE,)), DNS)
    after = applied(one, addresses_patch(one, HOOK, {0: device}))
    assert after["spec"]["providerSpec"]["value"]["network"]["devices"] == [device]
    assert after["spec"]["lifecycleHooks"] == {"preTerminate": [OURS]}


def test_the_list_of_the_second_generation_is_another_one() -> None:
    hook = LifecycleHook(start_list=StartList.PRE_PROVISION)
    one = machine(spec__lifecycleHooks={"preProvision": [OURS], "preCreate": [OURS]})
    after = applied(one, addresses_patch(one, hook, rendered(one)))
    assert after["spec"]["lifecycleHooks"] == {"preCreate": [OURS], "preTerminate": [OURS]}


def test_hook_multi_device() -> None:
    one = machine(**network({"devices": [{"networkName": "lab"}, {"networkName": "storage"}]}))
    second = Lease("10.0.0.5", 24)
    both = {
        0: vsphere_device(devices(one)[0], (LEASE,)),
        1: vsphere_device(devices(one)[1], (second,)),
    }
    after = applied(one, addresses_patch(one, HOOK, both))
    assert devices(after) == (both[0], both[1])
    assert both[1] == {"networkName": "storage", "ipAddrs": ["10.0.0.5/24"]}


def test_one_of_two_devices_can_be_left_alone() -> None:
    one = machine(**network({"devices": [{"networkName": "lab"}, {"networkName": "dhcp"}]}))
    after = applied(one, addresses_patch(one, HOOK, {0: {"networkName": "lab", "ipAddrs": []}}))
    assert devices(after)[1] == {"networkName": "dhcp"}


def test_hook_unknown_fields_kept() -> None:
    one = machine(
        **network({"devices": [{"networkName": "lab", "x/y~z": 1}], "mode": "new"}),
        spec__lifecycleHooks={"preCreate": [OURS], "preHatch": [FOREIGN]},
    )
    after = applied(one, addresses_patch(one, HOOK, rendered(one)))
    expected = copy.deepcopy(one)
    expected["metadata"]["annotations"] = NOTE
    expected["spec"]["lifecycleHooks"] = {"preHatch": [FOREIGN], "preTerminate": [OURS]}
    expected["spec"]["providerSpec"]["value"]["network"]["devices"][0] |= {
        "ipAddrs": ["192.168.101.64/23"],
        "gateway": "192.168.100.1",
        "nameservers": ["192.168.1.215"],
    }
    assert after == expected


def test_paths_are_escaped() -> None:
    one = machine(**network({"devices": [{"a/b~c": 1}]}))
    patch = addresses_patch(one, HOOK, {0: {"a/b~c": 2}})
    assert patch[1] == {"op": "replace", "path": f"{DEVICES}/0/a~1b~0c", "value": 2}


def test_hook_deleting_no_late_add() -> None:
    """R11 too: a Machine that is deleted in Provisioning just loses the start hook."""
    one = machine(metadata__deletionTimestamp=GONE)
    assert is_deleting(one)
    assert not needs_addresses(one, HOOK)
    assert addresses_patch(one, HOOK, rendered(one)) == [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "remove", "path": "/spec/lifecycleHooks/preCreate"},
    ]


def test_r11_deleted_in_provisioning_both_hooks_can_be_released_at_once() -> None:
    hooks = {"preCreate": [OURS], "preTerminate": [OURS, FOREIGN]}
    one = machine(metadata__deletionTimestamp=GONE, spec__lifecycleHooks=hooks)
    after = applied(one, release_hooks_patch(one, HOOK))
    assert after == machine(
        metadata__deletionTimestamp=GONE, spec__lifecycleHooks={"preTerminate": [FOREIGN]}
    )


@pytest.mark.parametrize("deleting", [False, True])
def test_r12_foreign_hooks_are_never_touched_and_ours_are_removed_anyway(deleting: bool) -> None:  # noqa: FBT001 - from parametrize
    namesake = {"name": "ipamController", "owner": "someone-else"}
    hooks = {
        "preCreate": [FOREIGN, OURS, namesake, None, "text"],
        "preDrain": [OURS],
        "preTerminate": [FOREIGN],
    }
    one = machine(spec__lifecycleHooks=hooks)
    if deleting:
        one["metadata"]["deletionTimestamp"] = GONE
    after = applied(one, addresses_patch(one, HOOK, rendered(one)))
    assert after["spec"]["lifecycleHooks"] == {
        "preCreate": [FOREIGN, namesake, None, "text"],
        "preDrain": [OURS],
        "preTerminate": [FOREIGN] if deleting else [FOREIGN, OURS],
    }
    released = applied(one, release_hooks_patch(one, HOOK))
    assert released["spec"]["lifecycleHooks"] == {
        "preCreate": [FOREIGN, namesake, None, "text"],
        "preDrain": [OURS],
        "preTerminate": [FOREIGN],
    }


@pytest.mark.parametrize("authority", ["ClusterAPI", "Migrating"])
def test_hook_authoritative_capi(authority: str) -> None:
    one = machine(status__authoritativeAPI=authority)
    assert paused_by_authority(one)
    assert not needs_addresses(one, HOOK)
    assert is_ours(one, HOOK)
    assert addresses_patch(one, HOOK, rendered(one)) == release_hooks_patch(one, HOOK) == []


@pytest.mark.parametrize("status", [None, {}, {"authoritativeAPI": ""}, {"authoritativeAPI": None}])
def test_a_machine_without_authority_is_the_machine_apis(status: Json | None) -> None:
    one = machine()
    one["status"] = status
    assert not paused_by_authority(one)
    assert needs_addresses(one, HOOK)


@pytest.mark.parametrize(
    ("phase", "needs", "late"),
    [
        ("", True, False),
        ("Provisioning", True, False),
        ("Provisioned", False, True),
        ("Running", False, True),
        ("Failed", False, True),
        ("Deleting", False, True),
    ],
)
def test_an_address_is_of_use_until_there_is_a_vm(phase: str, needs: bool, late: bool) -> None:  # noqa: FBT001 - from parametrize
    one = machine(status__phase=phase)
    assert (needs_addresses(one, HOOK), comes_too_late(one, HOOK)) == (needs, late)
    without = machine(status__phase=phase, spec__lifecycleHooks=None)
    assert not needs_addresses(without, HOOK)
    assert not comes_too_late(without, HOOK)
    deleting = machine(status__phase=phase, metadata__deletionTimestamp=GONE)
    assert not comes_too_late(deleting, HOOK)


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "ipamController", "owner": "someone-else"},
        {"name": "other", "owner": "network-admin"},
        {"name": "ipamController"},
        None,
        "ipamController",
    ],
)
def test_a_hook_is_ours_by_name_and_owner(entry: object) -> None:
    one = machine(spec__lifecycleHooks={"preCreate": [entry], "preTerminate": [entry]})
    assert not is_ours(one, HOOK)
    assert not needs_addresses(one, HOOK)
    assert release_hooks_patch(one, HOOK) == []


@pytest.mark.parametrize("name", ["preCreate", "preTerminate"])
def test_either_hook_makes_a_machine_ours(name: str) -> None:
    one = machine(spec__lifecycleHooks={name: [OURS]})
    assert is_ours(one, HOOK)
    after = applied(one, release_hooks_patch(one, HOOK))
    assert after == machine(spec__lifecycleHooks={})


def test_a_preterminate_hook_that_is_there_is_not_added_again() -> None:
    one = machine(spec__lifecycleHooks={"preCreate": [OURS], "preTerminate": [FOREIGN, OURS]})
    after = applied(one, addresses_patch(one, HOOK, {}))
    assert after["spec"]["lifecycleHooks"] == {"preTerminate": [FOREIGN, OURS]}


OLD = LifecycleHook("oldHook", "somebody")
OLD_NOTE = {HOOK_ANNOTATION: OLD.to_annotation(), "x": "y"}
OLD_ENTRY = {"name": "oldHook", "owner": "somebody"}


@pytest.mark.parametrize("now", [HOOK, None, OLD], ids=["another", "nobody knows", "the same"])
def test_a_hook_that_the_machine_remembers_is_released_whatever_ours_is_now(
    now: LifecycleHook | None,
) -> None:
    hooks = {"preTerminate": [FOREIGN, OLD_ENTRY]}
    one = machine(metadata__annotations=OLD_NOTE, spec__lifecycleHooks=hooks)
    after = applied(one, release_hooks_patch(one, now))
    assert after["spec"]["lifecycleHooks"] == {"preTerminate": [FOREIGN]}
    assert after["metadata"]["annotations"] == {"x": "y"}
    assert release_hooks_patch(after, now) == []


def test_a_hook_of_others_is_not_released_by_what_the_machine_remembers() -> None:
    others = {"name": "oldHook", "owner": "security"}
    one = machine(
        metadata__annotations=OLD_NOTE, spec__lifecycleHooks={"preTerminate": [others, OURS]}
    )
    assert release_hooks_patch(one, None) == []


def test_a_machine_has_one_hook_of_ours_at_its_end() -> None:
    hooks = {"preCreate": [OURS], "preTerminate": [OLD_ENTRY, FOREIGN]}
    one = machine(metadata__annotations=OLD_NOTE, spec__lifecycleHooks=hooks)
    after = applied(one, addresses_patch(one, HOOK, {}))
    assert after["spec"]["lifecycleHooks"] == {"preTerminate": [FOREIGN, OURS]}
    assert remembered_hook(after["metadata"]["annotations"]) == HOOK


@pytest.mark.parametrize(
    "text", ["", "ipamController", "[]", "{}", '{"name": "x"}', "null", '"x"', "{"], ids=repr
)
def test_what_is_no_note_of_a_hook_remembers_none(text: str) -> None:
    assert remembered_hook({HOOK_ANNOTATION: text}) is None
    assert remembered_hook({}) is None


def test_sec_08_a_note_nested_without_end_remembers_no_hook() -> None:
    assert remembered_hook({HOOK_ANNOTATION: "[" * 100_000}) is None


def test_a_machine_that_is_to_be_created_has_name_devices_and_hook() -> None:
    one = machine(metadata__resourceVersion=None, metadata__uid=None, metadata__name=None)
    one["metadata"] |= {"generateName": "worker-"}
    one["spec"]["lifecycleHooks"] = {"preTerminate": [FOREIGN]}
    after = admitted_machine(one, HOOK, rendered(one), "worker-x2x2x")
    assert after["metadata"] == {
        "generateName": "worker-",
        "name": "worker-x2x2x",
        "annotations": NOTE,
    }
    assert after["spec"]["lifecycleHooks"] == {"preTerminate": [FOREIGN, OURS]}
    assert devices(after)[0]["ipAddrs"] == ["192.168.101.64/23"]
    assert admitted_machine(after, HOOK, rendered(dict(after)), "worker-x2x2x") == after


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({}, "network.devices is empty: add a device"),
        ({"devices": [{}] * 11}, "has 11 devices, and a VM at most 10: remove the others"),
    ],
)
def test_a_machine_must_have_devices_and_no_more_than_a_vm_can(found: Any, message: str) -> None:
    with pytest.raises(MachineError, match=message):
        devices_to_address(machine(**network(found)))
    assert len(devices_to_address(machine(**network({"devices": [{}] * 10})))) == 10


def test_a_second_patch_has_nothing_to_do() -> None:
    one = machine()
    after = applied(one, addresses_patch(one, HOOK, rendered(one)))
    assert addresses_patch(after, HOOK, rendered(after)) == []


def test_a_preterminate_hook_of_our_name_and_another_owner_is_in_the_way() -> None:
    """The list is keyed by name: the API server would refuse a second one."""
    taken = {"name": "ipamController", "owner": "bob"}
    one = machine(spec__lifecycleHooks={"preCreate": [OURS], "preTerminate": [taken]})
    with pytest.raises(MachineError, match='hook ipamController is of "bob", not of "network-adm'):
        addresses_patch(one, HOOK, rendered(one))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (network({"devices": [{"a": 1}, None, {}]}), ({"a": 1}, {}, {})),
        (network({"devices": None}), ()),
        (network({"devices": []}), ()),
        (network({}), ()),
        (network(None), ()),
        ({"spec__providerSpec": {"value": None}}, ()),
        ({"spec__providerSpec": {}}, ()),
        ({"spec__providerSpec": None}, ()),
        ({"spec": None}, ()),
    ],
)
def test_a_machine_may_lack_devices_and_all_around_them(
    changes: dict[str, object], found: tuple[Json, ...]
) -> None:
    one = machine(**changes)
    assert devices(one) == found
    after = applied(one, addresses_patch(one, HOOK, {0: {"ipAddrs": ["192.0.2.10/24"]}}))
    assert devices(after)[0]["ipAddrs"] == ["192.0.2.10/24"]
    assert len(devices(after)) == max(1, len(found))
    assert after["spec"]["lifecycleHooks"] == {"preTerminate": [OURS]}


@pytest.mark.parametrize("hooks", [None, {}, {"preCreate": None, "preTerminate": None}])
def test_hooks_may_be_null_or_missing(hooks: Json | None) -> None:
    one = machine()
    one["spec"]["lifecycleHooks"] = hooks
    assert not needs_addresses(one, HOOK)
    assert not is_ours(one, HOOK)
    assert release_hooks_patch(one, HOOK) == []
    after = applied(one, addresses_patch(one, HOOK, rendered(one)))
    assert after["spec"]["lifecycleHooks"]["preTerminate"] == [OURS]
    del one["spec"]["lifecycleHooks"]
    after = applied(one, addresses_patch(one, HOOK, rendered(one)))
    assert after["spec"]["lifecycleHooks"] == {"preTerminate": [OURS]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (network("lab"), "spec.providerSpec.value.network is not an object: correct it"),
        (network({"devices": {}}), "network.devices is not a list of objects: correct it"),
        (network({"devices": ["lab"]}), "network.devices is not a list of objects: correct it"),
        ({"spec__providerSpec": {"value": "x"}}, "spec.providerSpec.value is not an object"),
    ],
)
def test_what_is_no_device_is_said_with_its_path(changes: dict[str, object], message: str) -> None:
    one = machine(**changes)
    assert needs_addresses(one, HOOK)
    with pytest.raises(MachineError, match=message):
        devices(one)
    with pytest.raises(MachineError, match=message):
        addresses_patch(one, HOOK, {0: {}})


@pytest.mark.parametrize(
    ("changes", "indices", "message"),
    [
        ({}, (1,), "there is no device 1: the Machine has 1"),
        ({}, (-1,), "there is no device -1: the Machine has 1"),
        (network({}), (1,), "there is no device 1: the Machine has 0"),
    ],
)
def test_a_device_that_is_not_there_gets_nothing(
    changes: dict[str, object], indices: tuple[int, ...], message: str
) -> None:
    with pytest.raises(MachineError, match=message):
        addresses_patch(machine(**changes), HOOK, {index: {"a": 1} for index in indices})


def test_a_machine_that_was_not_read_cannot_be_patched() -> None:
    one = machine(metadata__resourceVersion=None)
    with pytest.raises(MachineError, match="resourceVersion is missing: read the Machine from"):
        addresses_patch(one, HOOK, rendered(one))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.text("a/~", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=2)
    ),
    max_leaves=4,
)
UNKNOWN = st.dictionaries(st.text("xyz/~", min_size=1, max_size=2), JSON, max_size=2)
ENTRY = st.sampled_from([OURS, FOREIGN, {**OURS, "owner": "bob"}, None])
HOOKS = st.fixed_dictionaries(
    {},
    optional={
        "preCreate": st.none() | st.lists(ENTRY, max_size=3),
        "preDrain": st.lists(ENTRY, max_size=2),
        "preTerminate": st.none() | st.lists(st.sampled_from([OURS, FOREIGN]), max_size=2),
    },
)


def around(required: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Json]:
    """Objects with these members or without, and members nobody knows."""
    known = st.fixed_dictionaries({}, optional=dict(required))
    return st.builds(lambda one, other: {**one, **other}, UNKNOWN, known)


LISTED = st.none() | st.lists(st.none() | UNKNOWN, max_size=3)
VALUE = st.none() | around({"network": st.none() | around({"devices": LISTED})})
MACHINES = st.builds(
    lambda metadata, rest: {**rest, "metadata": {**metadata, "resourceVersion": "7"}},
    around({"deletionTimestamp": st.just(GONE)}),
    around(
        {
            "spec": st.none()
            | around(
                {
                    "lifecycleHooks": st.none() | HOOKS,
                    "providerSpec": st.none() | around({"value": VALUE}),
                }
            ),
            "status": around(
                {
                    "phase": st.sampled_from(["", "Provisioning", "Running"]),
                    "authoritativeAPI": st.sampled_from(["", "MachineAPI", "ClusterAPI"]),
                }
            ),
        }
    ),
)


def nothing_left(value: object) -> object:
    """JSON without members that are null or empty, to which patches may add."""
    if isinstance(value, dict):
        kept = {key: nothing_left(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if each not in (None, {}, [])}
    return value


def put_back(after: Json, one: Json) -> Json:
    """``after`` with the named paths as they were in ``one``."""
    result = copy.deepcopy(after)
    result["metadata"].get("annotations", {}).pop(HOOK_ANNOTATION, None)
    spec = result["spec"] = result.get("spec") or {}
    before = one.get("spec") or {}
    spec["lifecycleHooks"] = before.get("lifecycleHooks")
    value = (spec.get("providerSpec") or {}).get("value") or {}
    if value.get("network"):
        old = ((before.get("providerSpec") or {}).get("value") or {}).get("network") or {}
        value["network"]["devices"] = old.get("devices")
    return result


@settings(deadline=None)
@given(one=MACHINES)
def test_any_machine_equals_the_original_but_for_the_paths_named(one: Json) -> None:
    before = copy.deepcopy(one)
    there = devices(one)
    both = {index: {**each, "ipAddrs": ["192.0.2.10/24"]} for index, each in enumerate(there)}
    patch = addresses_patch(one, HOOK, both or {0: {"ipAddrs": ["192.0.2.10/24"]}})
    after = applied(one, patch)
    assert one == before
    assert nothing_left(put_back(after, one)) == nothing_left(one)
    lists = (after.get("spec") or {}).get("lifecycleHooks") or {}
    old = (one.get("spec") or {}).get("lifecycleHooks") or {}
    if paused_by_authority(one):
        assert patch == []
        return
    assert OURS not in (lists.get("preCreate") or [])
    foreign = [each for each in old.get("preTerminate") or [] if each != OURS]
    assert [each for each in lists.get("preTerminate") or [] if each != OURS] == foreign
    if is_deleting(one):
        assert devices(after) == there
        assert lists.get("preTerminate") == old.get("preTerminate")
    else:
        assert OURS in lists["preTerminate"]
        assert devices(after)[: len(there)] == tuple(both.values())


@settings(deadline=None)
@given(one=MACHINES)
def test_release_removes_our_hooks_and_nothing_else(one: Json) -> None:
    after = applied(one, release_hooks_patch(one, HOOK))
    if paused_by_authority(one):
        assert after == one
        return
    assert not is_ours(after, HOOK)
    assert nothing_left(put_back(after, one)) == nothing_left(one)
    if not is_ours(one, HOOK):
        assert release_hooks_patch(one, HOOK) == []
