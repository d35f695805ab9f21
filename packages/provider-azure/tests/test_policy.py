"""The shipped role: exactly the rights that are used, and the same as in the README."""

import asyncio
import json
from importlib.resources import files
from pathlib import Path

from moorage_provider_azure.provider import AzureProvider
from moorage_testing.clouds.azure import ArmEmulator

README = Path(__file__).parents[1] / "README.md"
_MEMBER = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines"
_LISTS = "Microsoft.Compute/virtualMachineScaleSets/publicIPAddresses"
# The rights that Azure requires for each operation. Writing an interface needs the right to join
# what it refers to: here the network's subnet, its security group and the load balancer.
NEEDED = {
    "publicIPAddresses.get": {"Microsoft.Network/publicIPAddresses/read"},
    "publicIPAddresses.listAll": {"Microsoft.Network/publicIPAddresses/read"},
    "networkInterfaces.get": {"Microsoft.Network/networkInterfaces/read"},
    "networkInterfaces.listAll": {"Microsoft.Network/networkInterfaces/read"},
    "networkInterfaces.createOrUpdate": {
        "Microsoft.Network/networkInterfaces/write",
        "Microsoft.Network/publicIPAddresses/join/action",
        "Microsoft.Network/virtualNetworks/subnets/join/action",
        "Microsoft.Network/networkSecurityGroups/join/action",
        "Microsoft.Network/loadBalancers/backendAddressPools/join/action",
    },
    "operations.get": {"Microsoft.Network/locations/operations/read"},
    "virtualMachines.get": {"Microsoft.Compute/virtualMachines/read"},
    "virtualMachineScaleSets.listAll": {"Microsoft.Compute/virtualMachineScaleSets/read"},
    "virtualMachineScaleSetVMs.get": {f"{_MEMBER}/read"},
    "networkInterfaces.getVirtualMachineScaleSetNetworkInterface": {
        f"{_MEMBER}/networkInterfaces/read"
    },
    "publicIPAddresses.getVirtualMachineScaleSetPublicIPAddress": {
        f"{_MEMBER}/networkInterfaces/ipConfigurations/publicIPAddresses/read"
    },
    "publicIPAddresses.listVirtualMachineScaleSetPublicIPAddresses": {f"{_LISTS}/read"},
}


def role_text() -> str:
    return files("moorage_provider_azure").joinpath("role.json").read_text()


async def test_the_role_grants_exactly_what_is_called(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    ip, uniform_ip = "198.51.100.7", "198.51.100.8"
    emulator.world.add_address(ip)
    one, two = [await provider.machine(i.id) for i in emulator.world.add_instances(2)]
    (member,) = emulator.world.add_scale_set_instances("pool", 1, ips=(uniform_ip,))
    await provider.snapshot((uniform_ip,))
    await provider.machine(member.id)
    free = (await provider.snapshot((ip,)))[ip]
    for machine in (one, two):
        await provider.prepare(free, machine, "prepare")
        await settle(provider, (await provider.attach(free, machine, "attach")).handle)
        await provider.machine(machine.machine_id)
        held = (await provider.snapshot((ip,)))[ip]
        await settle(provider, (await provider.detach(held, "detach")).handle)
        await provider.restore(machine, "restore")
    granted = json.loads(role_text())["Actions"]
    assert set(granted) == set().union(*(NEEDED[op] for op in emulator.faults.ops()))
    assert granted == sorted(granted)


async def settle(provider: AzureProvider, handle: str) -> None:
    async with asyncio.timeout(10):
        while not (await provider.poll(handle)).done:
            pass


def test_the_role_grants_no_more_than_it_names() -> None:
    role = json.loads(role_text())
    assert not [action for action in role["Actions"] if "*" in action]
    assert role["AssignableScopes"] == ["/subscriptions/SUBSCRIPTION_ID"]


def test_the_readme_shows_the_role() -> None:
    assert f"```json\n{role_text()}```" in README.read_text()
