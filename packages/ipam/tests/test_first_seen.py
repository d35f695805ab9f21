"""For how long something has been seen."""

from __future__ import annotations

import asyncio

from moorage_ipam.first_seen import FirstSeen
from moorage_testing import virtual_time


def test_it_counts_from_when_it_was_first_seen_and_anew_when_it_is_another_one() -> None:
    async def story() -> None:
        seen = FirstSeen()
        assert seen.seconds("a", "u-1") == 0.0
        await asyncio.sleep(5.0)
        assert (seen.seconds("a", "u-1"), seen.seconds("b", "u-1"), len(seen)) == (5.0, 0.0, 2)
        await asyncio.sleep(1.0)
        assert (seen.seconds("a", "u-2"), seen.seconds("b", "u-1")) == (0.0, 1.0)
        seen.forget("b")
        seen.forget("never seen")
        assert (len(seen), seen.seconds("b", "u-1")) == (1, 0.0)

    virtual_time.run(story())
