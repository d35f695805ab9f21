"""Which nodes lose the taint that kept pods away until the address was there."""

from __future__ import annotations

import pytest
from core_builders import IP1, allocation, node, node_ref, observed_with, record

from moorage_core import reasons
from moorage_core.actions import RemoveTaint
from moorage_core.decide.taints import settled
from moorage_core.model import Absent, Awaited, CloudState, Observed, Phase, Present, Unread
from moorage_domain.nodes import Node
from moorage_provider.protocol import CloudAddress, MachineHolder, OtherHolder

KEY = "example.com/pending"
TAINTED = node("n1", "other", KEY)


def held(holder: MachineHolder | OtherHolder | None) -> Present:
    return Present(CloudAddress(IP1, "res-1", holder))


ON_N1 = held(MachineHolder("vm-n1"))


def observed(*nodes: Node, cloud_state: CloudState = ON_N1, key: str = KEY) -> Observed:
    return observed_with(
        *nodes, one=allocation(IP1, settled_taint=key), cloud_states={IP1: cloud_state}
    )


def test_the_taint_goes_where_the_cloud_shows_the_bound_address() -> None:
    assert settled(observed(TAINTED), (record(IP1, "n1"),)) == (RemoveTaint(TAINTED, KEY),)


@pytest.mark.parametrize("phase", sorted(set(Phase) - {Phase.BOUND}))
def test_in_every_other_phase_it_stays(phase: Phase) -> None:
    assert settled(observed(TAINTED), (record(IP1, "n1", phase=phase),)) == ()


@pytest.mark.parametrize(
    "cloud_state",
    [
        Awaited(),
        Unread(reasons.THROTTLED, "slow down"),
        Absent(),
        held(None),
        held(MachineHolder("vm-n2")),
        held(OtherHolder("load balancer lb-1")),
    ],
)
def test_what_the_cloud_does_not_show_now_is_not_settled(cloud_state: CloudState) -> None:
    assert (
        settled(observed(TAINTED, node("n2"), cloud_state=cloud_state), (record(IP1, "n1"),)) == ()
    )


def test_an_address_that_was_never_read_is_not_settled() -> None:
    one = observed_with(TAINTED, one=allocation(IP1, settled_taint=KEY))
    assert settled(one, (record(IP1, "n1"),)) == ()


def test_other_taints_and_other_nodes_are_left_alone() -> None:
    there, elsewhere = node("n1", "other"), node("n2", KEY)
    assert settled(observed(there, elsewhere), (record(IP1, "n1"),)) == ()
    assert settled(observed(TAINTED, key=""), (record(IP1, "n1"),)) == ()
    assert settled(observed(TAINTED, key="example.com/pend"), (record(IP1, "n1"),)) == ()


def test_a_node_that_is_gone_needs_nothing() -> None:
    assert settled(observed(), (record(IP1, node_ref=node_ref("n1"), phase=Phase.BOUND),)) == ()
