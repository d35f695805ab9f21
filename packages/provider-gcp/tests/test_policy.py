"""The shipped role: exactly the rights that are used, and the same as in the README."""

from importlib.resources import files
from pathlib import Path

from moorage_provider.protocol import PendingMutation
from moorage_provider_gcp.provider import GcpProvider, create
from moorage_testing.clouds.gcp import GceEmulator

README = Path(__file__).parents[1] / "README.md"
# The rights that Google's reference lists for each method. A public address needs the right to use
# it, if it is reserved, and the right to use the subnetwork's external addresses.
# https://cloud.google.com/compute/docs/reference/rest/v1/instances/addAccessConfig
# https://cloud.google.com/compute/docs/reference/rest/v1/instances/updateNetworkInterface
_EXTERNAL = {"compute.addresses.use", "compute.subnetworks.useExternalIp"}
NEEDED = {
    "addresses.aggregatedList": {"compute.addresses.list"},
    "addresses.list": {"compute.addresses.list"},
    "instances.get": {"compute.instances.get"},
    "instances.addAccessConfig": {"compute.instances.addAccessConfig"} | _EXTERNAL,
    "instances.deleteAccessConfig": {"compute.instances.deleteAccessConfig"},
    "instances.updateNetworkInterface": {"compute.instances.updateNetworkInterface"} | _EXTERNAL,
    "zoneOperations.get": {"compute.zoneOperations.get"},
    "zoneOperations.wait": {"compute.zoneOperations.get"},
}
_HEAD = ("title:", "description:", "stage:", "includedPermissions:")


def role_text(name: str = "role.yaml") -> str:
    return files("moorage_provider_gcp").joinpath(name).read_text()


def granted(name: str = "role.yaml") -> list[str]:
    lines = role_text(name).splitlines()
    return [line.removeprefix("  - ") for line in lines if not line.startswith(_HEAD)]


async def test_the_role_grants_exactly_what_is_called(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    since = len(emulator.faults.calls)
    (one,) = emulator.world.add_instances(1)
    for ip in ("198.51.100.7", "2001:db8:7::"):
        emulator.world.add_address(ip)
        machine = await provider.machine(one.id)
        free = (await provider.snapshot((ip,)))[ip]
        await settle(provider, await provider.prepare(free, machine, "prepare"))
        await settle(provider, await provider.attach(free, machine, "attach"))
        held = (await provider.snapshot((ip,)))[ip]
        await settle(provider, await provider.detach(held, "detach"))
        await settle(provider, await provider.restore(machine, "restore"))
    everywhere = create({})
    await everywhere.snapshot(("198.51.100.7",))
    await everywhere.close()
    called = set(emulator.faults.ops(since))
    assert set(granted()) == set().union(*(NEEDED[op] for op in called))
    assert granted() == sorted(granted())


async def settle(provider: GcpProvider, operation: PendingMutation) -> None:
    assert (operation.done or await provider.poll(operation.handle)) in (True, PendingMutation())


def test_the_readme_shows_the_role() -> None:
    assert f"```yaml\n{role_text()}```" in README.read_text()


def test_sec_02_two_roles_are_the_one_and_only_rights_on_instances_hang_on_the_condition() -> None:
    nodes, addresses = granted("role-nodes.yaml"), granted("role-addresses.yaml")
    assert sorted([*nodes, *addresses]) == granted()
    assert {one for one in granted() if one.startswith("compute.instances.")} == set(nodes)
    for name in ("role-nodes.yaml", "role-addresses.yaml", "condition-nodes.yaml"):
        assert f"```yaml\n{role_text(name)}```" in README.read_text()
