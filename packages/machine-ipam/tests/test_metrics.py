"""What /metrics says of pools, claims and records, in memory and in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from lab_claims import Lab
from prometheus_client import CollectorRegistry

from moorage_kube.manager.manager import Manager
from moorage_machine_ipam.caches import Caches
from moorage_machine_ipam.controller import setup
from moorage_machine_ipam.metrics import Gauges
from moorage_machine_ipam.settings import MachineIpamSettings
from moorage_testing import virtual_time
from moorage_testing.harness import Scenario, World, managed

POOL = {"pool_namespace": "machines", "pool": "lab"}


class Watched(Lab):
    """A lab of which the metrics are read."""

    def __init__(self) -> None:
        super().__init__()
        self.registry = CollectorRegistry()
        start = managed(MachineIpamSettings.model_validate({}), self._set_up)
        self.scenario = Scenario(start, lambda _: None, quiet_seconds=30.0)
        self.world = World(self.scenario)

    def _set_up(self, manager: Manager) -> None:
        setup(manager)
        self.registry = manager.registry

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"moorage_machine_ipam_{name}", labels)

    def of_pool(self) -> dict[str, float | None]:
        names = ("addresses", "addresses_used", "addresses_free", "addresses_quarantined",
                 "claims_waiting", "ready", "nearly_full")  # fmt: skip
        return {name: self.value(f"pool_{name}", **POOL) for name in names}


def test_a_pool_shows_what_is_in_use_and_what_waits() -> None:
    async def story(lab: Watched) -> None:
        lab.pool(address_cidr="192.168.100.64/31", reuse_delay_seconds=300)
        # Of claims of one second any may be the one that waits.
        for name in "abc":
            lab.claim(name)
            await lab.settle()
        assert lab.of_pool() == {
            "addresses": 2, "addresses_used": 2, "addresses_free": 0, "addresses_quarantined": 0,
            "claims_waiting": 1, "ready": 1, "nearly_full": 1,
        }  # fmt: skip
        assert lab.value("claims", **POOL, reason="Allocated") == 2
        assert lab.value("claims", **POOL, reason="PoolExhausted") == 1
        lab.delete_claim("a")
        lab.delete_claim("c")
        await lab.world.pass_time(60)
        after = lab.of_pool()
        assert (after["addresses_quarantined"], after["claims_waiting"]) == (1, 0)
        phases = {name: lab.value("allocations", phase=name) for name in ("Bound", "Quarantined")}
        assert phases == {"Bound": 1, "Quarantined": 1}
        assert lab.value("claims", **POOL, reason="PoolExhausted") is None

    _watch(story)


def test_a_pool_whose_spec_makes_no_sense_is_not_ready_and_has_no_addresses() -> None:
    async def story(lab: Watched) -> None:
        lab.pool(address_cidr="192.168.100.0/24", prefix=64)
        await lab.settle()
        assert lab.value("pool_ready", **POOL) == 0
        assert lab.value("pool_addresses", **POOL) is None

    _watch(story)


def test_an_owner_that_is_gone_is_counted_until_its_address_is_released() -> None:
    async def story(lab: Watched) -> None:
        lab.pool()
        lab.claim("a")
        await lab.settle()
        assert lab.value("owners_missing") == 0
        await lab.stop()
        lab.patch_claim("a", {"metadata": {"finalizers": None}})
        lab.delete_claim("a")
        lab.start()
        await lab.world.pass_time(30)
        assert lab.value("owners_missing") == 1
        await lab.world.pass_time(1000)
        assert lab.value("owners_missing") == 0

    _watch(story)


def test_a_standby_shows_nothing_of_the_state() -> None:
    assert list(Gauges(Caches({}), lambda: 0, lambda: False).read()) == []


def _watch(story: Callable[[Watched], Awaitable[None]]) -> None:
    async def whole() -> None:
        lab = Watched()
        lab.start()
        try:
            await story(lab)
            assert not lab.world.deaths
        finally:
            await lab.stop()

    virtual_time.run(whole())
