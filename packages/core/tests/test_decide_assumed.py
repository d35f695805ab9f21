"""Within one plan no node gets a second address: one that holds or awaits one is assumed."""

from __future__ import annotations

from typing import Any

import pytest
from core_builders import (
    IP1,
    IP2,
    IP3,
    allocation,
    in_flight,
    node,
    node_ref,
    observed_with,
    record,
)

from moorage_core.actions import Mutate
from moorage_core.decide.allocation import decide
from moorage_core.model import AddressRecord, Phase, Present
from moorage_provider.protocol import CloudAddress, MachineHolder, OtherHolder

NODES = (node("n1"), node("n2"))


def state(ip: str, holder: MachineHolder | OtherHolder | None = None) -> Present:
    return Present(CloudAddress(ip, f"reservation-{ip}", holder, "token"))


def targets(*records: AddressRecord, **fields: Any) -> dict[str, str]:
    """Which node each address is given to, by address."""
    given: dict[str, Any] = {"one": allocation(IP1, IP2), "records": records}
    plan = decide(observed_with(*NODES, **(given | fields)))
    mutations = [action for action in plan.actions if isinstance(action, Mutate)]
    return {one.ip: one.node_ref.name for one in mutations if one.node_ref}


def test_a_node_that_holds_an_address_in_the_cloud_gets_no_other_though_no_status_says_so() -> None:
    states = {IP1: state(IP1), IP2: state(IP2, MachineHolder("vm-n1"))}
    assert targets(cloud_states=states) == {IP1: "n2"}


@pytest.mark.parametrize("holder", [MachineHolder("vm-x"), OtherHolder("load balancer"), None])
def test_an_address_that_no_node_of_ours_holds_takes_no_node_away(
    holder: MachineHolder | OtherHolder | None,
) -> None:
    states = {IP1: state(IP1), IP3: state(IP3, holder)}
    assert targets(one=allocation(IP1), cloud_states=states) == {IP1: "n1"}


@pytest.mark.parametrize(("uid", "target"), [("uid-n1", "n2"), ("uid-of-an-earlier-one", "n1")])
def test_a_node_chosen_for_another_address_is_not_free(uid: str, target: str) -> None:
    chosen = record(IP2, "n1", phase=Phase.ATTACHING, node_ref=node_ref("n1", uid))
    states = {IP1: state(IP1), IP2: state(IP2)}
    assert targets(chosen, cloud_states=states, in_flight=in_flight(ip=IP2)) == {IP1: target}


def test_a_chosen_node_that_is_gone_takes_no_other_away() -> None:
    chosen = record(IP2, "n9", phase=Phase.ATTACHING)
    states = {IP1: state(IP1), IP2: state(IP2)}
    assert targets(chosen, cloud_states=states, in_flight=in_flight(ip=IP2)) == {IP1: "n1"}
