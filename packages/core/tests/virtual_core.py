"""The whole controller in memory and in virtual time: a cloud, an API server, and replicas."""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core_builders import raw_allocation, raw_node

from moorage_api.netipallocation import NETIPALLOCATIONS
from moorage_core.controller import setup
from moorage_core.settings import CoreSettings
from moorage_kube.client.kinds import EVENTS, NODES
from moorage_provider.protocol import MachineHolder
from moorage_testing.apiserver import ApiServer
from moorage_testing.apiserver.faults import Fault as ApiFault
from moorage_testing.clouds.memory import MemoryCloud, published
from moorage_testing.harness import Scenario, World, managed, play_story

NAME = "a"
Raw = dict[str, Any]


@contextmanager
def installed_plugin() -> Iterator[None]:
    """An installed distribution that offers the memory cloud, as ``memory`` and as ``other``."""
    with tempfile.TemporaryDirectory() as folder:
        metadata = Path(folder) / "memory_plugin-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: memory-plugin\nVersion: 1.0\n"
        )
        (metadata / "entry_points.txt").write_text(
            "[moorage.providers]\nmemory = moorage_testing.clouds.memory:create\n"
            "other = moorage_testing.clouds.memory:create\n"
        )
        sys.path.insert(0, folder)
        importlib.invalidate_caches()
        try:
            yield
        finally:
            sys.path.remove(folder)


class Lab:
    """One server, one cloud, one controller at a time; ``world.begin`` starts it."""

    def __init__(self, cloud: MemoryCloud, settings: dict[str, str] | None = None) -> None:
        self.cloud = cloud
        start = managed(CoreSettings.model_validate(settings or {}), setup)
        self.world = World(Scenario(start, lambda _: None))

    @property
    def server(self) -> ApiServer:
        return self.world.server

    # What people do.

    def add_node(self, name: str, **fields: Any) -> None:
        """A node on a machine of its own."""
        self.cloud.add_machine(f"vm-{name}")
        raw = raw_node(name, **fields)
        self.server.put(
            NODES, name, metadata=raw["metadata"], spec=raw["spec"], status=raw["status"]
        )

    def cordon(self, name: str, *, on: bool = True) -> None:
        self.server.patch(NODES, name, {"spec": {"unschedulable": on}})

    def allocate(self, *ips: str, **spec: Any) -> None:
        """Reserve addresses and list them."""
        for ip in ips:
            self.cloud.add_address(ip)
        raw = raw_allocation(NAME, *ips, spec=spec)
        self.server.put(NETIPALLOCATIONS, NAME, metadata=raw["metadata"], spec=raw["spec"])

    def edit(self, **spec: Any) -> None:
        """Change the allocation as somebody does who may change nothing else."""
        self.server.patch(NETIPALLOCATIONS, NAME, {"spec": spec})

    def delete(self) -> None:
        self.server.delete(NETIPALLOCATIONS, NAME)

    def stop_api_server(self) -> None:
        """No request is answered any more, and no watch goes on."""
        self.server.faults.append(ApiFault(status=503, times=1_000_000))
        self.server.cut_watches()

    def start_api_server(self) -> None:
        self.server.faults.clear()

    # What they see.

    def node(self, name: str) -> Raw:
        found = self.server.find(NODES, name)
        assert found is not None, name
        return found

    def labelled(self) -> set[str]:
        """The nodes that say they hold an address."""
        nodes = self.server.all_of(NODES)
        return {
            one["metadata"]["name"]
            for one in nodes
            if (one["metadata"].get("labels") or {}).get("ip.ready") == "true"
        }

    def status(self) -> Raw:
        found = self.server.find(NETIPALLOCATIONS, NAME)
        return (found or {}).get("status") or {}

    def record(self, ip: str) -> Raw:
        """The address's entry in the status, ``{}`` = there is none."""
        records = self.status().get("addresses") or ()
        return next((one for one in records if one["ip"] == ip), {})

    def condition(self, kind: str = "Ready") -> Raw:
        conditions = self.status().get("conditions") or ()
        return next((one for one in conditions if one["type"] == kind), {})

    def where(self, ip: str) -> str:
        """The node whose machine the cloud shows it on, ``""`` = none."""
        holder = self.cloud.holder(ip)
        return holder.machine_id.removeprefix("vm-") if isinstance(holder, MachineHolder) else ""

    def settled(self, ip: str, node_name: str) -> bool:
        """Whether it is on a node, the status says so, and the node is labelled."""
        record = self.record(ip)
        bound = (record.get("phase"), record.get("nodeName")) == ("Bound", node_name)
        return bound and self.where(ip) == node_name and self.labelled() == {node_name}

    def events(self, reason: str = "") -> list[str]:
        """The messages of the Events of a reason, each as often as it was said."""
        return [
            one["message"]
            for one in self.server.all_of(EVENTS)
            if not reason or one["reason"] == reason
            for _ in range(one.get("count") or 1)
        ]

    async def until(self, true: Callable[[], bool], what: str, within: float) -> float:
        """Let time go by until something is so; returns after how many seconds it was."""
        for tenths in range(round(within * 10) + 1):
            if true():
                return tenths / 10
            await self.world.pass_time(0.1)
        raise AssertionError(f"not within {within:g} s: {what}; {self.status()}")


def play(
    story: Callable[[Lab], Awaitable[None]], cloud: MemoryCloud | None = None, **settings: str
) -> None:
    """Play a story in virtual time; the controller runs from its beginning with these settings."""
    cloud = cloud or MemoryCloud()
    with installed_plugin(), published(cloud):
        play_story(lambda: Lab(cloud, settings), story)
