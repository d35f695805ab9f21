"""``moorage-node-agent check`` under the agent's own rights: whether it works on its node."""

from __future__ import annotations

import sys

from agent_lab import AgentLab
from test_node_agent import lab, network

from moorage_testing.processes import Command
from moorage_testing.waiting import PATIENCE, wait_for

__all__ = ["lab", "network"]


def test_an_agent_that_works_passes_the_check(lab: AgentLab) -> None:
    lab.start(1)
    code, said = checked(lab, 1)
    assert code == 0, said
    assert f"the agent of {lab.name(lab.lab.node(1))} works, and every kind is served" in said


def checked(lab: AgentLab, number: int) -> tuple[int | None, str]:
    """The exit code of a check of a node, and what it says."""
    kubeconfig = lab.cluster.kubeconfig_for(f"{lab.namespace}/agent")
    argv = [
        sys.executable, "-m", "moorage_node_agent", "check", "--kubeconfig", str(kubeconfig),
        "--node-name", lab.name(lab.lab.node(number)), "--lease-namespace", lab.namespace,
    ]  # fmt: skip
    child = lab.run.start(Command(f"check-{number}", argv))
    wait_for(lambda: not child.alive, 2 * PATIENCE, "the check to end")
    return child.returncode, child.log_tail()
