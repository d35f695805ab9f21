"""Attaches and detaches addresses: blocking calls in order, made in a worker thread.

The text of a refusal does not count: the state is read again and decides.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from moorage_provider.errors import (
    CloudError,
    CredentialsRejected,
    Denied,
    InUse,
    Locked,
    MachineNotFound,
    MachineUnfit,
    QuotaExceeded,
    Stale,
    Throttled,
    Unavailable,
)
from moorage_provider.holders import held
from moorage_provider.protocol import (
    CloudAddress,
    Machine,
    MachineHolder,
    OtherHolder,
    UnknownHolder,
)
from moorage_provider.rows import certain
from moorage_provider_gcp import identity, mapping, reservations
from moorage_provider_gcp.identity import InZone
from moorage_provider_gcp.mapping import GcpAddress, GcpMachine
from moorage_provider_gcp.refused import Refused

if TYPE_CHECKING:
    from google.cloud.compute_v1 import Instance, NetworkInterface

    from moorage_provider_gcp.compute import Begun, Compute

_REQUESTS = uuid.UUID("c2a0e7a4-6f0e-4e86-9d61-0d8f3b6a51d4")
# Errors whose reason is found by reading the state again.
# Errors with which nothing may be removed: what is to take its place would not come.
_NOTHING_WILL_COME = (Denied, CredentialsRejected, QuotaExceeded, Throttled, Unavailable)
_REFUSALS = (Refused, InUse, Locked, Stale, MachineNotFound)


@dataclass(frozen=True, slots=True)
class _Step:
    """One change to request.

    Attributes:
        name: what is changed, where and on what; with the caller's request id it identifies the
            step.
        send: requests it under an id.
        is_done: reads whether it has taken effect.
    """

    name: tuple[str, ...]
    send: Callable[[str], Begun]
    is_done: Callable[[], bool]


def beside(gce: Compute, address: CloudAddress) -> str:
    """Which other interface than the node's own has an address, for people; ``""`` = none.

    The address itself names only its instance.
    """
    holder = address.holder
    row = _gone_is_none(gce, _vm(holder.machine_id)) if isinstance(holder, MachineHolder) else None
    nic = mapping.holding(row, address.ip) if row else None
    return f"interface {nic.name}" if nic and nic.name != gce.interface else ""


def machine(gce: Compute, machine_id: str) -> Machine:
    """One instance, and whether its address is a reserved one. Raises ``MachineNotFound``."""
    vm = _vm(machine_id)
    # One of another project can hold no address; the number of a project says nothing of its name.
    if vm.project != gce.project and not gce.project.isdecimal():
        raise MachineNotFound(f"{machine_id} is no instance of project {gce.project}")
    row = gce.instance(vm)
    ip = mapping.nat_ip(mapping.interface(row, gce.interface))
    reserved = _is_reserved(gce, machine_id, ip)
    return mapping.machine(row, vm, gce.interface, reserved=reserved)


def prepare(gce: Compute, address: CloudAddress, target: Machine, request_id: str) -> str:
    """Take the ephemeral address off a machine; return the operation's handle, ``""`` = done."""
    empty = isinstance(target, GcpMachine) and target.empty_config
    if ":" in address.ip or not (target.public_ip or empty):
        return ""
    vm = _exact(target)
    nic = mapping.interface(_found(gce, target), gce.interface)
    config, ip = mapping.access_config(nic), mapping.nat_ip(nic)
    if config is None or ip == address.ip:
        return ""
    if _is_reserved(gce, target.machine_id, ip):
        raise InUse(f"{target.machine_id} already holds {ip}", "", ip)
    gce.denials.check()
    if not gce.denials.are_unlikely and _ask_first(gce, vm, address, request_id):
        return ""

    def is_bare() -> bool:
        nic = mapping.interface(_found(gce, target), gce.interface)
        return mapping.access_config(nic) is None or mapping.nat_ip(nic) != ip

    name = config.name
    step = _Step(
        ("deleteAccessConfig", vm.name, ip, request_id),
        lambda key: gce.delete_access_config(vm, gce.interface, name, key),
        is_bare,
    )
    return _unless_done(vm, step)


def _ask_first(gce: Compute, vm: InZone, address: CloudAddress, request_id: str) -> bool:
    """Ask for the address while the ephemeral one is still there; whether it was given.

    An interface has one public address, so Google refuses this; but a policy of the organisation or
    a missing right it names, and the node keeps what it has. It is given only to a node that has
    lost its ephemeral address since it was read.
    """
    key = str(uuid.uuid5(_REQUESTS, "/".join(("ask", vm.name, address.ip, request_id))))
    try:
        begun = gce.add_access_config(vm, address.ip, _tier(address), key, in_vain=True)
        done, error = begun.done, begun.error
        while not done:
            done, error = gce.is_done(_handle(vm, begun))
        if error is not None:
            raise error
    except _NOTHING_WILL_COME:
        raise
    except CloudError:
        return False
    return True


def attach(gce: Compute, address: CloudAddress, target: Machine, request_id: str) -> str:
    """Give a free address to a machine; return the operation's handle, ``""`` = done."""
    if ":" in address.ip:
        return _attach_ipv6(gce, address, target, request_id)
    vm = _exact(target)
    step = _Step(
        ("addAccessConfig", vm.name, address.ip, request_id),
        lambda key: gce.add_access_config(vm, address.ip, _tier(address), key),
        lambda: _is_on(gce, address, target),
    )
    try:
        return _begin(vm, step)
    except Denied as denied:
        gce.denials.note(denied)
        raise
    except _REFUSALS as refusal:
        _judge(gce, refusal, address, target)
        return ""


def detach(gce: Compute, address: CloudAddress, request_id: str) -> str:
    """Take an address off the machine it was read on; return the handle, ``""`` = done."""
    if isinstance(address.holder, OtherHolder | UnknownHolder):
        raise held(address)
    if address.holder is None:
        return ""
    vm = _vm(address.holder.machine_id)
    row = _gone_is_none(gce, vm)
    nic = mapping.holding(row, address.ip) if row else None
    if row is None or nic is None:
        if _is_free(gce, address):
            return ""
        raise Stale(f"{address.ip} is described as on {vm.name}, which does not have it")
    exact = replace(vm, name=str(row.id))
    step = _taking(gce, exact, nic, address, request_id)
    return _unless_done(exact, step)


def restore(gce: Compute, target: Machine, request_id: str) -> str:
    """Give a machine without an address an ephemeral one; return the handle, ``""`` = done."""
    vm = _exact(target)

    def has_address() -> bool:
        nic = mapping.interface(_found(gce, target), gce.interface)
        return mapping.access_config(nic) is not None

    if has_address():
        return ""
    step = _Step(
        ("addAccessConfig", vm.name, "", request_id),
        lambda key: gce.add_access_config(vm, "", "", key),
        has_address,
    )
    return _unless_done(vm, step)


def _attach_ipv6(gce: Compute, address: CloudAddress, target: Machine, request_id: str) -> str:
    vm = _exact(target)
    nic = mapping.interface(_found(gce, target), gce.interface)
    present = mapping.ipv6(nic)
    if present == address.ip:
        return ""
    if present:
        _refuse_occupied(gce, target, present)
    step = _Step(
        # Another fingerprint makes it another request.
        ("updateNetworkInterface", vm.name, address.ip, nic.fingerprint, request_id),
        lambda key: gce.set_ipv6(vm, nic, address.ip, key),
        lambda: _is_on(gce, address, target),
    )
    try:
        return _begin(vm, step)
    except _REFUSALS as refusal:
        _judge(gce, refusal, address, target)
        return ""


def _taking(
    gce: Compute, vm: InZone, nic: NetworkInterface, address: CloudAddress, request_id: str
) -> _Step:
    """The step that takes the address off an interface that has just been read."""

    def is_free() -> bool:
        return _is_free(gce, address)

    if ":" in address.ip:
        return _Step(
            ("updateNetworkInterface", vm.name, address.ip, nic.fingerprint, request_id),
            lambda key: gce.set_ipv6(vm, nic, "", key),
            is_free,
        )
    name = nic.access_configs[0].name
    return _Step(
        ("deleteAccessConfig", vm.name, address.ip, request_id),
        lambda key: gce.delete_access_config(vm, nic.name, name, key),
        is_free,
    )


def _begin(vm: InZone, step: _Step) -> str:
    """Request a step; return the handle of its operation, ``""`` = it has taken effect.

    For an hour Google answers a known request id with the operation of that request. If the
    operation is running, it is this step. If it is over, it may have failed, or its effect may have
    been undone: then the step is requested under a new id.
    """
    begun = step.send(str(uuid.uuid5(_REQUESTS, "/".join(step.name))))
    if begun.done:
        if step.is_done():
            return ""
        begun = step.send(str(uuid.uuid4()))
    if begun.error is not None:
        raise begun.error
    return "" if begun.done else _handle(vm, begun)


def _handle(vm: InZone, begun: Begun) -> str:
    """What ``Compute.is_done`` takes."""
    return f"{vm.project}/{vm.zone}/{begun.operation}"


def _tier(address: CloudAddress) -> str:
    return address.tier if isinstance(address, GcpAddress) else ""


def _unless_done(vm: InZone, step: _Step) -> str:
    """Request a step that may be refused because it is already done."""
    try:
        return _begin(vm, step)
    except _REFUSALS as refusal:
        if step.is_done():
            return ""
        raise _unexplained(refusal) from refusal


def _judge(gce: Compute, refusal: CloudError, address: CloudAddress, target: Machine) -> None:
    """Read why an attachment was refused; return when the address is already attached."""
    row = _found(gce, target)
    now = _reread(gce, address)
    if now.holder is not None:
        if _held_by(now, target) and (nic := mapping.holding(row, address.ip)):
            if nic.name == gce.interface:
                return
            raise Stale(f"{now.ip} is on interface {nic.name} by now") from refusal
        raise held(now) from refusal
    nic = mapping.interface(row, gce.interface)
    present = mapping.ipv6(nic) if ":" in address.ip else mapping.nat_ip(nic)
    if present:
        _refuse_occupied(gce, target, present)
    if row.status != mapping.RUNNING:
        text = f"instance {target.machine_id} is {row.status}"
        raise MachineUnfit(text, row.status) from refusal
    if now.token != address.token or isinstance(refusal, InUse):
        # It was refused because of a holder that has released it meanwhile.
        raise Stale(refusal.message, refusal.code) from refusal
    raise _unexplained(refusal) from refusal


def _unexplained(refusal: CloudError) -> CloudError:
    """The error for a refusal whose reason cannot be read."""
    if isinstance(refusal, Refused):
        return CloudError(refusal.message, refusal.code)
    return refusal


def _refuse_occupied(gce: Compute, target: Machine, ip: str) -> None:
    """Raise the error for an interface that has another address."""
    where = f"the interface of {target.machine_id}"
    if _is_reserved(gce, target.machine_id, ip):
        raise InUse(f"{where} already holds {ip}", "", ip)
    raise MachineUnfit(f"{where} still has the ephemeral address {ip}", "")


def _is_on(gce: Compute, address: CloudAddress, target: Machine) -> bool:
    return _on_own_interface(gce, _found(gce, target), address)


def _on_own_interface(gce: Compute, row: Instance, address: CloudAddress) -> bool:
    nic = mapping.holding(row, address.ip)
    return nic is not None and nic.name == gce.interface


def _is_free(gce: Compute, address: CloudAddress) -> bool:
    """Whether nobody has the address any more. Raises ``Stale`` when somebody else has it."""
    now = _reread(gce, address)
    if now.holder is not None and now.token != address.token:
        raise Stale(f"{address.ip} has changed hands since it was read")
    return now.holder is None


def _is_reserved(gce: Compute, machine_id: str, ip: str) -> bool:
    """Whether an address of a machine is a reserved one."""
    # Not by a filter, see ``snapshot``.
    vm = _vm(machine_id)
    rows = gce.addresses(vm.region, vm.project)
    return bool(ip) and any(mapping.reserves(row, ip, machine_id) for row in rows)


def _reread(gce: Compute, address: CloudAddress) -> CloudAddress:
    """The address as it is now. Raises ``AddressNotFound``, ``Stale``."""
    return certain(reservations.snapshot(gce, (address.ip,), address.location), address)


def _found(gce: Compute, target: Machine) -> Instance:
    """The instance that was read. Raises ``Stale`` for another one with its name."""
    try:
        return gce.instance(_exact(target))
    except MachineNotFound as gone:
        if _gone_is_none(gce, _vm(target.machine_id)) is None:
            raise
        raise Stale(f"{target.machine_id} was recreated since it was read") from gone


def _gone_is_none(gce: Compute, vm: InZone) -> Instance | None:
    try:
        return gce.instance(vm)
    except MachineNotFound:
        return None


def _exact(target: Machine) -> InZone:
    """The instance's name with its numeric id, where that is known."""
    vm = _vm(target.machine_id)
    number = target.number if isinstance(target, GcpMachine) else ""
    return replace(vm, name=number or vm.name)


def _vm(machine_id: str) -> InZone:
    vm = identity.instance(machine_id)
    if vm is None:
        raise MachineNotFound(f'"{machine_id}" is no instance of Compute Engine')
    return vm


def _held_by(address: CloudAddress, target: Machine) -> bool:
    holder = address.holder
    return isinstance(holder, MachineHolder) and holder.machine_id == target.machine_id
