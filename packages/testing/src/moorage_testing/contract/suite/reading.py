"""A provider reads all that exists, nothing that does not, in few calls."""
# ruff: noqa: S101, PLR2004 - these are tests, only elsewhere

from __future__ import annotations

import pytest

from moorage_provider.errors import MachineNotFound, MachineUnfit
from moorage_provider.protocol import Provider, UnknownHolder
from moorage_testing.contract.steps import attached, new_machine, read
from moorage_testing.contract.world import ContractWorld

FOREIGN_IDS = ("", "kind://docker/kind/worker", "digitalocean://1234", "moorage-test")
# TEST-NET-1 (RFC 5737) is nobody's, 2001:db8::/32 (RFC 3849) neither.
FOREIGN_ADDRESSES = ("192.0.2.254", "2001:db8::1", "::ffff:192.0.2.254")


class ReadingContract:
    """Reads of addresses and machines."""

    def test_a_node_of_another_cloud_has_no_machine_id(self, provider: Provider) -> None:
        assert [provider.machine_id(text) for text in FOREIGN_IDS] == [None] * len(FOREIGN_IDS)

    async def test_a_machine_is_found_by_its_nodes_provider_id(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        machine = await new_machine(world, provider)
        assert machine.running
        assert machine.private_ip
        assert bool(machine.public_ip) == world.assigns_ephemeral_addresses
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
        read_back = await provider.snapshot((free, removed))
        assert set(read_back) == {free}
        assert (read_back[free].holder, read_back[free].token) == (None, "")
        assert read_back[free].reference

    @pytest.mark.parametrize("foreign", FOREIGN_ADDRESSES)
    async def test_an_address_of_another_cloud_is_absent_and_the_others_are_read(
        self, world: ContractWorld, provider: Provider, foreign: str
    ) -> None:
        ours = world.add_address()
        assert set(await provider.snapshot((foreign, ours))) == {ours}
        assert await provider.snapshot((foreign,)) == {}

    async def test_harm_10_an_odd_row_spoils_its_own_address_only(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        if not world.has_odd_rows:
            pytest.skip("no row of this cloud can be odd")
        _, held = await attached(world, provider)
        free, odd, missing = (world.add_address() for _ in range(3))
        world.remove_address(missing)
        world.spoil(odd)
        read_back = await provider.snapshot((odd, free, held.ip))
        assert set(read_back) == {odd, free, held.ip}
        assert read_back[held.ip] == held
        assert read_back[free].holder is None
        spoiled = read_back[odd].holder
        assert isinstance(spoiled, UnknownHolder)
        assert "not understood" in spoiled.description
        # A row without a usable text could be that of any address which no other row has.
        others = await provider.snapshot((missing, free))
        assert others[free].holder is None
        assert missing not in others or isinstance(others[missing].holder, UnknownHolder)
        world.remove_address(odd)

    async def test_harm_10_an_odd_row_asked_for_alone_is_unknown_and_never_absent(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        if not world.has_odd_rows:
            pytest.skip("no row of this cloud can be odd")
        machine, held = await attached(world, provider)
        world.spoil(held.ip)
        read_back = await provider.snapshot((held.ip,))
        assert isinstance(read_back[held.ip].holder, UnknownHolder)
        # Nor may anybody take it for an ephemeral one, which gives way to another.
        assert (await provider.machine(machine.machine_id)).public_ip_reserved
        world.give(held.ip, None)
        world.remove_address(held.ip)

    async def test_five_hundred_addresses_are_read_in_three_calls(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        ips = [world.add_address() for _ in range(500)]
        before = world.reads()
        read_back = await provider.snapshot(ips)
        assert set(read_back) == set(ips)
        assert world.reads() - before <= 3

    async def test_reading_no_addresses_makes_no_call(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        before = world.reads()
        assert await provider.snapshot(()) == {}
        assert world.reads() - before <= 1

    async def test_good_credentials_are_not_expiring_before_a_call_nor_after_it(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        before = provider.credentials_expiring()
        ip = world.add_address()
        assert set(await provider.snapshot((ip,))) == {ip}
        assert (before, provider.credentials_expiring()) == (False, False)

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

    async def test_harm_09_a_machine_of_ipv6_only_is_unfit_for_an_ipv4_address(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        if not world.has_ipv6_only_machines:
            pytest.skip("every machine of this cloud has IPv4")
        machine_id = provider.machine_id(world.add_machine())
        assert machine_id is not None
        world.take_ipv4(machine_id)
        address = await read(provider, world.add_address())
        try:
            reason = provider.check(address, await provider.machine(machine_id))
        except MachineUnfit as unfit:
            reason = str(unfit)
        assert reason is not None
        assert machine_id in reason
