"""Zones: one that fails is no reason to freeze, and addresses are spread over them."""

from __future__ import annotations

import pytest
from core_builders import IP1, IP2, IP3, UPTIME, allocation, node, observed_with, raw_node, record
from simulation import Simulation

from moorage_core.caches import Caches
from moorage_core.decide.targets import Targets
from moorage_core.model import Observed, Preference
from moorage_domain.nodes import Node

IPS = (IP1, IP2, IP3, "203.0.113.13")


def zoned(**zones: int) -> Simulation:
    """Nodes n1, n2 and so on, so many in each zone, zone by zone."""
    simulation = Simulation()
    for zone, number in zones.items():
        for _ in range(number):
            simulation.add_node(f"n{len(simulation.nodes) + 1}", zone=zone)
    return simulation


def zones_of(simulation: Simulation, *ips: str) -> list[str]:
    return sorted(simulation.nodes[str(simulation.where(ip))].zone for ip in ips)


def lose_zone(simulation: Simulation, zone: str) -> None:
    for one in list(simulation.nodes.values()):
        if one.zone == zone:
            simulation.change_node(one.name, ready=False)


# Freezing.


def test_harm_06_addresses_leave_a_zone_that_fails_though_it_is_most_of_the_pool() -> None:
    simulation = zoned(a=4, b=2, c=1)
    simulation.allocate("x", IP1)
    simulation.settle()
    assert zones_of(simulation, IP1) == ["a"]
    lose_zone(simulation, "a")
    simulation.settle(seconds=41)
    assert zones_of(simulation, IP1) == ["b"]


def test_harm_06_nothing_moves_where_no_zone_is_healthy() -> None:
    simulation = zoned(a=4, b=4)
    simulation.allocate("x", IP1)
    simulation.settle()
    lose_zone(simulation, "a")
    for name in ("n5", "n6", "n7"):
        simulation.change_node(name, ready=False)
    simulation.settle(seconds=60)
    assert simulation.where(IP1) == "n1"
    assert simulation.record("x", IP1).message == (
        "7 of 8 nodes of the pool are NotReady or gone at once, in every zone; nothing moves"
    )


def down(*zones: str) -> list[Node]:
    return [node(f"d{number}", ready=False, zone=zone) for number, zone in enumerate(zones)]


def up(*zones: str) -> list[Node]:
    return [node(f"u{number}", zone=zone) for number, zone in enumerate(zones)]


def freezes(observed: Observed) -> bool:
    return bool(Targets(observed).mass_not_ready)


@pytest.mark.parametrize(
    ("lost", "left", "frozen"),
    [
        ("aaaa", "bbc", False),
        ("aaaa", "aaa", True),
        ("aaaabbb", "b", True),
        # Kubernetes calls a zone disrupted from three lost nodes and 55 % of it, or with none left.
        ("aaabb", "bb", False),
        ("aaabb", "b", False),
        ("aaabbb", "bb", True),
        ("aaabbb", "bbb", False),
        ("aaab", "c", False),
        ("aabb", "", True),
    ],
)
def test_harm_06_a_zone_is_judged_as_kubernetes_does(lost: str, left: str, *, frozen: bool) -> None:
    assert freezes(observed_with(*down(*lost), *up(*left))) is frozen


def test_harm_06_a_vanished_node_counts_in_its_zone_and_in_any_where_nobody_knows() -> None:
    records = tuple(record(ip, f"gone{number}") for number, ip in enumerate(IPS))
    since = {f"uid-gone{number}": UPTIME for number in range(len(IPS))}
    left = up("a", "b")
    known = observed_with(
        *left, records=records, gone_since=since, gone_zones=dict.fromkeys(since, "a")
    )
    assert not freezes(known)
    assert freezes(observed_with(*left, records=records, gone_since=since))


def test_the_zone_of_a_vanished_node_is_remembered_until_it_comes_back() -> None:
    caches = Caches()
    labels = {"topology.kubernetes.io/zone": "a"}
    caches.nodes.apply(raw_node("n1", labels=labels))
    caches.nodes.forget("n1")
    assert caches.clocks.gone_zones == {"uid-n1": "a"}
    caches.nodes.apply(raw_node("n1", labels=labels))
    assert caches.clocks.gone_zones == {}
    caches.clocks.miss("uid-before-my-time")
    assert caches.clocks.gone_zones == {}


# Which node is next.


def test_harm_06_addresses_are_spread_over_the_zones() -> None:
    simulation = zoned(a=4, b=2, c=2)
    simulation.allocate("x", *IPS)
    simulation.settle()
    assert [simulation.where(ip) for ip in IPS] == ["n1", "n5", "n7", "n2"]


def test_harm_06_allocations_with_one_address_each_are_spread_too() -> None:
    simulation = zoned(a=4, b=2, c=2)
    for number, ip in enumerate(IPS):
        simulation.allocate(f"x{number}", ip)
        simulation.settle()
    assert zones_of(simulation, *IPS) == ["a", "a", "b", "c"]


def test_harm_06_an_address_that_moves_does_not_count_where_it_still_is() -> None:
    simulation = zoned(a=2, b=2)
    simulation.allocate("x", IP1, IP2)
    simulation.settle()
    assert (simulation.where(IP1), simulation.where(IP2)) == ("n1", "n3")
    simulation.change_node("n1", unschedulable=True)
    simulation.settle()
    assert simulation.where(IP1) == "n2"


def test_harm_06_what_is_bound_stays_where_it_is() -> None:
    simulation = zoned(a=3)
    simulation.allocate("x", IP1, IP2)
    simulation.settle()
    simulation.add_node("b1", zone="b")
    simulation.allocate("x", IP1, IP2, preferred=(Preference(100, (("pool", "none"),)),))
    simulation.settle(seconds=700)
    assert [simulation.where(ip) for ip in (IP1, IP2)] == ["n1", "n2"]


def test_harm_06_preferred_labels_come_before_zones_and_their_weights_add_up() -> None:
    fast, big = (("disk", "ssd"),), (("size", "big"),)
    preferred = (Preference(30, fast), Preference(20, big), Preference(15, (("pool", "a"),)))
    nodes = [
        node("n1", zone="a"),
        node("n2", zone="b", labels={"pool": "a", "size": "big"}),
        node("n3", zone="c", labels={"pool": "a", "disk": "ssd"}),
        node("n4", zone="c", labels={"pool": "a", "disk": "ssd", "size": "big"}),
    ]
    targets = Targets(observed_with(*nodes, one=allocation(*IPS, preferred=preferred)))
    picked = [targets.pick(record(ip)) for ip in IPS]
    assert [found.name for found in picked if found] == ["n4", "n3", "n2", "n1"]
