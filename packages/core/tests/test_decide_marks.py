"""Which nodes carry the labels that say an address is there."""

from __future__ import annotations

from typing import Any

import pytest
from core_builders import IP1, IP2, NOW, allocation, node, place, record
from simulation import Simulation

from moorage_core.decide.marks import label_ready, marks
from moorage_core.model import Absent, MarkNode, Observed, Phase, Present, UnmarkNode
from moorage_core.model import Action
from moorage_domain.nodes import Node
from moorage_domain.provider import CloudAddress, MachineHolder

LABELS = {"pool": "a", "ip.ready": "true", "moorage.dev/ip": "203-0-113-10"}


def marked(name: str, **fields: Any) -> Node:
    return node(name, **({"labels": LABELS, "owner": "uid-a"} | fields))


def seen(*nodes: Node, **fields: Any) -> Observed:
    return Observed(
        **{
            "allocation": allocation(IP1, IP2),
            "records": (),
            "now": NOW,
            "nodes": {each.name: each for each in nodes},
            "machine_of": {each.provider_id: f"vm-{each.name}" for each in nodes},
            "owned": [each.name for each in nodes if each.owner == "uid-a"],
        }
        | fields
    )


def shown(ip: str, node_name: str) -> Present:
    return Present(CloudAddress(ip, "res", MachineHolder(f"vm-{node_name}")))


def test_a_node_that_tells_the_truth_is_left_alone() -> None:
    world = seen(marked("n1"))
    assert marks(world, (record(IP1, "n1"),)) == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": {"pool": "a"}, "owner": ""},
        {"labels": LABELS | {"ip.ready": "false"}},
        {"labels": LABELS | {"moorage.dev/ip": "203-0-113-99"}},
        {"owner": "uid-of-one-that-is-gone"},
    ],
)
def test_a_node_that_tells_anything_else_is_marked(fields: dict[str, Any]) -> None:
    n1 = marked("n1", **fields)
    assert marks(seen(n1), (record(IP1, "n1"),)) == (MarkNode(n1, IP1),)


@pytest.mark.parametrize("phase", Phase)
def test_only_where_the_address_is_a_node_says_so(phase: Phase) -> None:
    bare, told = node("n1"), marked("n1")
    here = (record(IP1, "n1", phase=phase),)
    there = phase in (Phase.BOUND, Phase.HOLDING)
    assert marks(seen(bare), here) == ((MarkNode(bare, IP1),) if there else ())
    kept = there or phase is Phase.UNKNOWN  # unknown is never absent
    assert marks(seen(told), here) == (() if kept else (UnmarkNode(told),))


def test_a_namesake_of_the_node_is_not_marked() -> None:
    here = (record(IP1, place=place("n1", "before"), phase=Phase.BOUND),)
    assert marks(seen(node("n1")), here) == ()


def test_the_old_node_is_unmarked_before_the_new_one_is_marked() -> None:
    n1, n2 = marked("n1"), node("n2")
    assert marks(seen(n1, n2), (record(IP1, "n2"),)) == (UnmarkNode(n1), MarkNode(n2, IP1))


def test_nodes_marked_by_other_allocations_are_theirs() -> None:
    assert marks(seen(marked("n1", owner="uid-b")), ()) == ()


# What the first version left behind.


def stray(**fields: Any) -> Node:
    return node("n3", labels={"pool": "a", "ip.ready": "true"}, **fields)


def test_a_label_nobody_answers_for_is_taken_off_once_all_was_read() -> None:
    n3 = stray()
    readings = {IP1: shown(IP1, "n1")}
    here = (record(IP1, "n1"),)
    assert marks(seen(marked("n1"), n3, readings=readings), here) == (UnmarkNode(n3),)
    unread = {IP1: shown(IP1, "n1"), IP2: Absent()}
    assert marks(seen(marked("n1"), n3, readings=unread), here) == ()


def test_the_label_of_a_node_that_does_hold_the_address_is_kept() -> None:
    assert marks(seen(stray(), readings={IP1: shown(IP1, "n3")}), ()) == ()


def test_the_label_of_a_node_of_another_allocation_is_kept() -> None:
    assert marks(seen(stray(), taken={"n3": "b"}), ()) == ()


def test_a_label_outside_the_pool_is_kept() -> None:
    assert marks(seen(node("n3", labels={"ip.ready": "true"})), ()) == ()


def test_taking_over_two_allocations_of_one_pool_takes_no_good_label_off() -> None:
    """The first version bound and labelled both; neither allocation was ever looked at by us."""
    world = Simulation()
    ready = {"pool": "a", "ip.ready": "true"}
    for name, ip in (("n1", IP1), ("n2", IP2)):
        world.add_node(name, labels=ready)
        world.cloud.add_address(ip)
        world.cloud.assign(ip, f"vm-{name}")
    world.allocate("a", IP1)
    world.allocate("b", IP2)
    taken_off: list[Action] = []
    world.before = lambda one: taken_off.append(one) if isinstance(one, UnmarkNode) else None
    world.settle()
    assert world.labelled() == {"n1": "203-0-113-10", "n2": "203-0-113-11"}
    assert taken_off == []


def test_only_the_value_true_is_ready() -> None:
    assert label_ready(node("n1", labels={"ip.ready": "true"}))
    assert not label_ready(node("n1", labels={"ip.ready": "false"}))
    assert not label_ready(node("n1"))
