"""A provider finds reservations by their labels, in the read that it makes anyway."""
# ruff: noqa: S101 - these are tests, only elsewhere

from __future__ import annotations

import pytest

from moorage_provider.protocol import Labels, Provider, UnknownHolder
from moorage_testing.contract.steps import attached
from moorage_testing.contract.world import ContractWorld

EDGE: Labels = frozenset({("kubeip", "reserved"), ("environment", "edge")})


def _labelled(world: ContractWorld, labels: Labels) -> str:
    ip = world.add_address()
    world.label(ip, dict(labels))
    return ip


class SelectingContract:
    """Reads of addresses by their labels."""

    async def test_addresses_are_found_by_all_of_their_labels(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        more = EDGE | {("team", "platform")}
        first, second = _labelled(world, EDGE), _labelled(world, more)
        others = [
            _labelled(world, frozenset({("kubeip", "reserved")})),
            _labelled(world, frozenset({("kubeip", "reserved"), ("environment", "lab")})),
            world.add_address(),
        ]
        found = await provider.snapshot((), (EDGE,))
        assert {first, second} <= found.keys()
        assert not found.keys() & set(others)
        labels = found[first].labels
        assert labels is not None
        assert labels >= EDGE
        assert (found[first].holder, bool(found[first].reference)) == (None, True)
        for ip in (first, second, *others):
            world.remove_address(ip)

    async def test_listed_and_selected_addresses_are_read_together_and_say_who_has_them(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        _, held = await attached(world, provider)
        world.label(held.ip, dict(EDGE))
        listed, missing = world.add_address(), world.add_address()
        world.remove_address(missing)
        found = await provider.snapshot((listed, missing), (EDGE,))
        assert {listed, held.ip} <= found.keys()
        assert missing not in found
        assert (found[held.ip].holder, found[held.ip].token) == (held.holder, held.token)
        world.give(held.ip, None)
        world.remove_address(held.ip)

    async def test_of_several_selectors_each_finds_its_own(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        blue: Labels = frozenset({("pool", "blue")})
        first, second = _labelled(world, EDGE), _labelled(world, blue)
        found = await provider.snapshot((), (EDGE, blue))
        assert {first, second} <= found.keys()
        world.label(second, {"pool": "green"})
        assert second not in await provider.snapshot((), (EDGE, blue))
        for ip in (first, second):
            world.remove_address(ip)

    async def test_five_hundred_selected_addresses_take_no_more_reads_than_listed_ones(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        many: Labels = frozenset({("pool", "many")})
        ips = [_labelled(world, many) for _ in range(500)]
        before = world.reads()
        assert set(ips) <= (await provider.snapshot(ips)).keys()
        listed, before = world.reads() - before, world.reads()
        assert set(ips) <= (await provider.snapshot((), (many,))).keys()
        assert world.reads() - before <= min(listed, 3)
        before = world.reads()
        assert set(ips) <= (await provider.snapshot(ips, (many,))).keys()
        assert world.reads() - before <= min(listed, 3)
        for ip in ips:
            world.remove_address(ip)

    async def test_a_selected_row_that_is_odd_is_unknown_where_it_is_asked_for(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        if not world.has_odd_rows:
            pytest.skip("no row of this cloud can be odd")
        odd = _labelled(world, EDGE)
        world.spoil(odd)
        found = await provider.snapshot((odd,), (EDGE,))
        assert isinstance(found[odd].holder, UnknownHolder)
        assert found[odd].labels is None
        world.remove_address(odd)
