"""An address is given away once, from what is usable, wherever the strategy looks for it."""

from __future__ import annotations

import hashlib
import random
import tracemalloc
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage_domain.allocator import Allocator, Strategy
from moorage_domain.families import parse_address
from moorage_domain.ranges import parse_range
from moorage_domain.subnets import UsableSet, usable

LOWEST, NEXT, RANDOM, HASH = Strategy
STRATEGIES = pytest.mark.parametrize("strategy", Strategy)
OWNERS = ("worker-0", "worker-1", "worker-2")


def pool(*includes: str, prefix: int, excludes: str = "", gateway: str = "") -> UsableSet:
    return usable(
        [parse_range(text) for text in includes],
        [parse_range(text) for text in excludes.split()],
        prefix=prefix,
        gateway=parse_address(gateway) if gateway else None,
    )


def allocator(*includes: str, prefix: int, excludes: str = "", gateway: str = "") -> Allocator:
    found = pool(*includes, prefix=prefix, excludes=excludes, gateway=gateway)
    return Allocator(found, random.Random(1))


def drained(some: Allocator, strategy: Strategy = LOWEST) -> list[str]:
    """The texts of all addresses that can be had, in the order they are given away."""
    return [some.usable.family.format(number) for number in numbers(some, strategy)]


def numbers(some: Allocator, strategy: Strategy) -> Iterable[int]:
    for count in range(some.free + 1):
        found = some.allocate(strategy, f"owner-{count}")
        if found is None:
            return
        yield found


def number(text: str) -> int:
    return parse_address(text).number


# The acceptance rows, by their names.


@STRATEGIES
def test_alloc_first_is_usable_and_neither_gateway_nor_network_nor_broadcast(
    strategy: Strategy,
) -> None:
    wanted = [f"192.168.100.{host}" for host in range(2, 255)]
    some = allocator("192.168.100.0/24", prefix=24, gateway="192.168.100.1")
    found = drained(some, strategy)
    assert sorted(found) == sorted(wanted)
    if strategy in {LOWEST, NEXT}:
        assert found == wanted


def test_alloc_subrange_edges_are_given_away() -> None:
    some = allocator("192.168.101.64/28", prefix=23, gateway="192.168.100.1")
    assert drained(some) == [f"192.168.101.{host}" for host in range(64, 80)]


@pytest.mark.parametrize(
    ("include", "prefix", "addresses"),
    [
        ("10.0.0.0/31", 31, ["10.0.0.0", "10.0.0.1"]),
        ("10.0.0.1/32", 32, ["10.0.0.1"]),
        ("2001:db8::/127", 127, ["2001:db8::", "2001:db8::1"]),
        ("2001:db8::/128", 128, ["2001:db8::"]),
    ],
)
def test_alloc_slash31_32_have_two_and_one(include: str, prefix: int, addresses: list[str]) -> None:
    assert drained(allocator(include, prefix=prefix)) == addresses


@STRATEGIES
def test_alloc_exclusions_are_never_given_away(strategy: Strategy) -> None:
    some = allocator("10.0.0.0/26", prefix=26, excludes="10.0.0.8/29 10.0.0.20-10.0.0.29 10.0.0.40")
    left = {*range(1, 63)} - {*range(8, 16)} - {*range(20, 30)} - {40}
    assert some.total == some.free == len(left)
    assert sorted(number(text) for text in drained(some, strategy)) == sorted(
        number(f"10.0.0.{host}") for host in left
    )


@STRATEGIES
@pytest.mark.parametrize("include", ["2001:db8::/64", "2001:db8::/32", "10.0.0.0/8"])
def test_alloc_v6_64_no_materialise_whatever_the_strategy(strategy: Strategy, include: str) -> None:
    tracemalloc.start()
    some = allocator(include, prefix=30 if "." in include else 64)
    highest = some.usable.nth(some.total - 1)
    assert some.take(highest)
    assert all((some.allocate(strategy, owner) or 0) in some.usable for owner in OWNERS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000
    assert (some.used, some.free) == (4, some.total - 4)


class Checked:
    """An allocator, and beside it a plain set that says what it should do."""

    def __init__(self, pools: list[UsableSet], seed: int) -> None:
        self.pools = pools
        self.taken: set[int] = set()
        self.cursor = 0
        self.allocator = Allocator(pools[0], random.Random(seed))
        self._set(pools[0])

    def allocate(self, strategy: Strategy, owner: str) -> None:
        free = [each for each in self.usable if each not in self.taken]
        found = self.allocator.allocate(strategy, owner)
        if not free:
            assert found is None
            return
        assert found is not None
        if strategy is RANDOM:
            assert found in free
        else:
            start = self._start(strategy, owner)
            assert found == min(free, key=lambda each: (each < start, each))
        self.taken.add(found)
        if strategy is NEXT:
            self.cursor = found + 1

    def take(self, address: int) -> None:
        assert self.allocator.take(address) is (address not in self.taken)
        self.taken.add(address)

    def release(self, address: int) -> None:
        assert self.allocator.release(address) is (address in self.taken)
        self.taken.discard(address)

    def replace(self, index: int) -> None:
        self.allocator.replace(self.pools[index])
        self._set(self.pools[index])

    def check(self, addresses: Iterable[int]) -> None:
        some, inside = self.allocator, self.taken & self.members
        assert some.total == len(self.usable)
        assert some.used == len(self.taken)
        assert some.free == len(self.usable) - len(inside)
        assert some.out_of_range == len(self.taken) - len(inside)
        assert [each in some for each in addresses] == [each in self.taken for each in addresses]

    def _set(self, found: UsableSet) -> None:
        self.usable = [found.nth(position) for position in range(found.size)]
        self.members = set(self.usable)

    def _start(self, strategy: Strategy, owner: str) -> int:
        if strategy is HASH:
            digest = int(hashlib.sha256(owner.encode()).hexdigest(), 16)
            return self.usable[digest % len(self.usable)]
        return self.cursor if strategy is NEXT else 0


# A few addresses on each of several pages of 1,024, with empty pages between them; the pools
# overlap in part. One is on pages of its own, one has no usable address.
SMALL_POOLS = [
    pool("10.0.0.1-10.0.0.3", "10.0.3.254-10.0.4.1", "10.1.0.0/30", prefix=8),
    pool("10.0.0.2-10.0.0.5", "10.1.0.2-10.1.0.6", prefix=30),
    pool("10.0.3.250-10.0.3.255", "10.9.0.7", prefix=24),
    pool("10.0.0.0", prefix=24),
]
SMALL_NUMBERS = sorted(
    {each.nth(position) for each in SMALL_POOLS for position in range(each.size)}
    | {number("10.0.0.0"), number("10.2.0.0"), 0, 2**32 - 1}
)
STEPS = st.one_of(
    st.tuples(st.just("allocate"), st.sampled_from(Strategy), st.sampled_from(OWNERS)),
    st.tuples(st.just("allocate"), st.sampled_from(Strategy), st.sampled_from(OWNERS)),
    st.tuples(st.just("take"), st.sampled_from(SMALL_NUMBERS)),
    st.tuples(st.just("release"), st.sampled_from(SMALL_NUMBERS)),
    st.tuples(st.just("replace"), st.integers(0, len(SMALL_POOLS) - 1)),
)


@settings(deadline=None, max_examples=200)
@given(steps=st.lists(STEPS, max_size=40), seed=st.integers(0, 9))
def test_prop_allocator_does_what_a_plain_set_does(steps: list[tuple[str, ...]], seed: int) -> None:
    checked = Checked(SMALL_POOLS, seed)
    for step, *arguments in steps:
        getattr(checked, step)(*arguments)
        checked.check(SMALL_NUMBERS)


def test_prop_allocator_does_so_a_hundred_thousand_times() -> None:
    pools = [
        pool("2001:db8::/118", "2001:db8:1::/121", prefix=120, excludes="2001:db8::5"),
        pool("2001:db8::2:0/121", "2001:db8::3f0-2001:db8::40f", prefix=64),
        pool("2001:db8::100-2001:db8::17f", prefix=64),
    ]
    dice = random.Random(20)
    checked = Checked(pools, 21)
    everywhere = sorted({each.nth(index) for each in pools for index in range(each.size)})
    for step in range(100_000):
        kind = dice.randrange(5)
        if kind < 2:
            # Long runs of one strategy fill pages, and mixing them would hide faults of one.
            checked.allocate(list(Strategy)[step // 1000 % 4], f"owner-{dice.randrange(500)}")
        elif kind == 2:
            checked.take(dice.choice(everywhere))
        else:
            # Sometimes fuller, sometimes emptier.
            for _ in range(step // 5000 % 3):
                checked.release(dice.choice(everywhere))
        if step % 1000 == 0:
            checked.check(everywhere)
        if step % 9000 == 8999:
            checked.replace(dice.randrange(len(pools)))
    checked.check(everywhere)


# What one strategy promises, and the others do not.


def test_the_lowest_is_given_away_first_and_again_after_its_release() -> None:
    some = allocator("10.0.0.0/29", prefix=29)
    first, second = some.allocate(LOWEST), some.allocate(LOWEST)
    assert first is not None
    assert first == number("10.0.0.1") == (second or 0) - 1
    some.release(first)
    assert some.allocate(LOWEST) == first


def test_next_gives_no_address_away_again_before_all_others() -> None:
    some = allocator("10.0.0.0/28", prefix=28)
    given_away = []
    for _ in range(3 * some.total):
        found = some.allocate(NEXT)
        assert found is not None
        given_away.append(found)
        some.release(found)
    last_time: dict[int, int] = {}
    for turn, address in enumerate(given_away):
        assert turn - last_time.get(address, turn - some.total) == some.total
        last_time[address] = turn


def test_next_goes_on_where_it_is_told_to() -> None:
    some = allocator("10.0.0.0/24", prefix=24)
    some.cursor = number("10.0.0.200")
    assert some.allocate(LOWEST) == number("10.0.0.1")
    assert some.allocate(NEXT) == number("10.0.0.200")
    assert some.cursor == number("10.0.0.201")


def test_random_addresses_are_spread_over_the_pool() -> None:
    some = allocator("10.0.0.0/16", prefix=16)
    found = [some.allocate(RANDOM) or 0 for _ in range(4096)]
    # 64 blocks of 1,024 addresses: 64 in each would be even.
    blocks = Counter(address // 1024 for address in found)
    assert len(blocks) == 64
    assert max(blocks.values()) < 128
    assert any(one > other for one, other in pairwise(found))


def test_random_does_not_crowd_behind_what_is_taken() -> None:
    some = allocator("10.0.0.0/20", prefix=20)
    for position in range(some.total // 2):
        some.take(some.usable.nth(position))
    border = some.usable.nth(some.total // 2)
    found = [some.allocate(RANDOM) or 0 for _ in range(512)]
    # An even share of these 64 would be 16.
    assert sum(address < border + 64 for address in found) < 40


def test_random_is_as_its_dice_fall() -> None:
    found = [drained(allocator("10.0.0.0/26", prefix=26), RANDOM) for _ in range(2)]
    assert found[0] == found[1]
    other = Allocator(pool("10.0.0.0/26", prefix=26), random.Random(2))
    assert drained(other, RANDOM) != found[0]


def test_an_owner_that_is_recreated_gets_its_address_again() -> None:
    some = allocator("10.0.0.0/16", prefix=16)
    before = {owner: some.allocate(HASH, owner) for owner in OWNERS}
    assert len(set(before.values())) == 3
    for address in before.values():
        some.release(address or 0)
    # In another order, and even in another process: hash() would not do.
    assert {owner: some.allocate(HASH, owner) for owner in reversed(OWNERS)} == before
    assert {owner: some.usable.family.format(found or 0) for owner, found in before.items()} == {
        "worker-0": "10.0.92.169",
        "worker-1": "10.0.209.29",
        "worker-2": "10.0.129.63",
    }


# What holds for all of them.


@STRATEGIES
def test_an_exhausted_pool_gives_nothing_until_one_is_released(strategy: Strategy) -> None:
    some = allocator("10.0.0.0/21", prefix=21)
    addresses = list(numbers(some, strategy))
    assert len(set(addresses)) == len(addresses) == some.total == some.used
    assert some.free == 0
    assert some.allocate(strategy, "late") is None
    assert some.release(addresses[777])
    assert some.allocate(strategy, "late") == addresses[777]


@STRATEGIES
def test_a_pool_without_a_usable_address_gives_nothing(strategy: Strategy) -> None:
    some = allocator("10.0.0.0", prefix=24)
    assert some.total == 0
    assert some.allocate(strategy, "any") is None


def test_an_address_is_taken_once_and_released_once() -> None:
    some = allocator("10.0.0.0/24", prefix=24)
    address = number("10.0.0.9")
    assert [some.take(address), some.take(address), address in some] == [True, False, True]
    assert [some.release(address), some.release(address)] == [True, False]
    assert address not in some


def test_an_address_that_others_use_is_not_given_away() -> None:
    some = allocator("10.0.0.0/29", prefix=29)
    some.take(number("10.0.0.1"))
    some.take(number("10.0.0.3"))
    assert drained(some) == ["10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6"]


@STRATEGIES
def test_live_addresses_outside_an_edited_pool_are_held_counted_and_not_reissued(
    strategy: Strategy,
) -> None:
    some = allocator("10.0.0.0/24", prefix=24)
    live = [some.allocate(LOWEST) or 0 for _ in range(10)]
    # The gateway now is a live address, and the first five left the pool.
    some.replace(pool("10.0.0.6-10.0.0.20", prefix=24, gateway="10.0.0.7"))
    assert (some.total, some.used, some.out_of_range, some.free) == (14, 10, 6, 10)
    assert all(address in some for address in live)
    assert some.release(live[0])
    assert some.release(live[6])
    assert (some.used, some.out_of_range) == (8, 4)
    assert sorted(drained(some, strategy)) == sorted(f"10.0.0.{host}" for host in range(11, 21))
    some.replace(pool("10.0.0.0/24", prefix=24))
    assert some.out_of_range == 0
    assert some.allocate(LOWEST) == live[0]


def test_an_allocator_stays_with_its_family() -> None:
    some = allocator("10.0.0.0/24", prefix=24)
    with pytest.raises(ValueError, match="a pool of IPv4 addresses cannot go on with IPv6"):
        some.replace(pool("2001:db8::/64", prefix=64))
    assert some.total == 254


@pytest.mark.parametrize("text", ["2001:db8::1", "::1:0:0"])
def test_a_number_that_no_address_has_is_a_mistake(text: str) -> None:
    some = allocator("10.0.0.0/24", prefix=24)
    with pytest.raises(ValueError, match="is no number of an IPv4 address"):
        some.take(number(text))
    with pytest.raises(ValueError, match="-1 is no number of an IPv4 address"):
        some.take(-1)
    assert some.used == 0


def test_full_pages_are_not_looked_at_again() -> None:
    some = allocator("10.0.0.0/8", prefix=8)
    addresses = [some.allocate(LOWEST) or 0 for _ in range(30_000)]
    looked = some._taken._usable_bits.cache_info
    before = looked().hits + looked().misses
    for address in addresses[:25_000:1250]:
        some.release(address)
        assert some.allocate(LOWEST) == address
    assert looked().hits + looked().misses == before + 20


def test_a_search_begins_where_the_strategy_says() -> None:
    some = allocator("10.0.0.0/8", prefix=8)
    some.cursor = number("10.200.0.0")
    assert some.allocate(NEXT) == some.cursor - 1 == number("10.200.0.0")
    looked = some._taken._usable_bits.cache_info()
    assert looked.hits + looked.misses == 1
