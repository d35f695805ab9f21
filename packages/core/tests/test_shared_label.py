"""Allocations whose workloads ask for ``ip.ready`` only: that is said before a pod runs astray."""

from __future__ import annotations

from typing import Any

import pytest
from core_builders import IP1, IP2, PROTECTED, raw_owned
from simulation import Simulation

from moorage_core.caches import Caches
from moorage_core.model import Workload
from moorage_core.pod_templates import asks_for_any
from moorage_domain.conditions import Condition
from moorage_domain.label_selectors import Selector
from moorage_domain.scheduling import PodPlacement

WEB = Workload("Deployment", "default", "web")
NOT_SHARED = Condition(
    "LabelShared", "False", "NotShared", "no node of another allocation suits the workload's pods"
)


def two_allocations(**fields: Any) -> Simulation:
    """Allocation ``a`` with IP1 on n1 of pool a, ``b`` with IP2 on m1 of pool b."""
    simulation = Simulation()
    simulation.add_node("n1")
    simulation.add_node("m1", labels={"pool": "b"})
    simulation.pods_go, simulation.shares_label = PodPlacement(), True
    for name, value in fields.items():
        setattr(simulation, name, value)
    simulation.allocate("a", IP1, workload=WEB)
    simulation.allocate("b", IP2, selector=(("pool", "b"),), workload=WEB)
    simulation.settle()
    return simulation


def label_shared(simulation: Simulation, name: str = "a") -> Condition:
    return next(one for one in simulation.stored[name].conditions if one.type == "LabelShared")


def test_harm_19_pods_that_may_run_on_nodes_of_others_are_said_with_the_selector_that_helps() -> (
    None
):
    simulation = two_allocations()
    found = label_shared(simulation)
    assert (found.status, found.reason) == ("True", "LabelShared")
    assert found.message == (
        "pods of Deployment default/web ask for ip.ready only, which nodes of other allocations"
        " have, too: they may run on node m1, which has an address of b. Have them select pool=a,"
        " too"
    )
    assert label_shared(simulation, "b").message.endswith("Have them select pool=b, too")
    # It is no trouble of the addresses.
    assert simulation.stored["a"].conditions[0].status == "True"


def test_harm_19_where_the_pool_does_not_tell_them_apart_the_address_does() -> None:
    simulation = two_allocations()
    simulation.change_node("m1", labels={**simulation.nodes["m1"].labels, "pool": "a"})
    simulation.allocate("b", IP2, selector=(("pool", "a"),))
    simulation.settle()
    told = label_shared(simulation).message
    assert told.endswith(f"Have them select {PROTECTED}/ip in (203-0-113-10), too")


@pytest.mark.parametrize(
    "fields",
    [
        {"shares_label": False},
        {"pods_go": None},
        {"pods_go": PodPlacement(selector=Selector.of_labels({"pool": "c"}))},
    ],
)
def test_what_cannot_run_there_or_is_not_known_is_no_trouble(fields: dict[str, Any]) -> None:
    found = label_shared(two_allocations(**fields))
    assert (found.status, found.reason) == ("False", "NotShared")


def test_harm_19_it_is_taken_back_when_the_pods_select_more() -> None:
    simulation = two_allocations()
    simulation.pods_go = PodPlacement(selector=Selector.of_labels({"pool": "a"}))
    simulation.settle()
    assert label_shared(simulation).status == "False"


READY = {"key": "ip.ready", "operator": "In", "values": ["true"]}
ONE = {"key": "moorage.dev/ip", "operator": "In", "values": ["203-0-113-10"]}


def required(*terms: list[dict[str, Any]]) -> dict[str, Any]:
    found = {"nodeSelectorTerms": [{"matchExpressions": term} for term in terms]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": found}}}


@pytest.mark.parametrize(
    ("spec", "shares"),
    [
        ({}, False),
        ({"nodeSelector": {"ip.ready": "true"}}, True),
        ({"nodeSelector": {"ip.ready": "true", "moorage.dev/ip": "203-0-113-10"}}, False),
        (required([READY]), True),
        (required([READY, ONE]), False),
        (required([READY, ONE], [READY]), True),
        (required([{"key": "moorage.dev/ip", "operator": "Exists"}]), True),
        ({"nodeSelector": {f"{PROTECTED}/ip.ready": "true"}}, True),
        ({"nodeSelector": {f"{PROTECTED}/ip": "203-0-113-10"}}, False),
        (required([{"key": f"{PROTECTED}/ip", "operator": "Exists"}]), True),
        (required([{**ONE, "key": f"{PROTECTED}/ip"}]), False),
        ({"nodeSelector": {"ip.ready": "true"}} | required([ONE]), False),
    ],
)
def test_any_address_will_do_where_none_is_named(spec: dict[str, Any], *, shares: bool) -> None:
    assert asks_for_any(spec) is shares
    caches = Caches()
    template = {"spec": {"template": {"spec": spec}}}
    caches.workloads["Deployment"].apply(raw_owned("web", "u") | template)
    assert caches.shares_label(WEB) is shares
    assert not caches.shares_label(None)
