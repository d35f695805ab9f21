"""Allocations: each address has one owner, whatever the API server answers, or does not answer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_domain.families import parse_address
from moorage_domain.ranges import parse_range
from moorage_domain.subnets import usable
from moorage_ipam.allocations import AddressTaken, Allocations, NoneFree
from moorage_ipam.pool_spec import PoolSpec
from moorage_ipam.pools import Pool, Pools
from moorage_ipam.records import (
    Owner,
    Phase,
    PoolRef,
    Record,
    Reservation,
    body_of,
    record_of,
)
from moorage_kube.cache.store import Listing, Store
from moorage_kube.client.client import Client
from moorage_kube.client.errors import Conflict, Forbidden, Throttled, Unavailable
from moorage_testing.apiserver import ApiServer, client_in_memory
from moorage_testing.virtual_time import run

POOL = PoolRef("g", "IPPool", "shop", "lab")


def owner(name: str) -> Owner:
    return Owner("v1", "Service", "shop", name, f"uid-{name}")


class World:
    """One replica beside an API server; its cache is fed by hand, as if the watch were slow."""

    def __init__(self, server: ApiServer, client: Client) -> None:
        self.server = server
        self.records: Store[Record] = Store(record_of)
        self.pools = Pools(self.records, random.Random(1))
        self.allocations = Allocations(client, self.records, self.pools)
        addresses = usable([parse_range("10.0.0.1-10.0.0.3")], prefix=24)
        self.pools.put("lab", PoolSpec(POOL, "default", addresses))

    @property
    def pool(self) -> Pool:
        found = self.pools.get("lab")
        assert found is not None
        return found

    async def allocate(self, name: str) -> str:
        return str((await self.allocations.allocate("lab", owner(name))).address)

    def somebody_has(self, address: str, name: str = "somebody") -> None:
        """Another replica was faster, and the cache does not show it."""
        body = body_of("default", parse_address(address), owner(name), POOL, "")
        self.server.create(IPALLOCATIONS, body)

    @property
    def owners(self) -> dict[str, str]:
        return {
            raw["spec"]["address"]: raw["spec"]["owner"]["name"]
            for raw in self.server.all_of(IPALLOCATIONS)
        }


Story = Callable[[World], Awaitable[None]]


def trial(story: Story) -> Callable[[], None]:
    def test() -> None:
        async def main() -> None:
            server = ApiServer()
            async with client_in_memory(server) as client:
                await story(World(server, client))

        run(main())

    test.__name__, test.__doc__ = story.__name__, story.__doc__
    return test


@trial
async def test_each_owner_gets_an_address_of_its_own(world: World) -> None:
    given = await asyncio.gather(*(world.allocate(name) for name in "abc"))
    assert sorted(given) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    with pytest.raises(NoneFree):
        await world.allocate("d")


@trial
async def test_who_is_second_takes_the_next_one(world: World) -> None:
    world.somebody_has("10.0.0.1")
    assert await world.allocate("a") == "10.0.0.2"
    assert world.owners == {"10.0.0.1": "somebody", "10.0.0.2": "a"}
    assert world.pool.allocator.free == 1


@trial
async def test_a_list_from_before_our_write_frees_nothing_r4(world: World) -> None:
    world.somebody_has("10.0.0.3")
    shown = world.server.all_of(IPALLOCATIONS)
    listing = Listing(world.records)
    assert await world.allocate("a") == "10.0.0.1"
    listing.add(shown, shown[-1]["metadata"]["resourceVersion"])
    listing.finish()
    assert world.pool.allocator.free == 1
    assert await world.allocate("b") == "10.0.0.2"


@trial
async def test_where_others_have_them_all_there_is_none(world: World) -> None:
    for last in (1, 2, 3):
        world.somebody_has(f"10.0.0.{last}")
    with pytest.raises(NoneFree):
        await world.allocate("a")
    assert world.pool.allocator.free == 0
    assert not world.allocations.unsure("uid-a")


@pytest.mark.parametrize("drop", ["before", "after"])
def test_an_answer_that_is_lost_is_asked_for_again(drop: Any) -> None:
    async def story(world: World) -> None:
        world.server.fail("POST", drop=drop)
        with pytest.raises(Unavailable):
            await world.allocate("a")
        assert world.allocations.unsure("uid-a")
        assert await world.allocate("b") == "10.0.0.2", "nobody else gets it meanwhile"
        found = await world.allocations.look_up("uid-a")
        assert bool(found) is (drop == "after")
        assert not world.allocations.unsure("uid-a")
        assert world.pool.allocator.free == (1 if found else 2)
        assert await world.allocations.look_up("uid-a") == ()

    trial(story)()


def test_an_owner_that_is_gone_keeps_no_address() -> None:
    async def story(world: World) -> None:
        world.server.fail("POST", drop="before")
        with pytest.raises(Unavailable):
            await world.allocate("a")
        world.allocations.settle("uid-a")
        assert world.pool.allocator.free == 3

    trial(story)()


@trial
async def test_what_is_refused_is_free_again(world: World) -> None:
    world.server.fail("POST", status=429)
    with pytest.raises(Throttled):
        await world.allocate("a")
    world.server.fail("POST", status=403, body={"reason": "Forbidden", "message": "no"})
    with pytest.raises(Forbidden):
        await world.allocate("a")
    assert world.pool.allocator.free == 3
    assert not world.allocations.unsure("uid-a")


@trial
async def test_this_very_address_or_none(world: World) -> None:
    address = parse_address("10.0.0.2")
    record = await world.allocations.bind("default", address, owner("a"), POOL)
    assert record.owner == owner("a")
    with pytest.raises(AddressTaken):
        await world.allocations.bind("default", address, owner("b"), POOL)
    again = await world.allocations.bind("default", address, owner("a"), POOL)
    assert again == record


def slots(*names: str) -> list[Owner]:
    return [replace(owner("a"), slot=name) for name in names]


@trial
async def test_one_owner_has_an_address_for_each_slot(world: World) -> None:
    both = slots("x", "y")
    world.allocations.choose([(world.pool, one) for one in both])
    assert world.allocations.unsure("uid-a") == {"x", "y"}
    assert world.pool.allocator.free == 1
    given = [await world.allocations.allocate("lab", one) for one in both]
    assert [str(one.address) for one in given] == ["10.0.0.1", "10.0.0.2"]
    assert [one.owner for one in given] == both
    assert world.allocations.unsure("uid-a") == frozenset()


@trial
async def test_all_slots_are_chosen_or_none(world: World) -> None:
    world.allocations.choose([(world.pool, owner("b"))])
    with pytest.raises(NoneFree):
        world.allocations.choose([(world.pool, one) for one in slots("x", "y", "z")])
    assert world.pool.allocator.free == 2
    assert not world.allocations.unsure("uid-a")
    world.allocations.choose([(world.pool, one) for one in slots("x", "y")])
    world.allocations.choose([(world.pool, one) for one in slots("x", "y")])
    assert world.pool.allocator.free == 0, "what is chosen is not chosen again"
    await world.allocations.forget("uid-a")
    assert world.pool.allocator.free == 2
    assert world.owners == {}


def expected(name: str, request: str = "q") -> Owner:
    """Somebody who is about to be created."""
    reservation = Reservation("2027-01-15T08:05:00Z", request)
    return replace(owner(name), uid="", slot="x", reservation=reservation)


@trial
async def test_two_who_are_about_to_be_created_are_two(world: World) -> None:
    first = await world.allocations.allocate("lab", expected("a"))
    other = await world.allocations.allocate("lab", expected("b"))
    assert (str(first.address), str(other.address)) == ("10.0.0.1", "10.0.0.2")
    assert (first.phase, first.owner) == (Phase.RESERVED, expected("a"))


@trial
async def test_what_another_replica_has_reserved_for_one_is_that_ones(world: World) -> None:
    body = body_of("default", parse_address("10.0.0.1"), expected("a"), POOL, "")
    world.server.create(IPALLOCATIONS, body)
    found = await world.allocations.allocate("lab", expected("a", "q-2"))
    assert (str(found.address), found.owner) == ("10.0.0.1", expected("a"))


@trial
async def test_whoever_uses_a_reservation_keeps_it_from_being_given_back(world: World) -> None:
    reserved = await world.allocations.allocate("lab", expected("a"))
    await world.allocations.take_over(reserved, expected("a", "q-2"), None)
    with pytest.raises(Conflict):
        await world.allocations.delete(reserved)
    assert world.owners == {"10.0.0.1": "a"}


@trial
async def test_a_preview_takes_nothing(world: World) -> None:
    wanted = [(world.pool, replace(expected("a"), slot=slot)) for slot in ("x", "y")]
    assert [str(one) for one in world.allocations.preview(wanted)] == ["10.0.0.1", "10.0.0.2"]
    assert world.pool.allocator.free == 3
    with pytest.raises(NoneFree):
        world.allocations.preview([(world.pool, replace(owner("a"), slot=slot)) for slot in "abcd"])
    assert world.pool.allocator.free == 3
    assert world.owners == {}


@trial
async def test_a_record_of_another_slot_is_another_address(world: World) -> None:
    (one, other) = slots("x", "y")
    address = parse_address("10.0.0.1")
    await world.allocations.bind("default", address, one, POOL)
    with pytest.raises(AddressTaken):
        await world.allocations.bind("default", address, other, POOL)


@trial
async def test_a_note_that_the_owner_is_being_deleted_is_known_at_once(world: World) -> None:
    await world.allocate("a")
    (record,) = world.records.values()
    await world.allocations.note_owner_deleting(record)
    (noted,) = world.records.values()
    assert (noted.owner_deleting, noted.phase) == (True, Phase.BOUND)
    with pytest.raises(Conflict):
        await world.allocations.note_owner_deleting(record)
    await world.allocations.take_over(noted, owner("b"), POOL)
    (taken,) = world.records.values()
    assert not taken.owner_deleting


@trial
async def test_a_change_fits_only_what_was_read(world: World) -> None:
    await world.allocate("a")
    (record,) = world.records.values()
    await world.allocations.change(record, Phase.QUARANTINED)
    with pytest.raises(Conflict):
        await world.allocations.take_over(record, owner("b"), POOL)
    assert world.owners == {"10.0.0.1": "a"}


@trial
async def test_a_record_that_was_taken_over_meanwhile_is_not_deleted(world: World) -> None:
    await world.allocate("a")
    (before,) = world.records.values()
    await world.allocations.change(before, Phase.QUARANTINED)
    (released,) = world.records.values()
    await world.allocations.take_over(released, owner("b"), POOL)
    with pytest.raises(Conflict):
        await world.allocations.delete(released)
    assert world.owners == {"10.0.0.1": "b"}


@trial
async def test_a_deleted_record_is_free_at_once(world: World) -> None:
    await world.allocate("a")
    (record,) = world.records.values()
    await world.allocations.delete(record)
    assert world.owners == {}
    assert world.pool.allocator.free == 3
    await world.allocations.delete(record)


@trial
async def test_a_record_whose_name_is_another_address_blocks_nobody(world: World) -> None:
    body = body_of("default", parse_address("10.0.0.9"), owner("x"), None, "")
    body["metadata"]["name"] = "default-0a000001"
    world.server.create(IPALLOCATIONS, body)
    assert await world.allocate("a") == "10.0.0.2"
    assert world.pool.allocator.free == 1
