"""Which nodes carry the labels that say an address is there."""

from __future__ import annotations

from typing import Any

import pytest
from core_builders import (
    IP1,
    IP2,
    MARKS,
    PROTECTED,
    node,
    node_ref,
    observed_with,
    record,
)
from simulation import Simulation

from moorage_core.actions import Action, LabelNode, Mutate, Probe, UnlabelNode
from moorage_core.decide.node_labels import (
    label_changes,
    label_ready,
    labels_ahead,
    labels_for,
)
from moorage_core.model import Mutation, Phase, Present
from moorage_domain.nodes import Node
from moorage_provider.protocol import CloudAddress

LABELS = {"pool": "a"} | MARKS


def ready_node(name: str, **fields: Any) -> Node:
    return node(name, **({"labels": LABELS, "owner": "uid-a"} | fields))


def test_a_node_whose_labels_are_right_is_left_alone() -> None:
    simulation = observed_with(ready_node("n1"))
    assert label_changes(simulation, (record(IP1, "n1"),)) == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": {"pool": "a"}, "owner": ""},
        {"labels": LABELS | {"ip.ready": "false"}},
        {"labels": LABELS | {"moorage.dev/ip": "203-0-113-99"}},
        {"owner": "uid-of-one-that-is-gone"},
    ],
)
def test_a_node_whose_labels_are_wrong_is_labelled(fields: dict[str, Any]) -> None:
    n1 = ready_node("n1", **fields)
    assert label_changes(observed_with(n1), (record(IP1, "n1"),)) == (LabelNode(n1, IP1),)


@pytest.mark.parametrize("phase", Phase)
def test_only_where_the_address_is_a_node_says_so(phase: Phase) -> None:
    bare, labelled = node("n1"), ready_node("n1")
    here = (record(IP1, "n1", phase=phase),)
    there = phase in (Phase.BOUND, Phase.HOLDING)
    assert label_changes(observed_with(bare), here) == ((LabelNode(bare, IP1),) if there else ())
    kept = there or phase is Phase.UNKNOWN  # unknown is never absent
    assert label_changes(observed_with(labelled), here) == (
        () if kept else (UnlabelNode(labelled),)
    )


def test_a_namesake_of_the_node_is_not_labelled() -> None:
    here = (record(IP1, node_ref=node_ref("n1", "before"), phase=Phase.BOUND),)
    assert label_changes(observed_with(node("n1")), here) == ()


def test_the_old_node_is_unlabelled_before_the_new_one_is_labelled() -> None:
    n1, n2 = ready_node("n1"), node("n2")
    moved = (record(IP1, "n2", previous=node_ref("n1")),)
    assert label_changes(observed_with(n1, n2), moved) == (UnlabelNode(n1), LabelNode(n2, IP1))


def test_sec_04_what_a_node_says_to_which_no_record_leads_is_for_false_labels() -> None:
    """They say at the node why its labels go; any kubelet can name any owner."""
    assert label_changes(observed_with(ready_node("n1"), node("n2")), ()) == ()


def test_nodes_labelled_by_other_allocations_are_theirs() -> None:
    assert label_changes(observed_with(ready_node("n1", owner="uid-b")), ()) == ()


def test_on_a_node_of_an_older_allocation_its_label_stays() -> None:
    here = (record(IP1, "n1"),)
    assert (
        label_changes(observed_with(ready_node("n1", owner="uid-b"), outranked={"n1"}), here) == ()
    )
    assert label_changes(observed_with(ready_node("n1"), outranked={"n1"}), here) == ()


@pytest.mark.parametrize("owner", ["", "uid-of-one-that-is-gone"])
def test_false_labels_where_an_address_is_to_come_are_taken_off(owner: str) -> None:
    n1 = ready_node("n1", owner=owner)
    coming = (record(IP1, "n1", phase=Phase.ATTACHING),)
    assert label_changes(observed_with(n1), coming) == (UnlabelNode(n1),)
    left = (record(IP1, "n2", phase=Phase.ATTACHING, previous=node_ref("n1")),)
    free = {IP1: Present(CloudAddress(IP1, "res-1", None))}
    assert label_changes(observed_with(n1, cloud_states=free), left) == (UnlabelNode(n1),)
    assert label_changes(observed_with(n1), left) == (), "it may not have left yet"
    # Of another object of that name nothing is known, and another allocation's are its own.
    namesake = (record(IP1, node_ref=node_ref("n1", "before"), phase=Phase.ATTACHING),)
    assert label_changes(observed_with(n1), namesake) == ()
    assert label_changes(observed_with(n1, taken={"n1": "b"}), coming) == ()


def test_a_label_where_the_address_is_becomes_the_right_one() -> None:
    n3 = node("n3", labels={"pool": "a", "ip.ready": "true"})
    assert label_changes(observed_with(n3), (record(IP1, "n3"),)) == (LabelNode(n3, IP1),)


def test_taking_over_two_allocations_of_one_pool_takes_no_good_label_off() -> None:
    """The first version bound and labelled both; we had no pass over either allocation before."""
    simulation = Simulation()
    ready = {"pool": "a", "ip.ready": "true"}
    for name, ip in (("n1", IP1), ("n2", IP2)):
        simulation.add_node(name, labels=ready)
        simulation.cloud.add_address(ip)
        simulation.cloud.assign(ip, f"vm-{name}")
    simulation.allocate("a", IP1)
    simulation.allocate("b", IP2)
    taken_off: list[Action] = []
    simulation.before = lambda one: taken_off.append(one) if isinstance(one, UnlabelNode) else None
    simulation.settle()
    assert simulation.labelled() == {"n1": "203-0-113-10", "n2": "203-0-113-11"}
    assert taken_off == []


@pytest.mark.parametrize("missing", MARKS)
def test_sec_04_a_node_without_one_of_the_labels_gets_them_all(missing: str) -> None:
    labels = {key: value for key, value in LABELS.items() if key != missing}
    n1 = ready_node("n1", labels=labels)
    assert label_changes(observed_with(n1), (record(IP1, "n1"),)) == (LabelNode(n1, IP1),)
    assert labels_for(IP1) == MARKS


def test_only_the_value_true_is_ready() -> None:
    assert label_ready(node("n1", labels={f"{PROTECTED}/ip.ready": "true"}))
    assert label_ready(node("n1", labels={"ip.ready": "true"}))
    assert not label_ready(node("n1", labels={"ip.ready": "false"}))
    assert not label_ready(node("n1"))


# Before the status.


def mutate(kind: Mutation) -> Mutate:
    address = CloudAddress(IP1, reference="", holder=None)
    return Mutate(kind, "a", IP1, address, node_ref("n1"), "vm-n1", "r1")


N1, N2, N3 = (LabelNode(node(name), IP1) for name in ("n1", "n2", "n3"))
KNOWN = tuple(record(f"203.0.113.{number}", f"n{number}") for number in (1, 2, 3))


def test_where_the_record_leads_a_node_is_labelled_before_the_status_is_written() -> None:
    observed = observed_with(records=KNOWN)
    assert labels_ahead(observed, (Probe(), N1, N2)) == (N1, N2)
    assert labels_ahead(observed, (Probe(),)) == ()
    restored = mutate(Mutation.RESTORE)
    assert labels_ahead(observed, (restored, N1)) == (N1,)


@pytest.mark.parametrize("kind", [one for one in Mutation if one is not Mutation.RESTORE])
def test_an_address_that_has_to_move_waits_for_no_label(kind: Mutation) -> None:
    assert labels_ahead(observed_with(records=KNOWN), (mutate(kind), N1)) == ()


def test_what_the_status_does_not_say_yet_is_not_labelled_before_it() -> None:
    assert labels_ahead(observed_with(), (N1,)) == ()
    new = LabelNode(node("n1", uid="another"), IP1)
    assert labels_ahead(observed_with(records=KNOWN), (new,)) == ()


def test_a_status_waits_neither_for_many_labels_nor_while_one_is_wrong() -> None:
    observed = observed_with(records=KNOWN)
    assert labels_ahead(observed, (N1, N2, N3)) == ()
    assert labels_ahead(observed, (UnlabelNode(node("n2")), N1)) == ()
