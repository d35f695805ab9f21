"""The history of a soak finds lost addresses and contradictions, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from .history import Fact, History, Labelled, Recorded, doubled, unsettled
from .watching import Change
from .witness import lies

ONE, TWO = "203.0.113.1", "203.0.113.2"
MACHINES = {"vm-a": "a", "vm-b": "b"}


def node(version: int, name: str, ip: str = "", *, gone: bool = False) -> Change:
    labels = {"moorage.dev/ip": ip.replace(".", "-"), "ip.ready": "true"} if ip else {}
    return Change(version, {"metadata": {"name": name, "labels": labels}}, gone)


def allocation(version: int, **places: str) -> Change:
    """A status: node -> the address that is bound to it."""
    entries: list[dict[str, Any]] = [
        {"ip": ip, "phase": "Bound", "nodeName": name} for name, ip in places.items()
    ]
    return Change(version, {"metadata": {"name": "edge"}, "status": {"addresses": entries}})


def settled() -> History:
    history = History(frozenset({ONE, TWO}))
    history.node(node(1, "a", ONE))
    history.node(node(2, "b", TWO))
    history.allocation(allocation(3, a=ONE, b=TWO))
    return history


def test_a_move_in_order_is_in_one_place_at_a_time() -> None:
    moved = settled()
    moved.node(node(4, "a"))
    moved.allocation(allocation(5, c=ONE, b=TWO))
    moved.node(node(6, "c", ONE))
    assert doubled(moved.facts) == []
    assert moved.missing == []
    assert moved.moves == 1


def test_the_order_is_that_of_the_revisions_not_that_of_the_events() -> None:
    moved = settled()
    moved.allocation(allocation(5, c=ONE, b=TWO))
    moved.node(node(4, "a"))
    moved.node(node(6, "c", ONE))
    assert doubled(moved.facts) == []


@pytest.mark.parametrize(
    ("facts", "complaint"),
    [
        ([Labelled(4, "c", ONE)], f"revision 4: {ONE} is shown by the labels of a, c"),
        ([Recorded(4, TWO, "a")], f"revision 4: {max(TWO, ONE)} and"),
        ([Recorded(4, ONE, "c")], f"revision 4: {ONE} is bound to c and shown by a"),
    ],
)
def test_an_address_in_two_places_is_reported(facts: list[Fact], complaint: str) -> None:
    found = doubled([*settled().facts, *facts])
    assert found[0].startswith(complaint)


def test_an_address_in_two_places_for_a_moment_is_reported() -> None:
    twice = [Labelled(4, "c", ONE), Labelled(5, "a", "")]
    assert doubled([*settled().facts, *twice])
    assert not doubled([*settled().facts, Labelled(4, "a", "")])


def test_a_deleted_node_shows_nothing() -> None:
    history = settled()
    history.node(node(4, "a", ONE, gone=True))
    assert history.labels == {"b": TWO}
    assert history.facts[-1] == Labelled(4, "a", "")


def test_an_address_that_leaves_the_status_is_lost() -> None:
    history = settled()
    history.allocation(allocation(4, b=TWO))
    assert history.missing == [f"{ONE} is missing in the status of revision 4"]


def test_at_rest_status_cloud_and_labels_say_the_same() -> None:
    assert unsettled(settled(), {ONE: "vm-a", TWO: "vm-b"}, MACHINES) == []


@pytest.mark.parametrize(
    ("holders", "complaint"),
    [
        ({ONE: "vm-a", TWO: ""}, f"{TWO} is bound to b, but nobody has it"),
        ({ONE: "vm-a"}, f"{TWO} is bound to b, but nobody has it"),
        ({ONE: "vm-a", TWO: "vm-x"}, f"{TWO} is bound to b, but vm-x has it"),
        ({ONE: "vm-a", TWO: "vm-a"}, f"{TWO} is bound to b, held by a, shown by ['b']"),
    ],
)
def test_a_contradiction_with_the_cloud_is_reported(
    holders: dict[str, str], complaint: str
) -> None:
    assert unsettled(settled(), holders, MACHINES) == [complaint]


def test_an_address_that_is_not_bound_or_not_labelled_is_reported() -> None:
    history = settled()
    history.node(node(4, "b"))
    history.allocation(allocation(5, b=TWO))
    assert unsettled(history, {ONE: "vm-a", TWO: "vm-b"}, MACHINES) == [
        f"{ONE} is not in the status",
        f"{TWO} is bound to b, held by b, shown by []",
    ]


def test_stray_labels_are_reported() -> None:
    history = settled()
    history.node(node(4, "c", "203.0.113.9"))
    history.ready.add("d")
    assert unsettled(history, {ONE: "vm-a", TWO: "vm-b"}, MACHINES) == [
        "c shows 203.0.113.9",
        "d has one of the two labels only",
    ]


def test_a_label_is_wrong_where_another_node_has_the_address() -> None:
    shown = [("a", ONE), ("b", TWO)]
    assert lies({ONE: "vm-a", TWO: ""}, shown, MACHINES) == set()
    assert lies({ONE: "vm-gone", TWO: "vm-b"}, shown, MACHINES) == set()
    assert lies({ONE: "vm-b", TWO: ""}, shown, MACHINES) == {f"a shows {ONE}, which b has"}
