"""Start the agent: ``moorage-node-agent --help``."""

from __future__ import annotations

import sys
from typing import NoReturn

from moorage_api.ipclaim import IPCLAIMS
from moorage_kube.manager.check import Renewed, check_lease
from moorage_kube.manager.process import run
from moorage_kube.manager.settings import load
from moorage_kube.manager.shutdown import leave
from moorage_node_agent.controller import setup
from moorage_node_agent.lease import PREFIX
from moorage_node_agent.settings import NodeAgentSettings


def main() -> NoReturn:
    """Run until stopped, or do what the first word says; the exit code says how it ended."""
    match sys.argv[1:]:
        case ["check", *flags]:
            leave(check(load(NodeAgentSettings, flags)))
        case _:
            leave(run(load(NodeAgentSettings), setup))


def check(settings: NodeAgentSettings) -> int:
    """Whether the agent of this node renews its Lease, as ``helm test`` asks; the exit code."""
    node = settings.node_name
    lease = Renewed(
        PREFIX + node,
        settings.lease_namespace,
        well=f"the agent of {node} works",
        missing=f"no agent works on {node}; see the log of its pod",
    )
    return check_lease(settings, [IPCLAIMS], lease)


if __name__ == "__main__":
    main()
