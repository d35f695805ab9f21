"""A node that is made again under its old name is another node for whoever waits for one."""

from __future__ import annotations

from core_builders import IP1, IP2, raw_allocation, raw_node, record

from moorage_core.caches import Caches
from moorage_core.model import AddressRecord, Phase
from moorage_core.triggers import Triggers


def test_a_node_with_a_new_uid_wakes_who_waits_and_nobody_who_has_all_it_wants() -> None:
    caches = Caches()
    keys: list[str] = []
    Triggers(caches, keys.append)
    for name in ("n1", "n2"):
        caches.nodes.apply(raw_node(name))
    waiting = AddressRecord(IP2, Phase.WAITING, "NoEligibleNode")
    caches.allocations.apply(raw_allocation("bound", IP1, records=(record(IP1, "n1"),)))
    caches.allocations.apply(raw_allocation("waiting", IP2, records=(waiting,)))
    keys.clear()
    caches.nodes.apply(raw_node("n2", resourceVersion="2"))
    assert keys == []
    caches.nodes.apply(raw_node("n2", resourceVersion="3", uid="uid-made-again"))
    assert keys == ["waiting"]
