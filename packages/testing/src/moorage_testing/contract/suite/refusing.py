"""A provider takes no address from a holder, and changes nothing that was replaced or deleted."""
# ruff: noqa: S101 - these are tests, only elsewhere

from __future__ import annotations

import pytest

from moorage_provider.errors import (
    AddressNotFound,
    InUse,
    MachineNotFound,
    MachineUnfit,
    Stale,
    Unsupported,
)
from moorage_provider.protocol import OtherHolder, Provider
from moorage_testing.contract.steps import (
    arranged,
    attached,
    done,
    fresh_request,
    mutations,
    new_machine,
    prepared,
    read,
    unchanged,
)
from moorage_testing.contract.world import ContractWorld


class RefusingContract:
    """Mutations that are refused and change nothing."""

    async def test_an_address_is_not_attached_before_it_is_detached(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        scene = await arranged(world, provider)
        with pytest.raises(InUse) as refusal:
            await done(provider, provider.attach(scene.held, scene.target, fresh_request()))
        assert refusal.value.owner == scene.holder.machine_id
        assert await unchanged(provider, scene)

    async def test_attaching_never_removes_the_targets_reserved_address(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        scene = await arranged(world, provider)
        with pytest.raises(InUse):
            await done(provider, provider.attach(scene.free, scene.holder, fresh_request()))
        assert await unchanged(provider, scene)

    async def test_harm_10_a_target_keeps_an_address_that_is_not_understood(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        if not world.has_odd_rows:
            pytest.skip("no row of this cloud can be odd")
        scene = await arranged(world, provider)
        world.spoil(scene.held.ip)
        with pytest.raises(InUse):
            await done(provider, provider.attach(scene.free, scene.holder, fresh_request()))
        now = await provider.machine(scene.holder.machine_id)
        assert (bool(now.public_ip), now.public_ip_reserved) == (True, True)
        assert (await read(provider, scene.free.ip)).holder is None
        world.give(scene.held.ip, None)
        world.remove_address(scene.held.ip)

    async def test_attaching_waits_for_the_target_to_be_prepared(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        if not (provider.capabilities.clears_target_first and world.assigns_ephemeral_addresses):
            pytest.skip("nothing is in the way on a fresh machine of this cloud")
        machine = await new_machine(world, provider)
        free = await read(provider, world.add_address())
        with pytest.raises((InUse, MachineUnfit)):
            await done(provider, provider.attach(free, machine, fresh_request()))
        assert await read(provider, free.ip) == free
        assert await provider.machine(machine.machine_id) == machine

    async def test_an_address_that_was_removed_since_it_was_read_is_not_found(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        machine = await prepared(provider, await new_machine(world, provider))
        address = await read(provider, world.add_address())
        world.remove_address(address.ip)
        with pytest.raises(AddressNotFound):
            await done(provider, provider.attach(address, machine, fresh_request()))

    async def test_a_machine_that_was_deleted_since_it_was_read_gets_no_address(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        scene = await arranged(world, provider)
        world.terminate(scene.target.machine_id)
        with pytest.raises((MachineNotFound, MachineUnfit)):
            await done(provider, provider.attach(scene.free, scene.target, fresh_request()))
        assert await unchanged(provider, scene)

    async def test_a_holder_that_is_no_machine_is_never_displaced(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        ip = world.add_address()
        world.give_elsewhere(ip)
        address = await read(provider, ip)
        assert isinstance(address.holder, OtherHolder)
        machine = await prepared(provider, await new_machine(world, provider))
        for mutation in mutations(provider, address, machine):
            with pytest.raises((InUse, Unsupported)):
                await done(provider, mutation())
        assert await read(provider, ip) == address

    async def test_an_address_that_changed_hands_is_neither_moved_nor_detached(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        _, address = await attached(world, provider)
        thief = await new_machine(world, provider)
        target = await new_machine(world, provider)
        world.give(address.ip, thief.machine_id)
        stolen = await read(provider, address.ip)
        with pytest.raises(Stale):
            await done(provider, provider.detach(address, fresh_request()))
        if provider.capabilities.moves_in_one_call:
            with pytest.raises(Stale):
                await done(provider, provider.move(address, target, fresh_request()))
        assert await read(provider, address.ip) == stolen
