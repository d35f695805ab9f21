"""What is read of a Machine, and the one JSON patch by which it is changed; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moorage_domain.admission import json_patch
from moorage_machine_ipam.machine.hooks import HOOK_ANNOTATION, LifecycleHook, remembered_hook

JsonObject = Mapping[str, Any]
JsonPatch = list[dict[str, Any]]
"""Operations of RFC 6902; empty = nothing is to be written."""

MOST_DEVICES = 10
"""A VM of vSphere has no more adapters, and machine-api-operator takes no more devices."""

_PRE_TERMINATE = "preTerminate"
_DEVICES = ("spec", "providerSpec", "value", "network", "devices")
# Until then there is no VM that an address would reach too late. The first is a Machine that its
# own controller has not seen yet.
_BEFORE_VM = ("", "Provisioning")


class MachineError(ValueError):
    """The Machine cannot be given its addresses as it is; the message says what to change."""


def devices(machine: JsonObject) -> tuple[JsonObject, ...]:
    """The network devices of a Machine, in their order; none if it has no ``network`` at all.

    ``null`` in the list is a device without fields. Raises ``MachineError`` where something else
    than devices stands: ``providerSpec.value`` has no schema.
    """
    found: object = machine
    for depth, key in enumerate(_DEVICES):
        if not isinstance(found, Mapping):
            raise MachineError(f"{'.'.join(_DEVICES[:depth])} is not an object: correct it")
        found = found.get(key)
        if found is None:
            return ()
    if not isinstance(found, list) or any(
        each is not None and not isinstance(each, Mapping) for each in found
    ):
        raise MachineError(f"{'.'.join(_DEVICES)} is not a list of objects: correct it")
    return tuple(each or {} for each in found)


def devices_to_address(machine: JsonObject) -> tuple[JsonObject, ...]:
    """The devices of a Machine that is to get addresses; raises ``MachineError``: it cannot."""
    found = devices(machine)
    if not found:
        raise MachineError(f"{'.'.join(_DEVICES)} is empty: add a device with a networkName")
    if len(found) > MOST_DEVICES:
        raise MachineError(
            f"{'.'.join(_DEVICES)} has {len(found)} devices, and a VM at most {MOST_DEVICES}:"
            " remove the others"
        )
    return found


def needs_addresses(machine: JsonObject, hook: LifecycleHook) -> bool:
    """Whether a Machine waits for us: our start hook holds it, and there is no VM yet."""
    return (
        _has(machine, hook.start_list, hook)
        and _status(machine, "phase") in _BEFORE_VM
        and not is_deleting(machine)
        and not paused_by_authority(machine)
    )


def comes_too_late(machine: JsonObject, hook: LifecycleHook) -> bool:
    """Whether our start hook holds a Machine that has a VM already, or failed.

    What is written to its devices would reach no VM. People added the hook later, or the cluster's
    controller does not know the list; :func:`release_hooks_patch` removes it.
    """
    return (
        _has(machine, hook.start_list, hook)
        and _status(machine, "phase") not in _BEFORE_VM
        and not is_deleting(machine)
    )


def is_ours(machine: JsonObject, hook: LifecycleHook) -> bool:
    """Whether one of our hooks is on a Machine."""
    return _has(machine, hook.start_list, hook) or _has(machine, _PRE_TERMINATE, hook)


def is_deleting(machine: JsonObject) -> bool:
    """Whether a Machine is being deleted: its hooks may be removed, but not added or changed."""
    return bool(_object(machine, "metadata").get("deletionTimestamp"))


def paused_by_authority(machine: JsonObject) -> bool:
    """Whether Cluster API has a Machine, or it is on its way: what we write would be undone."""
    return _status(machine, "authoritativeAPI") not in ("", "MachineAPI")


def addresses_patch(
    machine: JsonObject, hook: LifecycleHook, rendered: Mapping[int, JsonObject]
) -> JsonPatch:
    """The one patch by which a Machine gets its addresses and may go on.

    It sets the rendered devices, removes our start hook, adds our preTerminate hook with an
    annotation that remembers it, and applies to this resourceVersion only. A Machine that is being
    deleted just loses the start hook; one that Cluster API has is not written to. Lists and maps
    that are missing are created, hooks of others and all other fields stay as they are.

    Args:
        machine: as it was read; it is not changed.
        hook: ours.
        rendered: whole devices by their index.

    Raises:
        MachineError: when the Machine has no place for a device, or another owner has a
            preTerminate hook of our name.
    """
    if paused_by_authority(machine):
        return []
    after = _without(machine, hook.start_list, hook)
    if is_deleting(machine):
        return _if_unchanged(machine, [], after)
    after = _with_end_hook(after, hook)
    if rendered and not devices(machine):
        return _if_unchanged(machine, [], _with_first_devices(after, rendered))
    return _if_unchanged(machine, _device_operations(machine, rendered), after)


def admitted_machine(
    machine: JsonObject, hook: LifecycleHook, rendered: Mapping[int, JsonObject], name: str
) -> JsonObject:
    """A Machine as it is to be created: with a name, its devices rendered, our hook at its end.

    Raises ``MachineError`` as :func:`addresses_patch`.
    """
    there = devices(machine)
    after = _with_end_hook(machine, hook)
    after = {**after, "metadata": {**_object(after, "metadata"), "name": name}}
    return _with_devices(after, [rendered.get(i, one) for i, one in enumerate(there)])


def release_hooks_patch(machine: JsonObject, hook: LifecycleHook | None) -> JsonPatch:
    """The patch that removes our start hook and our preTerminate hook, and nothing else.

    Also the hook that the Machine remembers, which may be another one than ours is now; ``hook`` is
    ``None`` where nobody knows that. Empty when nothing is ours, and for a Machine that Cluster API
    has.
    """
    if paused_by_authority(machine):
        return []
    after = machine
    for one in filter(None, (hook, _remembered(machine))):
        after = _without(_without(after, one.start_list, one), _PRE_TERMINATE, one)
    if after is machine:
        return []
    return _if_unchanged(machine, [], _with_annotation(after, None))


def _if_unchanged(machine: JsonObject, first: JsonPatch, after: JsonObject) -> JsonPatch:
    """These operations, and those that lead to ``after``, for the Machine as it was read."""
    operations = [*first, *map(dict, json_patch(machine, after))]
    if not operations:
        return []
    version = _object(machine, "metadata").get("resourceVersion")
    if not version:
        raise MachineError("metadata.resourceVersion is missing: read the Machine from the cluster")
    return [{"op": "test", "path": "/metadata/resourceVersion", "value": version}, *operations]


def _device_operations(machine: JsonObject, rendered: Mapping[int, JsonObject]) -> JsonPatch:
    """Each device that is there turned into the rendered one, field by field."""
    there = devices(machine)
    operations: JsonPatch = []
    for index, device in sorted(rendered.items()):
        if index not in range(len(there)):
            raise MachineError(f"there is no device {index}: the Machine has {len(there)}")
        path = f"/{'/'.join(_DEVICES)}/{index}"
        if there[index]:
            operations += [
                {**each, "path": f"{path}{each['path']}"}
                for each in json_patch(there[index], device)
            ]
        elif device:  # null or empty
            operations.append({"op": "replace", "path": path, "value": device})
    return operations


def _with_first_devices(machine: JsonObject, rendered: Mapping[int, JsonObject]) -> JsonObject:
    """A Machine that had no devices, and perhaps none of the maps around them, with these."""
    if sorted(rendered) != list(range(len(rendered))):
        raise MachineError(f"there is no device {max(rendered)}: the Machine has 0")
    return _with_devices(machine, [rendered[index] for index in sorted(rendered)])


def _with_devices(machine: JsonObject, found: list[JsonObject]) -> JsonObject:
    value: object = found
    parents = [machine]
    for key in _DEVICES[:-1]:
        parents.append(_object(parents[-1], key))
    for parent, key in zip(reversed(parents), reversed(_DEVICES), strict=True):
        value = {**parent, key: value}
    return dict(value) if isinstance(value, Mapping) else machine


def _with_end_hook(machine: JsonObject, hook: LifecycleHook) -> JsonObject:
    """With our preTerminate hook, remembered, and without one of ours that has another name."""
    former = _remembered(machine)
    if former is not None:
        machine = _without(machine, _PRE_TERMINATE, former)
    return _with_annotation(_with_pre_terminate(machine, hook), hook)


def _with_annotation(machine: JsonObject, hook: LifecycleHook | None) -> JsonObject:
    """Remembering this hook, or none."""
    meta = _object(machine, "metadata")
    annotations = dict(_object(meta, "annotations"))
    if hook is not None:
        annotations[HOOK_ANNOTATION] = hook.to_annotation()
    elif annotations.pop(HOOK_ANNOTATION, None) is None:
        return machine
    return {**machine, "metadata": {**meta, "annotations": annotations}}


def _remembered(machine: JsonObject) -> LifecycleHook | None:
    return remembered_hook(_object(_object(machine, "metadata"), "annotations"))


def _with_pre_terminate(machine: JsonObject, hook: LifecycleHook) -> JsonObject:
    entries = _entries(machine, _PRE_TERMINATE)
    for each in entries:
        if not isinstance(each, Mapping) or each.get("name") != hook.name:
            continue
        if each.get("owner") == hook.owner:
            return machine
        raise MachineError(
            f'the preTerminate hook {hook.name} is of "{each.get("owner")}", not of'
            f' "{hook.owner}": give one of the two another name'
        )
    added = [*entries, {"name": hook.name, "owner": hook.owner}]
    return _with_entries(machine, _PRE_TERMINATE, added)


def _without(machine: JsonObject, list_name: str, hook: LifecycleHook) -> JsonObject:
    if not _has(machine, list_name, hook):
        return machine
    kept = [each for each in _entries(machine, list_name) if not _is_own(each, hook)]
    return _with_entries(machine, list_name, kept)


def _with_entries(machine: JsonObject, list_name: str, entries: list[Any]) -> JsonObject:
    """The Machine with such a list of hooks; an empty one is left out, as Go would."""
    spec = _object(machine, "spec")
    lists = {key: each for key, each in _object(spec, "lifecycleHooks").items() if key != list_name}
    if entries:
        lists[list_name] = entries
    return {**machine, "spec": {**spec, "lifecycleHooks": lists}}


def _has(machine: JsonObject, list_name: str, hook: LifecycleHook) -> bool:
    return any(_is_own(each, hook) for each in _entries(machine, list_name))


def _is_own(entry: object, hook: LifecycleHook) -> bool:
    return (
        isinstance(entry, Mapping)
        and entry.get("name") == hook.name
        and entry.get("owner") == hook.owner
    )


def _entries(machine: JsonObject, list_name: str) -> list[Any]:
    """A list of hooks; ``[]``: it is missing or ``null``."""
    found = _object(_object(machine, "spec"), "lifecycleHooks").get(list_name)
    return found if isinstance(found, list) else []


def _status(machine: JsonObject, field: str) -> str:
    found = _object(machine, "status").get(field)
    return found if isinstance(found, str) else ""


def _object(parent: JsonObject, key: str) -> JsonObject:
    """A member; ``{}``: it is missing or ``null``."""
    found = parent.get(key)
    return found if isinstance(found, Mapping) else {}
