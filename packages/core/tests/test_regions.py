"""Regions are invented by whoever writes allocations: few have a client, and none for good."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Any

import pytest
from core_builders import IP1, IP2, allocation, raw_allocation, until

from moorage_core import reasons, scopes
from moorage_core.caches import Caches
from moorage_core.limits import Limits
from moorage_core.model import Unread
from moorage_core.mutations import PendingMutations
from moorage_core.observe import Observer
from moorage_core.priority import PrioritySemaphore
from moorage_core.regions import by_age
from moorage_core.scopes import Region, Scopes, TooManyRegions
from moorage_kube.manager.plugins import PluginMissing
from moorage_kube.reconcile.assumed import Assumed
from moorage_testing.clouds.memory import MemoryCloud, MemoryProvider

MOST = 3
INVENTED = 1000


class Clients:
    """Providers that are made and closed; ``changed`` are the allocations that were told."""

    def __init__(self) -> None:
        self.open: list[Region] = []
        self.made: list[Region] = []
        self.most_open = 0
        self.ages: list[Region] = []
        self.changed: list[str] = []
        self.scopes = Scopes(self._create, self._told, MOST, lambda: self.ages)

    def _create(self, name: str, region: str) -> MemoryProvider:
        if name == "absent":
            raise PluginMissing("no plug-in 'absent'")
        key = (name, region)
        self.made.append(key)
        self.open.append(key)
        self.most_open = max(self.most_open, len(self.open))
        cloud = MemoryCloud()
        cloud.add_address(IP1)
        return ClosedProvider(cloud, lambda: self.open.remove(key))

    def _told(self, names: Collection[str]) -> None:
        self.changed += names

    def want(self, region: str, name: str = "") -> None:
        self.scopes.want(allocation(name=name or f"in-{region}", region=region), {IP1})


class ClosedProvider(MemoryProvider):
    """Says when it is closed."""

    def __init__(self, cloud: MemoryCloud, closed: Any) -> None:
        super().__init__(cloud)
        self._closed = closed

    async def close(self) -> None:
        self._closed()


@pytest.fixture
async def clients() -> AsyncIterator[Clients]:
    clients = Clients()
    yield clients
    await clients.scopes.close()
    assert clients.open == []


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is idle is so for long enough."""
    monkeypatch.setattr(scopes, "IDLE_SECONDS", 0.0)


async def test_sec_03_a_thousand_invented_regions_make_a_few_clients(clients: Clients) -> None:
    refused: list[str] = []
    for number in range(INVENTED):
        try:
            clients.want(f"invented-{number}")
        except TooManyRegions as error:
            refused.append(str(error))
    assert (clients.most_open, len(refused)) == (MOST, INVENTED - MOST)
    assert refused[-1] == (
        "nothing is asked of memory in invented-999: 3 regions of clouds are in use, or in use by"
        " older allocations, and --cloud-regions allows no more; delete allocations of other"
        " regions, or set the flag (core.config.cloudRegions of the chart) higher"
    )


@pytest.mark.usefixtures("at_once")
async def test_sec_03_what_nobody_needs_any_more_is_closed_and_makes_room(clients: Clients) -> None:
    for number in range(INVENTED):
        clients.want(f"invented-{number}")
        clients.scopes.unwant(f"in-invented-{number}")
        clients.scopes.tidy()
        await until(lambda: clients.open == [], "the client to be closed")
    assert clients.most_open == 1
    assert len(clients.made) == INVENTED


async def test_sec_03_a_client_outlives_a_pause_and_is_made_again_after_a_long_one(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients.want("r1")
    clients.scopes.unwant("in-r1")
    clients.scopes.tidy()
    assert clients.open == [("memory", "r1")]
    clients.want("r1")
    assert clients.made == [("memory", "r1")]
    clients.scopes.unwant("in-r1")
    monkeypatch.setattr(scopes, "IDLE_SECONDS", 0.0)
    clients.scopes.tidy()
    await until(lambda: clients.open == [], "the client to be closed")
    clients.want("r1")
    assert clients.made == [("memory", "r1")] * 2


async def test_sec_03_idle_clients_make_room_at_once(clients: Clients) -> None:
    for number in range(2 * MOST):
        clients.want(f"r{number}")
        clients.scopes.unwant(f"in-r{number}")
    await until(lambda: len(clients.open) <= MOST, "the clients to be closed")


async def test_sec_03_whoever_found_no_room_tries_again_when_there_is_some(
    clients: Clients,
) -> None:
    for region in ("r1", "r2", "r3"):
        clients.want(region)
    with pytest.raises(TooManyRegions):
        clients.want("r4")
    clients.changed.clear()
    clients.scopes.tidy()
    assert "in-r4" not in clients.changed
    clients.scopes.unwant("in-r2")
    clients.scopes.tidy()
    assert "in-r4" in clients.changed
    clients.want("r4")
    clients.changed.clear()
    clients.scopes.unwant("in-r1")
    clients.scopes.tidy()
    assert clients.changed == []


async def test_sec_03_after_a_restart_the_regions_of_older_allocations_come_first(
    clients: Clients,
) -> None:
    clients.ages = [("memory", region) for region in ("old", "older", "eldest", "new")]
    with pytest.raises(TooManyRegions):
        clients.want("new")
    for region in ("eldest", "older"):
        clients.want(region)
    with pytest.raises(TooManyRegions):
        clients.want("new")
    clients.want("old")
    assert len(clients.open) == MOST


async def test_sec_03_a_stand_by_makes_ready_no_more_clients_than_may_be_used(
    clients: Clients,
) -> None:
    for number in range(INVENTED):
        await clients.scopes.make_ready("memory", f"r{number}")
    assert len(clients.open) == MOST


@pytest.mark.usefixtures("at_once")
async def test_sec_03_what_was_made_ready_for_a_region_that_nobody_names_is_closed(
    clients: Clients,
) -> None:
    for region in ("r1", "r2"):
        await clients.scopes.make_ready("memory", region)
    clients.ages = [("memory", "r2")]
    clients.scopes.tidy()
    await until(lambda: clients.open == [("memory", "r2")], "the client to be closed")


async def test_a_plug_in_that_is_missing_takes_no_room_and_waits_for_none(clients: Clients) -> None:
    with pytest.raises(PluginMissing):
        clients.scopes.want(allocation(name="a", provider="absent"), {IP1})
    clients.scopes.tidy()
    assert clients.changed == []


async def test_sec_03_people_read_why_nothing_is_asked_and_what_is_held_stays_unknown() -> None:
    caches, made = Caches(), Clients()
    mutations = PendingMutations(lambda: None, lambda *_: None, PrioritySemaphore(1))
    observer = Observer(caches, made.scopes, mutations, Assumed())
    for number in range(MOST + 1):
        spec = {"cloud": {"provider": "memory", "region": f"r{number}"}}
        caches.allocations.apply(raw_allocation(f"a{number}", f"203.0.113.{number}", spec=spec))
        observer.observe(f"a{number}")
    observed = observer.observe(f"a{MOST}")
    assert observed is not None
    cloud_state = observed.cloud_states[f"203.0.113.{MOST}"]
    assert isinstance(cloud_state, Unread)
    assert cloud_state.reason is reasons.TOO_MANY_REGIONS
    # Whoever writes a region too many keeps nobody else's stray labels where they are.
    await until(made.scopes.all_read, "the other regions to be read")
    await made.scopes.close()


def test_regions_come_by_the_age_of_their_oldest_allocation_that_has_addresses() -> None:
    caches = Caches()

    def put(name: str, region: str, created: str, *ips: str, provider: str = "aws") -> None:
        spec = {"cloud": {"provider": provider, "region": region}}
        raw = raw_allocation(name, *ips, spec=spec, creationTimestamp=created)
        caches.allocations.apply(raw)

    put("a", "new", "2026-03-01T00:00:00Z", IP1)
    put("b", "old", "2026-02-01T00:00:00Z", IP2)
    put("c", "new", "2026-04-01T00:00:00Z", IP2)
    put("d", "old", "2026-05-01T00:00:00Z", IP2)
    put("e", "empty", "2026-01-01T00:00:00Z")
    put("f", "nowhere", "2026-01-01T00:00:00Z", IP1, provider="")
    put("g", "forbidden", "2026-01-01T00:00:00Z", IP1)
    allowed = Limits(regions=("new", "old", "empty", "nowhere"))
    views = caches.allocations.values()
    assert by_age(views, allowed.why_not_cloud) == [("aws", "old"), ("aws", "new")]
