"""Makes moto strict: its methods that are replaced while ``strict()`` is open.

moto's internals are used, so moto is pinned exactly, and tests/test_clouds_aws_canary.py notices
when a new release fixes one of these. Sources: the texts of botocore's model, else the codes that
terraform-provider-aws and others are known to wait for.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.exceptions import InvalidInstanceIdError
from moto.ec2.models.amis import AmiBackend
from moto.ec2.models.availability_zones_and_regions import Zone
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.elastic_ip_addresses import ElasticAddress, ElasticAddressBackend
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.instances import Instance, InstanceBackend, InstanceState
from moto.ec2.responses.elastic_ip_addresses import ElasticIPAddresses
from moto.ec2.responses.elastic_network_interfaces import ElasticNetworkInterfaces
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, generate_dns_from_ip, get_prefix

from moorage_testing.clouds.aws import elastic_ips
from moorage_testing.clouds.aws.elastic_ips import CONSISTENCY, refuse

if TYPE_CHECKING:
    from moto.ec2.models import EC2Backend

_HEX = r"[0-9a-f]{8,17}"
# The owner of an ephemeral public address of an instance.
_LENDER = "amazon"
# Of these ModifyNetworkInterfaceAttribute changes one at a time.
_ATTRIBUTES = {"AssociatePublicIpAddress", "Attachment", "Description", "Groups", "SourceDestCheck"}


@dataclass(frozen=True, slots=True)
class _Patch:
    owner: type
    name: str
    new: Callable[..., Any]
    adds: bool = False


_PATCHES: list[_Patch] = []
_ORIGINALS: dict[tuple[type, str], Any] = {}


def _replaces(owner: type, name: str, *, adds: bool = False) -> Callable[[Any], Any]:
    """Register a function as the new method or property; ``adds`` = moto has none so far."""

    def register(new: Callable[..., Any]) -> Callable[..., Any]:
        _PATCHES.append(_Patch(owner, name, new, adds))
        return new

    return register


@contextlib.contextmanager
def strict() -> Iterator[None]:
    """Make moto of this process strict while the block runs."""
    if _ORIGINALS:
        raise RuntimeError("moto is strict already: one emulator at a time in a process")
    with contextlib.ExitStack() as undo:
        undo.callback(_ORIGINALS.clear)
        for patch in _PATCHES:
            _apply(patch, undo)
        yield


def _apply(patch: _Patch, undo: contextlib.ExitStack) -> None:
    if patch.adds:
        if hasattr(patch.owner, patch.name):
            raise RuntimeError(f"moto has {patch.owner.__name__}.{patch.name} by now")
        setattr(patch.owner, patch.name, property(patch.new))
        undo.callback(delattr, patch.owner, patch.name)
        return
    # KeyError: moto moved what is replaced here; the pin was changed without this file.
    old = vars(patch.owner)[patch.name]
    _ORIGINALS[patch.owner, patch.name] = old
    new = property(patch.new) if isinstance(old, property) else patch.new
    setattr(patch.owner, patch.name, new)
    undo.callback(setattr, patch.owner, patch.name, old)


@_replaces(AmiBackend, "_load_amis")
def _load_amis(backend: AmiBackend) -> None:
    """No images: moto makes 1,300 with a snapshot each, and searches them for each instance."""


@_replaces(InstanceBackend, "get_instance")
def _get_instance(backend: InstanceBackend, instance_id: str) -> Instance:
    """The same; moto copies all there are for each, the newest of which is mostly asked for."""
    for reservation in reversed(backend.reservations.values()):
        for instance in reservation.instances:
            if instance.id == instance_id:
                return instance
    raise InvalidInstanceIdError(instance_id)


@_replaces(InstanceBackend, "all_reservations")
def _all_reservations(backend: EC2Backend, filters: object = None) -> list[Any]:
    found = _ORIGINALS[InstanceBackend, "all_reservations"](backend, filters)
    hidden = elastic_ips.CONSISTENCY.unlisted
    return [one for one in found if not any(each.id in hidden for each in one.instances)]


@_replaces(ElasticIPAddresses, "associate_address")
def _associate_address(response: ElasticIPAddresses) -> ActionResult:
    params: dict[str, Any] = response._get_params()  # noqa: SLF001 - moto's own handlers read it
    backend = response.ec2_backend
    eip = _requested_address(params, backend)
    interface = _requested_interface(params, backend)
    _check_gateway(interface, backend)
    private_ip = _requested_private_ip(params, interface)
    response.error_on_dryrun()
    if elastic_ips.on_private_ip(interface, private_ip) is eip:
        return ActionResult({"AssociationId": eip.association_id})
    # "Reassociation is automatic, but you can specify false": the opposite of moto's default.
    if str(params.get("AllowReassociation", True)).lower() != "true":
        _refuse_reassociation(eip, interface, private_ip)
    elastic_ips.associate(eip, interface, private_ip)
    return ActionResult({"AssociationId": eip.association_id})


def _requested_address(params: dict[str, Any], backend: EC2Backend) -> ElasticAddress:
    if "AllocationId" in params:
        text = params["AllocationId"]
        if not re.fullmatch(f"eipalloc-{_HEX}", text):
            refuse("InvalidAllocationID.Malformed", f"Invalid id: '{text}'")
        found = elastic_ips.find(backend, allocation_id=text)
        if found is None:
            refuse("InvalidAllocationID.NotFound", f"The allocation ID '{text}' does not exist")
        return found
    if "PublicIp" not in params:
        refuse("MissingParameter", "Either public IP or allocation ID must be specified")
    found = elastic_ips.find(backend, public_ip=params["PublicIp"])
    if found is None:
        refuse("InvalidAddress.NotFound", f"Address '{params['PublicIp']}' not found.")
    return found


def _requested_interface(params: dict[str, Any], backend: EC2Backend) -> NetworkInterface:
    if "InstanceId" in params and "NetworkInterfaceId" in params:
        refuse("InvalidParameterCombination", "You may not specify both instance and interface id")
    if "InstanceId" in params:
        return _only_interface(params["InstanceId"], backend)
    if "NetworkInterfaceId" not in params:
        refuse("MissingParameter", "Either instance ID or network interface id must be specified")
    return _interface(params, backend)


def _interface(params: dict[str, Any], backend: EC2Backend) -> NetworkInterface:
    text = params["NetworkInterfaceId"]
    if not re.fullmatch(f"eni-{_HEX}", text):
        refuse("InvalidNetworkInterfaceID.Malformed", f"Invalid id: '{text}'")
    interface: NetworkInterface = backend.get_network_interface(text)
    if interface.instance is not None:
        _check_instance(interface.instance)
    return interface


def _only_interface(text: str, backend: EC2Backend) -> NetworkInterface:
    """By instance: "the instance must have exactly one attached network interface"."""
    if not re.fullmatch(f"i-{_HEX}", text):
        refuse("InvalidInstanceID.Malformed", f"Invalid id: '{text}'")
    instance = backend.get_instance(text)
    _check_instance(instance)
    if len(instance.nics) != 1:
        refuse(
            "InvalidInstanceID",
            f"There are multiple interfaces attached to instance '{text}'. Please specify an"
            " interface ID for the operation instead.",
        )
    return instance.network_interfaces[0]


def _check_instance(instance: Instance) -> None:
    elastic_ips.refuse_managed(instance)
    if instance.state == "pending":
        refuse(
            "InvalidInstanceID",
            f"The pending instance '{instance.id}' is not in a valid state for this operation.",
        )
    if instance.state in {"terminated", "shutting-down"}:
        refuse(
            "IncorrectInstanceState",
            f"The instance '{instance.id}' is not in a valid state for this operation.",
        )


def _check_gateway(interface: NetworkInterface, backend: EC2Backend) -> None:
    vpc = interface.subnet.vpc_id
    gateways = backend.internet_gateways.values()
    if not any(gateway.vpc and gateway.vpc.id == vpc for gateway in gateways):
        refuse("Gateway.NotAttached", f"Network {vpc} is not attached to any internet gateway")


def _requested_private_ip(params: dict[str, Any], interface: NetworkInterface) -> str | None:
    text: str | None = params.get("PrivateIpAddress", interface.private_ip_address)
    if text not in [row["PrivateIpAddress"] for row in interface.private_ip_addresses]:
        refuse(
            "InvalidParameterValue",
            f"The private IP address '{text}' is not assigned to interface '{interface.id}'",
        )
    return text


def _refuse_reassociation(
    eip: ElasticAddress, interface: NetworkInterface, private_ip: str | None
) -> None:
    there = elastic_ips.on_private_ip(interface, private_ip)
    for resource, taken in ((eip.allocation_id, eip), (interface.id, there)):
        if taken is not None and taken.association_id:
            refuse(
                "Resource.AlreadyAssociated",
                f"resource {resource} is already associated with"
                f" associate-id {taken.association_id}",
            )


@_replaces(ElasticAddressBackend, "describe_addresses")
def _describe_addresses(
    backend: ElasticAddressBackend, *args: object, **kwargs: object
) -> list[ElasticAddress]:
    original = _ORIGINALS[ElasticAddressBackend, "describe_addresses"]
    visible = SimpleNamespace(addresses=CONSISTENCY.view(backend.addresses))
    found: list[ElasticAddress] = original(visible, *args, **kwargs)
    return [elastic_ips.shown(eip) for eip in found]


@_replaces(ElasticAddressBackend, "disassociate_address")
def _disassociate_address(
    backend: EC2Backend, address: str | None = None, association_id: str | None = None
) -> None:
    if association_id and not re.fullmatch(f"eipassoc-{_HEX}", association_id):
        refuse("InvalidAssociationID.Malformed", f"Invalid id: '{association_id}'")
    wanted = {"public_ip": address} if address else {"association_id": association_id or ""}
    eip = elastic_ips.find(backend, **wanted)
    if eip is None:
        code = "InvalidAddress.NotFound" if address else "InvalidAssociationID.NotFound"
        refuse(code, f"'{address or association_id}' does not exist")
    elastic_ips.disassociate(eip)


@_replaces(ElasticAddressBackend, "release_address")
def _release_address(
    backend: EC2Backend, address: str | None = None, allocation_id: str | None = None
) -> None:
    wanted = {"public_ip": address} if address else {"allocation_id": allocation_id or ""}
    eip = elastic_ips.find(backend, **wanted)
    if eip is None:
        refuse("InvalidAllocationID.NotFound", f"'{address or allocation_id}' does not exist")
    if eip.association_id:
        refuse("InvalidIPAddress.InUse", f"Address {eip.public_ip} is in use.")
    backend.addresses.remove(eip)


@_replaces(ElasticAddress, "get_filter_value")
def _filter_value(eip: ElasticAddress, filter_name: str, method_name: str | None = None) -> object:
    if filter_name == "private-ip-address":
        return elastic_ips.private_ip(eip)
    if filter_name == "instance-id":
        return _instance_id(eip)
    if filter_name == "public-ip":
        return elastic_ips.filtered_as(eip)
    return _ORIGINALS[ElasticAddress, "get_filter_value"](eip, filter_name, method_name)


@_replaces(ElasticAddress, "private_ip_address")
def _private_ip_address(eip: ElasticAddress) -> str | None:
    return elastic_ips.private_ip(eip)


@_replaces(ElasticAddress, "instance_id")
def _instance_id(eip: ElasticAddress) -> str | None:
    holder = elastic_ips.holder_of(eip)
    return holder.id if holder else None


@_replaces(ElasticAddress, "network_interface_id")
def _network_interface_id(eip: ElasticAddress) -> str | None:
    interface = elastic_ips.interface_of(eip)
    return interface.id if interface else None


@_replaces(ElasticAddress, "network_border_group", adds=True)
def _border_group_of_address(eip: ElasticAddress) -> str:
    group: str = vars(eip).get(elastic_ips.BORDER_GROUP, eip.ec2_backend.region_name)
    return group


@_replaces(ElasticAddress, "service_managed", adds=True)
def _service_of_address(eip: ElasticAddress) -> str | None:
    service: str | None = vars(eip).get(elastic_ips.SERVICE)
    return service


@_replaces(TaggedEC2Resource, "get_tags")
def _get_tags(resource: Any) -> list[dict[str, str]]:  # noqa: ANN401 - anything that has an id
    """The same; moto searches the tags of all resources for those of one."""
    tags = resource.ec2_backend.tags.get(resource.id, {})
    kind = EC2_PREFIX_TO_RESOURCE.get(get_prefix(resource.id), "") if tags else ""
    return [
        {"resource_id": resource.id, "key": key, "value": value, "resource_type": kind}
        for key, value in tags.items()
    ]


@_replaces(Zone, "network_border_group", adds=True)
def _border_group_of_zone(zone: Zone) -> str:
    region: str = zone.region_name
    return region


@_replaces(NetworkInterface, "association")
def _association(interface: NetworkInterface) -> dict[str, str | None]:
    eip = elastic_ips.on_private_ip(interface, interface.private_ip_address)
    if eip is not None:
        return elastic_ips.association(eip)
    if not interface.public_ip:
        return {}
    return {
        "publicIp": interface.public_ip,
        "publicDnsName": generate_dns_from_ip(interface.public_ip),
        "ipOwnerId": _LENDER,
    }


@_replaces(NetworkInterface, "instance_private_ip_address_list")
def _private_ips(interface: NetworkInterface) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for address in interface.private_ip_addresses:
        text = address["PrivateIpAddress"]
        primary = text == interface.private_ip_address
        row: dict[str, Any] = {"PrivateIpAddress": text, "Primary": primary}
        eip = elastic_ips.on_private_ip(interface, text)
        if eip is not None:
            row["Association"] = elastic_ips.association(eip)
        elif primary and interface.public_ip:
            row["Association"] = interface.association
        rows.append(row)
    return rows


@_replaces(NetworkInterface, "check_auto_public_ip")
def _assign_ephemeral_ip(interface: NetworkInterface) -> None:
    if elastic_ips.is_lent_one(interface):
        _ORIGINALS[NetworkInterface, "check_auto_public_ip"](interface)


@_replaces(ElasticNetworkInterfaces, "modify_network_interface_attribute")
def _modify_interface(response: ElasticNetworkInterfaces) -> ActionResult:
    """Moto ignores ``AssociatePublicIpAddress``."""
    params: dict[str, Any] = response._get_params()  # noqa: SLF001 - moto's own handlers read it
    if "AssociatePublicIpAddress" not in params:
        answer: ActionResult = _ORIGINALS[
            ElasticNetworkInterfaces, "modify_network_interface_attribute"
        ](response)
        return answer
    if len(params.keys() & _ATTRIBUTES) > 1:
        refuse("InvalidParameterCombination", "You can specify only one attribute at a time")
    interface = _interface(params, response.ec2_backend)
    response.error_on_dryrun()
    interface.public_ip_auto_assign = str(params["AssociatePublicIpAddress"]).lower() == "true"
    eip = elastic_ips.on_private_ip(interface, interface.private_ip_address)
    if eip is not None:
        # What EC2 does then is written nowhere, so nobody may rely on it.
        refuse("OperationNotPermitted", f"{interface.id} has the Elastic IP {eip.public_ip}")
    if not interface.public_ip_auto_assign:
        interface.public_ip = None
    elif elastic_ips.is_primary(interface) and not interface.public_ip:
        _ORIGINALS[NetworkInterface, "check_auto_public_ip"](interface)
    return EmptyResult()


@_replaces(NetworkInterface, "stop")
def _release_ephemeral_ip(interface: NetworkInterface) -> None:
    if elastic_ips.on_private_ip(interface, interface.private_ip_address) is None:
        _ORIGINALS[NetworkInterface, "stop"](interface)


@_replaces(Instance, "terminate")
def _terminate(instance: Instance) -> InstanceState:
    for eip in instance.ec2_backend.addresses:
        if elastic_ips.holder_of(eip) is instance:
            elastic_ips.disassociate(eip)
    previous: InstanceState = _ORIGINALS[Instance, "terminate"](instance)
    return previous


@_replaces(Instance, "network_interfaces")
def _network_interfaces(instance: Instance) -> list[NetworkInterface]:
    return [] if instance.state == "terminated" else list(instance.nics.values())
