"""Machines that are being deleted, and addresses that are in no list: what happens every day."""

import asyncio
import itertools

import pytest

from moorage_provider.errors import Locked, MachineUnfit
from moorage_provider.protocol import (
    CloudAddress,
    Machine,
    MachineHolder,
    PendingMutation,
    UnknownHolder,
)
from moorage_provider_azure.provider import AzureProvider, create
from moorage_testing.clouds.azure import ArmEmulator
from moorage_testing.faults import Fault

LIST = "publicIPAddresses.listAll"
SETS = "virtualMachineScaleSets.listAll"
MEMBERS = "publicIPAddresses.listVirtualMachineScaleSetPublicIPAddresses"
ABSENT = "192.0.2.254"
_numbers = itertools.count(1)
late = pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])


async def fresh(emulator: ArmEmulator, provider: AzureProvider) -> tuple[CloudAddress, Machine]:
    """A free address and a machine without one."""
    ip = f"198.51.100.{next(_numbers)}"
    emulator.world.add_address(ip)
    (instance,) = emulator.world.add_instances(1)
    return (await provider.snapshot((ip,)))[ip], await provider.machine(instance.id)


async def done(provider: AzureProvider, operation: PendingMutation) -> None:
    async with asyncio.timeout(10):
        while not operation.done:
            operation = await provider.poll(operation.handle)


async def cost(emulator: ArmEmulator, provider: AzureProvider, *ips: str) -> list[str]:
    """The calls of one read."""
    since = len(emulator.faults.calls)
    await provider.snapshot(ips)
    return list(emulator.faults.ops(since))


@late
async def test_harm_12_a_machine_that_is_being_deleted_is_unfit_for_an_address(
    emulator: ArmEmulator, provider: AzureProvider, *, late: bool
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.world.begin_deletion(machine.machine_id, late=late)
    with pytest.raises(MachineUnfit, match="marked for deletion"):
        await done(provider, await provider.attach(address, machine, "one"))
    assert not (await provider.machine(machine.machine_id)).running


@late
async def test_harm_12_an_address_on_a_machine_that_is_being_deleted_is_locked_until_it_is_gone(
    emulator: ArmEmulator, provider: AzureProvider, *, late: bool
) -> None:
    free, machine = await fresh(emulator, provider)
    await done(provider, await provider.attach(free, machine, "one"))
    held = (await provider.snapshot((free.ip,)))[free.ip]
    emulator.world.begin_deletion(machine.machine_id, late=late)
    with pytest.raises(Locked, match="marked for deletion"):
        await done(provider, await provider.detach(held, "two"))
    emulator.world.terminate(machine.machine_id, with_interface=True)
    assert (await provider.snapshot((free.ip,)))[free.ip].holder is None


async def test_harm_12_an_absent_address_is_looked_for_once_in_each_scale_set(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    for number in range(3):
        emulator.world.add_scale_set_instances(f"pool{number}", 1)
    assert sorted(await cost(emulator, provider, ABSENT)) == sorted([LIST, SETS, *[MEMBERS] * 3])
    assert await cost(emulator, provider, ABSENT) == [LIST, SETS]
    # A new pool may have come with it.
    (instance,) = emulator.world.add_scale_set_instances("pool3", 1, ips=[ABSENT])
    read_back = await provider.snapshot((ABSENT,))
    holder = read_back[ABSENT].holder
    assert isinstance(holder, MachineHolder)
    assert holder.machine_id == instance.id
    # Where it is known to be it is read alone.
    member, interface = "ScaleSetPublicIPAddress", "ScaleSetNetworkInterface"
    assert await cost(emulator, provider, ABSENT) == [
        f"publicIPAddresses.getVirtualMachine{member}",
        f"networkInterfaces.getVirtualMachine{interface}",
    ]


async def test_harm_12_an_address_that_is_looked_for_too_long_leaves_the_others_read(
    emulator: ArmEmulator,
) -> None:
    emulator.world.add_address("198.51.100.250")
    for number in range(4):
        emulator.world.add_scale_set_instances(f"slow{number}", 1)
    provider = create({"region": emulator.region, "timeout_seconds": "2"})
    await provider.snapshot(("198.51.100.250",))
    emulator.faults.inject(Fault(op=MEMBERS, delay_seconds=0.4, times=None))
    ips = ("198.51.100.250", ABSENT)
    first = await provider.snapshot(ips)
    assert first["198.51.100.250"].holder is None
    assert isinstance(first[ABSENT].holder, UnknownHolder)
    # Each read goes on where the one before was cut off.
    for _ in range(6):
        await provider.snapshot(ips)
    assert set(await provider.snapshot(ips)) == {"198.51.100.250"}
    await provider.close()


async def test_harm_12_a_scale_set_that_is_deleted_meanwhile_spoils_no_read(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    emulator.world.add_scale_set_instances("gone", 1)
    emulator.faults.inject(Fault(op=MEMBERS, status=404, code="ResourceNotFound", times=None))
    assert await provider.snapshot((ABSENT,)) == {}


@pytest.mark.parametrize(
    "tag", ["aks-managed-poolName", "aks-managed-cluster-name", "karpenter.azure.com_cluster"]
)
async def test_harm_12_a_machine_of_another_cluster_is_known_as_such(
    emulator: ArmEmulator, provider: AzureProvider, tag: str
) -> None:
    (instance,) = emulator.world.add_instances(1, tags={tag: "other"})
    assert (await provider.machine(instance.id)).cluster
