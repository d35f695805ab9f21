"""Every right of external-ip, as the chart renders it, is enough, and every one is used."""

from __future__ import annotations

import contextlib
import sys

from lab_pages import refused_requests, unused
from test_external_ip import GROUP, Lab, lab
from test_external_ip_commands import granted
from test_external_ip_placement import Agent, Cluster, beating, nodes

from moorage_external_ip.rbac import RULES
from moorage_testing.processes import Child, Command
from moorage_testing.waiting import PATIENCE, WaitTimeoutError, wait_for

__all__ = ["lab", "nodes"]

NOT_COUNTED_HERE = {
    # A second Event with the same text within ten minutes; the unit tests of events have it.
    ("events", "patch"),
    # Made by kopf's own session; without it no pool would be served at all.
    ("ipclaimpools", "watch"),
    # Where two replicas want one address at the same time: test_double_alloc_race.
    ("ipallocations", "get"),
}


def started(lab: Lab) -> Child:
    """A controller under exactly the rendered rights."""
    argv = [sys.executable, "-m", "moorage_external_ip", *granted(lab, clean_up=False)]
    argv += ["--metrics-port", "0", "--metrics-host", "127.0.0.1", "--no-serve-without-class"]
    argv += ["--load-balancer-class", lab.load_balancer_class]
    child = lab.run.start(Command("rights", argv))
    lab.replicas.append(child)
    return child


def test_every_right_is_used_and_none_is_missing(nodes: Cluster) -> None:
    lab = nodes.lab
    with beating(*nodes.agents.values()):
        child = started(lab)
        lab.pool(cidr="10.81.0.0/30")
        lab.service("web")
        lab.has("web")
        nodes.claim = "10-81-0-1-30"
        _move(nodes)
        _of_the_first_version(lab)
        lab.cluster.request("DELETE", lab.services("web"))
        wait_for(
            lambda: nodes.claim not in lab.names(f"{GROUP}/ipclaims"), PATIENCE, "it to be released"
        )
        with contextlib.suppress(WaitTimeoutError):  # which would not name the rights
            wait_for(lambda: unused(RULES, child) <= NOT_COUNTED_HERE, PATIENCE, "all to be used")
        assert unused(RULES, child) - NOT_COUNTED_HERE == set()
        assert refused_requests(child) == []
        lab.cluster.request("DELETE", lab.services("nginx"))
        wait_for(lambda: not lab.records(), PATIENCE, "all to be released")


def _move(nodes: Cluster) -> None:
    holder = nodes.agents[wait_for(nodes.node, PATIENCE, "a node to be chosen")]
    holder.announce(nodes.claim)
    wait_for(lambda: nodes.phase() == "Announced", PATIENCE, "the claim to be ready")
    other: Agent = nodes.second if holder is nodes.first else nodes.first
    holder.drain(draining=True)
    wait_for(lambda: nodes.node() == other.node, PATIENCE, "it to leave gracefully")


def _of_the_first_version(lab: Lab) -> None:
    """With its annotation the Service itself is written."""
    notes = {"annotations": {"external-ip": "auto"}}
    lab.service("nginx", notes, type="NodePort", loadBalancerClass=None)
    wait_for(
        lambda: lab.cluster.request("GET", lab.services("nginx"))["spec"].get("externalIPs"),
        PATIENCE,
        "spec.externalIPs to be written",
    )
