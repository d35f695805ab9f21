"""The history of claims finds addresses that were given twice, changed or leaked, and no others."""

from __future__ import annotations

from typing import Any

import pytest

from .claim_history import ClaimHistory
from .watching import Change

ONE, TWO = "10.0.0.2", "10.0.0.3"


def claim(name: str, given: str = "") -> Change:
    status = {"addressRef": {"name": given}} if given else {}
    return Change(1, {"metadata": {"name": name, "uid": f"uid-{name}"}, "status": status})


def address(name: str, text: str, *, gone: bool = False, uid: str = "") -> Change:
    annotations = {"moorage.dev/claim-uid": uid or f"uid-{name}"}
    meta = {"name": name, "annotations": annotations}
    return Change(1, {"metadata": meta, "spec": {"address": text}}, gone)


def record(text: str, owner: str, phase: str = "Bound") -> Change:
    spec: dict[str, Any] = {"address": text, "owner": {"uid": f"uid-{owner}"}}
    meta = {"name": f"default-{text}"}
    return Change(1, {"metadata": meta, "spec": spec, "status": {"phase": phase}})


def settled(reuse_seconds: float = 10.0) -> ClaimHistory:
    history = ClaimHistory(reuse_seconds)
    for name, text in (("a", ONE), ("b", TWO)):
        history.claim(claim(name))
        history.record(record(text, name))
        history.address(address(name, text))
        history.claim(claim(name, name))
    return history


def complaints(history: ClaimHistory) -> list[str]:
    return [*history.doubled, *history.early, *history.moved, *history.unsettled(2)]


def test_each_with_its_own_is_all_right() -> None:
    assert complaints(settled()) == []


def test_an_ip_address_that_is_written_again_is_all_right() -> None:
    history = settled()
    history.address(address("a", ONE, gone=True))
    history.address(address("a", ONE))
    assert complaints(history) == []


def test_an_address_of_two() -> None:
    history = settled()
    history.address(address("c", ONE))
    assert history.doubled == [f"{ONE} is that of a and c"]


@pytest.mark.parametrize(
    ("reuse_seconds", "early"), [(10.0, [f"{ONE} went from a to c at once"]), (0.0, [])]
)
def test_an_address_that_did_not_rest(reuse_seconds: float, early: list[str]) -> None:
    history = settled(reuse_seconds)
    history.address(address("a", ONE, gone=True))
    history.address(address("c", ONE))
    assert (history.early, history.doubled) == (early, [])


def test_a_claim_that_is_recreated_is_somebody_else() -> None:
    history = settled()
    history.address(address("a", ONE, gone=True))
    history.address(address("a", ONE, uid="uid-other"))
    assert history.early == [f"{ONE} went from a to a at once"]


def test_an_address_that_changes() -> None:
    history = settled()
    history.address(address("a", ONE, gone=True))
    history.address(address("a", "10.0.0.9"))
    assert history.moved == [f"a had {ONE}, and then 10.0.0.9"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda one: one.record(record(TWO, "b", "Quarantined")), f"{TWO} is Quarantined"),
        (lambda one: one.record(record("10.0.0.9", "gone")), "10.0.0.9 is Bound"),
        (lambda one: one.claim(claim("b")), "b has none"),
        (lambda one: one.address(address("gone", "10.0.0.9")), "IPAddress gone: no claim"),
        (
            lambda one: one.address(address("b", "10.0.0.9")),
            f"b has 10.0.0.9, but its IPAllocation says {TWO}",
        ),
        (lambda one: one.claim(claim("c", "c")), "3 of 2 claims"),
    ],
)
def test_what_is_left_or_missing_at_rest(change: Any, complaint: str) -> None:
    history = settled()
    change(history)
    assert complaint in history.unsettled(2)
