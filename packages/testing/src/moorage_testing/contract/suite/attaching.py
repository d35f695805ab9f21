"""Attach, detach, prepare and restore: their effect, and that a repeat changes nothing."""
# ruff: noqa: S101 - these are tests, only elsewhere

from __future__ import annotations

import pytest

from moorage_provider.protocol import MachineHolder, Provider
from moorage_testing.contract.steps import attached, done, fresh_request, new_machine, read
from moorage_testing.contract.world import ContractWorld

# What is appended to the first request's id.
repeats = pytest.mark.parametrize("again", ["", "-again"], ids=["same_request", "another_request"])


class AttachingContract:
    """Mutations that succeed, also when repeated."""

    async def test_an_attached_address_is_on_the_machine(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        machine, address = await attached(world, provider)
        assert address.holder == MachineHolder(machine.machine_id, machine.interface_id)
        assert address.token
        now = await provider.machine(machine.machine_id)
        assert (now.public_ip, now.public_ip_reserved) == (address.ip, True)

    @repeats
    async def test_attaching_again_changes_nothing(
        self, world: ContractWorld, provider: Provider, again: str
    ) -> None:
        request_id = fresh_request()
        machine, address = await attached(world, provider, request_id)
        await done(provider, provider.attach(address, machine, request_id + again))
        assert await read(provider, address.ip) == address

    @repeats
    async def test_a_detached_address_is_free_and_detaching_again_changes_nothing(
        self, world: ContractWorld, provider: Provider, again: str
    ) -> None:
        _, address = await attached(world, provider)
        first = fresh_request()
        for request_id in (first, first + again):
            await done(provider, provider.detach(address, request_id))
            free = await read(provider, address.ip)
            assert (free.holder, free.token) == (None, "")

    @repeats
    async def test_a_machine_prepared_twice_is_ready_once(
        self, world: ContractWorld, provider: Provider, again: str
    ) -> None:
        machine = await new_machine(world, provider)
        free = await read(provider, world.add_address())
        first = fresh_request()
        for request_id in (first, first + again):
            await done(provider, provider.prepare(free, machine, request_id))
        ready = await provider.machine(machine.machine_id)
        if provider.capabilities.clears_target_first:
            assert not ready.public_ip
        else:
            assert ready == machine
        await done(provider, provider.attach(free, ready, fresh_request()))
        holder = MachineHolder(machine.machine_id, machine.interface_id)
        assert (await read(provider, free.ip)).holder == holder

    @repeats
    async def test_a_machine_gets_an_ephemeral_address_again(
        self, world: ContractWorld, provider: Provider, again: str
    ) -> None:
        machine = await new_machine(world, provider)
        free = await read(provider, world.add_address())
        await done(provider, provider.prepare(free, machine, fresh_request()))
        first = fresh_request()
        machines = []
        for request_id in (first, first + again):
            await done(provider, provider.restore(machine, request_id))
            machines.append(await provider.machine(machine.machine_id))
        assert bool(machines[0].public_ip) == world.assigns_ephemeral_addresses
        assert not machines[0].public_ip_reserved
        assert machines[1] == machines[0]

    async def test_restoring_a_machine_that_holds_an_address_does_nothing(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        machine, address = await attached(world, provider)
        holding = await provider.machine(machine.machine_id)
        # As read before it held the address, and as it is now.
        for described in (machine, holding):
            await done(provider, provider.restore(described, fresh_request()))
            assert await provider.machine(machine.machine_id) == holding
        assert await read(provider, address.ip) == address

    @repeats
    async def test_harm_07_a_machine_of_several_interfaces_gets_an_ephemeral_address_again(
        self, world: ContractWorld, provider: Provider, again: str
    ) -> None:
        if not world.has_interfaces:
            pytest.skip("a machine of this cloud has one interface")
        machine, address = await attached(world, provider)
        world.add_interface(machine.machine_id)
        await done(provider, provider.detach(address, fresh_request()))
        bare = await provider.machine(machine.machine_id)
        first = fresh_request()
        machines = []
        for request_id in (first, first + again):
            await done(provider, provider.restore(bare, request_id))
            machines.append(await provider.machine(machine.machine_id))
        assert bool(machines[0].public_ip) == world.assigns_ephemeral_addresses
        assert not machines[0].public_ip_reserved
        assert machines[1] == machines[0]
        assert (await read(provider, address.ip)).holder is None
