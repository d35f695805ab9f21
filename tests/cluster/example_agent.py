"""An example agent: on every node it writes onto the Node which kernel runs there; no Lease."""

import os
import sys
from typing import ClassVar

from pydantic import Field

from moorage_domain.plans import Plan
from moorage_domain.rbac import PolicyRule
from moorage_kube.cache.store import Store
from moorage_kube.client.client import ListQuery, Target
from moorage_kube.client.kinds import NODES
from moorage_kube.manager.manager import Manager
from moorage_kube.manager.process import run
from moorage_kube.manager.settings import CommonSettings, load
from moorage_kube.reconcile.logic import Pass
from moorage_kube.reconcile.queue import WorkQueue

Observed = tuple[str, str]  # the kernel that the Node names, and the one that runs
KERNEL = "example.moorage.dev/kernel"
RULES = (PolicyRule("", ("nodes",), ("list", "watch", "patch"), "say which kernel runs"),)


class AgentSettings(CommonSettings):  # no ElectedSettings: every agent works
    prog: ClassVar[str] = "moorage-example-agent"
    node_name: str = Field(description="The node it runs on.")


class KernelAgent:
    def __init__(self, manager: Manager, node: str) -> None:
        self.client, self.node, self.queue = manager.client, node, WorkQueue()
        self.nodes = Store(lambda raw: str(raw["metadata"].get("annotations", {}).get(KERNEL, "")))
        self.nodes.subscribe(lambda change: self.queue.add(change.key))
        manager.informer(NODES, self.nodes, ListQuery(field_selector=f"metadata.name={node}"))
        manager.add_controller("kernel", self, self.queue)

    async def observe(self, key: str) -> Observed | None:
        written = self.nodes.get(key)
        return None if written is None else (written, os.uname().release)

    def decide(self, observed: Observed) -> Plan[str]:
        written, kernel = observed
        todo = () if written == kernel else ("write it onto the Node",)
        return Plan("Kernel", f"{kernel} runs", todo)

    async def act(self, observed: Observed, _: str) -> None:
        change = {"metadata": {"annotations": {KERNEL: observed[1]}}}
        self.nodes.update_known(await self.client.patch(NODES, Target(self.node), change))

    async def report(self, ended: Pass[Observed, str]) -> None: ...


def setup(manager: Manager) -> None:
    KernelAgent(manager, load(AgentSettings).node_name)


if __name__ == "__main__":
    sys.exit(run(load(AgentSettings), setup))
