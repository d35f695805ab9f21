"""What the agent knows of its node: others' addresses, and what is said about its own."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from moorage_domain.families import parse_address
from moorage_node_agent.act import Actor
from moorage_node_agent.firewall import Firewall
from moorage_node_agent.link.model import Holding
from moorage_node_agent.metrics import NetworkMetrics
from moorage_node_agent.model import Claim, Memory, Policy
from moorage_node_agent.state import AUDIT_SECONDS, AgentState, Hands, clock
from moorage_testing.lab import Lab, Station
from moorage_testing.waiting import wait_for

SECONDS = 20.0
FOUR = parse_address("10.99.8.1")


@pytest.fixture
def node(lab: Lab) -> Station:
    return lab.node(1)


@pytest.fixture
def hands(node: Station) -> Iterator[Hands]:
    hands = Hands(AgentState(), node.namespace.path)
    hands.look(clock())
    yield hands
    hands.close()


def test_addresses_of_the_node_are_known_as_not_ours(hands: Hands, node: Station) -> None:
    assert {parse_address(node.address), parse_address(node.address6)} <= hands.state.untagged
    assert hands.state.held == {}


def test_what_the_service_proxy_binds_on_its_own_link_is_no_address_of_the_node(
    hands: Hands, node: Station
) -> None:
    namespace = node.namespace
    namespace.ip("link", "add", "kube-ipvs0", "type", "veth", "peer", "name", "k1")
    try:
        namespace.ip("address", "add", f"{FOUR}/32", "dev", "kube-ipvs0")
        hands.look(clock())
        assert FOUR not in hands.state.untagged
        assert parse_address(node.address) in hands.state.untagged
    finally:
        namespace.ip("link", "del", "kube-ipvs0")


def test_the_kernel_is_read_again_after_a_change_and_else_each_half_minute(
    hands: Hands, node: Station
) -> None:
    state, now = hands.state, clock()
    before = state.links
    hands.look(now + 1)
    assert state.links is before
    node.add(f"{FOUR}/32")
    hands.look(now + 2)
    assert FOUR in state.untagged
    before = state.links
    hands.look(now + 2 + AUDIT_SECONDS)
    assert state.links is not before


def remember(hands: Hands, memory: Memory) -> None:
    hands.state.claims = {FOUR: Claim("claim", "u", FOUR)}
    hands.state.memory = {FOUR: memory}


def test_another_machine_that_announces_our_address_is_noted(hands: Hands, lab: Lab) -> None:
    remember(hands, Memory(0.0, added_at=1.0))
    lab.client.announce(str(FOUR), "02:99:00:00:00:ee")
    wait_for(hands.listen, SECONDS, "the announcement")
    assert hands.state.memory[FOUR].heard == "02:99:00:00:00:ee"


def test_our_own_macs_and_other_addresses_concern_nobody(
    hands: Hands, node: Station, lab: Lab
) -> None:
    remember(hands, Memory(0.0, added_at=1.0))
    lab.client.announce(str(FOUR), node.mac)
    lab.client.announce("10.99.8.2", "02:99:00:00:00:ee")
    lab.client.announce(str(FOUR), "02:99:00:00:00:ef")
    wait_for(hands.listen, SECONDS, "the last announcement")
    assert hands.state.memory[FOUR].heard == "02:99:00:00:00:ef"


def test_an_answer_to_a_probe_is_noted(hands: Hands, lab: Lab) -> None:
    other = lab.node(2)
    other.add(f"{FOUR}/32")
    remember(hands, Memory(0.0, probed_at=1.0))
    link = next(one for one in hands.state.links if one.name == "eth0")
    assert hands.network.probe(FOUR, link) == ""
    wait_for(hands.listen, SECONDS, "the answer")
    assert hands.state.memory[FOUR].answered == other.mac


def test_what_we_add_ourselves_makes_nothing_be_read_again(hands: Hands) -> None:
    index = next(one.index for one in hands.state.links if one.name == "eth0")
    hands.kernel.add([Holding(FOUR, index)], 600)
    assert not hands.listen()
    assert not hands.state.dirty


@pytest.fixture
def actor(hands: Hands) -> Actor:
    metrics = NetworkMetrics.register(CollectorRegistry())
    return Actor(hands, Firewall(hands.namespace), metrics, lambda: None, lambda _: None)


def shown(node: Station) -> str:
    return node.namespace.ip("address", "show", "dev", "eth0")


def test_what_the_last_pass_kept_lives_on_without_another(
    hands: Hands, actor: Actor, node: Station
) -> None:
    index = next(one.index for one in hands.state.links if one.name == "eth0")
    holding, policy, state = Holding(FOUR, index), Policy(), hands.state
    hands.kernel.add([holding], 100)
    state.looked_at = clock()
    assert not actor.keep(policy), "no pass has decided yet"
    state.kept = (holding,)
    assert actor.keep(policy)
    (life,) = re.findall(r"10\.99\.8\.1/32.*?valid_lft (\d+)sec", shown(node), re.DOTALL)
    assert int(life) <= policy.valid


def test_nothing_is_kept_that_may_have_changed(hands: Hands, actor: Actor) -> None:
    state, policy = hands.state, Policy()
    state.kept, state.looked_at, state.dirty = (), clock(), True
    assert not actor.keep(policy)
    state.dirty = False
    assert actor.keep(policy)
    # It did not run: others may have what it had.
    state.looked_at = clock() - policy.valid - 0.1
    assert not actor.keep(policy)


def test_what_the_kernel_refuses_to_keep_is_looked_at_again(hands: Hands, actor: Actor) -> None:
    state = hands.state
    state.kept, state.looked_at = (Holding(FOUR, 9999),), clock()
    assert not actor.keep(Policy())
    assert state.dirty
