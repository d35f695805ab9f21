"""``moorage-external-ip check`` and ``clean-up`` under the rights that the chart gives them."""

from __future__ import annotations

import sys

from lab_rights import rights
from test_external_ip import GROUP, Lab, lab
from test_external_ip_placement import Cluster, beating, nodes

from moorage_testing.processes import Command
from moorage_testing.waiting import PATIENCE, wait_for

__all__ = ["lab", "nodes"]

ACCOUNT = "moorage-external-ip"


def granted(lab: Lab, *, clean_up: bool) -> tuple[str, ...]:
    """The flags of a process with exactly what a release in the lab's namespace may do."""
    values = {
        "core": {"enabled": False},
        "externalIp": {
            "enabled": True,
            "fullnameOverride": ACCOUNT,
            "cleanUp": {"enabled": clean_up},
            "config": {
                "loadBalancerClass": lab.load_balancer_class,
                "serveWithoutClass": False,
            },
        },
    }
    lab.cluster.apply(rights(lab.namespace, values))
    kubeconfig = lab.cluster.kubeconfig_for(f"{lab.namespace}/{ACCOUNT}")
    return ("--kubeconfig", str(kubeconfig), "--lease-namespace", lab.namespace)


def ended(lab: Lab, word: str, flags: tuple[str, ...]) -> tuple[int | None, str]:
    """Run a command to its end; returns its exit code and what it said."""
    argv = [sys.executable, "-m", "moorage_external_ip", word, *flags]
    argv += ["--metrics-port", "0", "--metrics-host", "127.0.0.1"]
    child = lab.run.start(Command(word, argv))
    try:
        wait_for(lambda: child.returncode is not None, 2 * PATIENCE, f"{word} to end")
    finally:
        child.stop()
    return child.returncode, child.log.read_text()


def test_the_clean_up_leaves_no_address_and_nothing_that_waits(nodes: Cluster) -> None:
    lab = nodes.lab
    flags = granted(lab, clean_up=True)
    with beating(nodes.first, nodes.second, nodes.third) as stopped:
        nodes.begin()
        holder = nodes.agents[wait_for(nodes.node, PATIENCE, "a node to be chosen")]
        holder.announce(nodes.claim)
        lab.service("nginx", {"annotations": {"external-ip": "auto"}}, type="NodePort",
                    loadBalancerClass=None)  # fmt: skip
        wait_for(lambda: len(lab.records()) == 2, PATIENCE, "both to have an address")
        wait_for(lambda: nodes.is_live(holder), PATIENCE, "the mirror of a node")
        (replica,) = lab.replicas
        assert replica.stop() == 0
        # Nobody answers for the holder any more.
        stopped.set()
        code, said = ended(lab, "clean-up", flags)
    assert code == 0, said
    assert f"waiting until these nodes let go: {holder.node}" in said
    assert "orbidden" not in said
    for path in (f"{GROUP}/ipclaims", f"{GROUP}/ipnodes"):
        assert lab.names(path) == []
    assert lab.records() == []
    assert lab.ingress("web") == []
    raw = lab.cluster.request("GET", lab.services("nginx"))
    assert "externalIPs" not in raw["spec"]
    assert "moorage.dev/external-ips" not in raw["metadata"]["annotations"]
    lab.cluster.request("DELETE", f"{GROUP}/ipclaimpools/{lab.namespace}")
    assert lab.namespace not in lab.names(f"{GROUP}/ipclaimpools")
    for name in ("web", "nginx"):
        lab.cluster.request("DELETE", lab.services(name))
    assert lab.names(lab.services()) == []


def test_a_controller_that_leads_passes_the_check(lab: Lab) -> None:
    flags = granted(lab, clean_up=False)
    argv = [sys.executable, "-m", "moorage_external_ip", *flags]
    argv += ["--metrics-port", "0", "--metrics-host", "127.0.0.1"]
    child = lab.run.start(Command("release", argv))
    lab.replicas.append(child)
    code, said = ended(lab, "check", flags)
    assert code == 0, said
    assert "a controller leads, and every kind is served" in said
