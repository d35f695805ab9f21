"""Moving an address from machine to machine in one call, for clouds that can."""
# ruff: noqa: S101 - these are tests, only elsewhere

from __future__ import annotations

import pytest

from moorage_provider.errors import InUse, Stale
from moorage_provider.protocol import MachineHolder, Provider
from moorage_testing.contract.steps import (
    attached,
    done,
    fresh_request,
    needs_move,
    new_machine,
    prepared,
    read,
)
from moorage_testing.contract.suite.attaching import repeats
from moorage_testing.contract.world import ContractWorld


class MovingContract:
    """``move``; skipped where it takes two steps."""

    async def test_a_move_is_one_mutation(self, world: ContractWorld, provider: Provider) -> None:
        needs_move(provider)
        source, address = await attached(world, provider)
        target = await new_machine(world, provider)
        before = world.mutations()
        await done(provider, provider.move(address, target, fresh_request()))
        assert world.mutations() - before == 1
        moved = await read(provider, address.ip)
        assert moved.holder == MachineHolder(target.machine_id, target.interface_id)
        assert moved.token not in ("", address.token)
        assert not (await provider.machine(source.machine_id)).public_ip_reserved

    @repeats
    async def test_moving_again_changes_nothing(
        self, world: ContractWorld, provider: Provider, again: str
    ) -> None:
        needs_move(provider)
        _, address = await attached(world, provider)
        target = await new_machine(world, provider)
        request_id = fresh_request()
        await done(provider, provider.move(address, target, request_id))
        moved = await read(provider, address.ip)
        await done(provider, provider.move(address, target, request_id + again))
        assert await read(provider, address.ip) == moved

    async def test_a_move_never_removes_the_targets_reserved_address(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        needs_move(provider)
        _, address = await attached(world, provider)
        target = await new_machine(world, provider)
        # Between the target's description and the move somebody gives it another address.
        other = world.add_address()
        world.give(other, target.machine_id)
        with pytest.raises(InUse) as refusal:
            await done(provider, provider.move(address, target, fresh_request()))
        assert refusal.value.owner == other
        assert await read(provider, address.ip) == address

    async def test_harm_08_an_address_beside_the_nodes_own_is_put_in_its_place(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        if not world.has_interfaces:
            pytest.skip("a machine of this cloud has one interface")
        machine = await prepared(provider, await new_machine(world, provider))
        ip = world.add_address()
        world.give_beside(ip, machine.machine_id)
        beside = await read(provider, ip)
        assert isinstance(beside.holder, MachineHolder)
        assert beside.holder.machine_id == machine.machine_id
        assert beside.holder.misplaced
        assert (await provider.machine(machine.machine_id)).public_ip != ip
        before = world.mutations()
        if provider.capabilities.moves_in_one_call:
            await done(provider, provider.move(beside, machine, fresh_request()))
            assert world.mutations() - before == 1
        else:
            await done(provider, provider.detach(beside, fresh_request()))
            free = await read(provider, ip)
            await done(provider, provider.attach(free, machine, fresh_request()))
        own = await read(provider, ip)
        assert own.holder == MachineHolder(machine.machine_id, machine.interface_id)
        assert (await provider.machine(machine.machine_id)).public_ip == ip

    async def test_harm_08_an_attachment_that_finds_it_beside_the_nodes_own_is_stale(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        if not world.has_interfaces:
            pytest.skip("a machine of this cloud has one interface")
        machine = await prepared(provider, await new_machine(world, provider))
        free = await read(provider, world.add_address())
        world.give_beside(free.ip, machine.machine_id)
        with pytest.raises((Stale, InUse)):
            await done(provider, provider.attach(free, machine, fresh_request()))
        assert (await provider.machine(machine.machine_id)).public_ip != free.ip

    async def test_harm_08_a_move_by_hand_between_two_interfaces_of_one_machine_is_noticed(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        if not world.has_interfaces:
            pytest.skip("a machine of this cloud has one interface")
        machine, own = await attached(world, provider)
        assert own.holder == MachineHolder(machine.machine_id, machine.interface_id)
        world.give_beside(own.ip, machine.machine_id)
        beside = (await read(provider, own.ip)).holder
        assert isinstance(beside, MachineHolder)
        assert (beside.machine_id, bool(beside.misplaced)) == (machine.machine_id, True)
        world.give(own.ip, machine.machine_id)
        assert (await read(provider, own.ip)).holder == own.holder
