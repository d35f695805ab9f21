"""Providers of the memory cloud, each of which reads wrongly in one way; see ``broken``."""
# ruff: noqa: ARG002 - the broken ones ignore arguments that the correct one uses

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import replace

from moorage_provider.errors import AddressNotFound, MachineNotFound, Unavailable
from moorage_provider.protocol import CloudAddress, Labels, Machine, MachineHolder, UnknownHolder
from moorage_testing.clouds.memory.provider import MemoryProvider


class ClaimsEveryNode(MemoryProvider):
    """Claims nodes of other clouds."""

    def machine_id(self, provider_id: str) -> str | None:
        return super().machine_id(provider_id) or provider_id


class ReportsEndlessCredentialsAsExpiring(MemoryProvider):
    """Reports credentials without an end as expiring."""

    def credentials_expiring(self) -> bool:
        return True


class ReportsEphemeralAddressesAsReserved(MemoryProvider):
    """Reports an ephemeral address as a reserved one."""

    async def machine(self, machine_id: str) -> Machine:
        return replace(await super().machine(machine_id), public_ip_reserved=True)


class ReportsDeletedMachinesAsOutages(MemoryProvider):
    """Reports a deleted machine as an outage."""

    async def machine(self, machine_id: str) -> Machine:
        try:
            return await super().machine(machine_id)
        except MachineNotFound as error:
            raise Unavailable(error.message) from error


class RaisesForAbsentAddresses(MemoryProvider):
    """Fails to read all addresses because one is missing."""

    async def snapshot(
        self, addresses: Collection[str], selectors: Collection[Labels] = ()
    ) -> Mapping[str, CloudAddress]:
        found = await super().snapshot(addresses, selectors)
        if missing := sorted(set(addresses) - found.keys()):
            raise AddressNotFound(missing[0])
        return found


class ReadsOnlyOneFamily(MemoryProvider):
    """Fails on IPv6."""

    async def snapshot(
        self, addresses: Collection[str], selectors: Collection[Labels] = ()
    ) -> Mapping[str, CloudAddress]:
        ips = [str(ipaddress.IPv4Address(ip)) for ip in addresses]
        return await super().snapshot(ips, selectors)


class FailsOnOddRows(MemoryProvider):
    """Fails to read all addresses because one is not understood."""

    async def snapshot(
        self, addresses: Collection[str], selectors: Collection[Labels] = ()
    ) -> Mapping[str, CloudAddress]:
        found = await super().snapshot(addresses, selectors)
        if any(isinstance(one.holder, UnknownHolder) for one in found.values()):
            raise Unavailable("there is an odd row")
        return found


class TakesOddRowsForAbsent(MemoryProvider):
    """Reads an address that is not understood as one that does not exist."""

    async def snapshot(
        self, addresses: Collection[str], selectors: Collection[Labels] = ()
    ) -> Mapping[str, CloudAddress]:
        found = await super().snapshot(addresses, selectors)
        return {ip: a for ip, a in found.items() if not isinstance(a.holder, UnknownHolder)}


class SelectsByOneLabel(MemoryProvider):
    """Takes an address that has one of the labels for one that has all of them."""

    async def snapshot(
        self, addresses: Collection[str], selectors: Collection[Labels] = ()
    ) -> Mapping[str, CloudAddress]:
        return await super().snapshot(addresses, [frozenset({x}) for one in selectors for x in one])


class SelectsByTheFirst(MemoryProvider):
    """Reads what the first selector selects."""

    async def snapshot(
        self, addresses: Collection[str], selectors: Collection[Labels] = ()
    ) -> Mapping[str, CloudAddress]:
        return await super().snapshot(addresses, list(selectors)[:1])


class ReadsTheSelectedOneByOne(MemoryProvider):
    """Makes one call for each address that is selected."""

    async def snapshot(
        self, addresses: Collection[str], selectors: Collection[Labels] = ()
    ) -> Mapping[str, CloudAddress]:
        found = {**await super().snapshot(addresses, selectors)}
        for ip in found if selectors else ():
            found |= await super().snapshot((ip,))
        return found


class ForgetsTheListed(MemoryProvider):
    """Reads only what is selected, where anything is."""

    async def snapshot(
        self, addresses: Collection[str], selectors: Collection[Labels] = ()
    ) -> Mapping[str, CloudAddress]:
        return await super().snapshot(() if selectors else addresses, selectors)


class ReadsOneByOne(MemoryProvider):
    """Makes one call for each address."""

    async def snapshot(
        self, addresses: Collection[str], selectors: Collection[Labels] = ()
    ) -> Mapping[str, CloudAddress]:
        found = {**await super().snapshot((), selectors)} if selectors else {}
        for ip in addresses:
            found.update(await super().snapshot((ip,)))
        return found


class ReadsTwice(MemoryProvider):
    """Makes two calls where one is enough."""

    async def snapshot(
        self, addresses: Collection[str], selectors: Collection[Labels] = ()
    ) -> Mapping[str, CloudAddress]:
        await super().snapshot(addresses, selectors)
        return await super().snapshot(addresses, selectors)


class ChecksNothing(MemoryProvider):
    """Allows every machine every address."""

    def check(self, address: CloudAddress, machine: Machine) -> str | None:
        return None


class TakesIpv6ForIpv4(MemoryProvider):
    """Fails by a bug on a machine without IPv4."""

    async def machine(self, machine_id: str) -> Machine:
        found = await super().machine(machine_id)
        return replace(found, private_ip=str(ipaddress.IPv4Address(found.private_ip)))


class RemembersTheInterface(MemoryProvider):
    """Looks only once which interface of a machine has an address."""

    async def snapshot(
        self, addresses: Collection[str], selectors: Collection[Labels] = ()
    ) -> Mapping[str, CloudAddress]:
        found = await super().snapshot(addresses, selectors)
        return {ip: _in_its_place(one) for ip, one in found.items()}


def _in_its_place(address: CloudAddress) -> CloudAddress:
    holder = address.holder
    if not isinstance(holder, MachineHolder):
        return address
    return replace(address, holder=replace(holder, misplaced=""))
