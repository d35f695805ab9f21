"""Writing a network interface: what Azure refuses, and what it does later.

Codes marked [M] are from memory of the real cloud; the others are from its documentation or from
field reports.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azure.mgmt.network import types as wire

from moorage_testing.clouds.azure import schema
from moorage_testing.clouds.azure.account import (
    Account,
    ArmError,
    address_id,
    address_ids,
    configurations,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from moorage_testing.clouds.azure.operations import Operations
    from moorage_testing.clouds.azure.resources import Row

# Fields that a write cannot change.
_KEPT = ("macAddress", "primary", "resourceGuid", "virtualMachine")
RETRY_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Change:
    """A write that passed all checks.

    Attributes:
        interface: the resource as it is.
        wanted: the wanted state, without read-only fields.
        touches: the resources it changes, by id in lower case.
    """

    interface: Row
    wanted: Row
    touches: frozenset[str]


def examine(
    account: Account, operations: Operations, resource_id: str, body: object, if_match: str
) -> Change:
    """Check whether a write can begin. Raises ``ArmError``."""
    found = schema.problems(wire.NetworkInterface, body, "networkInterface")
    if found:
        text = f"The request content was invalid and could not be deserialized: {found[0]}"
        raise ArmError(400, "InvalidRequestContent", text)
    interface = _current(account, operations, resource_id, if_match)
    wanted = schema.writable(wire.NetworkInterface, body)
    _check_shape(interface, wanted)
    before = set(address_ids(interface))
    after = [found for found in map(address_id, configurations(wanted)) if found]
    if len(set(after)) < len(after):
        text = "Public IP address is referenced by multiple ipconfigs in resource " + resource_id
        raise ArmError(400, "PublicIPReferencedByMultipleIPConfigs", text)
    for address in set(after) ^ before:
        _check_idle(operations, address)
    for configuration in configurations(wanted):
        if address_id(configuration):
            _check_address(account, interface, configuration)
    touches = frozenset({interface["id"].lower(), *(set(after) ^ before)})
    return Change(interface, copy.deepcopy(wanted), touches)


def refused_late(account: Account, change: Change) -> tuple[str, str] | None:
    """Code and message of a refusal that comes once the write was accepted; ``None``: none."""
    text = _marked_for_deletion(account, change.interface)
    return ("OperationNotAllowed", text) if text else None


def _marked_for_deletion(account: Account, interface: Row) -> str:
    """What Azure says where the machine of an interface is being deleted (from field reports)."""
    machine = interface["properties"].get("virtualMachine", {}).get("id", "").lower()
    if machine not in account.dying:
        return ""
    return (
        f"Operation 'startTenantUpdate' is not allowed on VM '{machine.rpartition('/')[2]}' since"
        " the VM is marked for deletion. You can only retry the Delete operation (or wait for an"
        " ongoing one to complete)."
    )


def begin(account: Account, change: Change, *, fails: bool) -> Callable[[], None]:
    """Mark the interface as being changed; return the function that completes it."""
    change.interface["properties"]["provisioningState"] = "Updating"
    account.touch(change.interface)

    def end() -> None:
        if account.find(change.interface["id"]) is not change.interface:
            return
        if not fails:
            _replace(account, change)
        state = "Failed" if fails else "Succeeded"
        change.interface["properties"]["provisioningState"] = state
        account.touch(change.interface)

    return end


def _current(account: Account, operations: Operations, resource_id: str, if_match: str) -> Row:
    interface = account.find(resource_id)
    if interface is None:
        if if_match:
            raise ArmError(412, "PreconditionFailed", f"{resource_id} does not exist")
        raise ArmError(400, "NotEmulated", "network interfaces are not created here")
    machine = interface["properties"].get("virtualMachine", {}).get("id", "").lower()
    if account.dying.get(machine) is False:
        text = _marked_for_deletion(account, interface)
        raise ArmError(409, "OperationNotAllowed", text)
    if interface["id"].lower() in account.locked:
        text = (
            f"The scope '{interface['id']}' cannot perform write operation because following"
            f" scope(s) are locked: '{interface['id']}'. Please remove the lock and try again."
        )
        raise ArmError(409, "ScopeLocked", text)
    if operations.touching(resource_id):
        text = f"Operation PutNicOperation was canceled: another one on {resource_id} is running."
        raise ArmError(
            429,
            "RetryableErrorDueToAnotherOperation",
            text,
            {"Retry-After": str(RETRY_SECONDS)},
        )
    if if_match and if_match != interface["etag"]:
        text = (
            f"Precondition failed. Etag provided in if-match header {if_match} does not match"
            f" etag {interface['etag']} of resource."
        )
        raise ArmError(412, "PreconditionFailed", text)
    return interface


def _check_shape(interface: Row, wanted: Row) -> None:
    if wanted.get("location") != interface["location"]:
        text = f"The resource '{interface['id']}' already exists in {interface['location']}."
        raise ArmError(409, "InvalidResourceLocation", text)
    parts = configurations(wanted) if "properties" in wanted else []
    if not parts or not all(part.get("name") and "properties" in part for part in parts):
        text = "A network interface needs ipConfigurations, each with a name and properties."
        raise ArmError(400, "InvalidRequestFormat", text)
    if sum(bool(part["properties"].get("primary")) for part in parts) != 1:
        text = f"{interface['id']} must have exactly one primary ipConfiguration."
        raise ArmError(400, "InvalidRequestFormat", text)


def _check_idle(operations: Operations, address: str) -> None:
    if operations.touching(address):
        text = f"Another operation on this or dependent resource {address} is in progress."
        raise ArmError(409, "AnotherOperationInProgress", text)


def _check_address(account: Account, interface: Row, configuration: Row) -> None:
    me = f"{interface['id']}/ipConfigurations/{configuration['name']}"
    reference = address_id(configuration)
    address = account.find(reference)
    if address is None or address["location"] != interface["location"]:
        text = (
            f"Resource {reference} referenced by resource {interface['id']} was not found. Please"
            " make sure that the referenced resource exists, and that both resources are in the"
            " same region."
        )
        raise ArmError(400, "InvalidResourceReference", text)
    holder = address["properties"].get("ipConfiguration") or address["properties"].get("natGateway")
    if holder and holder["id"].lower() != me.lower():
        text = (
            f"Resource {me} is referencing public IP address {reference} that is already"
            f" allocated to resource {holder['id']}."
        )
        raise ArmError(400, "PublicIPAddressInUse", text)
    if address["sku"]["name"] != "Standard":
        text = f"Different sku load balancers and public IP address {reference} are not allowed."
        raise ArmError(400, "DifferentSkuLoadBalancersAndPublicIPAddressNotAllowed", text)
    _check_zones(account, interface, address)


def _check_zones(account: Account, interface: Row, address: Row) -> None:
    reference = interface["properties"].get("virtualMachine")
    machine = account.find(reference["id"]) if reference else None
    zones = set(machine.get("zones", ())) if machine else set()
    if zones and address.get("zones") and not zones & set(address["zones"]):
        text = f"{address['id']} and {interface['id']} have different availability zones."
        raise ArmError(400, "ResourceZonesMismatch", text)  # [M]


def _replace(account: Account, change: Change) -> None:
    """Replace the whole interface: fields that were left out are gone."""
    interface, wanted = change.interface, change.wanted
    old = {part["name"]: part for part in configurations(interface)}
    for address in filter(None, map(account.find, address_ids(interface))):
        account.free(address)
    kept = {name: interface["properties"].get(name) for name in _KEPT}
    interface["tags"] = wanted.get("tags") or {}
    interface["properties"] = wanted["properties"] | {
        name: value for name, value in kept.items() if value is not None
    }
    for part in configurations(interface):
        part["id"] = f"{interface['id']}/ipConfigurations/{part['name']}"
        part["type"] = f"{interface['type']}/ipConfigurations"
        part["properties"]["provisioningState"] = "Succeeded"
        if part["name"] in old:
            private_ip = old[part["name"]]["properties"]["privateIPAddress"]
            part["properties"].setdefault("privateIPAddress", private_ip)
        if address_id(part):
            account.bind(interface, part, account.get(address_id(part)))
