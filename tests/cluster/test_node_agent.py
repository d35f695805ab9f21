"""The agent as a process on a real control plane, with a real kernel and a client that counts."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from agent_lab import CLAIMS, AgentLab

from moorage_api import ipclaim
from moorage_api.crds import crd
from moorage_domain.families import parse_address
from moorage_node_agent.link.kernel import Kernel
from moorage_node_agent.link.model import Holding
from moorage_node_agent.namespace import Namespace
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.lab import Lab
from moorage_testing.processes import Run
from moorage_testing.pytest_plugin import start_lab
from moorage_testing.waiting import PATIENCE, wait_for

FOUR, SIX = "10.99.8.1", "fd99::8:1"


@pytest.fixture(scope="module")
def network() -> Iterator[Lab]:
    with start_lab(2) as lab:
        yield lab


@pytest.fixture
def lab(cluster: EmbeddedCluster, network: Lab) -> Iterator[AgentLab]:
    cluster.apply([crd(ipclaim.DEFINITION)])
    cluster.kubectl("wait", "--for=condition=Established", "crd/ipclaims.ipcontroller.ext")
    with Run.open() as run:
        agents = AgentLab(cluster, run, network)
        try:
            yield agents
        finally:
            agents.close()
            network.heal()


@pytest.mark.parametrize("address", [FOUR, SIX])
def test_an_address_is_held_and_announced_by_the_node_that_its_claim_names(
    lab: AgentLab, address: str
) -> None:
    node, length = lab.lab.node(1), "64" if ":" in address else "16"
    lab.start(1)
    lab.start(2)
    claim = lab.claim(f"{address}/{length}", 1)
    said = lab.wait_said(claim, 1, "Announced")
    assert (said["link"], said["mac"]) == ("eth0", node.mac)
    assert lab.lab.client.who_has(address) == {node.mac}
    assert lab.said(claim, 2) == {}
    with node.echo(7100):
        assert lab.lab.client.answers(address, 7100) == ["node1"]


def test_a_moved_address_is_let_go_and_the_client_follows_at_once(lab: AgentLab) -> None:
    one, two = lab.lab.nodes
    lab.start(1)
    lab.start(2)
    claim = lab.claim(f"{FOUR}/16", 1)
    lab.wait_said(claim, 1, "Announced")
    with one.echo(7101), two.echo(7101), lab.lab.client.watching(FOUR) as watch:
        assert lab.lab.client.answers(FOUR, 7101) == ["node1"]
        lab.move(claim, 2, previous={"nodeName": lab.name(one), "macs": [one.mac]})
        lab.wait_said(claim, 2, "Announced")
        lab.wait_said(claim, 1, "")
        assert lab.lab.client.answers(FOUR, 7101) == ["node2"]
    assert lab.lab.client.who_has(FOUR) == {two.mac}
    assert watch.doubled == []


def test_a_deleted_claim_takes_its_address_along(lab: AgentLab) -> None:
    lab.start(1)
    claim = lab.claim(f"{FOUR}/16", 1)
    lab.wait_said(claim, 1, "Announced")
    lab.cluster.kubectl("delete", "ipclaim", claim)
    wait_for(lambda: not lab.lab.node(1).has(FOUR), PATIENCE, "the address to go")


def test_a_killed_agent_holds_nothing_once_the_lives_of_its_addresses_end(lab: AgentLab) -> None:
    agent = lab.start(1)
    for address, length in ((FOUR, 16), (SIX, 64)):
        lab.wait_said(lab.claim(f"{address}/{length}", 1), 1, "Announced")
    agent.send(signal.SIGKILL)
    wait_for(lambda: not lab.lab.node(1).has(FOUR), PATIENCE, "the kernel to let go")
    wait_for(lambda: not lab.lab.node(1).has(SIX), PATIENCE, "the kernel to let go")
    assert lab.lab.client.who_has(FOUR) == frozenset()
    assert lab.lab.client.who_has(SIX) == frozenset()


def test_a_frozen_agent_takes_nothing_back_before_it_read_the_claims_again(lab: AgentLab) -> None:
    """failover_sigstop_resume, as far as it is the agent's."""
    one, two = lab.lab.nodes
    frozen = lab.start(1)
    lab.start(2)
    claim = lab.claim(f"{FOUR}/16", 1)
    lab.wait_said(claim, 1, "Announced")
    frozen.send(signal.SIGSTOP)
    try:
        wait_for(lambda: not one.has(FOUR), PATIENCE, "the kernel to let go")
        lab.move(claim, 2, previous={"nodeName": lab.name(one), "macs": [one.mac]})
        lab.wait_said(claim, 2, "Announced")
        with lab.lab.client.watching(FOUR) as watch:
            frozen.send(signal.SIGCONT)
            # It has surely made passes since when it says again that it lives.
            old = lab.lease(1)["spec"]["renewTime"]
            wait_for(lambda: lab.lease(1)["spec"]["renewTime"] != old, PATIENCE, "its Lease")
            lab.wait_said(claim, 1, "")
        assert not one.has(FOUR)
        assert watch.doubled == []
        assert {macs for _, macs in watch.samples} == {frozenset({two.mac})}
    finally:
        frozen.send(signal.SIGCONT)


def test_a_frozen_agent_whose_claims_stayed_takes_them_again(lab: AgentLab) -> None:
    frozen = lab.start(1)
    claim = lab.claim(f"{FOUR}/16", 1)
    lab.wait_said(claim, 1, "Announced")
    frozen.send(signal.SIGSTOP)
    wait_for(lambda: not lab.lab.node(1).has(FOUR), PATIENCE, "the kernel to let go")
    frozen.send(signal.SIGCONT)
    wait_for(lambda: lab.lab.node(1).has(FOUR), PATIENCE, "the agent to take it again")


def test_stale_scan_on_start_removes_what_is_tagged_and_keeps_what_is_not(lab: AgentLab) -> None:
    node = lab.lab.node(1)
    _add_tagged(lab, FOUR)
    node.add("10.99.8.2/32")
    lab.start(1)
    wait_for(lambda: lab.annotation(1, "links"), PATIENCE, "the first Lease")
    assert not node.has(FOUR)
    assert node.has("10.99.8.2")


def _add_tagged(lab: AgentLab, address: str) -> None:
    """What an agent that is gone left behind."""
    kernel = Kernel(Namespace(lab.lab.node(1).namespace.path))
    index = next(one.index for one in kernel.links(()) if one.name == "eth0")
    assert kernel.add([Holding(parse_address(address), index)], 600) == {}
    kernel.close()


def test_own_ip_safe_a_nodes_own_address_is_refused_and_stays(lab: AgentLab) -> None:
    node = lab.lab.node(1)
    lab.start(1)
    claim = lab.claim(f"{node.address}/16", 1)
    said = lab.wait_said(claim, 1, "Refused")
    assert "of the node itself" in said["message"]
    lab.cluster.kubectl("delete", "ipclaim", claim)
    fence = lab.claim(f"{FOUR}/16", 1)
    lab.wait_said(fence, 1, "Announced")
    assert f"{node.address}/16" in node.addresses()
    assert f"{node.address}/32" not in node.addresses()


@pytest.mark.parametrize("address", [FOUR, SIX])
def test_dad_conflict_v4_v6_an_address_that_a_stranger_has_is_not_taken(
    lab: AgentLab, address: str
) -> None:
    one, stranger = lab.lab.nodes
    stranger.add(f"{address}/{128 if ':' in address else 32}")
    lab.start(1)
    claim = lab.claim(f"{address}/{64 if ':' in address else 16}", 1)
    said = lab.wait_said(claim, 1, "Conflict")
    assert said["mac"] == stranger.mac
    assert not one.has(address)
    stranger.remove(f"{address}/{128 if ':' in address else 32}")
    lab.wait_said(claim, 1, "Announced")


def test_a_hand_removed_address_is_back_and_announced(lab: AgentLab) -> None:
    node = lab.lab.node(1)
    lab.start(1)
    lab.wait_said(lab.claim(f"{FOUR}/16", 1), 1, "Announced")
    node.remove(f"{FOUR}/32")
    wait_for(lambda: node.has(FOUR), PATIENCE, "the address to be back")
    wait_for(lambda: lab.lab.client.who_has(FOUR) == {node.mac}, PATIENCE, "its answer")


def test_reannounce_linkflap(lab: AgentLab) -> None:
    """An address leaves with the carrier, and comes back with it; the client is told."""
    node = lab.lab.node(1)
    lab.start(1)
    claims = [lab.claim(f"{FOUR}/16", 1), lab.claim(f"{SIX}/64", 1)]
    for claim in claims:
        lab.wait_said(claim, 1, "Announced")
    node.unplug()
    for claim in claims:
        assert "no carrier" in lab.wait_said(claim, 1, "NoLink")["message"]
    assert not node.has(FOUR)
    wait_for(lambda: not lab.links(1)[0]["carrier"], PATIENCE, "the Lease to say it")
    node.plug()
    for claim in claims:
        lab.wait_said(claim, 1, "Announced")
    assert lab.lab.client.who_has(FOUR) == {node.mac}
    assert lab.lab.client.who_has(SIX) == {node.mac}
    node.link_down()
    lab.wait_said(claims[0], 1, "NoLink")
    node.link_up()
    for claim in claims:
        lab.wait_said(claim, 1, "Announced")


def test_a_rollout_moves_nothing_and_loses_nothing(lab: AgentLab) -> None:
    """The hold is in the Lease, the kernel keeps the address, the next agent adopts it."""
    node = lab.lab.node(1)
    lab.start(1)
    claim = lab.claim(f"{FOUR}/16", 1)
    lab.wait_said(claim, 1, "Announced")
    with lab.lab.client.watching(FOUR) as watch:
        lab.terminate(1)
        assert lab.annotation(1, "hold-seconds") == "30"
        held = node.namespace.ip("-o", "address", "show", "to", FOUR)
        assert 20 < int(held.split("valid_lft ")[1].split("sec")[0]) < 30
        lab.start(1)
        wait_for(lambda: not lab.annotation(1, "hold-seconds"), PATIENCE, "the hold to end")
        lab.wait_said(claim, 1, "Announced")
        valid = node.namespace.ip("-o", "address", "show", "to", FOUR)
        assert int(valid.split("valid_lft ")[1].split("sec")[0]) <= 3
    assert watch.lost == []
    assert watch.doubled == []


def test_graceful_drain_leaves_nothing_behind(lab: AgentLab) -> None:
    one = lab.lab.node(1)
    lab.start(1, "--hold-seconds", "0", "--drain-seconds", "20")
    lab.start(2)
    claim = lab.claim(f"{FOUR}/16", 1)
    lab.wait_said(claim, 1, "Announced")
    lab.agents["node1"].send(signal.SIGTERM)
    wait_for(lambda: lab.annotation(1, "draining") == "true", PATIENCE, "the Lease to say it")
    assert one.has(FOUR)
    lab.move(claim, 2, previous={"nodeName": lab.name(one), "macs": [one.mac]})
    lab.terminate(1)
    assert not one.has(FOUR)
    assert lab.lease(1) == {}
    assert lab.said(claim, 1) == {}
    lab.wait_said(claim, 2, "Announced")


def test_a_cordoned_node_drains_although_a_hold_is_set(lab: AgentLab) -> None:
    lab.start(1, "--drain-seconds", "0.5")
    claim = lab.claim(f"{FOUR}/16", 1)
    lab.wait_said(claim, 1, "Announced")
    lab.cluster.kubectl("cordon", lab.name(lab.lab.node(1)))
    lab.terminate(1)
    assert not lab.lab.node(1).has(FOUR)
    assert lab.said(claim, 1) == {}
    assert lab.lease(1) == {}


def test_a_lease_names_its_node_and_its_links(lab: AgentLab) -> None:
    node = lab.lab.node(1)
    lab.start(1)
    wait_for(lambda: lab.lease(1), PATIENCE, "the Lease")
    lease = lab.lease(1)
    assert lease["metadata"]["labels"]["moorage.dev/node-agent"] == "true"
    assert lease["metadata"]["ownerReferences"][0]["name"] == lab.name(node)
    assert lease["spec"]["leaseDurationSeconds"] == 5
    wait_for(lambda: lab.annotation(1, "proxy") == "Unchecked", PATIENCE, "the Lease to say it")
    assert lab.links(1) == [
        {
            "name": "eth0",
            "mac": node.mac,
            "carrier": True,
            "subnets": [f"{node.address}/16", f"{node.address6}/64"],
            "problem": "",
        }
    ]


def test_partition_api_only_the_old_holder_yields_to_the_new_one(lab: AgentLab) -> None:
    """HoldUntilContested: cut from the API server it keeps the address until another has it."""
    one, two = lab.lab.nodes
    gate = lab.gate(1)
    lab.start(1)
    lab.start(2)
    claim = lab.claim(f"{FOUR}/16", 1)
    lab.wait_said(claim, 1, "Announced")
    gate.cut()
    old = lab.lease(1)["spec"]["renewTime"]
    with lab.lab.client.watching(FOUR) as watch:
        wait_for(lambda: len(watch.samples) > 70, PATIENCE, "more time than a Lease has")
        assert watch.lost == []
        assert lab.lease(1)["spec"]["renewTime"] == old
        lab.move(claim, 2, previous={"nodeName": lab.name(one), "macs": [one.mac]})
        lab.wait_said(claim, 2, "Announced")
        wait_for(lambda: not one.has(FOUR), PATIENCE, "the old holder to yield")
    assert lab.lab.client.who_has(FOUR) == {two.mac}
    assert sum(len(macs) > 1 for _, macs in watch.samples) <= 5  # of 0.1 s each
    gate.open()
    lab.wait_said(claim, 1, "")
    assert lab.lab.client.who_has(FOUR) == {two.mac}


def test_withdraw_lets_go_before_anybody_else_may_take_it(lab: AgentLab) -> None:
    node = lab.lab.node(1)
    gate = lab.gate(1)
    lab.start(1, "--on-contact-loss", "Withdraw")
    claim = lab.claim(f"{FOUR}/16", 1)
    lab.wait_said(claim, 1, "Announced")
    gate.cut()
    wait_for(lambda: not node.has(FOUR), PATIENCE, "the address to be withdrawn")
    gate.open()
    wait_for(lambda: node.has(FOUR), PATIENCE, "it to be taken again")
    lab.wait_said(claim, 1, "Announced")


def test_a_foreign_announcement_of_an_address_that_stays_ours_is_checked_and_it_comes_back(
    lab: AgentLab,
) -> None:
    node = lab.lab.node(1)
    lab.start(1)
    claim = lab.claim(f"{FOUR}/16", 1)
    lab.wait_said(claim, 1, "Announced")
    lab.lab.client.announce(FOUR, "02:99:00:00:00:ee")
    said = lab.wait_said(claim, 1, "Yielded")
    assert said["mac"] == "02:99:00:00:00:ee"
    assert not node.has(FOUR)
    lab.wait_said(claim, 1, "Announced")
    assert lab.lab.client.who_has(FOUR) == {node.mac}


def test_an_address_waits_for_the_proxy_and_is_taken_in_the_end_with_an_event(
    lab: AgentLab,
) -> None:
    lab.start(1, "--proxy-port", "1", "--proxy-wait", "8")  # nobody listens there
    claim = lab.claim(f"{FOUR}/16", 1)
    lab.wait_said(claim, 1, "WaitingForProxy")
    wait_for(lambda: lab.annotation(1, "proxy") == "Unhealthy", PATIENCE, "the Lease to say it")
    lab.wait_said(claim, 1, "Announced")

    def told() -> str:
        return lab.cluster.kubectl(
            "get", "events", "-n", "default", "-o", "jsonpath={.items[*].reason}",
            "--field-selector", f"involvedObject.name={claim}",
        )  # fmt: skip

    wait_for(lambda: "ProxyNotReady" in told(), PATIENCE, "the Event")


def test_every_node_has_the_address_on_lo_and_answers_no_arp(lab: AgentLab) -> None:
    nodes = [lab.name(node) for node in lab.lab.nodes]
    lab.start(1)
    lab.start(2)
    claim = lab.claim(f"{FOUR}/16", 1, placement="EveryNode", nodeNames=nodes)
    meta = {"metadata": {"labels": {"ipnode": "EveryNode"}}}
    lab.cluster.request("PATCH", f"{CLAIMS}/{claim}", meta)
    assert "arp_ignore=1" in lab.wait_said(claim, 1, "Refused")["message"]
    for number, node in enumerate(lab.lab.nodes, 1):
        node.namespace.set("net/ipv4/conf/all/arp_ignore", "1")
        node.link_down()  # settings are read when a link changes, and each 30 s
        node.link_up()
        assert lab.wait_said(claim, number, "Announced")["link"] == "lo"
    assert lab.lab.client.who_has(FOUR) == frozenset()


def test_only_the_ports_of_the_claim_answer_at_its_address(lab: AgentLab) -> None:
    node = lab.lab.node(1)
    lab.start(1)
    claim = lab.claim(f"{FOUR}/16", 1, ports=[{"protocol": "UDP", "port": 7300}])
    lab.wait_said(claim, 1, "Announced")
    with node.echo(7300), node.echo(7301):
        assert lab.lab.client.answers(FOUR, 7300) == ["node1"]
        assert lab.lab.client.answers(FOUR, 7301) == []
        assert lab.lab.client.answers(node.address, 7301) == ["node1"]
        lab.cluster.request("PATCH", f"{CLAIMS}/{claim}", {"spec": {"ports": None}})
        wait_for(lambda: lab.lab.client.answers(FOUR, 7301), PATIENCE, "the other port")


def test_partition_node_to_node_changes_nothing(lab: AgentLab) -> None:
    addresses = ("10.99.8.1", "10.99.8.2")
    for number, address in enumerate(addresses, 1):
        lab.start(number)
        lab.wait_said(lab.claim(f"{address}/16", number), number, "Announced")
    lab.lab.cut_between_nodes()
    with lab.lab.client.watching(FOUR) as watch:
        wait_for(lambda: len(watch.samples) > 70, PATIENCE, "more time than a Lease has")
    assert watch.doubled == []
    assert watch.lost == []
    for node, address in zip(lab.lab.nodes, addresses, strict=True):
        assert lab.lab.client.who_has(address) == {node.mac}


def test_periodic_garp_heals_a_client_that_was_told_something_wrong(lab: AgentLab) -> None:
    node, client = lab.lab.node(1), lab.lab.client
    agent = lab.start(1, "--announce-every", "1")
    lab.wait_said(lab.claim(f"{FOUR}/16", 1), 1, "Announced")
    wrong = ("lladdr", "02:99:00:00:00:ee", "dev", "eth0", "nud", "reachable")
    # Meanwhile it announces nothing, which would heal the client before that is looked at.
    agent.send(signal.SIGSTOP)
    try:
        client.namespace.ip("neighbour", "replace", FOUR, *wrong)
        assert client.neighbour(FOUR) == "02:99:00:00:00:ee"
    finally:
        agent.send(signal.SIGCONT)
    wait_for(lambda: client.neighbour(FOUR) == node.mac, PATIENCE, "the client to be healed")


def test_of_two_claims_of_one_address_the_second_is_refused(lab: AgentLab) -> None:
    lab.start(1)
    first, second = lab.claim(f"{FOUR}/16", 1), lab.claim(f"{FOUR}/24", 1)
    lab.wait_said(first, 1, "Announced")
    assert first in lab.wait_said(second, 1, "Refused")["message"]
