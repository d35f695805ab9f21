"""The command lines of the control plane, and the order in which they are started."""

import ipaddress
import math
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from moorage_testing.cluster.api import Api, ApiError
from moorage_testing.cluster.identity import (
    FIRST_SERVICE_ADDRESS,
    LOOPBACK,
    Authority,
    Credential,
    kubeconfig_text,
    write_secret,
    write_service_account_key,
)
from moorage_testing.cluster.toolchain import data_folder, tool_paths
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import wait_for

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
READY_SECONDS = 60.0
# On a busy machine an API server may be kept from working for half a minute.
CALL_SECONDS = 120.0
PROBE_SECONDS = 2.0
KUBELET_LABEL = "testing.moorage.dev/kubelet"
KUBELET_RUNS = "running"
KWOK_STAGES = ("node/fast", "node/heartbeat-with-lease", "pod/fast")
# Collecting garbage less often takes a sixth of the API server's time off bulk creations; it
# costs half a gigabyte of memory at 20,000 pods and next to nothing in a small cluster.
GO_SETTINGS = {"GOGC": "400"}
FOR_FAKE_NODES = (
    # An EndpointSlice cannot hold a loopback address.
    "--endpoint-reconciler-type=none",
    # Fake pods need no token volume, and pods can be made before their ServiceAccount.
    "--disable-admission-plugins=ServiceAccount",
)
# No client-side rate limit: clients of the control plane are not measured here.
FAST_CLIENT = ("--kube-api-qps=1000", "--kube-api-burst=2000")


@dataclass(frozen=True, slots=True)
class Settings:
    """How a cluster is to behave."""

    node_monitor_grace_seconds: float = 40.0
    """From a node's last heartbeat to Ready=Unknown."""
    eviction_seconds: int = 300
    """From there to the deletion of pods that do not say how long they tolerate it."""
    kwok: bool = True
    """Whether fake kubelets run the nodes."""
    extra_args: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """More flags by binary; where a flag is there twice, these win."""
    address: str = "127.0.0.1"
    """Where the API server serves."""
    kubelets: bool = False
    """Whether real kubelets come: pods get tokens, and the Service `kubernetes` works in them."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The files and addresses that the commands share."""

    folder: Path
    token: str
    address: str
    api_port: int
    etcd_port: int
    etcd_peer_port: int
    authority: Authority
    ca_file: Path
    kubeconfig: Path
    private_key: Path
    public_key: Path

    @classmethod
    def write(cls, folder: Path, token: str, address: str) -> "Layout":
        """Choose free ports and write every file that the commands read."""
        api_port, etcd_port, etcd_peer_port = free_ports(3)
        authority = Authority.make()
        ca_file = authority.write(folder / "ca.crt")
        addresses = {LOOPBACK, FIRST_SERVICE_ADDRESS, ipaddress.IPv4Address(address)}
        write_secret(folder / "apiserver.pem", authority.server_pem(addresses))
        write_secret(folder / "tokens.csv", f"{token},admin,admin,system:masters\n".encode())
        text = kubeconfig_text(f"https://{address}:{api_port}", ca_file, Credential(token=token))
        kubeconfig = write_secret(folder / "admin.kubeconfig", text.encode())
        private_key, public_key = write_service_account_key(folder)
        return cls(
            folder=folder,
            token=token,
            address=address,
            api_port=api_port,
            etcd_port=etcd_port,
            etcd_peer_port=etcd_peer_port,
            authority=authority,
            ca_file=ca_file,
            kubeconfig=kubeconfig,
            private_key=private_key,
            public_key=public_key,
        )

    def api(self, timeout_seconds: float = CALL_SECONDS) -> Api:
        """Return a client that may do everything."""
        return Api(self.address, self.api_port, self.ca_file, self.token, timeout_seconds)


def free_ports(count: int) -> tuple[int, ...]:
    """Return ports that are free on loopback now; all are held until the last is found."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return tuple(each.getsockname()[1] for each in sockets)


def start(run: Run, layout: Layout, settings: Settings) -> None:
    """Start everything and return when it serves; raises ChildError with a log when it cannot."""
    names = (*CONTROL_PLANE, "kwok") if settings.kwok else CONTROL_PLANE
    paths = tool_paths(names)
    arguments = {
        "etcd": _etcd(layout),
        "kube-apiserver": _api_server(layout, settings),
        "kube-controller-manager": _controller_manager(layout, settings),
        "kube-scheduler": _scheduler(layout),
    }
    if settings.kwok:
        arguments["kwok"] = _kwok(layout, settings)

    def launch(name: str) -> Child:
        argv = [str(paths[name]), *arguments[name], *settings.extra_args.get(name, ())]
        # No grace: the data is thrown away, and the API server would wait for its watches to end.
        command = Command(name, argv, env=GO_SETTINGS | {"HOME": str(run.folder)}, grace_seconds=0)
        return run.start(command)

    # The API server waits for etcd itself; the others would lose time in back-offs.
    for name in names[:2]:
        launch(name)
    _wait_ready(run, layout)
    for name in names[2:]:
        launch(name)
    _wait_controllers(run, layout)


def _wait_ready(run: Run, layout: Layout) -> None:
    # A foreign program on our port may take the connection and never answer.
    api = layout.api(PROBE_SECONDS)

    def ready() -> bool:
        for child in run.children:
            child.check()
        try:
            api.get_text("/readyz")
        except (OSError, ApiError):
            return False
        return True

    wait_for(ready, READY_SECONDS, "the API server to be ready")


def _wait_controllers(run: Run, layout: Layout) -> None:
    api = layout.api()

    def working() -> bool:
        for child in run.children:
            child.check()
        try:
            # Made by the controller manager in every namespace, and needed by what comes next.
            api.request("GET", "/api/v1/namespaces/default/serviceaccounts/default")
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return False
        return True

    wait_for(working, READY_SECONDS, "the controller manager to work")


def _etcd(layout: Layout) -> list[str]:
    client = f"http://127.0.0.1:{layout.etcd_port}"
    peer = f"http://127.0.0.1:{layout.etcd_peer_port}"
    return [
        f"--data-dir={layout.folder / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--log-level=warn",
    ]


def _api_server(layout: Layout, settings: Settings) -> list[str]:
    return [
        f"--etcd-servers=http://127.0.0.1:{layout.etcd_port}",
        f"--bind-address={layout.address}",
        f"--secure-port={layout.api_port}",
        # Set explicitly: the default is the address of the default route, which a machine without a
        # network does not have.
        f"--advertise-address={layout.address}",
        f"--cert-dir={layout.folder / 'certs'}",
        f"--tls-cert-file={layout.folder / 'apiserver.pem'}",
        f"--tls-private-key-file={layout.folder / 'apiserver.pem'}",
        f"--client-ca-file={layout.ca_file}",
        f"--token-auth-file={layout.folder / 'tokens.csv'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={layout.public_key}",
        f"--service-account-signing-key-file={layout.private_key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=Node,RBAC",
        # As every distribution does: a kubelet changes no other node, and no protected label.
        "--enable-admission-plugins=NodeRestriction",
        *(_for_kubelets(layout) if settings.kubelets else FOR_FAKE_NODES),
        "--allow-privileged",
        # Webhooks are then called through their EndpointSlices, so also on this machine.
        "--enable-aggregator-routing=true",
        f"--default-not-ready-toleration-seconds={settings.eviction_seconds}",
        f"--default-unreachable-toleration-seconds={settings.eviction_seconds}",
    ]


def _for_kubelets(layout: Layout) -> list[str]:
    client = write_secret(
        layout.folder / "kubelet-client.pem",
        layout.authority.client_pem("kube-apiserver-kubelet-client", ["system:masters"]),
    )
    return [
        f"--kubelet-certificate-authority={layout.ca_file}",
        f"--kubelet-client-certificate={client}",
        f"--kubelet-client-key={client}",
        "--kubelet-preferred-address-types=InternalIP",
    ]


def _controller_manager(layout: Layout, settings: Settings) -> list[str]:
    grace = settings.node_monitor_grace_seconds
    return [
        f"--kubeconfig={layout.kubeconfig}",
        f"--service-account-private-key-file={layout.private_key}",
        f"--root-ca-file={layout.ca_file}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--secure-port=0",
        f"--node-monitor-grace-period={grace}s",
        f"--node-startup-grace-period={grace}s",
        f"--node-monitor-period={min(5.0, grace / 4):.3f}s",
        # One node in ten seconds is the default for NoExecute taints; tests stop several at once.
        "--node-eviction-rate=100",
        "--secondary-node-eviction-rate=100",
        "--large-cluster-size-threshold=0",
        *FAST_CLIENT,
    ]


def _scheduler(layout: Layout) -> list[str]:
    return [
        f"--kubeconfig={layout.kubeconfig}",
        "--leader-elect=false",
        "--secure-port=0",
        *FAST_CLIENT,
    ]


def _kwok(layout: Layout, settings: Settings) -> list[str]:
    stages = data_folder("kwok")
    files = [
        file
        for folder in KWOK_STAGES
        for file in sorted((stages / folder).glob("*.yaml"))
        if file.name != "kustomization.yaml"
    ]
    return [
        f"--kubeconfig={layout.kubeconfig}",
        # By label and not by annotation: kwok selects labels on the server, so that a node that
        # loses the label is gone for kwok. A lost annotation would leave its Lease being renewed.
        "--manage-all-nodes=false",
        f"--manage-nodes-with-label-selector={KUBELET_LABEL}={KUBELET_RUNS}",
        "--cidr=10.244.0.0/16",
        # Leases are renewed four times in this span.
        f"--node-lease-duration-seconds={max(2, math.ceil(settings.node_monitor_grace_seconds))}",
        # Port 0: no kubelet server, hence no port that two clusters would both want.
        "--node-port=0",
        *(f"--config={file}" for file in files),
    ]
