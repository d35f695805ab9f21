"""What is kept of a Machine: its hooks, the addresses it names, and all of it while it waits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moorage_domain.addresses import InvalidAddress
from moorage_domain.families import Address, parse_address
from moorage_domain.subject import DRY_RUN_ANNOTATION, Subject
from moorage_domain.wire import as_map, as_maps
from moorage_machine_ipam.machine.hooks import LifecycleHook, StartList, remembered_hook
from moorage_machine_ipam.machine.patches import MachineError, devices

JsonObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Machine:
    """One Machine of OpenShift.

    Attributes:
        subject: without version and status: they change often, and nothing here depends on them.
        start_hooks: list, name and owner of every hook that holds it before it has a VM.
        end_hooks: name and owner of every preTerminate hook.
        remembered: the preTerminate hook that we put there, ``None`` = none; ours may have another
            name by now.
        literal: addresses in its devices, as somebody wrote them there.
        addresses: those, and the ones that its VM was seen with.
        raw: all of it but who manages which field, where a patch may be made of it: it has a start
            hook, or is deleted with an end hook. ``None`` = no patch is.
    """

    subject: Subject
    start_hooks: frozenset[tuple[str, str, str]]
    end_hooks: frozenset[tuple[str, str]]
    remembered: LifecycleHook | None
    literal: frozenset[Address]
    addresses: frozenset[Address]
    raw: JsonObject | None

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.subject.namespace}/{self.subject.name}"

    def is_held_by(self, hook: LifecycleHook) -> bool:
        """Whether this very hook holds it before it has a VM."""
        return (hook.start_list.value, hook.name, hook.owner) in self.start_hooks

    def has(self, hook: LifecycleHook | None) -> bool:
        """Whether this hook, or the one that it remembers, is on it, at its begin or its end."""
        ours = tuple(filter(None, (hook, self.remembered)))
        return any(self.is_held_by(one) or (one.name, one.owner) in self.end_hooks for one in ours)


def machine_of(raw: dict[str, Any]) -> Machine:
    """The projection of a Machine; what of it makes no sense is left out."""
    meta = raw["metadata"]
    start = frozenset((one.value, *hook) for one in StartList for hook in _hooks(raw, one.value))
    end, deleting = frozenset(_hooks(raw, "preTerminate")), "deletionTimestamp" in meta
    literal = frozenset(_addresses(_in_devices(raw)))
    kept = None
    if start or (deleting and end):
        kept = {**raw, "metadata": {k: v for k, v in meta.items() if k != "managedFields"}}
    return Machine(
        subject=Subject(
            name=meta["name"],
            namespace=meta.get("namespace"),
            uid=meta.get("uid", ""),
            resource_version="",
            deleting=deleting,
            dry_run=(meta.get("annotations") or {}).get(DRY_RUN_ANNOTATION) == "true",
        ),
        start_hooks=start,
        end_hooks=end,
        remembered=remembered_hook(as_map(meta.get("annotations"))),
        literal=literal,
        addresses=literal | frozenset(_addresses(_in_status(raw))),
        raw=kept,
    )


def _hooks(raw: JsonObject, name: str) -> list[tuple[str, str]]:
    """Name and owner of each hook in a list."""
    lists = as_map(as_map(raw.get("spec")).get("lifecycleHooks"))
    return [(str(one.get("name")), str(one.get("owner"))) for one in as_maps(lists.get(name))]


def addresses_of_device(device: JsonObject) -> tuple[Address, ...]:
    """The addresses that somebody wrote into a device."""
    return tuple(_addresses(_in_device(device)))


def _in_devices(raw: JsonObject) -> Iterator[object]:
    try:
        found = devices(raw)
    except MachineError:
        return
    for device in found:
        yield from _in_device(device)


def _in_device(device: JsonObject) -> Iterator[object]:
    """Texts with addresses: ``ipAddrs``, and nmstate in ``config``."""
    ip_addrs = device.get("ipAddrs")
    yield from ip_addrs if isinstance(ip_addrs, list) else ()
    for interface in as_maps(as_map(device.get("config")).get("interfaces")):
        for family in ("ipv4", "ipv6"):
            for address in as_maps(as_map(interface.get(family)).get("address")):
                yield address.get("ip")


def _in_status(raw: JsonObject) -> Iterator[object]:
    for address in as_maps(as_map(raw.get("status")).get("addresses")):
        yield address.get("address")


def _addresses(texts: Iterable[object]) -> Iterator[Address]:
    """The addresses among these texts, with a prefix or without; names of hosts are none."""
    for text in texts:
        if not isinstance(text, str):
            continue
        try:
            yield parse_address(text.partition("/")[0])
        except InvalidAddress:
            continue
