"""What is decided about a claim, rule by rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from placement_builders import announced, claim, link, node, observed

from moorage_domain.conditions import Condition
from moorage_domain.label_selectors import Selector
from moorage_domain.nodes import EXCLUDE_LABEL
from moorage_external_ip.placement.decide import decide
from moorage_external_ip.placement.model import (
    Assign,
    ForgetReports,
    Life,
    LocalUse,
    NodeFilter,
    NodeView,
    Observed,
    PoolRules,
    Preference,
    Proxy,
    Rank,
)

LABELED = Selector.parse("edge=")


def target(found: Observed) -> str | None:
    """The node that is assigned; ``None`` = nothing is assigned."""
    actions = [one for one in decide(found).actions if isinstance(one, Assign)]
    return actions[0].node if actions else None


def conditions(found: Observed) -> dict[str, Condition]:
    status = decide(found).status
    assert status is not None
    return {one.type: one for one in status.conditions}


# Who may have it.

NOT_ELIGIBLE: dict[str, NodeView] = {
    "gone from the cluster": replace(node("n1"), facts=None),
    "without an agent": replace(node("n1", Life.NONE), agent=None),
    "not live": node("n1", Life.LOST),
    "not live, it is late": node("n1", Life.LATE),
    "whose agent restarts": node("n1", Life.HELD),
    "draining": node("n1", draining=True),
    "excluded by the label": node("n1", labels={EXCLUDE_LABEL: ""}),
    "with a taint": node("n1", leaving="node.kubernetes.io/out-of-service"),
    "whose network is unavailable": node("n1", network_unavailable=True),
    "whose links are unknown": node("n1", links=None),
    "without a link that fits": node("n1", links=(link("eth0", "10.1.0.1/24"),)),
    "without a link that fits, it has none": node("n1", links=()),
    "whose link has no carrier": node("n1", links=(link(carrier=False),)),
    "whose service proxy is unhealthy": node("n1", proxy=Proxy.UNHEALTHY),
    "whose name is too long": replace(node("n" * 64), name="n" * 64),
}


@pytest.mark.parametrize("why", NOT_ELIGIBLE)
def test_a_node_is_no_target_and_the_claim_says_which_rule_removed_it(why: str) -> None:
    found = observed(claim(), NOT_ELIGIBLE[why])
    assert target(found) is None
    ready = conditions(found)["Ready"]
    assert (ready.status, ready.reason) == ("False", "NoEligibleNode")
    assert f"of 1 nodes 1 {'is ' if why[0] != 'w' else ''}{why.partition(',')[0]}" in (
        ready.message
    )


def test_rules_are_counted_each_alone() -> None:
    nodes = [node("n1", Life.LOST), node("n2", Life.LOST), node("n3", draining=True)]
    message = conditions(observed(claim(), *nodes))["Scheduled"].message
    assert message == "no node can have it: of 3 nodes 2 are not live, 1 is draining"


def test_without_any_node_the_claim_says_so() -> None:
    assert "there are no nodes" in conditions(observed(claim()))["Ready"].message


@pytest.mark.parametrize(
    "fields",
    [{"selector": LABELED}, {"pool": PoolRules(LABELED)}],
    ids=["by the setting", "by the pool"],
)
def test_a_node_must_be_selected(fields: dict[str, Any]) -> None:
    assert target(observed(claim(), node("n1"), **fields)) is None
    assert target(observed(claim(), node("n1", labels={"edge": ""}), **fields)) == "n1"


def test_the_exclude_label_counts_unless_the_pool_ignores_it() -> None:
    excluded = node("n1", labels={EXCLUDE_LABEL: "false"})
    assert target(observed(claim(), excluded)) is None
    rules = PoolRules(ignore_exclude_label=True)
    assert target(observed(claim(), excluded, pool=rules)) == "n1"


@pytest.mark.parametrize("proxy", [Proxy.HEALTHY, Proxy.UNCHECKED])
def test_a_proxy_that_is_healthy_or_not_checked_is_good_enough(proxy: Proxy) -> None:
    assert target(observed(claim(), node("n1", proxy=proxy))) == "n1"


def test_a_link_that_the_pool_names_needs_carrier_and_no_subnet() -> None:
    bare = node("n1", links=(link("eth1", "10.1.0.1/24"), link("eth0")))
    assert target(observed(claim(interface="eth1"), bare)) == "n1"
    assert target(observed(claim(interface="eth2"), bare)) is None
    assert target(observed(claim(interface_pattern="eth[0-9]"), bare)) == "n1"
    assert target(observed(claim(interface_pattern="eth"), bare)) is None
    assert target(observed(claim(interface_pattern="(["), bare)) is None
    dead = node("n1", links=(link("eth1", carrier=False), link("eth0")))
    assert target(observed(claim(interface="eth1"), dead)) is None


# Who of them gets it.


def test_the_one_with_the_fewest_gets_it() -> None:
    nodes = [node("n1"), node("n2"), node("n3")]
    assert target(observed(claim(), *nodes, loads={"n1": 3, "n2": 1, "n3": 2})) == "n2"


def test_equals_are_chosen_by_a_hash_that_depends_on_the_address_alone() -> None:
    nodes = [node(f"n{number}") for number in range(8)]
    first = target(observed(claim(), *nodes))
    assert first == target(observed(claim(), *reversed(nodes)))
    others = {
        target(observed(claim(address=claim().address + number), *nodes))  # type: ignore[operator]  # an address and a number
        for number in range(20)
    }
    assert len(others) > 3


def test_weights_count_before_the_number_of_addresses() -> None:
    rules = PoolRules(
        preferences=(
            Preference(10, Selector.parse("fast=")),
            Preference(5, Selector.parse("near=")),
            Preference(6, Selector.parse("new=")),
        )
    )
    fast = node("fast", labels={"fast": ""})
    both = node("both", labels={"near": "", "new": ""})
    loads = {"both": 9}
    assert target(observed(claim(), fast, both, node("n1"), pool=rules, loads=loads)) == "both"


def test_a_cordoned_node_is_the_last_resort() -> None:
    cordoned = node("n1", cordoned=True)
    assert target(observed(claim(), cordoned, node("n2"), loads={"n2": 50})) == "n2"
    assert target(observed(claim(), cordoned)) == "n1"


def test_the_first_alive_is_the_first_by_name() -> None:
    nodes = [node("n3"), node("n2"), node("n1", Life.LOST)]
    found = observed(claim(), *nodes, loads={"n2": 9}, node_filter=NodeFilter.FIRST_ALIVE)
    assert target(found) == "n2"


def test_what_is_given_is_assumed() -> None:
    plan = decide(observed(claim(), node("n1")))
    assert plan.assumes == {("node", "n1")}
    assert plan.status is None, "the next pass says how it is"


# Whether it stays.


def test_it_stays_whoever_else_would_be_better() -> None:
    rules = PoolRules(preferences=(Preference(100, Selector.parse("fast=")),))
    fast = node("n2", labels={"fast": ""})
    found = observed(
        claim(node="n1", reports=announced("n1")), node("n1"), fast, pool=rules, loads={"n1": 99}
    )
    assert target(found) is None
    assert conditions(found)["Ready"].status == "True"


MUST_LEAVE: dict[str, NodeView] = {
    "lost": node("n1", Life.LOST),
    "no agent": replace(node("n1", Life.NONE), agent=None),
    "Node gone": replace(node("n1"), facts=None),
    "draining": node("n1", draining=True),
    "taint": node("n1", leaving="node.kubernetes.io/out-of-service"),
    "label": node("n1", labels={EXCLUDE_LABEL: ""}),
    "no carrier": node("n1", links=(link(carrier=False),)),
    "no subnet": node("n1", links=(link("eth0", "10.1.0.1/24"),)),
    "proxy": node("n1", proxy=Proxy.UNHEALTHY, proxy_failing=True),
}


@pytest.mark.parametrize("why", MUST_LEAVE)
def test_it_moves_where_another_node_can_have_it(why: str) -> None:
    found = observed(claim(node="n1", reports=announced("n1")), MUST_LEAVE[why], node("n2"))
    (action,) = decide(found).actions
    macs = ("02:00:00:00:00:01",) if MUST_LEAVE[why].agent else ()
    assert action == Assign("n2", previous="n1", macs=macs)
    assert decide(found).reason == "Moved"


@pytest.mark.parametrize("why", sorted(set(MUST_LEAVE) - {"lost", "no agent"}))
def test_it_stays_and_says_why_where_no_other_can_have_it(why: str) -> None:
    found = observed(claim(node="n1", reports=announced("n1")), MUST_LEAVE[why])
    assert not decide(found).actions
    assert conditions(found)["Scheduled"].reason == "KeptForLackOfNodes"
    assert conditions(found)["Ready"].status == "True"


STAYS: dict[str, NodeView] = {
    "late": node("n1", Life.LATE, draining=True),
    "restarting": node("n1", Life.HELD, draining=True),
    "its proxy just restarts": node("n1", proxy=Proxy.UNHEALTHY),
    "its links are unknown": node("n1", links=None),
    "its network is unavailable": node("n1", network_unavailable=True),
    "cordoned": node("n1", cordoned=True),
}


@pytest.mark.parametrize("why", STAYS)
def test_it_stays_though_another_node_could_have_it(why: str) -> None:
    found = observed(claim(node="n1", reports=announced("n1")), STAYS[why], node("n2"))
    assert not decide(found).actions


def test_a_lost_node_without_a_successor_keeps_its_name_in_the_claim() -> None:
    found = observed(claim(node="n1", reports=announced("n1")), node("n1", Life.LOST))
    assert not decide(found).actions
    assert conditions(found)["Ready"].reason == "NodeLost"
    assert conditions(found)["Announced"].status == "Unknown"


def test_while_moves_are_held_lost_nodes_keep_it_and_others_move_gracefully() -> None:
    lost = observed(claim(node="n1"), node("n1", Life.LOST), node("n2"), held=True)
    assert not decide(lost).actions
    assert conditions(lost)["Scheduled"].status == "Unknown"
    drained = observed(claim(node="n1"), node("n1", draining=True), node("n2"), held=True)
    assert target(drained) == "n2"
    assert target(observed(claim(), node("n2"), held=True)) == "n2"


def test_nothing_is_judged_at_the_start() -> None:
    found = observed(claim(node="n1"), node("n1", Life.UNKNOWN), node("n2"), starting=True)
    plan = decide(found)
    assert (plan.reason, plan.actions, plan.status) == ("Starting", (), None)


def test_who_had_it_before_and_has_not_let_go_may_answer_a_probe_too() -> None:
    view = claim(
        node="n1", previous="n0", previous_macs=("02:00:00:00:00:99",), reports=announced("n0")
    )
    (action,) = decide(observed(view, node("n1", draining=True), node("n2"))).actions
    assert action == Assign("n2", previous="n1", macs=("02:00:00:00:00:01", "02:00:00:00:00:99"))


def test_a_label_that_is_missing_is_written_without_a_move() -> None:
    found = observed(claim(node="n1", label=""), node("n1"))
    assert decide(found).actions == (Assign("n1"),)


# Policy Local.


def local(key: str = "default/web", **ranks: Rank) -> LocalUse:
    return LocalUse(key, ranks)


def test_with_policy_local_a_node_needs_an_endpoint() -> None:
    nodes = [node("n1"), node("n2")]
    ready = (local(n2=Rank.READY, n1=Rank.UNREADY),)
    assert target(observed(claim(), *nodes, local=ready, others=False)) == "n2"
    ending = (local(n1=Rank.TERMINATING, n2=Rank.READY),)
    assert target(observed(claim(), *nodes, local=ending, others=False)) == "n2"
    only_ending = (local(n1=Rank.TERMINATING),)
    assert target(observed(claim(), *nodes, local=only_ending, others=False)) == "n1"


def test_an_ending_endpoint_keeps_it_until_another_node_has_a_ready_one() -> None:
    view = claim(node="n1")
    nodes = [node("n1"), node("n2")]
    uses = (local(n1=Rank.TERMINATING, n2=Rank.TERMINATING),)
    assert target(observed(view, *nodes, local=uses, others=False)) is None
    uses = (local(n1=Rank.TERMINATING, n2=Rank.READY),)
    assert target(observed(view, *nodes, local=uses, others=False)) == "n2"
    uses = (local(n1=Rank.UNREADY, n2=Rank.TERMINATING),)
    assert target(observed(view, *nodes, local=uses, others=False)) == "n2"


def test_a_ready_endpoint_on_a_node_that_may_not_have_it_takes_nothing_away() -> None:
    uses = (local(n1=Rank.TERMINATING, n2=Rank.READY),)
    found = observed(
        claim(node="n1"), node("n1"), node("n2", draining=True), local=uses, others=False
    )
    assert target(found) is None


def test_without_any_endpoint_it_is_withdrawn() -> None:
    uses = (local(n1=Rank.UNREADY),)
    found = observed(claim(node="n1"), node("n1"), node("n2"), local=uses, others=False)
    assert target(found) == ""
    assert decide(found).reason == "Withdrawn"
    off = observed(claim(), node("n1"), node("n2"), local=uses, others=False)
    assert not decide(off).actions
    assert conditions(off)["Ready"].reason == "NoEndpoints"


@pytest.mark.parametrize("life", [Life.LATE, Life.HELD])
def test_nothing_is_withdrawn_from_a_node_that_cannot_be_told(life: Life) -> None:
    found = observed(claim(node="n1"), node("n1", life), local=(local(),), others=False)
    assert not decide(found).actions


def test_a_service_of_policy_cluster_keeps_a_shared_address_up() -> None:
    found = observed(claim(node="n1"), node("n1"), local=(local(),), others=True)
    assert not decide(found).actions
    assert conditions(found)["LocalEndpoints"].reason == "NoEndpoints"


def test_it_goes_to_no_node_without_an_endpoint_though_those_with_one_cannot_have_it() -> None:
    uses = (local(n1=Rank.READY),)
    nodes = [node("n1", Life.LOST), node("n2")]
    assert target(observed(claim(node="n1"), *nodes, local=uses, others=False)) is None
    found = observed(claim(), node("n1", draining=True), node("n2"), local=uses, others=False)
    assert target(found) is None
    assert conditions(found)["LocalEndpoints"].reason == "EndpointsOutOfReach"
    message = "no node can have it: of 2 nodes 1 is draining, 1 without an endpoint"
    assert conditions(found)["Ready"].message == message
    # Somebody else who shares it can be served there.
    assert target(replace(found, others=True)) == "n2"
    every = observed(spread("n2"), *nodes, local=uses, others=False)
    assert decide(every).actions == (Assign(nodes=(), every_node=True),)


def test_a_shared_address_goes_where_all_can_be_served() -> None:
    nodes = [node("n1"), node("n2"), node("n3")]
    uses = (
        local("default/a", n1=Rank.READY, n2=Rank.READY),
        local("default/b", n2=Rank.READY, n3=Rank.READY),
    )
    assert target(observed(claim(node="n1"), *nodes, local=uses, others=False)) == "n2"


def test_of_services_that_no_node_serves_together_the_newest_waits() -> None:
    nodes = [node("n1"), node("n2"), node("n3")]
    uses = (
        local("default/a", n1=Rank.READY, n2=Rank.READY),
        local("default/b", n3=Rank.READY),
        local("default/c", n2=Rank.READY),
    )
    assert target(observed(claim(node="n3"), *nodes, local=uses, others=False)) == "n2"
    found = observed(claim(node="n2"), *nodes, local=uses, others=False)
    said = conditions(found)["LocalEndpoints"]
    assert said.reason == "NoCommonNode"
    assert said.message == ("default/b waits: no node has also an endpoint of default/a, default/c")


def test_endpoints_without_a_node_ask_for_no_node() -> None:
    uses = (LocalUse("default/web", nameless=True),)
    found = observed(claim(node="n1"), node("n1"), node("n2"), local=uses, others=False)
    assert not decide(found).actions
    assert conditions(found)["LocalEndpoints"].reason == "EndpointsWithoutNode"


# EveryNode.


def every(found: Observed) -> tuple[str, ...] | None:
    actions = [one for one in decide(found).actions if isinstance(one, Assign)]
    assert all(one.every_node and not one.node for one in actions)
    return actions[0].nodes if actions else None


def spread(*nodes: str, label: str = "EveryNode", **fields: Any) -> Any:
    return claim(every_node=True, nodes=nodes, label=label, **fields)


def test_every_node_that_may_have_it_has_it_whatever_its_links() -> None:
    nodes = [node("n2", links=()), node("n1"), node("n3", draining=True), node("n4", Life.LOST)]
    assert every(observed(spread(label=""), *nodes)) == ("n1", "n2")


def test_the_list_of_nodes_changes_by_those_who_must_go_and_can_come() -> None:
    lives = {"n1": Life.LIVE, "n2": Life.LATE, "n3": Life.HELD, "n4": Life.LOST, "n5": Life.LIVE}
    nodes = [node(name, life) for name, life in lives.items()]
    found = observed(spread("n1", "n2", "n3", "n4"), *nodes)
    assert every(found) == ("n1", "n2", "n3", "n5")
    assert every(replace(found, held=True)) == ("n1", "n2", "n3", "n4", "n5")


def test_every_node_with_policy_local_has_an_endpoint() -> None:
    nodes = [node("n1"), node("n2"), node("n3")]
    uses = (local(n1=Rank.READY, n2=Rank.TERMINATING),)
    assert every(observed(spread("n1", "n2", "n3"), *nodes, local=uses, others=False)) == ("n1",)
    uses = (local(n2=Rank.TERMINATING),)
    assert every(observed(spread("n1", "n2"), *nodes, local=uses, others=False)) == ("n2",)
    assert every(observed(spread("n1"), *nodes, local=(local(),), others=False)) == ()


def test_a_claim_on_every_node_is_ready_once_all_have_it() -> None:
    nodes = [node("n1"), node("n2")]
    half = conditions(observed(spread("n1", "n2", reports=announced("n1")), *nodes))
    assert half["Ready"].status == "False"
    assert half["Ready"].message.startswith("1 of 2 nodes have it")
    whole = conditions(observed(spread("n1", "n2", reports=announced("n1", "n2")), *nodes))
    assert whole["Ready"].status == "True"


def test_a_claim_that_is_being_deleted_is_left_alone() -> None:
    view = claim(node="n1")
    view = replace(view, subject=replace(view.subject, deleting=True))
    assert not decide(observed(view, node("n1", Life.LOST), node("n2"))).actions


def test_a_claim_of_no_address_says_so() -> None:
    found = observed(claim(address=None, text="10.0.0.300/24"), node("n1"))
    assert conditions(found)["Ready"].reason == "InvalidAddress"


# Whose address it is.


def test_an_address_that_is_another_claims_has_no_node() -> None:
    assert not decide(observed(claim(allocated=False), node("n1"))).actions
    assert conditions(observed(claim(allocated=False), node("n1")))["Ready"].reason == (
        "NotAllocated"
    )
    assert target(observed(claim(node="n1", allocated=False), node("n1"))) == ""
    late = observed(claim(node="n1", allocated=False), node("n1", Life.LATE))
    assert not decide(late).actions
    assert every(observed(spread("n1", allocated=False), node("n1"))) == ()


def test_while_it_is_not_known_whose_it_is_nothing_is_placed_or_moved() -> None:
    plan = decide(observed(claim(allocated=None), node("n1")))
    assert (plan.actions, plan.status) == ((), None)
    lost = observed(claim(node="n1", allocated=None), node("n1", Life.LOST), node("n2"))
    assert not decide(lost).actions


# What agents say.


@pytest.mark.parametrize(
    "state", ["Probing", "Conflict", "WaitingForProxy", "NoLink", "Refused", "Yielded"]
)
def test_the_phase_is_what_the_agent_says(state: str) -> None:
    reports = {name: replace(one, state=state) for name, one in announced("n1").items()}
    said = conditions(observed(claim(node="n1", reports=reports), node("n1")))
    assert (said["Ready"].reason, said["Ready"].status) == (state, "False")
    assert ("Conflict" in said) is (state in ("Conflict", "Yielded"))


def test_until_the_agent_says_something_the_claim_is_assigned() -> None:
    said = conditions(observed(claim(node="n1", reports=announced("n2")), node("n1"), node("n2")))
    assert said["Ready"].reason == "Assigned"
    assert said["Announced"].status == "Unknown"


def test_what_nodes_said_that_are_gone_is_forgotten() -> None:
    view = claim(node="n1", reports=announced("n1", "n8", "n2"))
    assert decide(observed(view, node("n1"), node("n2"))).actions == (ForgetReports(("n8",)),)


def test_what_is_over_a_billionth_of_a_second_from_now_is_waited_for_all_the_same() -> None:
    """A wait of nothing is a pass at once, and the next one, as long as no time passes."""
    unseen = observed(claim(node="n9", allocated=True), node("n1"), unseen_seconds=1e-9)
    assert decide(unseen).wait is not None
    assert decide(unseen).wait
    moment = 3.0 - 1e-9
    troubled = observed(claim(node="n1", allocated=True), node("n1"), troubled_seconds=moment)
    assert decide(troubled).wait
