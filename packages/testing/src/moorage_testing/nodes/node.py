"""One real node: a machine with containerd, kubelet and kube-proxy, and what can happen to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from moorage_testing.cluster import ApiError, EmbeddedCluster
from moorage_testing.nodes.files import ETC, RUNTIME_SOCKET
from moorage_testing.nodes.machine import Machine
from moorage_testing.nodes.network import Network
from moorage_testing.nodes.programs import program
from moorage_testing.processes import Child
from moorage_testing.waiting import WaitTimeoutError, wait_for

RUNTIME_SECONDS = 30.0
READY_SECONDS = 60.0
# The limits of connection tracking are the machine's, and not writable in a network namespace.
NO_CONNTRACK_LIMITS = (
    "--conntrack-max-per-core=0",
    "--conntrack-min=0",
    "--conntrack-tcp-timeout-established=0",
    "--conntrack-tcp-timeout-close-wait=0",
)


@dataclass(slots=True)
class RealNode:
    """A node of the cluster; made and started by `RealNodes`."""

    name: str
    number: int
    machine: Machine
    network: Network
    cluster: EmbeddedCluster
    _running: dict[str, Child] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Its InternalIP."""
        return str(self.network.plan.node(self.number))

    @property
    def pids(self) -> set[int]:
        """Every process of the node, those of its containers included."""
        return self.machine.group.pids()

    def load_image(self, archive: Path) -> None:
        """Import the images of an archive, of docker or OCI, under the names that it has."""
        self.machine.call(self._ctr("images", "import", "-"), stdin=archive)

    def set_provider_id(self, provider_id: str) -> None:
        """Say which machine of a cloud the node is; as in any cluster, only once."""
        path = f"/api/v1/nodes/{self.name}"
        self.cluster.request("PATCH", path, {"spec": {"providerID": provider_id}})

    def ready(self) -> str:
        """Return the status of its Ready condition; Unknown before the kubelet has registered."""
        try:
            return self.cluster.node_ready(self.name)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return "Unknown"

    def wait_ready(self, status: str = "True", timeout_seconds: float = READY_SECONDS) -> None:
        """Return when its Ready condition has this status."""

        def reached() -> bool:
            for child in self._running.values():
                child.check()
            return self.ready() == status

        try:
            wait_for(reached, timeout_seconds, f"{self.name} to have Ready={status}")
        except WaitTimeoutError as error:
            for child in self._running.values():
                error.add_note(f"{child.name}:\n{child.log_tail()}")
            raise

    def stop_kubelet(self) -> None:
        """Kill the kubelet; containers run on."""
        self._running.pop("kubelet").stop(0)

    def start_kubelet(self) -> None:
        """Start the kubelet again, if it does not run."""
        if "kubelet" in self._running:
            return
        self._start(
            "kubelet",
            "/var/bin/kubelet",
            f"--config={ETC}/kubelet.yaml",
            f"--kubeconfig={ETC}/kubelet.kubeconfig",
            f"--hostname-override={self.name}",
            f"--node-ip={self.address}",
        )

    def cut_link(self) -> None:
        """Pull the cable: everything runs on, and nobody is reached."""
        self.network.cut(self.number)

    def restore_link(self) -> None:
        """Put the cable back."""
        self.network.restore(self.number)

    def power_off(self) -> None:
        """Kill everything of the node at once; nobody is told, and no connection is closed."""
        self._running.clear()
        self.network.unplug(self.number)
        self.machine.kill()

    def power_on(self) -> None:
        """Boot it again, with its disk as it was; the kubelet starts its pods again."""
        self.boot()
        self.join()

    def boot(self) -> None:
        """Start the machine, its link and containerd, but not the kubelet."""
        self.machine.boot()
        self.network.plug(self.number, self.machine.pid)
        self._start("containerd", program("containerd"), f"--config={ETC}/containerd.toml")

    def join(self, images: Sequence[Path] = ()) -> None:
        """Start the kubelet and kube-proxy when containerd serves and has the images."""
        socket = Path(f"/proc/{self.machine.pid}/root{RUNTIME_SOCKET}")

        def serving() -> bool:
            self._running["containerd"].check()
            return socket.exists()

        wait_for(serving, RUNTIME_SECONDS, f"containerd on {self.name} to serve")
        for image in images:
            self.load_image(image)
        self.start_kubelet()
        self._start(
            "kube-proxy",
            "/var/bin/kube-proxy",
            f"--kubeconfig={ETC}/kube-proxy.kubeconfig",
            f"--hostname-override={self.name}",
            "--proxy-mode=nftables",
            f"--bind-address={self.address}",
            f"--cluster-cidr={self.network.plan.pods}",
            *NO_CONNTRACK_LIMITS,
        )

    def _start(self, name: str, *argv: str) -> None:
        self._running[name] = self.machine.start(name, argv)

    def _ctr(self, *arguments: str) -> list[str]:
        return [program("ctr"), "--address", RUNTIME_SOCKET, "--namespace", "k8s.io", *arguments]
