"""Compares the cloud with the labels, repeatedly."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .history import IP_LABEL, shown_by

if TYPE_CHECKING:
    from .pool import NodePool

_LABELLED = f"/api/v1/nodes?labelSelector={IP_LABEL}"


@dataclass(slots=True)
class Witness:
    """Compares the cloud's real state with the labels.

    Attributes:
        pool: where.
        ips: the addresses that were reserved at the start.
        checks: how often it has looked.
        lost: addresses that disappeared from the account.
        doubled: two addresses on one machine; a label at one node, the address at another.
    """

    pool: NodePool
    ips: frozenset[str]
    checks: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)

    async def follow(self, every_seconds: float) -> None:
        """Check for ever."""
        while True:
            await asyncio.to_thread(self.check)
            await asyncio.sleep(every_seconds)

    def check(self) -> None:
        """Read the cloud, then the labels, and where they differ the cloud again.

        The controller removes a label before it detaches the address, and sets one after it
        attached the address. So a label that is read after the cloud names the same node, or one
        without a machine, unless it is wrong.
        """
        holders = self.pool.account.holders()
        shown = self._shown()
        self.checks += 1
        self.lost += (f"{ip} is not reserved any more" for ip in sorted(self.ips - holders.keys()))
        machines = [machine for machine in holders.values() if machine]
        twice = {machine for machine in machines if machines.count(machine) > 1}
        self.doubled += (f"{machine} has more than one address" for machine in sorted(twice))
        nodes = self.pool.nodes_by_machine()
        if found := lies(holders, shown, nodes):
            still = lies(self.pool.account.holders(), shown, nodes)
            self.doubled += sorted(found & still)

    def _shown(self) -> list[tuple[str, str]]:
        items = self.pool.fleet.cluster.request("GET", _LABELLED)["items"]
        return [(one["metadata"]["name"], shown_by(one["metadata"]["labels"])) for one in items]


def lies(
    holders: Mapping[str, str], shown: Iterable[tuple[str, str]], nodes: Mapping[str, str]
) -> set[str]:
    """Wrong labels: they name an address that another node has.

    Args:
        holders: address -> the machine that has it, ``""`` = none.
        shown: nodes, each with the address that its labels show.
        nodes: machine -> its node.
    """
    return {
        f"{node} shows {ip}, which {nodes[machine]} has"
        for node, ip in shown
        if (machine := holders.get(ip, "")) in nodes and nodes[machine] != node
    }
