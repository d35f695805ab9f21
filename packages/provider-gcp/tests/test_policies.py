"""What an organisation policy forbids costs no node its own address."""

import asyncio
import itertools

import pytest

from moorage_provider.errors import Denied, MachineNotFound, Stale
from moorage_provider.protocol import CloudAddress, Machine, PendingMutation
from moorage_provider_gcp.errors import operation_error
from moorage_provider_gcp.provider import GcpProvider
from moorage_testing.clouds.gcp import GceEmulator
from moorage_testing.faults import Fault

POLICY = "constraints/compute.vmExternalIpAccess"
CUSTOM = "customConstraints/custom.noPublicNodes"
_numbers = itertools.count(1)


async def read(emulator: GceEmulator, provider: GcpProvider) -> tuple[CloudAddress, Machine]:
    """A free address, and a machine with an ephemeral one."""
    ip = f"198.51.100.{next(_numbers)}"
    emulator.world.add_address(ip)
    (instance,) = emulator.world.add_instances(1)
    return (await provider.snapshot((ip,)))[ip], await provider.machine(instance.id)


async def done(provider: GcpProvider, operation: PendingMutation) -> None:
    async with asyncio.timeout(10):
        while not operation.done:
            operation = await provider.poll(operation.handle)


async def test_harm_11_a_policy_is_learnt_before_a_node_loses_its_own_address(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await read(emulator, provider)
    emulator.world.restrict_addresses()
    since = len(emulator.faults.calls)
    with pytest.raises(Denied, match="organisation policy") as denied:
        await provider.prepare(address, machine, "one")
    assert denied.value.permission == POLICY
    assert "instances.deleteAccessConfig" not in emulator.faults.ops(since)
    assert await provider.machine(machine.machine_id) == machine


async def test_harm_11_a_right_that_is_missing_is_learnt_then_too(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await read(emulator, provider)
    text = "Required 'compute.addresses.use' permission for 'projects/example-project'"
    refused = Fault(op="instances.addAccessConfig", status=403, code="forbidden", message=text)
    emulator.faults.inject(refused)
    with pytest.raises(Denied) as denied:
        await provider.prepare(address, machine, "one")
    assert denied.value.permission == "compute.addresses.use"
    assert await provider.machine(machine.machine_id) == machine


async def test_harm_11_an_instance_that_the_policy_allows_gets_its_address(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await read(emulator, provider)
    emulator.world.restrict_addresses(machine.machine_id)
    await done(provider, await provider.prepare(address, machine, "one"))
    bare = await provider.machine(machine.machine_id)
    assert not bare.public_ip
    await done(provider, await provider.attach(address, bare, "two"))
    assert emulator.world.holder(address.ip) == machine.machine_id


async def test_harm_11_after_a_refusal_that_came_late_no_other_node_loses_its_own_address(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await read(emulator, provider)
    _, other = await read(emulator, provider)
    emulator.world.restrict_addresses(late=True)
    await done(provider, await provider.prepare(address, machine, "one"))
    bare = await provider.machine(machine.machine_id)
    with pytest.raises(Denied, match=POLICY):
        await done(provider, await provider.attach(address, bare, "two"))
    with pytest.raises(Denied, match=POLICY):
        await provider.prepare(address, other, "three")
    assert await provider.machine(other.machine_id) == other
    emulator.world.end_restrictions()
    await done(provider, await provider.attach(address, bare, "four"))
    assert emulator.world.holder(address.ip) == machine.machine_id


async def test_once_an_address_was_given_nobody_asks_first(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    async def asked(address: CloudAddress, machine: Machine) -> int:
        since = len(emulator.faults.calls)
        await done(provider, await provider.prepare(address, machine, machine.machine_id))
        return emulator.faults.ops(since).count("instances.addAccessConfig")

    address, machine = await read(emulator, provider)
    assert await asked(address, machine) == 1
    bare = await provider.machine(machine.machine_id)
    await done(provider, await provider.attach(address, bare, "two"))
    assert await asked(*await read(emulator, provider)) == 0
    # A refusal makes that doubtful again.
    free, other = await read(emulator, provider)
    emulator.world.restrict_addresses()
    with pytest.raises(Denied):
        await provider.attach(free, other, "three")
    with pytest.raises(Denied):
        await provider.prepare(*await read(emulator, provider), "four")


@pytest.mark.parametrize("policy", [POLICY, CUSTOM])
def test_harm_11_an_operation_that_a_policy_fails_is_a_denial(policy: str) -> None:
    from google.cloud.compute_v1 import types  # noqa: PLC0415 - loads for a second

    def ended_in(text: str) -> types.Operation:
        error = types.Errors(code="CONDITION_NOT_MET", message=text)
        return types.Operation(error=types.Error(errors=[error]), http_error_status_code=412)

    forbidden = operation_error(ended_in(f"Constraint {policy} violated for project 1."), "wait")
    assert isinstance(forbidden, Denied)
    assert forbidden.permission == policy
    changed = operation_error(ended_in("Supplied fingerprint does not match"), "wait")
    assert isinstance(changed, Stale)
    assert not isinstance(changed, MachineNotFound)
