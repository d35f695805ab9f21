"""The embedded control plane behaves like a cluster, and nothing of it is left behind."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from moorage_testing.cluster import (
    ApiError,
    EmbeddedCluster,
    KubectlError,
    Node,
    Owner,
    Pod,
    Taint,
    ToolchainError,
    control_plane,
)
from moorage_testing.processes import FOLDER_PREFIX, ChildError, Run, sweep
from moorage_testing.waiting import wait_for

GRACE_SECONDS = 4.0
OWNER = """
import time
from moorage_testing.cluster import EmbeddedCluster
with EmbeddedCluster.start() as cluster:
    print(cluster.run.folder, *cluster.pids.values(), flush=True)
    while True:  # not signal.pause(): a signal just before it would be slept through
        time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def quick() -> Iterator[EmbeddedCluster]:
    """A separate cluster, which detects silent nodes within seconds."""
    try:
        running = EmbeddedCluster.start(
            nodes=2, node_monitor_grace_seconds=GRACE_SECONDS, eviction_seconds=1
        )
    except ToolchainError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    with running:
        yield running


def phase(cluster: EmbeddedCluster, name: str) -> str:
    path = f"/api/v1/namespaces/default/pods/{name}"
    return str(cluster.request("GET", path)["status"]["phase"])


def test_the_session_has_one_cluster_of_five_processes(cluster: EmbeddedCluster) -> None:
    assert set(cluster.pids) == {
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kwok",
    }
    assert all(psutil.pid_exists(pid) for pid in cluster.pids.values())
    assert cluster.kubectl("get", "--raw", "/readyz") == "ok"
    assert cluster.request("GET", "/version")["gitVersion"].startswith("v1.")


def test_nodes_are_as_stated_and_ready(cluster: EmbeddedCluster) -> None:
    taint = Taint("dedicated", "NoExecute", "db")
    stated = Node("stated", labels={"zone": "a"}, provider_id="aws:///a/i-1", taints=(taint,))
    cluster.add_nodes([stated])
    node = cluster.request("GET", "/api/v1/nodes/stated")
    assert node["spec"]["providerID"] == "aws:///a/i-1"
    assert node["metadata"]["labels"]["zone"] == "a"
    assert node["spec"]["taints"] == [{"key": "dedicated", "value": "db", "effect": "NoExecute"}]
    assert cluster.node_ready("stated") == "True"


def test_pods_are_scheduled_and_run(cluster: EmbeddedCluster) -> None:
    cluster.add_nodes(["host"])
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}}
    cluster.apply([config])
    uid = cluster.request("GET", "/api/v1/namespaces/default/configmaps/owner")["metadata"]["uid"]
    owner = Owner("ConfigMap", "owner", uid, api_version="v1")
    cluster.create_pods([Pod("bound", node="host", owner=owner, labels={"a": "b"}), Pod("loose")])
    wait_for(lambda: phase(cluster, "bound") == "Running", 30, "the bound pod to run")
    wait_for(lambda: phase(cluster, "loose") == "Running", 30, "the scheduled pod to run")
    bound = cluster.request("GET", "/api/v1/namespaces/default/pods/bound")
    assert bound["spec"]["nodeName"] == "host"
    assert bound["status"]["podIP"]
    cluster.kubectl("delete", "configmap", "owner")
    path = "/api/v1/namespaces/default/pods?labelSelector=a%3Db"
    wait_for(lambda: not cluster.request("GET", path)["items"], 30, "the owned pod to be collected")


def test_a_refused_creation_is_an_error(cluster: EmbeddedCluster) -> None:
    with pytest.raises(ApiError, match=r"404: POST .*namespaces.* not found") as refused:
        cluster.create_pods(Pod(f"p{number}", namespace="nowhere") for number in range(200))
    assert refused.value.status == 404


async def test_it_can_be_used_where_an_event_loop_runs(cluster: EmbeddedCluster) -> None:
    cluster.add_nodes(["from-async"])
    assert cluster.create_pods([Pod("from-async", node="from-async")]) == 1


def test_manifests_are_applied_as_text_too(cluster: EmbeddedCluster) -> None:
    text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: written}\n"
    assert "namespace/written serverside-applied" in cluster.apply(text)


def test_a_failing_kubectl_says_why(cluster: EmbeddedCluster) -> None:
    with pytest.raises(KubectlError, match=r'kubectl get pod ghost: .*"ghost" not found'):
        cluster.kubectl("get", "pod", "ghost")


def test_a_service_account_has_its_own_rights_only(cluster: EmbeddedCluster) -> None:
    kubeconfig = cluster.kubeconfig_for("team/robot")
    name = "system:serviceaccount:team:robot"
    assert who_am_i(cluster, kubeconfig) == name
    assert kubeconfig.stat().st_mode & 0o077 == 0
    with pytest.raises(KubectlError, match=f'User "{name}" cannot list resource "pods"'):
        cluster.kubectl(f"--kubeconfig={kubeconfig}", "get", "pods", "-n", "team")
    cluster.kubectl(
        "create", "rolebinding", "robot", "-nteam", "--clusterrole=view", f"--user={name}"
    )
    see = f"--kubeconfig={kubeconfig}", "get", "pods", "-n", "team"
    wait_for(lambda: can(cluster, *see), 10, "the role binding to take effect")


def test_a_user_is_known_by_name_and_groups(cluster: EmbeddedCluster) -> None:
    kubeconfig = cluster.kubeconfig_for(user="system:node:n1", groups=["system:nodes"])
    assert who_am_i(cluster, kubeconfig) == "system:node:n1"
    with pytest.raises(ValueError, match="either a ServiceAccount or a user"):
        cluster.kubeconfig_for()


def test_the_server_is_trusted_under_another_address(cluster: EmbeddedCluster) -> None:
    elsewhere = cluster.server.replace("127.0.0.1", "127.0.0.2")
    kubeconfig = cluster.kubeconfig_for(user="alice", server=elsewhere)
    with pytest.raises(KubectlError, match=r"127\.0\.0\.2:\d+ was refused"):
        cluster.kubectl(f"--kubeconfig={kubeconfig}", "get", "--raw", "/readyz")
    port = cluster.server.rsplit(":", 1)[1]
    named = cluster.kubeconfig_for(user="alice", server=f"https://0.0.0.0:{port}")
    assert who_am_i(cluster, named) == "alice"


def test_a_silent_node_becomes_unknown_and_ready_again(quick: EmbeddedCluster) -> None:
    quick.create_pods([Pod("victim", node="node-0")])
    wait_for(lambda: phase(quick, "victim") == "Running", 30, "the pod to run")
    quick.stop_heartbeat("node-0")
    wait_for(
        lambda: quick.node_ready("node-0") == "Unknown", 5 * GRACE_SECONDS, "the node to be missed"
    )
    path = "/api/v1/namespaces/default/pods/victim"
    wait_for(
        lambda: "deletionTimestamp" in quick.request("GET", path)["metadata"],
        30,
        "the pod to be evicted",
    )
    assert quick.node_ready("node-0") == "Unknown", "kwok set the node ready again"
    assert quick.node_ready("node-1") == "True"
    quick.resume_heartbeat("node-0")
    wait_for(lambda: quick.node_ready("node-0") == "True", 30, "the node to come back")
    living = "/api/v1/namespaces/default/pods"
    wait_for(lambda: not quick.request("GET", living)["items"], 30, "the evicted pod to be gone")


def test_a_node_without_heartbeat_becomes_unknown(quick: EmbeddedCluster) -> None:
    quick.add_nodes([Node("mute", heartbeat=False)])
    wait_for(
        lambda: quick.node_ready("mute") == "Unknown", 5 * GRACE_SECONDS, "the node to be missed"
    )


def test_after_a_port_conflict_other_ports_are_used(
    cluster: EmbeddedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cluster.pids
    free_ports = control_plane.free_ports
    tries = []
    with socket.create_server(("127.0.0.1", 0)) as taken:

        def clash_first(count: int) -> tuple[int, ...]:
            tries.append(count)
            ports = free_ports(count)
            return ports if len(tries) > 1 else (taken.getsockname()[1], *ports[1:])

        monkeypatch.setattr(control_plane, "free_ports", clash_first)
        with EmbeddedCluster.start(kwok=False) as second:
            assert second.kubectl("get", "--raw", "/readyz") == "ok"
            assert "kwok" not in second.pids
    assert len(tries) == 2


def test_the_error_of_a_wrong_flag_has_the_log_and_nothing_is_left(
    cluster: EmbeddedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cluster.pids
    opened: list[Run] = []
    original = Run.open

    def noting() -> Run:
        opened.append(original())
        return opened[-1]

    monkeypatch.setattr(Run, "open", noting)
    with pytest.raises(ChildError, match="unknown flag: --no-such-flag"):
        EmbeddedCluster.start(extra_args={"kube-apiserver": ["--no-such-flag"]})
    assert len(opened) == 1, "a wrong flag was tried again"
    assert not opened[0].folder.exists()


# One that is answered and one that cannot be; test_cluster_processes.py has the others.
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_and_no_folder_outlives_the_owner(
    cluster: EmbeddedCluster,
    number: signal.Signals,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert cluster.pids
    # Else whoever starts a run beside this one sweeps it first.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    owner = subprocess.Popen(  # noqa: S603 - this file's own program
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        folder, *numbers = owner.stdout.readline().split()
        assert len(numbers) == 5
        owner.send_signal(number)
        assert owner.wait(30) == -number
    processes = [int(each) for each in numbers]
    if number == signal.SIGKILL:
        wait_for(lambda: not any(map(running, processes)), 10, "the processes to end")
        assert sweep() == (Path(folder).name.removeprefix(FOLDER_PREFIX),)
    assert not any(map(running, processes))
    assert not Path(folder).exists()


def running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def can(cluster: EmbeddedCluster, *arguments: str) -> bool:
    try:
        cluster.kubectl(*arguments)
    except KubectlError:
        return False
    return True


def who_am_i(cluster: EmbeddedCluster, kubeconfig: Path) -> str:
    path = "jsonpath={.status.userInfo.username}"
    return cluster.kubectl(f"--kubeconfig={kubeconfig}", "auth", "whoami", "-o", path)
