"""The ranges of the configuration file as pools, and which address goes to which device; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moorage_api.ipallocation import DEFAULT_NETWORK, IPALLOCATIONS
from moorage_domain.families import Address, parse_address
from moorage_domain.ranges import AddressRange as Addresses
from moorage_domain.ranges import parse_range, subnet_of
from moorage_domain.subnets import usable
from moorage_ipam.pool_spec import PoolSpec
from moorage_ipam.records import PoolRef
from moorage_machine_ipam.machine.hook_config import AddressRange, HookConfig
from moorage_machine_ipam.machine.hooks import StartList
from moorage_machine_ipam.render.values import Device, Dns, Lease
from moorage_machine_ipam.render.vsphere import (
    device_with_config,
    device_with_families,
    takes_from_pools,
    vsphere_device,
)

JsonObject = Mapping[str, Any]

POOL_KIND = "HookConfig"
"""What records name as the kind of such a pool: no object has it, the file is none."""
REUSE_SECONDS = 300.0
"""How long a released address rests; the file has no field for it."""
# Linux calls a vmxnet3 adapter by its PCI slot; of a VM of vSphere with one disk controller the
# adapters are in these, one after the other, and it has ten at most.
_INTERFACES = tuple(f"ens{slot}" for slot in (192, 224, 256, 161, 193, 225, 257, 162, 194, 226))


@dataclass(frozen=True, slots=True)
class Slot:
    """One address that a Machine needs: that of one family for one device."""

    device: int
    range: AddressRange

    @property
    def name(self) -> str:
        """As its record has it: so a record that is there already is found again."""
        return slot_name(self.device, self.range.version)

    def is_of_family(self, address: Address) -> bool:
        """Whether it is an address of the slot's family."""
        return address.family is parse_range(self.range.cidr).family

    def fits(self, address: Address) -> bool:
        """Whether the device can have it: the file may have been edited since it was bound."""
        subnet = _subnet(self.range)
        in_subnet = self.is_of_family(address) and subnet.first <= address.number <= subnet.last
        return in_subnet and str(address) != self.range.gateway


def slot_name(device: int, version: int) -> str:
    """Of the address of one family for one device."""
    return f"device-{device}-ipv{version}"


def pool_ref(version: int) -> PoolRef:
    """How records name the pool of a family."""
    return PoolRef(IPALLOCATIONS.group, POOL_KIND, "", f"hook-ipv{version}")


def pool_key(version: int) -> str:
    """Key of the pool of a family; no IPPool has it, since their keys begin with a namespace."""
    ref = pool_ref(version)
    return f"{ref.namespace}/{ref.name}"


POOL_KEYS = (pool_key(4), pool_key(6))


def pool_specs(config: HookConfig) -> dict[str, PoolSpec]:
    """The pools of a configuration by key. Neither gateways nor name servers are given away."""
    servers = [parse_address(text) for text in config.nameservers]
    return {
        pool_key(one.version): PoolSpec(
            ref=pool_ref(one.version),
            network=DEFAULT_NETWORK,
            usable=usable(
                [parse_range(one.cidr)],
                [
                    Addresses(server.family, server.number, server.number)
                    for server in servers
                    if server.family is parse_range(one.cidr).family
                ],
                prefix=one.prefix,
                gateway=parse_address(one.gateway) if one.gateway else None,
            ),
            reuse_seconds=REUSE_SECONDS,
        )
        for one in config.ranges
    }


def slots_of(devices: Sequence[JsonObject], config: HookConfig) -> tuple[Slot, ...]:
    """What the devices need: an address of each range, but for devices that have claims for it."""
    return tuple(
        Slot(index, one)
        for index, device in enumerate(devices)
        if not takes_from_pools(device)
        for one in config.ranges
    )


def rendered(
    devices: Sequence[JsonObject], config: HookConfig, given: Mapping[Slot, Address]
) -> dict[int, JsonObject]:
    """The devices with their addresses, by index, in the spelling of the file's generation."""
    dns, leases = Dns(config.nameservers), _leases(given)
    if config.hook.start_list is StartList.PRE_PROVISION:
        return {
            index: device_with_families(devices[index], found, dns)
            for index, found in leases.items()
        }
    return {
        index: device_with_config(
            devices[index], Device(index, _INTERFACES[index], leases=tuple(found)), dns
        )
        for index, found in leases.items()
    }


def rendered_for_openshift(
    devices: Sequence[JsonObject], config: HookConfig, given: Mapping[Slot, Address]
) -> dict[int, JsonObject]:
    """The same as OpenShift's own machine-api-operator reads it."""
    dns = Dns(config.nameservers)
    return {
        index: vsphere_device(devices[index], found, dns) for index, found in _leases(given).items()
    }


def _leases(given: Mapping[Slot, Address]) -> dict[int, list[Lease]]:
    """By device."""
    leases: dict[int, list[Lease]] = {}
    for slot, address in given.items():
        lease = Lease(str(address), slot.range.prefix, slot.range.gateway)
        leases.setdefault(slot.device, []).append(lease)
    return leases


def _subnet(one: AddressRange) -> Addresses:
    first = parse_range(one.cidr)
    return subnet_of(Address(first.family, first.first), one.prefix)
