"""What the cloud shows beside what labels say, looked at again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .history import IP_LABEL, shown_by

if TYPE_CHECKING:
    from .world import World

_LABELLED = f"/api/v1/nodes?labelSelector={IP_LABEL}"


@dataclass(slots=True)
class Witness:
    """Compares the cloud's truth with the labels.

    Attributes:
        world: where.
        ips: the addresses that were reserved at the start.
        looks: how often it has looked.
        lost: addresses that the account had no more.
        doubled: two addresses on one machine; a label at one node, the address at another.
    """

    world: World
    ips: frozenset[str]
    looks: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)

    async def follow(self, every_seconds: float) -> None:
        """Look for ever."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(every_seconds)

    def look(self) -> None:
        """Look once: the cloud, then the labels, and where they differ the cloud again.

        An address leaves a node's labels before it leaves the node, and comes to a node's labels
        after it has come to the node. So a label seen later than the cloud names the same node, or
        one whose machine is gone, unless it lies.
        """
        holders = self.world.account.holders()
        shown = self._shown()
        self.looks += 1
        self.lost += (f"{ip} is not reserved any more" for ip in sorted(self.ips - holders.keys()))
        machines = [machine for machine in holders.values() if machine]
        twice = {machine for machine in machines if machines.count(machine) > 1}
        self.doubled += (f"{machine} has more than one address" for machine in sorted(twice))
        nodes = self.world.nodes_by_machine()
        if found := lies(holders, shown, nodes):
            still = lies(self.world.account.holders(), shown, nodes)
            self.doubled += sorted(found & still)

    def _shown(self) -> list[tuple[str, str]]:
        items = self.world.fleet.cluster.request("GET", _LABELLED)["items"]
        return [(one["metadata"]["name"], shown_by(one["metadata"]["labels"])) for one in items]


def lies(
    holders: Mapping[str, str], shown: Iterable[tuple[str, str]], nodes: Mapping[str, str]
) -> set[str]:
    """Labels that name an address which another node has.

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
