"""The status of an allocation as it goes over the wire."""

from __future__ import annotations

import pytest
from core_builders import IP1, allocation, node_ref, observed_with, record

from moorage_api.netipallocation import AddressStatus
from moorage_core.model import AddressRecord, Phase
from moorage_core.recorded import record_from_wire
from moorage_core.status import AllocationStatus, node_names, record_to_wire
from moorage_domain.conditions import Condition

READY = Condition("Ready", "True", "AllBound", "1 of 1")
FULL = AddressRecord(
    IP1, Phase.ATTACHING, "Attaching", "attach it", node_ref("n2"), node_ref("n1"), "eipalloc-1",
    "attach/request", 2, 120.0, 60.0, 30.0, "handle", (node_ref("n3"),),
)  # fmt: skip


def test_the_fields_count_and_list_the_addresses() -> None:
    one = allocation(IP1, generation=3, invalid=(("10.0.0.1", "private"),))
    bound = record(IP1, "n1", since=60.0)
    status = AllocationStatus.of(observed_with(one=one), (READY,), (bound,), 1)
    assert status.fields == {
        "reserved": 2,
        "bound": 1,
        "placement": f"{IP1}=n1",
        "addresses": [
            {
                "ip": IP1, "phase": "Bound", "reason": "Bound", "message": "",
                "nodeName": "n1", "nodeUID": "uid-n1", "providerID": "memory://vm-n1",
                "since": "1970-01-01T00:01:00Z",
            }
        ],
    }  # fmt: skip


@pytest.mark.parametrize("one", [FULL, AddressRecord(IP1)])
def test_what_is_written_is_what_the_kind_declares_and_reads_back(one: AddressRecord) -> None:
    wire = record_to_wire(one)
    assert AddressStatus.model_validate(wire).to_wire() == wire
    assert record_from_wire(AddressStatus.model_validate(wire)) == one


def test_a_condition_is_added_to_a_copy() -> None:
    status = AllocationStatus((READY,), ())
    off = Condition("DryRun", "False", "Off")
    assert status.with_condition(off).conditions == (READY, off)
    assert status.conditions == (READY,)


def test_nodes_are_named_once_each() -> None:
    assert node_names([record(IP1, "n1"), AddressRecord(IP1), FULL]) == {"n1", "n2"}
