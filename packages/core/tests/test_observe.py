"""What is observed about one allocation: from the caches, the clouds and the work under way."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from core_builders import (
    ASKS,
    IP1,
    IP2,
    IP3,
    node_ref,
    raw_allocation,
    raw_node,
    raw_owned,
    raw_pod,
    record,
    until,
)
from core_builders import in_flight as begun

from moorage_core import observe, reasons
from moorage_core.actions import Mutate
from moorage_core.caches import Caches, uptime
from moorage_core.decide.address import LONGEST_BACKOFF_SECONDS
from moorage_core.decide.allocation import decide
from moorage_core.limits import Limits
from moorage_core.model import (
    AddressRecord,
    Awaited,
    Mutation,
    Observed,
    Outcome,
    Phase,
    Present,
    Unread,
)
from moorage_core.mutations import PendingMutations
from moorage_core.observe import Observer
from moorage_core.pods import MisplacedPod
from moorage_core.priority import PrioritySemaphore
from moorage_core.scopes import Scopes
from moorage_core.status import AllocationStatus
from moorage_domain.ranges import parse_range
from moorage_kube.manager.plugins import PluginMissing
from moorage_kube.reconcile.assumed import Assumed
from moorage_provider.errors import InvalidOptions
from moorage_testing.clouds.memory import TWO_STEPS, MemoryCloud, MemoryProvider


class Setup:
    """An observer on caches filled by hand, two nodes and a memory cloud."""

    def __init__(self) -> None:
        self.cloud = MemoryCloud(TWO_STEPS)
        self.caches = Caches()
        self.scopes = Scopes(self._create, lambda _: None)
        self.assumed = Assumed()
        self.observer = Observer(self.caches, self.scopes, mutations(), self.assumed)
        for name in ("n1", "n2"):
            self.cloud.add_machine(f"vm-{name}")
            self.caches.nodes.apply(raw_node(name))
        for ip in (IP1, IP2, IP3):
            self.cloud.add_address(ip)

    def _create(self, name: str, region: str) -> MemoryProvider:
        if name == "absent":
            raise PluginMissing("no plug-in 'absent'")
        if region == "nowhere":
            raise InvalidOptions("there is no region nowhere")
        return MemoryProvider(self.cloud)

    def allocate(self, name: str, *ips: str, **fields: Any) -> None:
        self.caches.allocations.apply(raw_allocation(name, *ips, **fields))

    def observe(self, name: str = "a") -> Observed:
        observed = self.observer.observe(name)
        assert observed is not None
        return observed

    async def read(self, name: str = "a") -> Observed:
        """What is observed once everything was read."""
        await until(
            lambda: Awaited() not in self.observe(name).cloud_states.values(),
            "the cloud to be read",
        )
        return self.observe(name)


def mutations() -> PendingMutations:
    return PendingMutations(lambda: None, lambda *_: None, PrioritySemaphore(1))


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    setup = Setup()
    yield setup
    await setup.scopes.close()


async def test_everything_about_an_allocation_is_observed_at_once(setup: Setup) -> None:
    setup.cloud.assign(IP1, "vm-n1")
    bound = record(IP1, "n1")
    setup.allocate("a", IP1, IP2, records=(bound,))
    setup.caches.nodes.apply(raw_node("n1", annotations={"moorage.dev/owner": "uid-a"}))
    setup.caches.nodes.apply(raw_node("n2", ready=False))
    setup.caches.pods.apply(raw_pod("p", "n1"))
    setup.observer.mutations.avoidance.avoided[IP2] = {"uid-n2": 5.0}
    before = time.time()
    observed = await setup.read()
    assert before <= observed.now <= time.time()
    assert observed.allocation.addresses == (IP1, IP2)
    assert observed.records == (bound,)
    snapshot = setup.cloud.snapshot([IP1, IP2])
    assert observed.cloud_states == {ip: Present(snapshot[ip]) for ip in (IP1, IP2)}
    assert observed.capabilities == TWO_STEPS
    assert set(observed.nodes) == {"n1", "n2"}
    assert observed.by_machine == {"vm-n1": "n1", "vm-n2": "n2"}
    assert observed.machine_of == {"memory://vm-n1": "vm-n1", "memory://vm-n2": "vm-n2"}
    assert set(observed.owned) == {"n1"}
    assert (observed.taken, observed.conflicts, observed.outcomes) == ({}, {}, {})
    assert (set(observed.busy), set(observed.crowded)) == ({"n1"}, {"n1"})
    assert set(observed.not_ready_since) == {"uid-n2"}
    assert observed.avoided == {IP2: {"uid-n2": 5.0}}


async def test_busy_follows_the_workload_and_crowded_does_not(setup: Setup) -> None:
    ref = {"workloadRef": {"kind": "StatefulSet", "name": "db"}}
    setup.allocate("a", IP1, spec=ref)
    setup.caches.workloads["StatefulSet"].apply(raw_owned("db", "uid-db"))
    setup.caches.pods.apply(raw_pod("db-0", "n1", "uid-db", "StatefulSet"))
    setup.caches.pods.apply(raw_pod("other", "n2"))
    observed = setup.observe()
    assert (set(observed.busy), set(observed.crowded)) == ({"n1"}, {"n1", "n2"})


def misplace(setup: Setup, **spec: Any) -> None:
    """A pod of StatefulSet ``db`` asks for an address on n2."""
    ref = {"workloadRef": {"kind": "StatefulSet", "name": "db"}}
    setup.allocate("a", IP1, spec=ref | {"evictMisplacedPods": True} | spec)
    setup.caches.workloads["StatefulSet"].apply(raw_owned("db", "uid-db"))
    setup.caches.pods.apply(raw_pod("db-0", "n2", "uid-db", "StatefulSet", **ASKS))


async def test_misplaced_pods_are_observed_only_by_allocations_that_evict_them(
    setup: Setup,
) -> None:
    misplace(setup)
    setup.observer.evictions.after["uid-db-0"] = 5.0
    observed = setup.observe()
    assert observed.misplaced == [MisplacedPod("default/db-0", "uid-db-0", "n2")]
    assert (set(observed.spoken_for), observed.evict_after) == (set(), {"uid-db-0": 5.0})
    misplace(setup, evictMisplacedPods=False)
    assert setup.observe().misplaced == []
    misplace(setup, workloadRef=None)
    assert setup.observe().misplaced == []


@pytest.mark.parametrize("fields", [{"node_ref": node_ref("n2")}, {"previous": node_ref("n2")}])
async def test_a_node_that_any_allocation_remembers_is_spoken_for(
    setup: Setup, fields: dict[str, Any]
) -> None:
    misplace(setup)
    setup.allocate("b", IP2, records=(AddressRecord(IP2, **fields),))
    assert setup.observe().spoken_for == {"n2"}


async def test_a_node_that_a_plan_under_way_gives_away_is_spoken_for(setup: Setup) -> None:
    misplace(setup)
    setup.assumed.replace("b", frozenset({"n1", "n2"}))
    assert setup.observe().spoken_for == {"n2"}


async def test_a_node_that_holds_an_address_in_any_scope_is_spoken_for(setup: Setup) -> None:
    misplace(setup)
    setup.cloud.assign(IP2, "vm-n2")
    setup.allocate("b", IP2, spec={"cloud": {"provider": "memory", "region": "elsewhere"}})
    await setup.read("b")
    assert setup.observe().spoken_for == {"n2"}


async def test_an_allocation_that_is_gone_is_not_read(
    setup: Setup,
) -> None:
    setup.allocate("a", IP1)
    setup.observe()
    setup.caches.allocations.forget("a")
    assert setup.observer.observe("a") is None
    assert dict(setup.scopes.items()) == {}
    assert setup.observer.observe("never-there") is None


# What is read.


async def test_a_deleted_allocation_reads_only_what_it_has_not_let_go(setup: Setup) -> None:
    records = (record(IP1, "n1"), record(IP2, previous=node_ref("n2")), record(IP3))
    gone = {"deletionTimestamp": "2026-01-02T00:00:00Z"}
    setup.allocate("a", IP1, IP2, IP3, records=records, **gone)
    assert set((await setup.read()).cloud_states) == {IP1, IP2}


async def test_an_address_that_was_taken_off_the_list_is_read_until_it_is_let_go(
    setup: Setup,
) -> None:
    setup.allocate("a", IP1, records=(record(IP1), record(IP2, "n2"), record(IP3)))
    assert set((await setup.read()).cloud_states) == {IP1, IP2}


async def test_without_a_provider_nothing_is_read_and_the_field_is_named(setup: Setup) -> None:
    setup.allocate("a", IP1)
    setup.observe()
    setup.allocate("a", IP1, spec={"cloud": {"provider": ""}})
    problem = "spec.cloud.provider is empty: set it to aws, gcp, azure or another plug-in"
    unread = Unread(reasons.INVALID_SPEC, problem)
    observed = setup.observe()
    assert observed.cloud_states == {IP1: unread}
    assert (observed.by_machine, observed.machine_of) == ({}, {})
    assert dict(setup.scopes.items()) == {}


async def test_sec_02_a_cloud_stays_open_until_what_was_begun_there_has_ended(setup: Setup) -> None:
    setup.allocate("a", IP1)
    setup.observe()
    in_flight = setup.observer.mutations.in_flight
    in_flight |= begun(Mutation.MOVE)
    setup.allocate("a", IP1, spec={"foreignPolicy": "Always"})
    assert isinstance(setup.observe().cloud_states[IP1], Unread)
    assert setup.scopes.of("a")
    in_flight.clear()
    setup.observe()
    assert dict(setup.scopes.items()) == {}


async def test_sec_02_what_is_allowed_no_longer_stays_where_it_is_and_is_asked_for_no_more(
    setup: Setup,
) -> None:
    setup.observer.limits = Limits(addresses=(parse_range(IP2),))
    setup.caches.nodes.apply(raw_node("n1", annotations={"moorage.dev/owner": "uid-a"}))
    setup.allocate("a", IP1, records=(record(IP1, "n1"),), finalizers=["moorage.dev/release"])
    plan = decide(setup.observe())
    assert plan.actions == ()
    status = plan.status
    assert isinstance(status, AllocationStatus)
    (kept,) = status.records
    assert (kept.phase, kept.reason) == (Phase.UNKNOWN, "InvalidSpec")
    assert kept.node_ref == node_ref("n1")
    meta = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["moorage.dev/release"]}
    setup.allocate("a", IP1, records=(record(IP1, "n1"),), **meta)
    plan = decide(setup.observe())
    assert "cannot release yet: spec.reservedIPs asks for" in plan.message
    assert "moorage.dev/force-release=true" in plan.message
    assert not any(isinstance(action, Mutate) for action in plan.actions)
    assert (setup.cloud.faults.calls, dict(setup.scopes.items())) == ((), {})


@pytest.mark.parametrize(
    ("cloud", "unread"),
    [
        ({"provider": "absent"}, Unread(reasons.PROVIDER_MISSING, "no plug-in 'absent'")),
        (
            {"provider": "memory", "region": "nowhere"},
            Unread(reasons.INVALID_SPEC, "there is no region nowhere"),
        ),
    ],
)
async def test_an_unavailable_cloud_is_reported_and_nothing_is_absent(
    setup: Setup, cloud: dict[str, str], unread: Unread
) -> None:
    setup.allocate("a", IP1, IP2, spec={"cloud": cloud})
    assert setup.observe().cloud_states == {IP1: unread, IP2: unread}


async def test_an_allocation_without_addresses_reads_nothing(setup: Setup) -> None:
    setup.allocate("a")
    assert setup.observe().cloud_states == {}
    assert dict(setup.scopes.items()) == {}


async def test_the_machine_of_a_vanished_node_is_still_known(setup: Setup) -> None:
    moving = record(IP1, "gone", previous=node_ref("before"))
    setup.allocate("a", IP1, records=(moving,))
    observed = setup.observe()
    assert observed.machine_of["memory://vm-gone"] == "vm-gone"
    assert observed.machine_of["memory://vm-before"] == "vm-before"
    assert set(observed.by_machine) == {"vm-n1", "vm-n2"}


# Since when nodes are gone.


async def test_a_node_missing_at_the_start_is_gone_from_the_first_pass_on(
    setup: Setup,
) -> None:
    setup.allocate("a", IP1, records=(record(IP1, "gone"),))
    since = setup.observe().gone_since["uid-gone"]
    assert setup.observe().gone_since == {"uid-gone": since}


async def test_a_namesake_of_the_node_is_another_one(setup: Setup) -> None:
    setup.allocate("a", IP1, records=(record(IP1, "n1", node_ref=node_ref("n1", "uid-before")),))
    assert set(setup.observe().gone_since) == {"uid-before"}


async def test_a_node_that_is_there_is_not_gone(setup: Setup) -> None:
    setup.allocate("a", IP1, records=(record(IP1, "n1"),))
    assert setup.observe().gone_since == {}


# Who has what.


def old(name: str) -> dict[str, str]:
    return {"creationTimestamp": f"2026-01-0{name}T00:00:00Z"}


async def test_the_oldest_allocation_has_the_address(setup: Setup) -> None:
    setup.allocate("z", IP1, IP2, **old("1"))
    setup.allocate("m", IP1, **old("2"))
    setup.allocate("a", IP1, IP3, **old("3"))
    assert setup.observe("z").conflicts == {}
    assert setup.observe("m").conflicts == {IP1: "z"}
    assert setup.observe("a").conflicts == {IP1: "z"}
    assert set(setup.observe("a").cloud_states) == {IP3}  # not even a read


async def test_of_two_of_one_second_the_uid_decides_for_everybody(setup: Setup) -> None:
    setup.allocate("a", IP1, uid="uid-2")
    setup.allocate("b", IP1, uid="uid-1")
    assert setup.observe("a").conflicts == {IP1: "b"}
    assert setup.observe("b").conflicts == {}


@pytest.mark.parametrize("held", [record(IP1, "n1"), record(IP1, previous=node_ref("n1"))])
async def test_an_address_not_let_go_is_still_the_old_ones(
    setup: Setup, held: AddressRecord
) -> None:
    setup.allocate("old", records=(held,), **old("1"))
    setup.allocate("a", IP1, **old("2"))
    assert setup.observe().conflicts == {IP1: "old"}
    setup.allocate("old", records=(record(IP1),), **old("1"))
    assert setup.observe().conflicts == {}


async def test_a_younger_one_that_holds_it_gives_it_to_an_older_one(setup: Setup) -> None:
    setup.allocate("young", IP1, records=(record(IP1, "n1"),), **old("2"))
    setup.allocate("a", IP1, **old("1"))
    assert setup.observe("a").conflicts == {}
    assert setup.observe("young").conflicts == {IP1: "a"}


async def test_nodes_with_or_assumed_by_others_are_taken_but_not_our_own(
    setup: Setup,
) -> None:
    setup.allocate("a", IP1, records=(record(IP1, "n1"),))
    setup.allocate("b", IP2, records=(record(IP2, "n2"), record(IP3)))
    setup.assumed.replace("a", frozenset({"n4"}))
    setup.assumed.replace("c", frozenset({"n3"}))
    assert setup.observe("a").taken == {"n2": "b", "n3": "c"}
    assert setup.observe("b").taken == {"n1": "a", "n4": "a", "n3": "c"}


async def test_a_wait_written_by_a_clock_that_was_ahead_ends(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead, soon = time.time() + 365 * 86_400.0, time.time() + 600.0
    waiting = (
        AddressRecord(IP1, Phase.WAITING, next_attempt=ahead),
        AddressRecord(IP2, Phase.WAITING, next_attempt=soon),
    )
    setup.allocate("a", IP1, IP2, records=waiting)
    assert [r.next_attempt for r in setup.observe().records] == pytest.approx([ahead, soon], abs=1)
    began = uptime()
    monkeypatch.setattr(observe, "uptime", lambda: began + LONGEST_BACKOFF_SECONDS)
    setup.allocate("a", IP1, IP2, IP3, records=waiting)
    assert [r.next_attempt for r in setup.observe().records] == [0.0, 0.0]
    setup.caches.allocations.forget("a")
    assert setup.observer.observe("a") is None
    assert len(setup.observer.believed) == 0


async def test_a_node_with_an_older_ones_address_as_well_is_outranked(setup: Setup) -> None:
    held = {name: (record(ip, "n1"),) for name, ip in (("old", IP1), ("a", IP2), ("new", IP3))}
    for number, (name, records) in enumerate(held.items(), 1):
        setup.allocate(name, records[0].ip, records=records, **old(str(number)))
    assert {name: "n1" in setup.observe(name).outranked for name in held} == {
        "old": False, "a": True, "new": True,
    }  # fmt: skip


async def test_a_refused_label_is_observed_while_its_node_is_there(setup: Setup) -> None:
    setup.allocate("a", IP1)
    setup.observer.label_errors |= {"n1": "refused", "gone": "refused"}
    assert setup.observe().label_errors == {"n1": "refused"}


# How mutations ended.


async def test_an_outcome_is_observed_by_the_owner_of_the_address_and_by_whoever_records_it(
    setup: Setup,
) -> None:
    done = Outcome(Mutation.ATTACH, "old", node_uid="uid-n1")
    setup.observer.mutations.outcomes |= {IP1: done, IP3: done}
    setup.allocate("old", IP1, records=(record(IP1, "n1"),), **old("1"))
    conflict = AddressRecord(IP1, Phase.BLOCKED, "Conflict")
    setup.allocate("a", IP1, IP3, records=(conflict,), **old("2"))
    assert setup.observe("old").outcomes == {IP1: done}
    assert setup.observe("a").outcomes == {}  # no record names IP3 yet


async def test_sec_03_why_a_node_refused_its_labels_is_forgotten_with_the_node(
    setup: Setup,
) -> None:
    setup.allocate("a", IP1)
    setup.observer.label_errors |= {"n1": "no", "invented": "no"}
    assert setup.observe().label_errors == {"n1": "no"}
    assert setup.observer.label_errors == {"n1": "no"}
