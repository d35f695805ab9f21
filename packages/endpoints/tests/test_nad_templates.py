"""With --protect-templates, a workload uses what its pod template names, also without a pod."""

from __future__ import annotations

from typing import Any

import pytest
from lab_nads import NS, Lab, play

from moorage_domain.admission import Denied
from moorage_domain.kinds import Kind
from moorage_endpoints.nads.names import DEFAULT_NETWORK, NETWORKS
from moorage_kube.client.kinds import DAEMONSETS, DEPLOYMENTS, STATEFULSETS


def workload(lab: Lab, annotations: dict[str, str], kind: Kind = DEPLOYMENTS) -> None:
    """One that is scaled to zero."""
    spec: dict[str, Any] = {"replicas": 0, "template": {"metadata": {"annotations": annotations}}}
    lab.server.put(kind, "web", NS, spec=spec)


@pytest.mark.parametrize("kind", [DEPLOYMENTS, STATEFULSETS, DAEMONSETS])
def test_a_template_holds_the_net_attach_def_that_it_names(kind: Kind) -> None:
    async def story(lab: Lab) -> None:
        lab.nad()
        workload(lab, {NETWORKS: "net"}, kind)
        await lab.settle()
        assert lab.held() == f"{kind.name} {NS}/web"
        answer = lab.ask("DELETE", old=lab.find())
        assert isinstance(answer, Denied)
        assert f"{kind.name} {NS}/web" in answer.message
        workload(lab, {}, kind)
        await lab.settle()
        assert lab.held() == ""

    play(story, protect_templates=True, webhook_nads=True)


def test_pods_are_named_first_and_the_template_holds_when_they_are_gone() -> None:
    async def story(lab: Lab) -> None:
        lab.nad()
        workload(lab, {NETWORKS: "net"})
        lab.pod()
        await lab.settle()
        lab.remove_pod()
        lab.delete()
        await lab.settle()
        assert lab.find() is not None
        assert f"Deployment {NS}/web" in lab.message("HeldByPods")
        lab.server.remove(DEPLOYMENTS, "web", NS)
        await lab.settle()
        assert lab.find() is None

    play(story, protect_templates=True)


def test_a_default_network_of_a_template_counts() -> None:
    async def story(lab: Lab) -> None:
        lab.nad(namespace="kube-system")
        workload(lab, {DEFAULT_NETWORK: "net"})
        await lab.settle()
        assert lab.held(namespace="kube-system")

    play(story, protect_templates=True)


def test_unless_it_is_asked_for_templates_are_not_read() -> None:
    async def story(lab: Lab) -> None:
        lab.nad()
        workload(lab, {NETWORKS: "net"})
        await lab.settle()
        assert lab.held() == ""
        assert not [one for one in lab.server.asked if "deployments" in one.path]

    play(story)
