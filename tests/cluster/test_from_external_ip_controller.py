"""What the first version's examples make here, and how its addresses are handed over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from agent_lab import AgentLab
from test_external_ip import GROUP, Lab, opened
from test_external_ip_placement import Agent, beating
from test_node_agent import FOUR, network
from test_node_agent import lab as agents

from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.waiting import PATIENCE, wait_for

__all__ = ["agents", "network"]

Raw = dict[str, Any]

# As its examples have them, but for the name of the node in the claims.
EXAMPLES = """
apiVersion: ipcontroller.ext/v1
kind: IpClaimPool
metadata:
    name: test-pool
spec:
    cidr: 192.168.0.248/29
    ranges:
        - - 192.168.0.249
          - 192.168.0.250
        - - 192.168.0.252
          - 192.168.0.253
---
apiVersion: ipcontroller.ext/v1
kind: IpClaim
metadata:
  name: 10-0-0-7-24
  labels: {ipnode: NODE}
  ownerReferences:
  - {apiVersion: v1, kind: ServiceReference, name: by-hand, uid: NAMESPACE/by-hand}
spec: {cidr: 10.0.0.7/24, nodeName: NODE, link: ""}
---
apiVersion: ipcontroller.ext/v1
kind: IpClaim
metadata:
  name: 10-0-0-8-24
  labels: {ipnode: NODE}
  ownerReferences:
  - {apiVersion: v1, kind: ServiceReference, name: by-hand, uid: NAMESPACE/by-hand}
spec: {cidr: 10.0.0.8/24, nodeName: NODE, link: ""}
---
apiVersion: v1
kind: Service
metadata: {name: by-hand, namespace: NAMESPACE, labels: {app: nginx}}
spec:
  type: NodePort
  ports:
  - {port: 80, protocol: TCP, name: http}
  - {port: 443, protocol: TCP, name: https}
  selector: {app: nginx}
  externalIPs: [10.0.0.7, 10.0.0.8]
---
apiVersion: v1
kind: Service
metadata: {name: nginxsvc, namespace: NAMESPACE, labels: {app: nginx}}
spec:
  type: LoadBalancer
  ports:
  - {port: 80, protocol: TCP, name: http}
  selector: {app: nginx}
"""


@pytest.fixture
def lab(cluster: EmbeddedCluster) -> Iterator[Lab]:
    with opened(cluster, without_class=True) as lab:
        yield lab


@pytest.fixture
def nodes(lab: Lab) -> Iterator[tuple[Agent, Agent]]:
    """One on the network of the pool, one on that of the addresses by hand."""
    found = (
        Agent(lab, f"{lab.namespace}-a", "192.168.0.200/24"),
        Agent(lab, f"{lab.namespace}-b", "10.0.0.200/24"),
    )
    with beating(*found):
        yield found
    for one in found:
        lab.cluster.remove(f"/api/v1/nodes/{one.node}")
        lab.cluster.remove(f"{GROUP}/ipnodes/{one.node}")


def claim(lab: Lab, name: str) -> Raw:
    return dict(lab.cluster.request("GET", f"{GROUP}/ipclaims/{name}"))


def test_the_examples_work_as_they_are(lab: Lab, nodes: tuple[Agent, Agent]) -> None:
    first, second = nodes
    text = EXAMPLES.replace("NODE", second.node).replace("NAMESPACE", lab.namespace)
    lab.cluster.apply(list(yaml.safe_load_all(text)))
    before = {name: claim(lab, name) for name in ("10-0-0-7-24", "10-0-0-8-24")}
    lab.start("--serve-without-class", "--mask=24", "--nodefilter=fair", "--monitor=1s")
    assert lab.has("nginxsvc") == [{"ip": "192.168.0.249", "ipMode": "VIP"}]
    given = "192-168-0-249-29"

    def placed() -> bool:
        labels = claim(lab, given)["metadata"]["labels"]
        return bool(labels == {"ipnode": first.node, "ip-pool-name": "test-pool"})

    wait_for(placed, PATIENCE, "its node, and the labels of the first version")
    wait_for(lambda: len(lab.records()) == 3, PATIENCE, "an owner of each address")

    def adopted() -> bool:
        raws = [claim(lab, name) for name in before]
        return all(
            [one["name"] for one in raw["spec"].get("services", ())] == ["by-hand"]
            and "ownerReferences" not in raw["metadata"]
            for raw in raws
        )

    wait_for(adopted, PATIENCE, "both claims to be taken over")
    for name, raw in before.items():
        now = claim(lab, name)
        assert now["metadata"]["uid"] == raw["metadata"]["uid"]
        assert now["metadata"]["labels"]["ipnode"] == now["spec"]["nodeName"] == second.node
    service = lab.cluster.request("GET", lab.services("by-hand"))
    assert service["spec"]["externalIPs"] == ["10.0.0.7", "10.0.0.8"]
    lab.cluster.request("DELETE", lab.services("by-hand"))
    wait_for(lambda: lab.records() == ["default-c0a800f9"], PATIENCE, "both to be released")
    lab.cluster.request("DELETE", lab.services("nginxsvc"))
    wait_for(lambda: not lab.records(), PATIENCE, "the last one to be released")


def test_an_address_that_was_left_on_a_link_is_handed_over_without_being_doubled(
    agents: AgentLab,
) -> None:
    one, two = agents.lab.nodes
    # What the agents of the first version leave: no tag, and the length of the pool's network.
    one.add(f"{FOUR}/16")
    agents.start(1)
    agents.start(2)
    name = agents.claim(f"{FOUR}/16", 1)
    said = agents.wait_said(name, 1, "Refused")
    assert "is an address of the node itself" in said["message"]
    with one.echo(7301), agents.lab.client.watching(FOUR) as watch:
        assert agents.lab.client.answers(FOUR, 7301) == ["node1"]
        one.remove(f"{FOUR}/16")
        agents.wait_said(name, 1, "Announced")
        assert agents.lab.client.answers(FOUR, 7301) == ["node1"]
    assert watch.doubled == []
    assert {macs for _, macs in watch.samples if macs} == {frozenset({one.mac})}
    assert not two.has(FOUR)
