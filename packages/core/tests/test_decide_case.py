"""Who holds an address in the terms of this cluster, and how a record keeps its times true."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from core_builders import IP1, NOW, node, node_ref, observed_with, record

from moorage_core.decide.case import (
    Foreign,
    Holder,
    Nobody,
    OnGone,
    OnNode,
    locate,
    reference_to,
    settle,
)
from moorage_core.model import Absent, AddressRecord, Awaited, CloudState, Phase, Present, Unread
from moorage_core.reasons import DENIED
from moorage_provider.protocol import CloudAddress, MachineHolder, OtherHolder

N1 = node("n1")
OBSERVED = observed_with(
    N1, machine_of={f"memory://vm-{name}": f"vm-{name}" for name in ("n1", "old", "older")}
)
MOVING = record(IP1, "old", previous=node_ref("older"))


def held_by(holder: MachineHolder | OtherHolder | None) -> Present:
    return Present(CloudAddress(IP1, "res", holder))


@pytest.mark.parametrize(
    ("cloud_state", "holder"),
    [
        (held_by(None), Nobody()),
        (held_by(MachineHolder("vm-n1", "nic-1")), OnNode(N1)),
        (held_by(MachineHolder("vm-old")), OnGone(node_ref("old"))),
        (held_by(MachineHolder("vm-older")), OnGone(node_ref("older"))),
        (held_by(MachineHolder("vm-x")), Foreign("machine vm-x", machine=True)),
        (held_by(OtherHolder("NAT gateway g-1")), Foreign("NAT gateway g-1", machine=False)),
    ],
)
def test_the_holder_is_a_node_a_vanished_one_a_stranger_or_nobody(
    cloud_state: CloudState, holder: Holder
) -> None:
    assert locate(MOVING, cloud_state, OBSERVED) == holder


def test_a_machine_no_record_remembers_is_a_stranger() -> None:
    cloud_state = held_by(MachineHolder("vm-old"))
    assert locate(AddressRecord(IP1), cloud_state, OBSERVED) == Foreign(
        "machine vm-old", machine=True
    )


@pytest.mark.parametrize("cloud_state", [Absent(), Awaited(), Unread(DENIED, "no")])
def test_what_was_not_read_has_no_holder(cloud_state: CloudState) -> None:
    assert locate(MOVING, cloud_state, OBSERVED) == Nobody()


def test_a_node_is_remembered_with_uid_and_machine() -> None:
    assert reference_to(N1) == node_ref("n1")


def test_the_same_again_is_the_very_same_record() -> None:
    one = record(IP1, "n1", since=1.0, observed_at=2.0)
    assert settle(one, NOW, phase=Phase.BOUND, reason="Bound") is one


def test_what_people_do_not_look_at_does_not_change_since_when_it_is_so() -> None:
    one = record(IP1, "n1", since=1.0, observed_at=2.0)
    assert settle(one, NOW + 0.9, operation="x") == record(
        IP1, "n1", since=1.0, observed_at=NOW, operation="x"
    )


@pytest.mark.parametrize(
    "seen", [{"message": "x"}, {"reason": "NodeGone"}, {"node_ref": node_ref("n2")}]
)
def test_harm_27_since_moves_with_node_reason_and_message(seen: dict[str, Any]) -> None:
    one = record(IP1, "n1", since=1.0, observed_at=2.0)
    changed = settle(one, NOW + 0.9, **seen)
    assert changed == replace(one, since=NOW, observed_at=NOW, **seen)


def test_a_new_phase_begins_now_in_whole_seconds() -> None:
    one = record(IP1, "n1", since=1.0, observed_at=2.0)
    assert settle(one, NOW + 0.9, phase=Phase.HOLDING) == record(
        IP1, "n1", since=NOW, observed_at=NOW, phase=Phase.HOLDING
    )
