"""What is said about a workload that is missing, and about pods that must stay where they are."""

from __future__ import annotations

from typing import Any

import pytest
from core_builders import IP1, MARKS, allocation, node, observed_with, record

from moorage_core.decide.allocation import decide
from moorage_core.model import Present, Workload
from moorage_domain.conditions import Condition
from moorage_provider.protocol import CloudAddress, MachineHolder

WEB = Workload("Deployment", "voice", "sip-proxy")
LABELS = {"pool": "a"} | MARKS


def condition(kind: str, *, dry_run: bool = False, **fields: Any) -> Condition:
    """One condition of an allocation whose address is on its node."""
    one = allocation(IP1, workload=fields.pop("workload", WEB), dry_run=dry_run)
    there = Present(CloudAddress(IP1, "res-1", MachineHolder("vm-n1")))
    usual: dict[str, Any] = {"records": (record(IP1, "n1"),), "cloud_states": {IP1: there}}
    n1 = node("n1", labels=LABELS, owner="uid-a")
    plan = decide(observed_with(n1, one=one, **(usual | fields)))
    assert plan.status is not None
    return next(found for found in plan.status.conditions if found.type == kind)


@pytest.mark.parametrize("dry_run", [False, True])
def test_harm_26_a_workload_that_does_not_exist_is_said_from_the_first_pass(
    *, dry_run: bool
) -> None:
    first = condition("WorkloadMissing", dry_run=dry_run, workload_missing=True, records=())
    assert (first.status, first.reason) == ("True", "WorkloadMissing")
    assert first.message.startswith("there is no Deployment voice/sip-proxy: in a drain all pods")


def test_harm_26_a_workload_that_exists_or_is_not_named_is_no_trouble() -> None:
    found = condition("WorkloadMissing")
    assert (found.status, found.message) == ("False", "Deployment voice/sip-proxy exists")
    assert condition("WorkloadMissing", workload=None).status == "False"


def test_harm_26_a_condition_names_the_pods_whose_eviction_is_refused() -> None:
    refused = {f"voice/p{number}": "Cannot evict. Budget web" for number in range(5)}
    found = condition("EvictionRefused", refused=refused)
    assert (found.status, found.reason) == ("True", "EvictionRefused")
    assert "voice/p0: Cannot evict. Budget web; voice/p1: " in found.message
    assert found.message.endswith("; and 2 more")
    assert condition("EvictionRefused").status == "False"
