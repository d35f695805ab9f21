"""Network devices of a vSphere provider spec, as machine-api-operator and its forks read them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from moorage_machine_ipam.render.nmstate import nmstate
from moorage_machine_ipam.render.values import NO_DNS, Device, Dns, Lease, with_gateway

JsonObject = Mapping[str, Any]


def takes_from_pools(device: JsonObject | None) -> bool:
    """Whether machine-api-operator claims the addresses of a device, so that nobody else does."""
    return bool(device and device.get("addressesFromPools"))


def device_gateway(leases: Sequence[Lease]) -> str:
    """The one gateway of a device; ``""``: there is none.

    A device of vSphere has one ``gateway`` for both families. Of a dual-stack device it is the
    IPv4 gateway, and its IPv6 reaches the subnet only: what a machine loads before it is a node
    is nearly always reached by IPv4. Who wants it the other way gives IPv4 leases no gateway.
    """
    lease = with_gateway(leases, 4) or with_gateway(leases, 6)
    return lease.gateway if lease else ""


def vsphere_device(
    device: JsonObject | None, leases: Sequence[Lease], dns: Dns = NO_DNS
) -> dict[str, Any]:
    """A copy of the device that has the leases: ``ipAddrs``, ``gateway`` and ``nameservers``.

    What the device says already stays: its addresses come first, its gateway and its name servers
    win over ours. Of a dual-stack device only the IPv4 gateway is set, see :func:`device_gateway`.
    Every other field is kept, but for ``addressesFromPools``: machine-api-operator would claim
    another address from each pool, and the pools' gateway would win over ours. Leave devices for
    which :func:`takes_from_pools` holds to the claims, unless these leases answer the claims.
    Search domains have no field. Without leases the device is unchanged; ``None`` is an empty one.

    Source: ``NetworkDeviceSpec`` in machine/v1beta1/types_vsphereprovider.go of openshift/api.
    """
    result = dict(device or {})
    if not leases:
        return result
    result.pop("addressesFromPools", None)
    result["ipAddrs"] = _together(result.get("ipAddrs"), leases)
    _fill(result, "gateway", device_gateway(leases))
    _fill(result, "nameservers", list(dns.servers))
    return result


def device_config(device: Device, dns: Dns = NO_DNS) -> dict[str, Any]:
    """What the README's controller writes to ``devices[i].config``, as nmstate that is valid.

    It had neither ``type``, ``state``, ``enabled`` nor ``dhcp``, and its route no destination and
    no interface, without which nmstate refuses it.

    Source: commit 551e504 of rvanderp3/machine-ipam-controller.
    """
    return nmstate([device], dns)


def device_with_config(
    device: JsonObject | None, rendered: Device, dns: Dns = NO_DNS
) -> dict[str, Any]:
    """A copy of the device with :func:`device_config`; all other fields are kept."""
    return {**(device or {}), "config": device_config(rendered, dns)}


def device_with_families(
    device: JsonObject | None, leases: Sequence[Lease], dns: Dns = NO_DNS
) -> dict[str, Any]:
    """A copy of the device for the fork of openshift/api that has a gateway for each family.

    Sets ``dhcp4``, ``dhcp6``, ``gateway4``, ``gateway6``, ``ipAddrs``, ``nameservers`` and
    ``searchDomains``; what the device says already stays, but for DHCP, and the fork's list of
    pools, ``addressesFromPool``. Without leases the device is unchanged.

    Source: ``GetIPConfiguration`` in pkg/mgmt/ipmgmt.go, commit e57e99e of
    rvanderp3/machine-ipam-controller.
    """
    result = dict(device or {})
    if not leases:
        return result
    result.pop("addressesFromPool", None)
    result |= {"dhcp4": "Disabled", "dhcp6": "Disabled"}
    result["ipAddrs"] = _together(result.get("ipAddrs"), leases)
    for version in (4, 6):
        lease = with_gateway(leases, version)
        _fill(result, f"gateway{version}", lease.gateway if lease else "")
    _fill(result, "nameservers", list(dns.servers))
    _fill(result, "searchDomains", list(dns.search))
    return result


def _fill(device: dict[str, Any], field: str, value: object) -> None:
    """Set a field that is not there, or empty; nothing is not set."""
    if value and not device.get(field):
        device[field] = value


def _together(own: object, leases: Iterable[Lease]) -> list[Any]:
    """The device's own ``ipAddrs``, then those leases that are not among them."""
    result = list(own) if isinstance(own, list) else []
    there = {_address(text) for text in result}
    result.extend(lease.cidr for lease in leases if lease.address not in there)
    return result


def _address(text: object) -> str:
    """The canonical address of an entry of ``ipAddrs``; ``""``: it is not one."""
    try:
        return str(ipaddress.ip_interface(text).ip) if isinstance(text, str) else ""
    except ValueError:
        return ""
