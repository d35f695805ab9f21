"""A node that loses its cable, and the API server with it, and comes back with old claims."""

from __future__ import annotations

from agent_lab import AgentLab
from test_node_agent import lab, network

from moorage_testing.waiting import PATIENCE, wait_for

__all__ = ["lab", "network"]

ADDRESS = "10.99.8.1"
LOOKS = 20


def test_a_node_that_was_cut_off_takes_nothing_back_from_the_node_it_had_it_from(
    lab: AgentLab,
) -> None:
    one, two = lab.lab.nodes
    gate = lab.gate(1)
    lab.start(1)
    lab.start(2)
    # It had come from the node to which it goes back.
    claim = lab.claim(f"{ADDRESS}/16", 1, previous={"nodeName": lab.name(two), "macs": [two.mac]})
    lab.wait_said(claim, 1, "Announced")
    gate.cut()
    one.unplug()
    wait_for(lambda: not one.has(ADDRESS), PATIENCE, "the address to go with the carrier")
    lab.move(claim, 2, previous={"nodeName": lab.name(one), "macs": [one.mac]})
    lab.wait_said(claim, 2, "Announced")
    with lab.lab.client.watching(ADDRESS) as watch:
        one.plug()
        wait_for(lambda: lab.lab.client.who_has(one.address), PATIENCE, "its cable to be in")
        seen = len(watch.samples)
        # Asking takes 0.15 s, and then it would have the address.
        wait_for(lambda: len(watch.samples) > seen + LOOKS, PATIENCE, "the client to look")
        gate.open()
        lab.wait_said(claim, 1, "")
    assert not one.has(ADDRESS)
    assert watch.doubled == []
    assert {macs for _, macs in watch.samples} == {frozenset({two.mac})}
