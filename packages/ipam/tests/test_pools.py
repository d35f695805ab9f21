"""Pools: an address is taken in every pool that has it, as long as anybody uses it."""

from __future__ import annotations

import random
from typing import Any

from moorage_domain.families import Address, Family, parse_address
from moorage_domain.ranges import parse_range
from moorage_domain.subnets import usable
from moorage_ipam.pool_spec import PoolSpec
from moorage_ipam.pools import Pool, Pools
from moorage_ipam.records import Owner, PoolRef, Record, body_of, record_of
from moorage_kube.cache.store import Store

OWNER = Owner("v1", "Service", "shop", "web", "u-1")
NOW = "2026-01-02T03:04:05Z"


def spec(name: str, *ranges: str, network: str = "default", **more: Any) -> PoolSpec:
    addresses = usable([parse_range(one) for one in ranges], prefix=24)
    return PoolSpec(PoolRef("g", "IPPool", "shop", name), network, addresses, **more)


class World:
    """Records and pools, without an API server."""

    def __init__(self) -> None:
        self.records: Store[Record] = Store(record_of)
        self.pools = Pools(self.records, random.Random(1))
        self.told: list[str] = []
        self.pools.subscribe(self.told.append)

    def record(self, address: str, phase: str = "Bound", since: str = NOW, **meta: Any) -> None:
        body = body_of("default", parse_address(address), OWNER, None, NOW)
        body["status"] = {"phase": phase, "since": since}
        body["metadata"] |= {"uid": address, **meta}
        self.records.apply(body)

    def forget(self, address: str) -> None:
        (key,) = (key for key, one in self.records.items() if str(one.address) == address)
        self.records.forget(key)

    def pool(self, key: str) -> Pool:
        found = self.pools.get(key)
        assert found is not None
        return found

    def choose(self, key: str) -> str:
        found = self.pools.choose(self.pool(key), "writing", "owner")
        return str(found) if found else ""


def test_what_is_recorded_is_not_chosen() -> None:
    world = World()
    world.record("10.0.0.2")
    world.pools.put("a", spec("a", "10.0.0.1-10.0.0.4"))
    world.record("10.0.0.3")
    assert [world.choose("a") for _ in range(3)] == ["10.0.0.1", "10.0.0.4", ""]


def test_an_address_is_taken_in_all_pools_of_its_network_and_in_no_other() -> None:
    world = World()
    world.pools.put("a", spec("a", "10.0.0.1-10.0.0.4"))
    world.pools.put("b", spec("b", "10.0.0.1-10.0.0.9"))
    world.pools.put("other", spec("other", "10.0.0.1-10.0.0.4", network="lab"))
    assert world.choose("a") == "10.0.0.1"
    assert world.choose("b") == "10.0.0.2"
    assert world.choose("other") == "10.0.0.1"


def test_it_is_free_once_nobody_uses_it() -> None:
    world = World()
    world.pools.put("a", spec("a", "10.0.0.1-10.0.0.1"))
    address = parse_address("10.0.0.1")
    world.pools.use("default", address, "IPAddress x")
    world.record("10.0.0.1")
    world.forget("10.0.0.1")
    assert world.choose("a") == ""
    assert world.pools.is_used("default", address)
    world.pools.let_go("default", address, "IPAddress x")
    assert world.choose("a") == "10.0.0.1"


def test_letting_go_of_what_one_does_not_use_frees_nothing() -> None:
    world = World()
    world.pools.put("a", spec("a", "10.0.0.1-10.0.0.1"))
    world.record("10.0.0.1")
    world.pools.let_go("default", parse_address("10.0.0.1"), "somebody")
    assert world.choose("a") == ""


def test_an_edited_pool_keeps_what_is_in_use() -> None:
    world = World()
    world.pools.put("a", spec("a", "10.0.0.1-10.0.0.2"))
    world.record("10.0.0.1")
    world.record("10.0.0.9")
    world.pools.put("a", spec("a", "10.0.0.8-10.0.0.9"))
    assert (world.pool("a").allocator.used, world.pool("a").allocator.free) == (1, 1)
    assert world.choose("a") == "10.0.0.8"


def test_quarantined_records_are_in_the_order_of_their_release() -> None:
    world = World()
    world.record("10.0.0.1", "Quarantined", "2026-01-02T00:00:09Z")
    world.pools.put("a", spec("a", "10.0.0.1-10.0.0.9"))
    world.record("10.0.0.2", "Quarantined", "2026-01-02T00:00:01Z")
    world.record("10.0.0.3", "Quarantined", "2026-01-02T00:00:05Z")
    world.record("10.0.0.3", "Bound")
    world.record("10.0.0.4", "Bound")
    assert [name for _, name in world.pool("a").quarantined] == [
        "default-0a000002", "default-0a000001",
    ]  # fmt: skip
    world.forget("10.0.0.2")
    assert [name for _, name in world.pool("a").quarantined] == ["default-0a000001"]
    world.pools.put("a", spec("a", "10.0.0.1-10.0.0.8"))
    assert [name for _, name in world.pool("a").quarantined] == ["default-0a000001"]


def test_whoever_listens_is_told_of_each_pool_concerned() -> None:
    world = World()
    world.pools.put("a", spec("a", "10.0.0.1-10.0.0.4"))
    world.pools.put("b", spec("b", "10.0.0.4-10.0.0.9"))
    world.told.clear()
    world.record("10.0.0.4")
    assert world.told == ["a", "b"]
    world.told.clear()
    world.forget("10.0.0.4")
    assert world.told == ["a", "b"]
    world.record("10.0.9.9")
    assert world.told == ["a", "b"]


def test_the_same_pool_again_changes_nothing() -> None:
    world = World()
    world.pools.put("a", spec("a", "10.0.0.1-10.0.0.4"))
    before = world.pool("a")
    world.told.clear()
    world.pools.put("a", spec("a", "10.0.0.1-10.0.0.4"))
    assert world.pool("a") is before
    assert world.told == []


def test_a_pool_that_is_gone_gives_nothing_away() -> None:
    world = World()
    world.pools.put("a", spec("a", "10.0.0.1-10.0.0.4"))
    world.pools.remove("a")
    assert world.pools.get("a") is None
    world.record("10.0.0.1")
    world.pools.put("a", spec("a", "10.0.0.1-10.0.0.4"))
    assert world.choose("a") == "10.0.0.2"


def test_a_pool_of_the_other_family_has_no_such_address() -> None:
    world = World()
    six = usable([parse_range("2001:db8::/64")], prefix=64)
    world.pools.put("six", PoolSpec(PoolRef("g", "IPPool", "shop", "six"), "default", six))
    assert not world.pool("six").has(parse_address("10.0.0.1"))
    world.record("10.0.0.1")
    assert world.pool("six").allocator.used == 0
    assert isinstance(parse_address("10.0.0.1"), Address)


def test_of_the_released_ones_that_which_nobody_names_comes_first() -> None:
    world = World()
    world.pools.put("lab", spec("lab", "10.0.0.0/24"))
    pool = world.pool("lab")
    assert world.pools.first_released(pool) is None
    world.record("10.0.0.2", "Quarantined", "2026-01-02T03:00:02Z")
    world.record("10.0.0.1", "Quarantined", "2026-01-02T03:00:01Z")
    first = world.pools.first_released(pool)
    assert first is not None
    assert str(first.address) == "10.0.0.1"
    world.pools.use("default", first.address, "IPAddress shop/by-hand")
    second = world.pools.first_released(pool)
    assert second is not None
    assert str(second.address) == "10.0.0.2"
    world.pools.use("default", second.address, "IPAddress shop/another")
    assert world.pools.first_released(pool) is None


def test_a_pool_has_addresses_of_its_own_family_only() -> None:
    world = World()
    world.pools.put("lab", spec("lab", "10.0.0.0/24"))
    same_number = Address(Family.IPV6, parse_address("10.0.0.5").number)
    assert world.pool("lab").has(parse_address("10.0.0.5"))
    assert not world.pool("lab").has(same_number)


def test_what_nobody_uses_any_more_is_not_used() -> None:
    world = World()
    address = parse_address("10.0.0.5")
    world.pools.use("default", address, "one")
    world.pools.use("default", address, "two")
    assert world.pools.users("default", address) == {"one", "two"}
    assert not world.pools.is_used("lab", address)
    world.pools.let_go("default", address, "one")
    assert world.pools.is_used("default", address)
    world.pools.let_go("default", address, "two")
    assert not world.pools.is_used("default", address)


def test_the_record_that_is_named_by_its_address_comes_first() -> None:
    world = World()
    others = {f"printer-{number}" for number in range(20)}
    for name in ("default-0a000005", *others):
        body = body_of("default", parse_address("10.0.0.5"), OWNER, None, NOW)
        body["metadata"]["name"] = name
        world.records.apply(body)
    found = world.pools.records_of("default", parse_address("10.0.0.5"))
    assert found[0].name == "default-0a000005"
    assert {one.name for one in found[1:]} == others
