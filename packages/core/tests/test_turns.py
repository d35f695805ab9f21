"""Of many names a few are looked at in a turn, each of them once, and nobody else has to wait."""

from __future__ import annotations

import asyncio
from typing import Any

from core_builders import IP1, raw_allocation, raw_node, record, until

from moorage_core.caches import Caches
from moorage_core.model import AddressRecord, Phase
from moorage_core.triggers import Triggers
from moorage_core.turns import TURN_NAMES, Turns

MANY = 10_000


class Looked:
    """What was looked at; ``in_turn`` since the event loop went on."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.whys: list[tuple[object, ...]] = []
        self.in_turn = self.most_in_turn = 0
        self.turns: Turns[object] = Turns(self._look)

    def _look(self, name: str, why: Any) -> None:
        self.names.append(name)
        self.whys.append(tuple(why))
        self.in_turn += 1
        self.most_in_turn = max(self.most_in_turn, self.in_turn)

    async def count_turns(self) -> None:
        while True:
            self.in_turn = 0
            await asyncio.sleep(0)


async def test_sec_03_ten_thousand_are_looked_at_a_few_in_a_turn() -> None:
    looked, names = Looked(), {f"a{number}": None for number in range(MANY)}
    counting = asyncio.create_task(looked.count_turns())
    looked.turns.begin(names)
    assert len(looked.names) == TURN_NAMES
    await until(lambda: len(looked.names) >= MANY, "all to be looked at")
    counting.cancel()
    assert sorted(looked.names) == sorted(names)
    assert looked.most_in_turn <= 2 * TURN_NAMES


async def test_sec_03_what_is_asked_meanwhile_becomes_one_more_round() -> None:
    looked, names = Looked(), {f"a{number}": None for number in range(MANY)}
    for node in range(1000):
        looked.turns.begin(names, node)
    await until(lambda: len(looked.names) >= 2 * MANY, "two rounds")
    await asyncio.sleep(0)
    assert len(looked.names) == 2 * MANY
    assert {why for why in looked.whys if len(why) > 1} == {tuple(range(1, 1000))}


async def test_rounds_of_other_names_and_of_all_are_rounds_of_their_own() -> None:
    looked = Looked()
    one, other = ({f"{c}{number}": None for number in range(TURN_NAMES + 1)} for c in "ab")
    for names, why in ((one, ()), (other, ("n",)), (one, ("n",)), (one, ())):
        looked.turns.begin(names, *why)
    await until(lambda: len(looked.names) >= 4 * len(one), "four rounds")
    assert [looked.whys.count(why) for why in ((), ("n",))] == [2 * len(one), 2 * len(one)]


def test_a_few_are_looked_at_on_the_spot() -> None:
    looked = Looked()
    looked.turns.begin({"a", "b"}, "n")
    assert sorted(looked.names) == ["a", "b"]
    assert looked.whys == [("n",)] * 2


async def test_sec_03_a_node_that_changes_concerns_ten_thousand_in_turns() -> None:
    caches, added = Caches(), dict[str, None]()
    Triggers(caches, added.setdefault)
    waiting = AddressRecord(IP1, Phase.WAITING, "NoEligibleNode")
    for number in range(MANY):
        caches.allocations.apply(raw_allocation(f"a{number}", records=(waiting,)))
    added.clear()
    caches.nodes.apply(raw_node("n1"))
    assert len(added) == TURN_NAMES
    await until(lambda: len(added) == MANY, "all to be triggered")
    # Who takes a node makes nothing free for others.
    added.clear()
    bound = record(IP1, "n1")
    caches.allocations.apply(raw_allocation("a1", records=(bound,), resourceVersion="2"))
    await asyncio.sleep(0)
    assert list(added) == ["a1"]
    caches.allocations.apply(raw_allocation("a1", resourceVersion="3"))
    await until(lambda: len(added) == MANY, "all to be triggered by what became free")
