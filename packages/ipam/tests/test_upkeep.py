"""Upkeep: when a released address comes free, and when an owner is believed to be gone."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_domain.families import Address, parse_address
from moorage_ipam.allocations import Allocations
from moorage_ipam.pools import Pools
from moorage_ipam.records import Owner, Phase, Record, Reservation, body_of, record_of
from moorage_ipam.upkeep import Action, Observed, OwnerKind, Presence, Upkeep, decide
from moorage_kube.cache.store import Store
from moorage_kube.client.client import Client
from moorage_testing import virtual_time
from moorage_testing.apiserver import ApiServer, client_in_memory

OWNER = Owner("v1", "Service", "shop", "web", "u-1")


def observed(phase: Phase = Phase.BOUND, **changes: Any) -> Observed:
    record = Record(
        name="default-0a000001",
        uid="u-r",
        resource_version="7",
        network="default",
        address=parse_address("10.0.0.1"),
        owner=changes.pop("owner", OWNER),
        pool=None,
        phase=phase,
        since="",
        restored=changes.pop("restored", False),
        owner_deleting=changes.pop("owner_deleting", False),
    )
    usual: dict[str, Any] = {
        "reuse_seconds": 300.0, "rested_seconds": 0.0, "presence": Presence.THERE,
        "gone_seconds": 0.0, "many_gone": False,
    }  # fmt: skip
    return Observed(record, **(usual | changes))


@pytest.mark.parametrize(("rested", "wait"), [(0.0, 300.0), (299.5, 1.0), (100.0, 200.0)])
def test_a_released_address_rests_for_its_delay(rested: float, wait: float) -> None:
    plan = decide(observed(Phase.QUARANTINED, rested_seconds=rested))
    assert (plan.actions, plan.wait) == ((), timedelta(seconds=wait))


@pytest.mark.parametrize("rested", [300.0, 1e9])
def test_then_it_is_free(rested: float) -> None:
    assert decide(observed(Phase.QUARANTINED, rested_seconds=rested)).actions == (Action.DELETE,)


def test_what_a_person_has_reserved_is_kept() -> None:
    plan = decide(observed(owner=None, rested_seconds=1e9, gone_seconds=1e9))
    assert (plan.reason, plan.actions, plan.wait) == ("Reserved", (), None)


@pytest.mark.parametrize("presence", list(Presence))
def test_what_moved_is_kept_whoever_is_there(presence: Presence) -> None:
    plan = decide(observed(Phase.MOVED, presence=presence, gone_seconds=1e9))
    assert (plan.reason, plan.actions, plan.wait) == ("Moved", (), None)


def test_an_owner_that_moves_takes_its_address_along() -> None:
    assert decide(observed(presence=Presence.MOVED)).actions == (Action.NOTE_MOVE,)


def test_what_nobody_was_told_is_taken_back_at_once() -> None:
    assert decide(observed(presence=Presence.UNTOLD)).actions == (Action.TAKE_BACK,)


@pytest.mark.parametrize("gone", [0.0, 599.0])
def test_an_owner_that_is_gone_with_its_cluster_may_still_come(gone: float) -> None:
    found = observed(presence=Presence.GONE_WITH_CLUSTER, gone_seconds=gone)
    assert decide(found).actions == ()


def test_an_owner_that_is_gone_with_its_cluster_may_live_on_elsewhere() -> None:
    found = observed(presence=Presence.GONE_WITH_CLUSTER, gone_seconds=600.0)
    assert decide(found).actions == (Action.KEEP_ORPHAN,)


@pytest.mark.parametrize("presence", [Presence.THERE, Presence.NAMESAKE, Presence.UNKNOWN])
def test_whoever_may_have_it_keeps_it(presence: Presence) -> None:
    plan = decide(observed(presence=presence, gone_seconds=1e9))
    assert (plan.reason, plan.actions, plan.wait) == ("Bound", (), None)


@pytest.mark.parametrize(
    ("restored", "gone", "wait"),
    [(False, 0.0, 600.0), (False, 599.9, 1.0), (True, 600.0, 3000.0), (True, 3599.0, 1.0)],
)
def test_an_owner_that_is_missing_is_waited_for(restored: bool, gone: float, wait: float) -> None:  # noqa: FBT001 - a case
    plan = decide(observed(presence=Presence.GONE, restored=restored, gone_seconds=gone))
    assert (plan.actions, plan.wait) == ((), timedelta(seconds=wait))


@pytest.mark.parametrize(("restored", "gone"), [(False, 600.0), (True, 3600.0)])
def test_then_its_address_is_released(restored: bool, gone: float) -> None:  # noqa: FBT001 - a case
    plan = decide(observed(presence=Presence.GONE, restored=restored, gone_seconds=gone))
    assert plan.actions == (Action.RELEASE_ORPHAN,)


@pytest.mark.parametrize(("gone", "released"), [(86_399.0, False), (86_400.0, True)])
def test_where_many_are_missing_at_once_it_takes_a_day(gone: float, *, released: bool) -> None:
    plan = decide(observed(presence=Presence.GONE, gone_seconds=gone, many_gone=True))
    assert plan.actions == ((Action.RELEASE_ORPHAN,) if released else ())


@pytest.mark.parametrize(
    ("left", "wait"), [(300.0, timedelta(seconds=300)), (0.2, timedelta(seconds=1))]
)
def test_a_reservation_waits_for_its_owner(left: float, wait: timedelta) -> None:
    plan = decide(observed(Phase.RESERVED, expected_seconds=left))
    assert (plan.reason, plan.actions, plan.wait) == ("Reserved", (), wait)


@pytest.mark.parametrize("left", [0.0, -1e9])
def test_then_its_address_is_free(left: float) -> None:
    plan = decide(observed(Phase.RESERVED, expected_seconds=left))
    assert plan.actions == (Action.END_RESERVATION,)


def test_where_nobody_can_tell_whether_the_owner_came_it_stays_reserved() -> None:
    assert decide(observed(Phase.RESERVED, expected_seconds=None)).actions == ()


class Expecting:
    """A reservation for a Service that has come, or has not, as the API server says."""

    def __init__(self, client: Client, until: str, *, restored: bool = False) -> None:
        self.come: list[tuple[str, str]] = []
        self.has_come = False
        self.records: Store[Record] = Store(record_of)
        self.pools = Pools(self.records, random.Random(1))
        allocations = Allocations(client, self.records, self.pools)
        owners = {"Service": OwnerKind(lambda _: Presence.GONE, self.is_gone, self.asked)}
        self.upkeep = Upkeep(self.records, allocations, owners, lambda _: 60.0)
        owner = replace(OWNER, uid="", reservation=Reservation(until, "q-1"))
        self.body = body_of("default", parse_address("10.0.0.1"), owner, None, "")
        if restored:
            self.body["metadata"]["labels"] = {"velero.io/restore-name": "x"}

    async def is_gone(self, _: Owner) -> bool:
        raise AssertionError("a reservation is not asked for so")

    async def asked(self, owner: Owner, address: Address) -> bool:
        self.come.append((owner.key, str(address)))
        return self.has_come

    async def wait(self) -> float:
        """Look at it once; the seconds until the next look."""
        seen = await self.upkeep.observe("default-0a000001")
        if seen is None:
            return 0.0
        plan = self.upkeep.decide(seen)
        for action in plan.actions:
            await self.upkeep.act(seen, action)
        assert plan.wait is not None
        return plan.wait.total_seconds()


@pytest.mark.parametrize(
    ("until", "restored", "seconds"),
    [
        # Virtual time begins at 08:00:00.
        ("2027-01-15T08:05:00Z", False, 300.0),
        # A clock that is wrong takes it from nobody who is still on the way.
        ("2020-01-01T00:00:00Z", False, 120.0),
        ("soon", False, 120.0),
        ("2020-01-01T00:00:00Z", True, 3600.0),
    ],
)
def test_a_reservation_ends_by_the_later_of_two_clocks(
    until: str,
    restored: bool,  # noqa: FBT001 - a case
    seconds: float,
) -> None:
    async def main() -> None:
        server = ApiServer()
        async with client_in_memory(server) as client:
            one = Expecting(client, until, restored=restored)
            one.records.apply(server.create(IPALLOCATIONS, one.body))
            assert await one.wait() == seconds
            await asyncio.sleep(seconds - 10.0)
            assert await one.wait() == 10.0
            assert one.come == []
            await asyncio.sleep(10.0)
            one.has_come = True
            await one.wait()
            assert len(server.all_of(IPALLOCATIONS)) == 1, "it came in this very moment"
            one.has_come = False
            await one.wait()
            assert one.come == [("shop/web", "10.0.0.1")] * 2
            assert server.all_of(IPALLOCATIONS) == []
            assert await one.wait() == 0.0

    virtual_time.run(main())


class Clocks:
    """A released record whose time says what it likes."""

    def __init__(self, since: str) -> None:
        self.records: Store[Record] = Store(record_of)
        body = body_of("default", parse_address("10.0.0.1"), OWNER, None, "")
        body["status"] = {"phase": "Quarantined", "since": since}
        self.records.apply(body)
        pools = Pools(self.records, random.Random(1))
        api: Any = None
        self.upkeep = Upkeep(
            self.records, Allocations(api, self.records, pools), {}, lambda _: 60.0
        )

    @property
    def due(self) -> float:
        (record,) = self.records.values()
        return self.upkeep.due(record)


@pytest.mark.parametrize(
    "since", ["", "soon", "2099-01-01T00:00:00Z", "9999-12-31T23:59:59Z"], ids=str
)
def test_a_time_that_cannot_be_is_not_believed(since: str) -> None:
    async def main() -> None:
        clocks = Clocks(since)
        assert clocks.due == 60.0
        await asyncio.sleep(40.0)
        assert clocks.due == 20.0
        await asyncio.sleep(40.0)
        assert clocks.due == 0.0

    virtual_time.run(main())


def test_a_time_without_a_zone_is_that_of_the_api_server() -> None:
    async def main() -> None:
        assert Clocks("2027-01-15T07:59:30").due == 30.0
        assert Clocks("2027-01-15T07:59:30Z").due == 30.0
        assert Clocks("2027-01-15T07:59:30.5+00:00").due == 30.5

    virtual_time.run(main())


def test_a_released_address_of_another_controller_is_left_to_that_one() -> None:
    async def main() -> None:
        owners = Owners()
        released: dict[str, Any] = {"phase": "Quarantined", "since": "2020-01-01T00:00:00Z"}
        others = owners.put(1, kind="Machine", **released)
        assert await owners.look(others) == [], "only that one knows how long its pool has it rest"
        (own,) = await owners.look(owners.put(2, **released))
        assert owners.upkeep.decide(own).actions == (Action.DELETE,)

    virtual_time.run(main())


@pytest.mark.parametrize("many_gone", [False, True])
def test_an_owner_that_was_seen_being_deleted_was_meant_to_go(many_gone: bool) -> None:  # noqa: FBT001 - a case
    plan = decide(observed(presence=Presence.GONE, owner_deleting=True, many_gone=many_gone))
    assert plan.actions == (Action.RELEASE_ORPHAN,)


@pytest.mark.parametrize("presence", [Presence.THERE, Presence.NAMESAKE, Presence.UNKNOWN])
def test_it_keeps_its_address_until_it_is_gone(presence: Presence) -> None:
    assert decide(observed(presence=presence, owner_deleting=True)).actions == ()


class Owners:
    """Records of Services, which are there or not as a test says, and what is looked at."""

    def __init__(self) -> None:
        self.records: Store[Record] = Store(record_of)
        self.presence: dict[str, Presence] = {}
        pools = Pools(self.records, random.Random(1))
        api: Any = None
        owners = {"Service": OwnerKind(lambda one: self.presence[one.name], self.is_gone)}
        allocations = Allocations(api, self.records, pools)
        self.upkeep = Upkeep(self.records, allocations, owners, lambda _: 60.0, ["Pod"])

    async def is_gone(self, owner: Owner) -> bool:
        raise AssertionError(owner)

    def put(self, number: int, presence: Presence = Presence.THERE, **status: Any) -> str:
        """The name of a new record, whose owner is called like its number."""
        owner = Owner("v1", status.pop("kind", "Service"), "shop", f"s{number}", f"u-{number}")
        if status.pop("uid", True) is None:
            owner = replace(owner, uid="")
        self.presence[owner.name] = presence
        body = body_of("default", parse_address(f"10.0.{number >> 8}.{number & 255}"), owner, None,
                       "2027-01-15T07:59:50Z")  # fmt: skip
        body["status"] |= status
        self.records.apply(body)
        return str(body["metadata"]["name"])

    async def look(self, *keys: str) -> list[Observed]:
        found = [await self.upkeep.observe(key) for key in keys]
        return [one for one in found if one is not None]


def test_a_record_is_looked_at_with_its_pool_and_its_owner() -> None:
    async def main() -> None:
        owners = Owners()
        key = owners.put(1)
        assert owners.upkeep.queue.depth == 0, "its owner is there, and nothing is to be done"
        owners.put(2, Presence.GONE)
        assert owners.upkeep.queue.depth == 1, "it is looked at as soon as it is there"
        record = owners.records.get(key)
        assert record is not None
        assert await owners.look("default-none") == []
        assert await owners.look(key) == [Observed(record, 60.0, 10.0, Presence.THERE, 0.0, False)]  # noqa: FBT003 - many_gone

    virtual_time.run(main())


def test_an_owner_that_comes_back_begins_anew() -> None:
    async def main() -> None:
        owners = Owners()
        key = owners.put(1, Presence.GONE)
        seconds = []
        for presence in (Presence.GONE, Presence.GONE, Presence.THERE, Presence.GONE_WITH_CLUSTER):
            owners.presence["s1"] = presence
            (found,) = await owners.look(key)
            assert found.presence is presence
            seconds.append(found.gone_seconds)
            await asyncio.sleep(50.0)
        assert seconds == [0.0, 50.0, 0.0, 0.0]

    virtual_time.run(main())


def test_an_owner_that_is_there_when_the_record_changes_begins_anew() -> None:
    async def main() -> None:
        owners = Owners()
        key = owners.put(1, Presence.GONE)
        await owners.look(key)
        await asyncio.sleep(50.0)
        owners.put(1, Presence.THERE, since="2027-01-15T07:59:51Z")
        assert owners.upkeep.missing() == 0

    virtual_time.run(main())


@pytest.mark.parametrize(
    ("gone", "all_of_them", "many"), [(10, 11, False), (11, 11, True), (20, 200, False),
                                      (21, 200, True)],
)  # fmt: skip
def test_many_are_more_than_ten_and_more_than_a_tenth(
    gone: int, all_of_them: int, *, many: bool
) -> None:
    async def main() -> None:
        owners = Owners()
        keys = [
            owners.put(number, Presence.GONE if number < gone else Presence.THERE)
            for number in range(all_of_them)
        ]
        await owners.look(*keys)
        assert [one.many_gone for one in await owners.look(keys[0])] == [many]

    virtual_time.run(main())


def test_owners_that_were_seen_being_deleted_are_not_many() -> None:
    async def main() -> None:
        owners = Owners()
        keys = [owners.put(one, Presence.GONE, ownerDeleting=True) for one in range(20)]
        found = [one for _ in range(2) for one in await owners.look(*keys)]
        assert {(one.many_gone, one.gone_seconds) for one in found} == {(False, 0.0)}

    virtual_time.run(main())


@pytest.mark.parametrize("status", [{"phase": "Quarantined"}, {"kind": "Pod"}, {"uid": None}])
def test_of_some_owners_it_is_not_asked_whether_they_are_there(status: dict[str, Any]) -> None:
    async def main() -> None:
        owners = Owners()
        (found,) = await owners.look(owners.put(1, Presence.GONE, **status))
        assert found.presence is Presence.UNKNOWN

    virtual_time.run(main())


def test_where_the_api_server_says_otherwise_it_is_asked_again() -> None:
    plan = decide(observed(presence=Presence.GONE, gone_seconds=600.0))
    assert (plan.reason, plan.wait) == ("OwnerGone", timedelta(minutes=5))
