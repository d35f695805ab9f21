"""What every provider must do, as tests to inherit: what ``Provider``'s docstrings promise."""
# ruff: noqa: S101, PLR2004 - these are tests, only elsewhere

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from moorage_domain.errors import (
    AddressNotFound,
    CloudError,
    Denied,
    InUse,
    MachineNotFound,
    Stale,
    Throttled,
    Unavailable,
    Unsupported,
)
from moorage_domain.provider import MachineHolder, OtherHolder, Provider
from moorage_testing.contract.steps import (
    FencedError,
    attached,
    closed,
    done,
    insist,
    longest_lag,
    mutations,
    needs_move,
    new_machine,
    prepared,
    read,
)
from moorage_testing.contract.world import (
    IMPATIENT_SECONDS,
    PATIENT_SECONDS,
    Asked,
    ContractWorld,
    Failure,
)

# How far behind its timers the event loop may fall while a provider works.
LONGEST_LAG_SECONDS = 0.05
FOREIGN_IDS = ("", "kind://docker/kind/worker", "digitalocean://1234", "moorage-test")
EXPECTED: dict[Failure, type[CloudError]] = {
    Failure.THROTTLED: Throttled,
    Failure.DENIED: Denied,
    Failure.NO_ANSWER: Unavailable,
}


class ProviderContract:
    """Inherit this and give it the fixtures ``world`` and ``opening``."""

    @pytest.fixture
    def world(self) -> ContractWorld:
        """The cloud; may hold what other tests left, nothing may be failing."""
        raise NotImplementedError

    @pytest.fixture
    def opening(self, world: ContractWorld) -> Callable[[float], Provider]:
        """Makes a provider with this deadline in seconds."""
        raise NotImplementedError

    @pytest.fixture
    async def provider(self, opening: Callable[[float], Provider]) -> AsyncIterator[Provider]:
        """A provider with time enough."""
        provider = opening(PATIENT_SECONDS)
        yield provider
        await provider.close()

    def test_a_node_of_another_cloud_is_not_ours(self, provider: Provider) -> None:
        assert [provider.machine_id(text) for text in FOREIGN_IDS] == [None] * len(FOREIGN_IDS)

    async def test_a_machine_is_found_by_its_nodes_provider_id(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        machine = await new_machine(world, provider)
        assert machine.running
        assert machine.private_ip
        assert machine.public_ip
        assert not machine.public_ip_reserved

    async def test_a_machine_that_is_gone_is_not_found(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        machine = await new_machine(world, provider)
        world.terminate(machine.machine_id)
        with pytest.raises(MachineNotFound):
            await provider.machine(machine.machine_id)

    async def test_a_free_address_has_no_holder_and_a_removed_one_is_absent(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        free, removed = world.add_address(), world.add_address()
        world.remove_address(removed)
        seen = await provider.snapshot((free, removed, "2001:db8::1"))
        assert set(seen) == {free}
        assert (seen[free].holder, seen[free].token) == (None, "")
        assert seen[free].reference

    async def test_five_hundred_addresses_are_read_in_three_calls(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        ips = [world.add_address() for _ in range(500)]
        before = world.reads()
        seen = await provider.snapshot(ips)
        assert set(seen) == set(ips)
        assert world.reads() - before <= 3

    async def test_no_addresses_are_read_in_no_call(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        before = world.reads()
        assert await provider.snapshot(()) == {}
        assert world.reads() - before <= 1

    async def test_an_attached_address_is_on_the_machine(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        machine, address = await attached(world, provider)
        assert address.holder == MachineHolder(machine.machine_id, machine.interface_id)
        assert address.token
        now = await provider.machine(machine.machine_id)
        assert (now.public_ip, now.public_ip_reserved) == (address.ip, True)

    async def test_attaching_again_changes_nothing(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        machine, address = await attached(world, provider)
        await done(provider, provider.attach(address, machine, "again"))
        assert await read(provider, address.ip) == address

    async def test_attaching_takes_an_address_from_nobody(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        owner, address = await attached(world, provider)
        target = await prepared(provider, await new_machine(world, provider))
        with pytest.raises(InUse) as refusal:
            await done(provider, provider.attach(address, target, "steal"))
        assert refusal.value.owner == owner.machine_id
        assert await read(provider, address.ip) == address

    async def test_attaching_takes_no_machine_its_reserved_address(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        machine, address = await attached(world, provider)
        other = await read(provider, world.add_address())
        with pytest.raises(InUse):
            await done(provider, provider.attach(other, machine, "displace"))
        assert await read(provider, address.ip) == address
        assert await read(provider, other.ip) == other

    async def test_an_address_that_was_removed_since_it_was_read_is_not_found(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        machine = await prepared(provider, await new_machine(world, provider))
        address = await read(provider, world.add_address())
        world.remove_address(address.ip)
        with pytest.raises(AddressNotFound):
            await done(provider, provider.attach(address, machine, "gone"))

    async def test_what_is_no_machine_is_never_displaced(
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

    async def test_a_move_is_one_mutation(self, world: ContractWorld, provider: Provider) -> None:
        needs_move(provider)
        source, address = await attached(world, provider)
        target = await new_machine(world, provider)
        before = world.mutations()
        await done(provider, provider.move(address, target, "move"))
        assert world.mutations() - before == 1
        moved = await read(provider, address.ip)
        assert moved.holder == MachineHolder(target.machine_id, target.interface_id)
        assert moved.token not in ("", address.token)
        assert not (await provider.machine(source.machine_id)).public_ip_reserved

    async def test_moving_again_changes_nothing(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        needs_move(provider)
        _, address = await attached(world, provider)
        target = await new_machine(world, provider)
        await done(provider, provider.move(address, target, "move"))
        moved = await read(provider, address.ip)
        await done(provider, provider.move(address, target, "move"))
        assert await read(provider, address.ip) == moved

    async def test_a_move_takes_no_machine_its_reserved_address(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        needs_move(provider)
        _, address = await attached(world, provider)
        target = await new_machine(world, provider)
        # Between the target's description and the move somebody gives it another address.
        other = world.add_address()
        world.give(other, target.machine_id)
        with pytest.raises(InUse) as refusal:
            await done(provider, provider.move(address, target, "displace"))
        assert refusal.value.owner == other
        assert await read(provider, address.ip) == address

    async def test_an_address_that_changed_hands_is_neither_moved_nor_detached(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        _, address = await attached(world, provider)
        thief = await new_machine(world, provider)
        target = await new_machine(world, provider)
        world.give(address.ip, thief.machine_id)
        stolen = await read(provider, address.ip)
        with pytest.raises(Stale):
            await done(provider, provider.detach(address, "stale"))
        if provider.traits.moves_in_one_call:
            with pytest.raises(Stale):
                await done(provider, provider.move(address, target, "stale"))
        assert await read(provider, address.ip) == stolen

    async def test_a_detached_address_is_free_and_detaching_again_changes_nothing(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        _, address = await attached(world, provider)
        for _ in range(2):
            await done(provider, provider.detach(address, "detach"))
            free = await read(provider, address.ip)
            assert (free.holder, free.token) == (None, "")

    async def test_a_machine_gets_an_ephemeral_address_again(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        machine = await new_machine(world, provider)
        free = await read(provider, world.add_address())
        for _ in range(2):
            await done(provider, provider.prepare(free, machine, "prepare"))
        if provider.traits.clears_target_first:
            assert not (await provider.machine(machine.machine_id)).public_ip
        for _ in range(2):
            await done(provider, provider.compensate(machine, "compensate"))
        now = await provider.machine(machine.machine_id)
        assert now.public_ip
        assert not now.public_ip_reserved

    async def test_a_machine_where_the_address_cannot_be_used_is_refused_with_a_reason(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        machine = await new_machine(world, provider)
        here = await read(provider, world.add_address())
        elsewhere = await read(provider, world.add_address(elsewhere=True))
        assert provider.check(here, machine) is None
        reason = provider.check(elsewhere, machine)
        assert reason is not None
        assert elsewhere.ip in reason

    @pytest.mark.parametrize("failure", EXPECTED, ids=lambda failure: failure.name.lower())
    @pytest.mark.parametrize("asked", ["snapshot", "machine", "attach", "move", "detach"])
    async def test_a_failure_is_told_as_what_it_is(
        self, world: ContractWorld, provider: Provider, asked: Asked, failure: Failure
    ) -> None:
        machine, address = await attached(world, provider)
        target = await prepared(provider, await new_machine(world, provider))
        free = await read(provider, world.add_address())
        if asked == "move":
            needs_move(provider)
        calls: dict[Asked, Callable[[], Awaitable[object]]] = {
            "snapshot": lambda: provider.snapshot((address.ip,)),
            "machine": lambda: provider.machine(machine.machine_id),
            "attach": lambda: provider.attach(free, target, "fails"),
            "move": lambda: provider.move(address, target, "fails"),
            "detach": lambda: provider.detach(address, "fails"),
        }
        world.fail(asked, failure)
        with pytest.raises(EXPECTED[failure]) as failed:
            await calls[asked]()
        world.heal()
        if isinstance(failed.value, Denied):
            assert failed.value.permission
        assert str(failed.value)
        assert await read(provider, address.ip) == address
        assert await read(provider, free.ip) == free

    async def test_a_mutation_whose_answer_is_lost_can_be_repeated(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        machine = await prepared(provider, await new_machine(world, provider))
        free = await read(provider, world.add_address())
        world.fail("attach", Failure.ANSWER_LOST)
        with contextlib.suppress(Unavailable):
            await done(provider, provider.attach(free, machine, "one"))
        world.heal()
        await insist(provider, lambda: provider.attach(free, machine, "one"))
        address = await read(provider, free.ip)
        assert address.holder == MachineHolder(machine.machine_id, machine.interface_id)
        world.fail("detach", Failure.ANSWER_LOST)
        with contextlib.suppress(Unavailable):
            await done(provider, provider.detach(address, "two"))
        world.heal()
        await insist(provider, lambda: provider.detach(address, "two"))
        assert (await read(provider, free.ip)).holder is None

    async def test_behind_a_closed_fence_nothing_is_changed_and_all_is_read(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        _, address = await attached(world, provider)
        target = await prepared(provider, await new_machine(world, provider))
        free = await read(provider, world.add_address())
        before = world.mutations()
        provider.fence = closed
        with pytest.raises(FencedError):
            await done(provider, provider.attach(free, target, "late"))
        with pytest.raises(FencedError):
            await done(provider, provider.detach(address, "late"))
        if provider.traits.moves_in_one_call:
            with pytest.raises(FencedError):
                await done(provider, provider.move(address, target, "late"))
        assert world.mutations() == before
        assert await read(provider, address.ip) == address
        assert await read(provider, free.ip) == free

    async def test_the_fence_is_asked_before_every_attempt(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        target = await prepared(provider, await new_machine(world, provider))
        free = await read(provider, world.add_address())
        asked: list[str] = []
        provider.fence = lambda: asked.append("?")
        world.fail("attach", Failure.THROTTLED)
        before = world.mutations()
        with pytest.raises(Throttled):
            await provider.attach(free, target, "throttled")
        assert len(asked) == world.mutations() - before

    async def test_the_deadline_holds_whatever_hangs(
        self,
        world: ContractWorld,
        provider: Provider,
        opening: Callable[[float], Provider],
    ) -> None:
        ip = world.add_address()
        impatient = opening(IMPATIENT_SECONDS)
        # Loading the SDK is no part of what is measured.
        with contextlib.suppress(Unavailable):
            await impatient.snapshot((ip,))
        world.fail("snapshot", Failure.HANGS)
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await impatient.snapshot((ip,))
        assert time.monotonic() - began < IMPATIENT_SECONDS + 0.5
        world.heal()
        await impatient.close()
        assert ip in await provider.snapshot((ip,))

    async def test_the_event_loop_goes_on_while_the_cloud_is_slow(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        ips = [world.add_address() for _ in range(3)]
        await provider.snapshot(ips)
        world.fail("snapshot", Failure.SLOW)
        lags = []
        # A busy machine can only add to the lag, and a call that blocks does so each time.
        for _ in range(3):
            async with longest_lag() as lag:
                await asyncio.gather(*(provider.snapshot((ip,)) for ip in ips))
            lags.append(lag())
        world.heal()
        assert min(lags) < LONGEST_LAG_SECONDS

    async def test_no_secret_is_ever_shown(
        self, world: ContractWorld, provider: Provider, caplog: pytest.LogCaptureFixture
    ) -> None:
        shown = [repr(provider), str(vars(provider))]
        with caplog.at_level(logging.DEBUG):
            machine, address = await attached(world, provider)
            shown += [repr(machine), repr(address)]
            for failure in EXPECTED:
                world.fail("snapshot", failure)
                try:
                    await provider.snapshot((address.ip,))
                except CloudError as error:
                    shown += traceback.format_exception(error)
                    shown.append(repr(error))
                world.heal()
        everything = "\n".join((*shown, caplog.text))
        assert address.ip in everything
        assert [secret for secret in world.secrets if secret in everything] == []
