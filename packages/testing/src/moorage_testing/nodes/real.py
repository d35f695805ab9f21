"""Real nodes on an embedded control plane, for the length of a `with` block."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

import psutil

from moorage_testing.cluster import EmbeddedCluster, Settings
from moorage_testing.cluster.toolchain import tool_paths
from moorage_testing.cni import install
from moorage_testing.lab import Client, Namespace
from moorage_testing.nodes.files import ETC, PAUSE_IMAGE, NodeFiles
from moorage_testing.nodes.images import write_image
from moorage_testing.nodes.machine import Machine
from moorage_testing.nodes.network import OUTSIDE_MAC, Network
from moorage_testing.nodes.node import RealNode
from moorage_testing.nodes.programs import check_machine, cni_folder
from moorage_testing.processes import Run

TOOLS = ("kubelet", "kube-proxy", "pause")
# Seconds without a heartbeat; a real cluster takes 40 or 50.
GRACE_SECONDS = 8.0
DEFAULTS = Settings(node_monitor_grace_seconds=GRACE_SECONDS, kwok=False)


def build_tools() -> Mapping[str, Path]:
    """Have the binaries of a node ready and return their paths; raises what `tool_paths` raises."""
    return tool_paths(TOOLS)


class RealNodes:
    """A control plane and its real nodes, named node-1, node-2, ..."""

    def __init__(
        self, run: Run, network: Network, cluster: EmbeddedCluster, *, networks: bool = False
    ) -> None:
        """Take over a control plane on a network; see `RealNodes.start`."""
        self.network = network
        self.cluster = cluster
        self.nodes: dict[str, RealNode] = {}
        self.run = run
        self._outside: Namespace | None = None
        self._networks = networks

    @classmethod
    def start(
        cls, count: int = 2, settings: Settings = DEFAULTS, *, networks: bool = False
    ) -> Self:
        """Start a cluster of so many nodes and return when all of them are Ready.

        With `networks`, pods get the networks that they name; see `moorage_testing.cni`.
        Raises NodesUnavailableError where real nodes cannot run, ToolchainError without binaries.
        """
        check_machine()
        tools = build_tools()
        run = Run.open()
        try:
            network = Network(run, count)
            address = str(network.plan.host)
            cluster = EmbeddedCluster.serve(replace(settings, address=address, kubelets=True))
        except BaseException:
            run.close()
            raise
        real = cls(run, network, cluster, networks=networks)
        try:
            real._add_nodes(count, tools)
        except BaseException:
            real.stop()
            raise
        return real

    def stop(self) -> None:
        """End everything and leave nothing behind. May be repeated."""
        if self._outside is not None:
            self._outside.close()
        # Nodes first: they would wait for a control plane that is gone.
        self.run.close()
        self.cluster.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def host(self) -> str:
        """The address of this machine that pods can reach, for instance for a cloud emulator."""
        return str(self.network.plan.host)

    def outside(self) -> Client:
        """A client on the nodes' link that is no node; the same one each time."""
        if self._outside is None:
            self._outside = Namespace()
            self.network.plug_outside(Path(self._outside.path))
        return Client(self._outside, "eth0", OUTSIDE_MAC, str(self.network.plan.outside))

    def load_image(self, archive: Path) -> None:
        """Import the images of an archive on every node."""
        for node in self.nodes.values():
            node.load_image(archive)

    def _add_nodes(self, count: int, tools: Mapping[str, Path]) -> None:
        pause = write_image(self.run.folder / "pause.tar", PAUSE_IMAGE, tools["pause"])
        programs = [tools["kubelet"], tools["kube-proxy"]]
        for number in range(1, count + 1):
            name = f"node-{number}"
            machine = Machine(self.run, name, programs)
            self._files(number, machine).write(machine.var)
            node = RealNode(name, number, machine, self.network, self.cluster)
            self.nodes[name] = node
            node.boot()
        for node in self.nodes.values():
            node.join([pause])
        for node in self.nodes.values():
            node.wait_ready()

    def _files(self, number: int, machine: Machine) -> NodeFiles:
        plan, cluster, name = self.network.plan, self.cluster, machine.name
        access = self._networks and {"networks.json": install.let_in(cluster, f"{ETC}/ca.crt")}
        kubelet = cluster.kubeconfig_for(user=f"system:node:{name}", groups=["system:nodes"])
        proxy = cluster.kubeconfig_for(user="system:kube-proxy")
        return NodeFiles(
            pod_subnet=plan.pod_subnet(number),
            cgroup_root=machine.group.path,
            lease_seconds=cluster.settings.node_monitor_grace_seconds,
            cni_folder=cni_folder(),
            snapshotter=_snapshotter(machine.var),
            secrets={
                "ca.crt": cluster.ca_file.read_bytes(),
                "kubelet.pem": cluster.authority.server_pem([plan.node(number)], [name]),
                "kubelet.kubeconfig": kubelet.read_bytes(),
                "kube-proxy.kubeconfig": proxy.read_bytes(),
                **(access or {}),
            },
            networks=self._networks,
        )


def _snapshotter(folder: Path) -> str:
    """Return the way to stack layers: overlays cannot be stacked on overlays, as in a container."""
    around = [
        partition
        for partition in psutil.disk_partitions(all=True)
        if folder.is_relative_to(partition.mountpoint)
    ]
    innermost = max(around, key=lambda partition: len(partition.mountpoint))
    return "native" if innermost.fstype == "overlay" else "overlayfs"
