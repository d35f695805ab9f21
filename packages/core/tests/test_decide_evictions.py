"""Which pods are asked to leave, and everything that keeps them where they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from core_builders import (
    IP1,
    IP2,
    MARKS,
    UPTIME,
    allocation,
    in_flight,
    node,
    node_ref,
    observed_with,
    record,
    tainted,
)
from loop_writes import WriteStatus, in_order

from moorage_core import reasons
from moorage_core.actions import LabelNode, Mutate, RemoveTaint
from moorage_core.decide.allocation import decide
from moorage_core.decide.evictions import until_next
from moorage_core.model import (
    Absent,
    AddressRecord,
    Allocation,
    Awaited,
    CloudState,
    Observed,
    Phase,
    Present,
    Unread,
    Workload,
)
from moorage_core.pods import EvictPod, MisplacedPod
from moorage_provider.protocol import CloudAddress, MachineHolder

LABELS = {"pool": "a"} | MARKS
N1 = node("n1", labels=LABELS, owner="uid-a")
N2, N3 = node("n2"), node("n3")
POD, SECOND = MisplacedPod("default/p", "uid-p", "n2"), MisplacedPod("default/q", "uid-q", "n3")


def held(machine: str = "") -> Present:
    return Present(CloudAddress(IP1, "res-1", MachineHolder(machine) if machine else None))


def wishing(*ips: str, **fields: Any) -> Allocation:
    given: dict[str, Any] = {
        "evict_misplaced": True, "workload": Workload("Deployment", "default", "web"),
    }  # fmt: skip
    return allocation(*(ips or (IP1,)), **(given | fields))


def usual(**fields: Any) -> Observed:
    """IP1 is at rest on n1; a pod runs on n2, which has no address, and another one on n3."""
    given: dict[str, Any] = {
        "one": wishing(),
        "records": (record(IP1, "n1"),),
        "cloud_states": {IP1: held("vm-n1")},
        "misplaced": (POD, SECOND),
    }
    return observed_with(N1, N2, N3, **(given | fields))


def evicted(observed: Observed) -> list[MisplacedPod]:
    return [action.pod for action in decide(observed).actions if isinstance(action, EvictPod)]


def test_misplaced_pods_are_evicted_when_an_address_is_elsewhere() -> None:
    plan = decide(usual())
    assert plan.actions[-2:] == (EvictPod(POD), EvictPod(SECOND))
    assert plan.wait == timedelta(seconds=15)


WISHES: dict[str, Allocation] = {
    "it is not asked for": wishing(evict_misplaced=False),
    "no workload is named": wishing(workload=None),
    "the allocation is being deleted": wishing(deleting=True),
    "the spec cannot be carried out": wishing(problem="spec.x: bad"),
    "an address is an older allocation's": wishing(IP1, IP2),
}


@pytest.mark.parametrize("wish", WISHES.values(), ids=WISHES.keys())
def test_nobody_is_evicted_against_the_spec(wish: Allocation) -> None:
    assert evicted(usual(one=wish, conflicts={IP2: "b"})) == []


def test_nobody_is_evicted_while_the_workload_is_missing() -> None:
    assert evicted(usual(workload_missing=True)) == []


@pytest.mark.parametrize(
    "cloud_state", [Awaited(), *(Unread(r, "no") for r in reasons.ALL.values() if r.warning)]
)
def test_t10_an_address_that_is_not_read_evicts_nobody(cloud_state: CloudState) -> None:
    """Whichever it is: the one that is bound, a second one, or one that is no longer wanted."""
    assert evicted(usual(cloud_states={IP1: cloud_state})) == []
    second = usual(one=wishing(IP1, IP2), cloud_states={IP1: held("vm-n1"), IP2: cloud_state})
    assert evicted(second) == []
    assert (
        evicted(usual(one=wishing(IP1), cloud_states={IP1: held("vm-n1"), IP2: cloud_state})) == []
    )


def test_an_address_that_the_cloud_positively_does_not_have_holds_nobody_back() -> None:
    two = usual(one=wishing(IP1, IP2), cloud_states={IP1: held("vm-n1"), IP2: Absent()})
    assert evicted(two) == [POD, SECOND]


def second(**fields: Any) -> Observed:
    """As usual, with another address on its way."""
    records = (record(IP1, "n1"), replace(AddressRecord(IP2), **fields))
    cloud_states = {IP1: held("vm-n1"), IP2: replace_ip(held())}
    return usual(one=wishing(IP1, IP2), records=records, cloud_states=cloud_states)


def replace_ip(cloud_state: Present) -> Present:
    return Present(replace(cloud_state.address, ip=IP2))


BUSY: dict[str, Callable[[], Observed]] = {
    "in flight": lambda: usual(in_flight=in_flight()),
    "verifying": lambda: second(
        phase=Phase.VERIFYING, node_ref=node_ref("n9"), operation="attach/r", since=1_800_000_000.0
    ),
    "about to be attached": second,
    "waiting to be attached again": lambda: second(
        phase=Phase.ATTACHING, node_ref=node_ref("n9"), attempts=3, next_attempt=1_800_000_060.0
    ),
}


@pytest.mark.parametrize("observed", BUSY.values(), ids=BUSY.keys())
def test_nobody_is_evicted_while_an_address_is_on_its_way(observed: Callable[[], Observed]) -> None:
    assert evicted(observed()) == []


def test_nobody_is_evicted_while_nothing_is_bound() -> None:
    """There would be nowhere to go."""
    waiting = AddressRecord(IP1, Phase.WAITING, "NoEligibleNode")
    nothing = observed_with(
        node("n2", ready=False),
        one=wishing(),
        records=(waiting,),
        cloud_states={IP1: held()},
        misplaced=(POD,),
    )
    assert not any(isinstance(action, Mutate) for action in decide(nothing).actions)
    assert evicted(nothing) == []


def test_nobody_is_evicted_before_the_node_of_the_address_is_labelled() -> None:
    bare = usual(nodes={"n1": node("n1"), "n2": N2, "n3": N3})
    assert any(isinstance(action, LabelNode) for action in decide(bare).actions)
    assert evicted(bare) == []


def test_nobody_is_evicted_towards_a_cordoned_node() -> None:
    cordoned = replace(N1, unschedulable=True)
    leaving = usual(nodes={"n1": cordoned, "n2": replace(N2, ready=False), "n3": N3}, busy={"n1"})
    (status,) = (one for one in in_order(decide(leaving), leaving) if isinstance(one, WriteStatus))
    assert [r.reason for r in status.records] == ["WorkloadRunning"]
    assert evicted(leaving) == []


@pytest.mark.parametrize("where", ["spoken_for", "taken"])
def test_a_node_that_another_address_is_on_or_comes_to_keeps_its_pods(where: str) -> None:
    names: Any = {"n2": "b"} if where == "taken" else {"n2"}
    assert evicted(usual(**{where: names})) == [SECOND]


def test_the_node_an_address_came_from_keeps_its_pods() -> None:
    """Released while the record still names the old node: the cloud state may be out of date."""
    left = AddressRecord(IP2, Phase.WAITING, "NoEligibleNode", previous=node_ref("n2"))
    nodes = {"n1": N1, "n2": replace(N2, ready=False), "n3": replace(N3, ready=False)}
    observed = usual(
        one=wishing(IP1, IP2),
        records=(record(IP1, "n1"), left),
        cloud_states={IP1: held("vm-n1"), IP2: replace_ip(held())},
        nodes=nodes,
    )
    assert evicted(observed) == [SECOND]


def test_a_pod_that_was_evicted_or_refused_is_left_alone_for_a_while() -> None:
    lately = usual(evict_after={"uid-p": UPTIME + 4.0})
    assert evicted(lately) == [SECOND]
    assert decide(lately).wait == timedelta(seconds=4)
    assert evicted(usual(evict_after={"uid-p": UPTIME})) == [POD, SECOND]


def test_misplaced_pods_are_observed_again_even_where_nothing_can_be_done() -> None:
    assert until_next(usual(cloud_states={IP1: Awaited()})) == 15.0
    assert until_next(usual(misplaced=())) is None


def test_the_taint_goes_before_pods_are_sent_there() -> None:
    key = "example.com/pending"
    pending = replace(N1, taints=tainted(key))
    observed = usual(one=wishing(settled_taint=key), nodes={"n1": pending, "n2": N2, "n3": N3})
    actions = decide(observed).actions
    assert actions[-3:] == (RemoveTaint(pending, key), EvictPod(POD), EvictPod(SECOND))


def test_a_dry_run_names_taints_and_pods_and_touches_neither() -> None:
    key = "example.com/pending"
    pending = replace(N1, taints=tainted(key))
    dry = wishing(settled_taint=key, dry_run=True)
    observed = usual(one=dry, nodes={"n1": pending, "n2": N2, "n3": N3})
    (status,) = in_order(decide(observed), observed)
    assert isinstance(status, WriteStatus)
    message = next(c.message for c in status.conditions if c.type == "DryRun")
    assert message == (
        f"would take the taint {key} off node n1; evict pod default/p on node n2;"
        " evict pod default/q on node n3"
    )
