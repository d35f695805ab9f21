"""What people are told of a pool: its conditions and Events, in memory and in virtual time."""

from __future__ import annotations

from lab_services import Lab, Raw, play

from moorage_api.ipclaimpool import IPCLAIMPOOLS
from moorage_kube.client.kinds import EVENTS

SMALL: Raw = {"cidr": "", "ranges": [["192.168.0.1", "192.168.0.4"]]}


def told(lab: Lab, pool: str = "pool") -> list[tuple[str, str]]:
    """Type and reason of the Events of a pool, the oldest first."""
    found = [
        one
        for one in lab.server.all_of(EVENTS)
        if (one["involvedObject"]["kind"], one["involvedObject"]["name"]) == ("IpClaimPool", pool)
    ]
    found.sort(key=lambda one: int(one["metadata"]["resourceVersion"]))
    return [(one["type"], one["reason"]) for one in found]


def condition(lab: Lab, name: str, pool: str = "pool") -> Raw:
    return next(one for one in lab.pool_status(pool)["conditions"] if one["type"] == name)


def test_a_pool_tells_that_it_fills_up_is_full_and_is_free_again() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(nearlyFullPercent=75, **SMALL)
        lab.service("a", "b")
        await lab.settle()
        assert told(lab) == [("Normal", "Ready")]
        assert condition(lab, "NearlyFull")["reason"] == "BelowThreshold"
        lab.service("c")
        await lab.settle()
        assert told(lab)[1:] == [("Warning", "AboveThreshold")]
        assert condition(lab, "NearlyFull")["message"] == "75 % or more of its addresses are in use"
        lab.service("d", "e")
        await lab.settle()
        assert told(lab)[2:] == [("Warning", "NoneFree")]
        assert condition(lab, "Exhausted")["message"] == "no address is free; 1 Services wait"
        lab.delete("c", "d", "e")
        await lab.settle()
        assert set(told(lab)[3:]) == {("Normal", "BelowThreshold"), ("Normal", "SomeFree")}

    play(story)


def test_a_pool_tells_that_it_was_edited_under_addresses_in_use() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(**SMALL)
        lab.service("a")
        await lab.settle()
        lab.edit_pool(ranges=[["192.168.0.2", "192.168.0.4"]])
        await lab.settle()
        assert lab.ip("a") == "192.168.0.1"
        assert told(lab)[1:] == [("Warning", "AddressesOutside")]
        assert condition(lab, "OutOfRange")["message"].endswith(
            "192.168.0.1 (IpClaim 192-168-0-1-32)"
        )
        lab.delete("a")
        await lab.settle()
        assert told(lab)[2:] == [("Normal", "AllInside")]

    play(story)


def test_a_pool_with_a_pattern_that_might_take_for_ever_gives_nothing_and_says_why() -> None:
    async def story(lab: Lab) -> None:
        # As the API server would not take it now: it was there before its rules were.
        lab.pool(interfacePattern="(eth.*)*", **SMALL)
        lab.service("a")
        await lab.settle()
        ready = condition(lab, "Ready")
        assert ready["reason"] == "Invalid"
        assert ready["message"].startswith("spec.interfacePattern: '(eth.*)*' is no pattern")
        assert ready["message"].endswith("as in eth[0-9]+")
        assert lab.ip("a") == ""

    play(story)


def test_pools_that_share_addresses_tell_so_and_that_it_is_over() -> None:
    async def story(lab: Lab) -> None:
        lab.pool("one", cidr="192.168.2.0/24")
        lab.pool("two", cidr="192.168.2.128/25")
        await lab.settle()
        for name in ("one", "two"):
            assert told(lab, name).count(("Warning", "SharedAddresses")) == 1
        lab.server.delete(IPCLAIMPOOLS, "two")
        await lab.settle()
        assert told(lab, "one")[-1] == ("Normal", "Alone")

    play(story)
