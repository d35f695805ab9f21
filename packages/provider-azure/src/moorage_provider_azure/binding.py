"""Attaches an address to a machine's interface and detaches it, with blocking calls."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from moorage_provider.errors import (
    AddressNotFound,
    CloudError,
    InUse,
    Locked,
    MachineNotFound,
    MachineUnfit,
    Stale,
    Unsupported,
)
from moorage_provider.holders import held
from moorage_provider.protocol import (
    CloudAddress,
    Labels,
    Machine,
    MachineHolder,
    OtherHolder,
    PendingMutation,
    UnknownHolder,
)
from moorage_provider.rows import ODD, certain, selected_by, understood
from moorage_provider_azure import mapping
from moorage_provider_azure.deleted import is_of_deleted
from moorage_provider_azure.fitness import UNIFORM
from moorage_provider_azure.identity import is_uniform

if TYPE_CHECKING:
    from azure.mgmt.network.models import NetworkInterface, PublicIPAddress

    from moorage_provider_azure.arm import Arm
    from moorage_provider_azure.mapping import AzureAddress

FEW_INTERFACES = 3
"""Up to this many are read one by one: the list has those of all machines, which is slow."""
# Azure allows no more tags on a resource, and no longer values.
_MOST_TAGS, _LONGEST_TAG = 50, 256
_ATTACHMENT = "attach"
_IN_USE = "PublicIPAddressInUse"


def snapshot(
    arm: Arm, wanted: Iterable[str], selectors: Collection[Labels] = ()
) -> dict[str, AzureAddress | CloudAddress]:
    """The wanted public addresses that exist, and those with such tags, by their text.

    Takes two lists, however many machines there are. Interfaces are listed where many of the
    addresses are on interfaces, scale sets where an address is in no other list; see ``Search``.
    A single address that a list has shown before is read alone: lists of a large subscription take
    long, and while addresses move each is read once more.
    """
    wanted = set(wanted)
    if not wanted and not selectors:
        return {}
    selected = selected_by(selectors, mapping.labels)
    rows = _alone(arm, *wanted) if len(wanted) == 1 and not selectors else []
    if not rows:
        # Only what may be wanted is kept: all of them, as the SDK's models, take many MiB.
        perhaps = {None, *wanted}
        rows = [row for row in arm.addresses() if mapping.text_of(row) in perhaps or selected(row)]
    interfaces = _interfaces(arm, set(_interface_ids(rows)))
    unknown: Mapping[str, CloudAddress] = {}
    if missing := wanted - set(map(mapping.text_of, rows)):
        more, unknown = arm.search.rows(arm, missing)
        rows += more
    describe = partial(mapping.address, interfaces=interfaces)
    found = understood(rows, wanted, mapping.ip, describe, selected)
    arm.references |= {ip: one.reference for ip, one in found.items() if one.reference}
    return {**unknown, **found}


def _alone(arm: Arm, ip: str) -> list[PublicIPAddress]:
    """The address by the reference it had when it was last read; none: it has another by now."""
    reference = arm.references.get(ip)
    if not reference:
        return []
    try:
        row = arm.address(reference)
    except AddressNotFound:
        return []
    return [row] if mapping.text_of(row) == ip else []


def _interface_ids(rows: Iterable[PublicIPAddress]) -> Iterator[str]:
    """The interfaces that hold these addresses; a row that is not understood is on none."""
    for row in rows:
        if mapping.text_of(row) is not None:
            with contextlib.suppress(*ODD):
                if interface_id := mapping.held_by_interface(row):
                    yield interface_id


def _interfaces(arm: Arm, ids: Collection[str]) -> dict[str, NetworkInterface]:
    """These interfaces by their ids; those that no longer exist are left out."""
    if len(ids) > FEW_INTERFACES:
        # Only these are kept, see above.
        return {key: one for one in arm.interfaces() if (key := mapping.lower(one.id)) in ids}
    found = {one: _find(arm, one) for one in ids}
    return {one: interface for one, interface in found.items() if interface}


def machine(arm: Arm, machine_id: str) -> Machine:
    """A machine with its primary interface and the address on that."""
    row = arm.machine(machine_id)
    interface = arm.interface(mapping.interface_id(row))
    reference = mapping.address_id(mapping.primary(interface))
    public_ip = arm.address(reference).ip_address if reference else ""
    return mapping.machine(row, interface, public_ip or "")


def attach(arm: Arm, address: CloudAddress, target: Machine) -> PendingMutation:
    """Give a free address to a machine."""
    if is_uniform(target.machine_id):
        raise Unsupported(f"{address.ip} cannot be on {target.machine_id}: {UNIFORM}")
    if isinstance(address.holder, OtherHolder | UnknownHolder):
        raise held(address, _IN_USE)
    interface = arm.interface(target.interface_id)
    if _is_on(interface, address, target):
        return PendingMutation()
    configuration = mapping.primary(interface)
    occupant = mapping.address_id(configuration)
    if occupant not in ("", address.reference):
        text = f"{target.machine_id} already holds {occupant}"
        raise InUse(text, _IN_USE, occupant)
    # A reference to an address is an address with only its id.
    configuration.public_ip_address = {"id": address.reference}
    _tag(interface, target.machine_id)
    try:
        return _for_attachment(arm.write(interface))
    except Locked as busy:
        raise (_unfit(busy) if is_of_deleted(busy) else busy) from busy
    except (InUse, AddressNotFound, Stale) as refusal:
        _judge(arm, refusal, address, target)
        return PendingMutation()


def operation(arm: Arm, handle: str) -> tuple[PendingMutation, CloudError | None]:
    """The state of an operation, and how it failed. Raises ``Stale``: it is unknown."""
    path, _, purpose = handle.partition("#")
    state, error = arm.operation(path)
    if isinstance(error, Locked) and purpose == _ATTACHMENT and is_of_deleted(error):
        error = _unfit(error)
    return replace(state, handle=handle), error


def _for_attachment(begun: PendingMutation) -> PendingMutation:
    """A write that gives an address, marked as such: if the machine vanishes, another gets it."""
    return replace(begun, handle=f"{begun.handle}#{_ATTACHMENT}") if begun.handle else begun


def _unfit(deleted: CloudError) -> MachineUnfit:
    return MachineUnfit(deleted.message, deleted.code)


def detach(arm: Arm, address: CloudAddress) -> PendingMutation:
    """Take an address off the interface it was read on."""
    holder = _machine_holder(address)
    if holder is None:
        return PendingMutation()
    interface = _find(arm, holder.interface_id)
    # Azure describes it as attached but it is not: an earlier write failed, so the interface is
    # written unchanged.
    if not _clear(interface, address) and _is_free(arm, address):
        return PendingMutation()
    if interface is None:
        raise Stale(f"{address.ip} is described as on an interface that is gone")
    (interface.tags or {}).pop(mapping.MACHINE_TAG, None)
    try:
        return arm.write(interface)
    except Stale:
        if _is_free(arm, address):
            return PendingMutation()
        raise


def _machine_holder(address: CloudAddress) -> MachineHolder | None:
    """The machine to detach an address from; ``None``: nobody has it. Raises if it is not ours."""
    if isinstance(address.holder, OtherHolder | UnknownHolder):
        raise held(address, _IN_USE)
    if address.holder is not None and is_uniform(address.holder.machine_id):
        raise Unsupported(f"{address.ip} cannot leave {address.holder.machine_id}: {UNIFORM}")
    return address.holder


def _clear(interface: NetworkInterface | None, address: CloudAddress) -> bool:
    """Remove the address from the description; whether it was there. Raises ``Stale``."""
    configuration = mapping.holding(interface, address.reference) if interface else None
    if interface is None or configuration is None:
        return False
    if mapping.token(configuration.id, interface) != address.token:
        raise _changed_hands(address)
    configuration.public_ip_address = None
    return True


def _judge(arm: Arm, refusal: CloudError, address: CloudAddress, target: Machine) -> None:
    """Read why an attachment was refused; return when the address is already attached."""
    if isinstance(refusal, Stale):
        # The interface has changed, perhaps by our own write whose answer was lost.
        if _is_on(arm.interface(target.interface_id), address, target):
            return
        raise refusal
    now = _reread(arm, address)
    if isinstance(now.holder, MachineHolder) and now.holder.machine_id == target.machine_id:
        if now.holder.misplaced:
            raise Stale(f"{now.ip} is on {now.holder.misplaced} by now") from refusal
        return
    if now.holder is not None:
        raise held(now, _IN_USE) from refusal
    if isinstance(refusal, AddressNotFound):
        # It exists, but the interface cannot refer to it.
        raise MachineUnfit(refusal.message, refusal.code) from refusal
    raise Stale(refusal.message, refusal.code) from refusal


def _is_on(interface: NetworkInterface, address: CloudAddress, target: Machine) -> bool:
    """Whether the address really is on the target. Raises if the interface is not the target's."""
    if not interface.virtual_machine:
        raise MachineNotFound(f"{target.machine_id} is gone, its interface is left alone")
    if mapping.machine_of(interface) != target.machine_id:
        raise Stale(f"{interface.name} is no longer an interface of {target.machine_id}")
    # After a failed write Azure may describe the interface as it should have become.
    settled = interface.provisioning_state == "Succeeded"
    return settled and mapping.address_id(mapping.primary(interface)) == address.reference


def _is_free(arm: Arm, address: CloudAddress) -> bool:
    """Whether nobody has the address any more. Raises ``Stale`` when somebody else has it."""
    now = _reread(arm, address)
    if now.token not in ("", address.token):
        raise _changed_hands(address)
    return now.holder is None


def _reread(arm: Arm, address: CloudAddress) -> CloudAddress:
    """The address as it is now. Raises ``AddressNotFound``, ``Stale``."""
    rows, wanted = [arm.address(address.reference)], (address.ip,)
    interfaces = _interfaces(arm, set(_interface_ids(rows)))
    found = understood(rows, wanted, mapping.ip, lambda row: mapping.address(row, interfaces))
    return certain(found, address)


def _find(arm: Arm, interface_id: str) -> NetworkInterface | None:
    """An interface; ``None``: it is gone, perhaps deleted with its machine."""
    try:
        return arm.interface(interface_id)
    except MachineNotFound:
        return None


def _tag(interface: NetworkInterface, machine_id: str) -> None:
    """Tag the interface, which may outlive its machine, with the machine; see ``machine_of``."""
    tags = interface.tags or {}
    room = len(tags) < _MOST_TAGS or mapping.MACHINE_TAG in tags
    if room and len(machine_id) <= _LONGEST_TAG:
        interface.tags = {**tags, mapping.MACHINE_TAG: machine_id}


def _changed_hands(address: CloudAddress) -> Stale:
    return Stale(f"{address.ip} has changed hands since it was read")
