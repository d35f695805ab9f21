"""Machines of nodes, and nodes of machines, are looked up on demand."""

from __future__ import annotations

from core_builders import raw_node

from moorage_core.caches import Caches
from moorage_core.machines import Machines


def machine_id(provider_id: str) -> str | None:
    scheme, _, name = provider_id.partition("://")
    return name if scheme == "memory" and name else None


def machines(caches: Caches) -> Machines:
    return Machines(caches.nodes, machine_id)


def test_machines_are_found_by_provider_id_and_strangers_left_out() -> None:
    caches = Caches()
    caches.nodes.apply(raw_node("n1"))
    far = raw_node("far")
    far["spec"]["providerID"] = "aws:///z/i-1"
    caches.nodes.apply(far)
    ids = machines(caches).ids
    assert ids == {"memory://vm-n1": "vm-n1"}
    assert ids.get("memory://vm-gone") == "vm-gone", "a record may remember a node that is gone"
    assert [ids.get(text) for text in ("aws:///z/i-1", "")] == [None, None]


def test_nodes_are_found_by_machine_as_they_come_and_go() -> None:
    caches = Caches()
    found = machines(caches)
    caches.nodes.apply(raw_node("n1"))
    assert found.nodes_for(()) == {"vm-n1": "n1"}
    caches.nodes.forget("n1")
    assert found.nodes_for(()) == {}
    assert len(found.ids) == 0
