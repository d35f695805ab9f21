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


def role_text(name: str = "role.json") -> str:
    return files("moorage_provider_azure").joinpath(name).read_text()


def actions(name: str) -> set[str]:
    return set(json.loads(role_text(name))["Actions"])


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


def test_sec_02_three_roles_are_the_one_and_each_is_for_a_scope_of_its_own() -> None:
    names = ("role-reads.json", "role-addresses.json", "role-nodes.json")
    every = sorted(action for name in names for action in json.loads(role_text(name))["Actions"])
    assert every == json.loads(role_text())["Actions"]
    assert all(action.endswith("/read") for action in actions("role-reads.json"))
    scopes = [scope for name in names for scope in json.loads(role_text(name))["AssignableScopes"]]
    assert len(set(scopes)) == len(names)
    for name in names:
        assert f"```json\n{role_text(name)}```" in README.read_text()


async def test_sec_02_only_interfaces_of_the_nodes_group_are_changed(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    ip = "198.51.100.7"
    emulator.world.add_address(ip)
    (machine,) = [await provider.machine(one.id) for one in emulator.world.add_instances(1)]
    free = (await provider.snapshot((ip,)))[ip]
    await settle(provider, (await provider.attach(free, machine, "attach")).handle)
    held = (await provider.snapshot((ip,)))[ip]
    await settle(provider, (await provider.detach(held, "detach")).handle)
    reads = actions("role-reads.json")
    changes = [call for call in emulator.faults.calls if not reads >= NEEDED[call.op]]
    assert {call.op for call in changes} == {"networkInterfaces.createOrUpdate"}
    (group,) = {call.params["group"] for call in changes}
    assert f"/resourcegroups/{group}/" in machine.interface_id.lower()
    asked = NEEDED["networkInterfaces.createOrUpdate"]
    assert asked == actions("role-nodes.json") | actions("role-addresses.json")
