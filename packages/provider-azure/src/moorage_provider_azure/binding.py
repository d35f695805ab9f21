"""Putting an address on a machine's interface and taking it off, as blocking calls."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from moorage_provider.errors import (
    AddressNotFound,
    CloudError,
    InUse,
    MachineNotFound,
    MachineUnfit,
    Stale,
    Unsupported,
)
from moorage_provider.protocol import CloudAddress, Machine, MachineHolder, OtherHolder
from moorage_provider_azure import mapping as rows
from moorage_provider_azure.fitness import UNIFORM
from moorage_provider_azure.identity import is_uniform

if TYPE_CHECKING:
    from azure.mgmt.network.models import NetworkInterface, PublicIPAddress

    from moorage_provider_azure.arm import Arm
    from moorage_provider_azure.mapping import AzureAddress

FEW_INTERFACES = 3
"""So few are read one by one: the list has those of all machines, and takes the SDK long."""
# Azure takes no more tags on a resource, and none that is longer.
_MOST_TAGS, _LONGEST_TAG = 50, 256


def snapshot(arm: Arm, wanted: Iterable[str]) -> dict[str, AzureAddress]:
    """The public addresses among those wanted, by their text.

    Two lists, however many machines there are. Interfaces are listed where many of the addresses
    are on interfaces, scale sets where one of them is in no other list.
    """
    missing = set(wanted)
    if not missing:
        return {}
    found = list(_among(missing, arm.addresses()))
    interfaces = _interfaces(arm, {rows.held_by_interface(row) for row in found} - {""})
    if missing:
        found += _among(missing, arm.uniform_addresses())
    addresses = (rows.address(row, interfaces) for row in found)
    return {address.ip: address for address in addresses}


def _interfaces(arm: Arm, ids: Collection[str]) -> dict[str, NetworkInterface]:
    """These interfaces by their ids; who is gone is left out."""
    if len(ids) > FEW_INTERFACES:
        # Only these are kept: as the SDK's models all of them take many MiB.
        return {key: one for one in arm.interfaces() if (key := rows.lower(one.id)) in ids}
    found = {one: _find(arm, one) for one in ids}
    return {one: interface for one, interface in found.items() if interface}


def _among(missing: set[str], listed: Iterable[PublicIPAddress]) -> Iterator[PublicIPAddress]:
    """Those that are wanted; what is found is no longer missing."""
    for row in listed:
        # One that is allocated only once it is used has no text yet.
        ip = rows.canonical(row.ip_address) if row.ip_address else ""
        if ip in missing:
            missing.discard(ip)
            yield row


def machine(arm: Arm, machine_id: str) -> Machine:
    """A machine, its primary interface and the address on that."""
    row = arm.machine(machine_id)
    interface = arm.interface(rows.interface_id(row))
    reference = rows.address_id(rows.primary(interface))
    public_ip = arm.address(reference).ip_address if reference else ""
    return rows.machine(row, interface, public_ip or "")


def attach(arm: Arm, address: CloudAddress, target: Machine) -> str:
    """Give a free address to a machine; return the operation's handle, ``""`` = it is there."""
    if is_uniform(target.machine_id):
        raise Unsupported(f"{address.ip} cannot be on {target.machine_id}: {UNIFORM}")
    if isinstance(address.holder, OtherHolder):
        raise _held(address)
    interface = arm.interface(target.interface_id)
    if _is_on(interface, address, target):
        return ""
    configuration = rows.primary(interface)
    occupant = rows.address_id(configuration)
    if occupant not in ("", address.reference):
        text = f"{target.machine_id} already holds {occupant}"
        raise InUse(text, "PublicIPAddressInUse", occupant)
    # A reference to an address is an address of which only the id is said.
    configuration.public_ip_address = {"id": address.reference}
    _mark(interface, target.machine_id)
    try:
        return arm.write(interface)
    except (InUse, AddressNotFound, Stale) as refusal:
        _judge(arm, refusal, address, target)
        return ""


def detach(arm: Arm, address: CloudAddress) -> str:
    """Take an address off the interface it was read on; return the operation's handle."""
    holder = _machine_holder(address)
    if holder is None:
        return ""
    interface = _find(arm, holder.interface_id)
    # Told to be there but not there, an earlier write failed: the interface is written as it is.
    if not _clear(interface, address) and _is_free(arm, address):
        return ""
    if interface is None:
        raise Stale(f"{address.ip} is told to be on an interface that is gone")
    (interface.tags or {}).pop(rows.MACHINE_TAG, None)
    try:
        return arm.write(interface)
    except Stale:
        if _is_free(arm, address):
            return ""
        raise


def _machine_holder(address: CloudAddress) -> MachineHolder | None:
    """Who an address can be taken from, ``None`` = nobody has it. Raises where it is not ours."""
    if isinstance(address.holder, OtherHolder):
        raise _held(address)
    if address.holder is not None and is_uniform(address.holder.machine_id):
        raise Unsupported(f"{address.ip} cannot leave {address.holder.machine_id}: {UNIFORM}")
    return address.holder


def _clear(interface: NetworkInterface | None, address: CloudAddress) -> bool:
    """Take the address off the description; whether it was there. Raises ``Stale``."""
    configuration = rows.holding(interface, address.reference) if interface else None
    if interface is None or configuration is None:
        return False
    if rows.token(configuration.id, interface) != address.token:
        raise _changed_hands(address)
    configuration.public_ip_address = None
    return True


def _judge(arm: Arm, refusal: CloudError, address: CloudAddress, target: Machine) -> None:
    """Find out by reading why an attachment was refused; return when it is there already."""
    if isinstance(refusal, Stale):
        # The interface has changed, perhaps by a write of ours whose answer was lost.
        if _is_on(arm.interface(target.interface_id), address, target):
            return
        raise refusal
    now = _reread(arm, address)
    if isinstance(now.holder, MachineHolder) and now.holder.machine_id == target.machine_id:
        return
    if now.holder is not None:
        raise _held(now) from refusal
    if isinstance(refusal, AddressNotFound):
        # It exists, but not where it can be seen from there.
        raise MachineUnfit(refusal.message, refusal.code) from refusal
    raise Stale(refusal.message, refusal.code) from refusal


def _is_on(interface: NetworkInterface, address: CloudAddress, target: Machine) -> bool:
    """Whether the address really is on the target. Raises where that is not the interface's."""
    if not interface.virtual_machine:
        raise MachineNotFound(f"{target.machine_id} is gone, its interface is left alone")
    if rows.machine_of(interface) != target.machine_id:
        raise Stale(f"{interface.name} is no longer an interface of {target.machine_id}")
    # After a write that failed it may be described as it was to be.
    settled = interface.provisioning_state == "Succeeded"
    return settled and rows.holding(interface, address.reference) is not None


def _is_free(arm: Arm, address: CloudAddress) -> bool:
    """Whether nobody has the address any more. Raises ``Stale`` when somebody else has it."""
    now = _reread(arm, address)
    if now.token not in ("", address.token):
        raise _changed_hands(address)
    return now.holder is None


def _reread(arm: Arm, address: CloudAddress) -> AzureAddress:
    """The address as it is now. Raises ``AddressNotFound``."""
    row = arm.address(address.reference)
    interface_id = rows.held_by_interface(row)
    interface = _find(arm, interface_id) if interface_id else None
    return rows.address(row, {interface_id: interface} if interface else {})


def _find(arm: Arm, interface_id: str) -> NetworkInterface | None:
    """An interface; ``None`` = it is gone, as its machine's settings may ask for."""
    try:
        return arm.interface(interface_id)
    except MachineNotFound:
        return None


def _mark(interface: NetworkInterface, machine_id: str) -> None:
    """Note the machine on its interface, for the time after the machine; see ``machine_of``."""
    tags = interface.tags or {}
    room = len(tags) < _MOST_TAGS or rows.MACHINE_TAG in tags
    if room and len(machine_id) <= _LONGEST_TAG:
        interface.tags = {**tags, rows.MACHINE_TAG: machine_id}


def _changed_hands(address: CloudAddress) -> Stale:
    return Stale(f"{address.ip} has changed hands since it was read")


def _held(address: CloudAddress) -> InUse:
    """The refusal of an address that somebody has."""
    holder = address.holder
    owner = holder.machine_id if isinstance(holder, MachineHolder) else ""
    if isinstance(holder, OtherHolder):
        owner = holder.description
    return InUse(f"{address.ip} is held by {owner}", "PublicIPAddressInUse", owner)
