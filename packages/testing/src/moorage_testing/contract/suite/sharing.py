"""Several providers of one cloud, and of two: none takes an address, none shares state."""
# ruff: noqa: S101 - these are tests, only elsewhere

from __future__ import annotations

import asyncio

import pytest

from moorage_provider.errors import InUse, Locked, MachineNotFound, Stale
from moorage_provider.protocol import ApiCall, MachineHolder, Provider
from moorage_testing.contract.steps import (
    Opening,
    arranged,
    attached,
    closed,
    done,
    fresh_request,
    new_machine,
    opened,
    prepared,
    read,
)
from moorage_testing.contract.world import ContractWorld


class SharingContract:
    """Two writers at once, and providers side by side."""

    async def test_of_two_concurrent_attachments_one_succeeds_and_one_is_refused(
        self, world: ContractWorld, provider: Provider, opening: Opening
    ) -> None:
        one = await prepared(provider, await new_machine(world, provider))
        two = await prepared(provider, await new_machine(world, provider))
        free = await read(provider, world.add_address())
        async with opened(opening) as other:
            outcomes = await asyncio.gather(
                done(provider, provider.attach(free, one, fresh_request())),
                done(other, other.attach(free, two, fresh_request())),
                return_exceptions=True,
            )
        assert [type(outcome) for outcome in outcomes].count(type(None)) == 1
        winner, loser = (one, outcomes[1]) if outcomes[0] is None else (two, outcomes[0])
        assert isinstance(loser, InUse | Stale | Locked)
        holder = MachineHolder(winner.machine_id, winner.interface_id)
        assert (await read(provider, free.ip)).holder == holder

    async def test_an_address_detached_while_another_attaches_it_is_where_both_reported(
        self, world: ContractWorld, provider: Provider, opening: Opening
    ) -> None:
        scene = await arranged(world, provider)
        async with opened(opening) as other:
            detached, attached_elsewhere = await asyncio.gather(
                done(provider, provider.detach(scene.held, fresh_request())),
                done(other, other.attach(scene.held, scene.target, fresh_request())),
                return_exceptions=True,
            )
        for outcome in (detached, attached_elsewhere):
            assert outcome is None or isinstance(outcome, InUse | Stale | Locked)
        reported = scene.held.holder if detached else None
        if attached_elsewhere is None:
            reported = MachineHolder(scene.target.machine_id, scene.target.interface_id)
        assert (await read(provider, scene.held.ip)).holder == reported

    async def test_one_provider_knows_nothing_of_another(
        self, world: ContractWorld, provider: Provider, opening: Opening
    ) -> None:
        scene = await arranged(world, provider)
        calls: list[ApiCall] = []
        async with opened(opening) as other:
            other.fence = closed
            other.on_call = calls.append
            await done(provider, provider.attach(scene.free, scene.target, fresh_request()))
            assert calls == []
            await other.snapshot((scene.held.ip,))
        assert await read(provider, scene.held.ip) == scene.held

    async def test_another_scope_has_nothing_of_this_one(
        self, world: ContractWorld, provider: Provider, opening_elsewhere: Opening
    ) -> None:
        machine, address = await attached(world, provider)
        async with opened(opening_elsewhere) as elsewhere:
            assert await elsewhere.snapshot((address.ip,)) == {}
            with pytest.raises(MachineNotFound):
                await elsewhere.machine(machine.machine_id)
            here, there = await asyncio.gather(
                provider.snapshot((address.ip,)), elsewhere.snapshot((address.ip,))
            )
        assert (dict(here), dict(there)) == ({address.ip: address}, {})
