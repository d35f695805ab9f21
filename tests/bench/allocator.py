"""What an allocator costs with many live addresses, beside the ways of others (IP)."""

from __future__ import annotations

import random
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from moorage_domain.allocator import Allocator, Strategy
from moorage_domain.ranges import parse_range
from moorage_domain.subnets import UsableSet, usable

from .peers import GoIpam, claim_in_cluster
from .report import step
from .rows import How, Row, Seed

PAIR_TARGET_US = 5.0
"""200,000 pairs a second."""
TAKE_TARGET_US = 5.0
MEMORY_TARGET_MB = 5.0
INDEX_TARGET_SECONDS = 2.0
_POOLS = {"/8": "10.0.0.0/8", "/64": "2001:db8::/64"}
_OPERATIONS = 50_000
# The fastest counts: whatever else the machine does can only make one slower.
_REPEATS = 5
_PEER_OPERATIONS = 2
_PEER_RESTART = 1000


@dataclass(frozen=True, slots=True)
class Pair:
    """Microseconds of one release of a random address and one allocation, in one family."""

    by_strategy: dict[Strategy, float]
    go_ipam: float
    in_cluster: float

    def row(self, row: str, what: str) -> Row:
        """With the figures of the peers."""
        lowest = self.by_strategy[Strategy.LOWEST]
        others = ", ".join(
            f"{strategy.value} {figure:.1f} us"
            for strategy, figure in self.by_strategy.items()
            if strategy is not Strategy.LOWEST
        )
        return Row(
            row, what, PAIR_TARGET_US, lowest, "us", Seed(self.go_ipam, How.EXECUTED),
            f"{1e6 / lowest:,.0f} pairs/s of CPU, strategy lowest, fastest of {_REPEATS} runs; a"
            f" random one is released each time; {others}. The seed's way is go-ipam's: two copies"
            " of its map and a scan. In-cluster builds a set of all in use for every claim:"
            f" {self.in_cluster / 1e3:,.1f} ms. Both are rewritten in Python, each the fastest of"
            f" {_PEER_OPERATIONS}.",
        )  # fmt: skip


def allocator_rows(live: int) -> list[Row]:
    """IP: all figures at the same number of live addresses, ours and the peers'."""
    pools = {
        name: usable([parse_range(text)], prefix=int(name[1:])) for name, text in _POOLS.items()
    }
    texts = {name: _texts(pool, live) for name, pool in pools.items()}
    pairs = {}
    for name, pool in pools.items():
        with step(f"allocator: {live:,} live addresses in a {name}"):
            pairs[name] = _pair(pool, texts[name])
    with step("allocator: single addresses, memory and index"):
        ipv4, ipv6 = pools["/8"], pools["/64"]
        return [
            pairs["/8"].row("IPa", f"release and allocate, {live:,} live in a /8"),
            pairs["/64"].row("IPb", f"release and allocate, {live:,} live in a /64"),
            _take_row(ipv6, texts["/64"]),
            _memory_row(ipv4, ipv6, texts["/8"]),
            _index_row("IPe", ipv4, texts["/8"]),
            _index_row("IPf", ipv6, texts["/64"]),
        ]


def _pair(pool: UsableSet, texts: Sequence[str]) -> Pair:
    by_strategy = {strategy: _pair_us(pool, texts, strategy) for strategy in Strategy}
    return Pair(by_strategy, _go_ipam_pair_us(pool, texts), _in_cluster_us(pool, texts))


def _pair_us(pool: UsableSet, texts: Sequence[str], strategy: Strategy) -> float:
    dice = random.Random(1)
    some = Allocator(pool, dice)
    live = [pool.nth(position) for position in range(len(texts))]
    for address in live:
        some.take(address)
    order = [(dice.randrange(len(live)), owner) for owner in texts[:_OPERATIONS]]

    def run() -> None:
        for index, owner in order:
            some.release(live[index])
            found = some.allocate(strategy, owner)
            if found is None:
                raise AssertionError("an address was released, so one is free")
            live[index] = found

    us = _fastest(run, _REPEATS) / len(order) * 1e6
    if some.used != len(live):
        raise AssertionError(f"{len(live)} addresses are live, but {some.used} are taken")
    return us


def _go_ipam_pair_us(pool: UsableSet, texts: Sequence[str]) -> float:
    peer = GoIpam(pool.family, pool.nth(0), texts)
    middle = texts[len(texts) // 2]

    def run() -> None:
        peer.release(middle)
        if peer.acquire() != middle:
            raise AssertionError("the lowest free address is the one that was released")

    return _fastest(run, _PEER_OPERATIONS) * 1e6


def _in_cluster_us(pool: UsableSet, texts: Sequence[str]) -> float:
    whole = (pool.nth(0), pool.nth(pool.size - 1))
    wanted = pool.nth(len(texts))

    def run() -> None:
        if claim_in_cluster(pool.family, whole, texts) != wanted:
            raise AssertionError("the lowest free address is the one behind all live ones")

    return _fastest(run, _PEER_OPERATIONS) * 1e6


def _take_row(pool: UsableSet, texts: Sequence[str]) -> Row:
    dice = random.Random(3)
    anywhere = [pool.nth(dice.randrange(pool.size)) for _ in texts[:_OPERATIONS]]

    def run() -> None:
        some = Allocator(pool, dice)
        if not all(map(some.take, anywhere)):
            raise AssertionError("two random addresses of a /64 are the same")

    us = _fastest(run, _REPEATS) / len(anywhere) * 1e6
    peer = GoIpam(pool.family, pool.nth(0))
    scanned = _fastest(lambda: peer.acquire(texts[-1]), 1) * 1e6
    return Row(
        "IPc", "take one address, random in a /64", TAKE_TARGET_US, us, "us",
        Seed(scanned, How.EXECUTED),
        f"{1e6 / us:,.0f}/s, fastest of {_REPEATS} runs of {len(anywhere):,}. The seed's way is"
        f" go-ipam's scan to position {len(texts):,} only; to a random one it would never end.",
    )  # fmt: skip


def _memory_row(ipv4: UsableSet, ipv6: UsableSet, texts: Sequence[str]) -> Row:
    dice = random.Random(4)
    live = len(texts)
    dense = _megabytes(ipv4, (ipv4.nth(position) for position in range(live)))
    alternate = _megabytes(ipv4, (ipv4.nth(2 * position) for position in range(live)))
    scattered = _megabytes(ipv6, (ipv6.nth(dice.randrange(ipv6.size)) for _ in range(live)))
    peer = dict.fromkeys(texts, True)
    peer_megabytes = (sys.getsizeof(peer) + sum(map(sys.getsizeof, peer))) / 1e6
    return Row(
        "IPd", f"memory, {live:,} live in a /8", MEMORY_TARGET_MB, dense, "MB",
        Seed(peer_megabytes, How.EXECUTED),
        "as tracemalloc counts it, without owners, side by side as strategy lowest leaves them;"
        f" every other address of the /8: {alternate:.2f} MB; at random in a /64, where no two are"
        f" near each other: {scattered:.0f} MB. The seed's way is one map of texts; it has two"
        " more while it works.",
    )  # fmt: skip


def _index_row(row: str, pool: UsableSet, texts: Sequence[str]) -> Row:
    shuffled = list(texts)
    random.Random(5).shuffle(shuffled)

    def run() -> None:
        some, parse = Allocator(pool, random.Random(6)), pool.family.parse
        for text in shuffled:
            some.take(parse(text))
        if some.used != len(texts) or some.out_of_range:
            raise AssertionError("not every address was taken")

    few = min(len(texts), _PEER_RESTART)

    def run_peer() -> None:
        peer = GoIpam(pool.family, pool.nth(0))
        for text in texts[:few]:
            peer.acquire(text)

    modelled = _fastest(run_peer, 1) * (len(texts) / few) ** 2
    return Row(
        row, f"index of {len(texts):,} {pool.family} texts", INDEX_TARGET_SECONDS, _fastest(run, 2),
        "s", Seed(modelled, How.MODELLED),
        "parsed and taken, in any order, as after a restart; the fastest of 2. The seed's way,"
        f" measured with {few:,} and grown with the square: each address copies and scans all"
        " before it.",
    )  # fmt: skip


def _texts(pool: UsableSet, live: int) -> list[str]:
    """The lowest addresses of a pool."""
    return [pool.family.format(pool.nth(position)) for position in range(live)]


def _megabytes(pool: UsableSet, addresses: Iterable[int]) -> float:
    """What an allocator that holds these addresses takes."""
    tracemalloc.start()
    some = Allocator(pool, random.Random(7))
    for address in addresses:
        some.take(address)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return taken / 1e6


def _fastest(run: Callable[[], object], repeats: int) -> float:
    """CPU seconds of the fastest of some runs."""
    seconds = []
    for _ in range(repeats):
        begun = time.process_time()
        run()
        seconds.append(time.process_time() - begun)
    return min(seconds)
