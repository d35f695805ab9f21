"""Real nodes run real pods, fail as machines do, come back, and leave nothing behind."""

import contextlib
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from moorage_testing.cgroups import GROUP_PREFIX
from moorage_testing.cluster import ApiError, KubectlError
from moorage_testing.cluster.toolchain import tool_path
from moorage_testing.nodes import MachineError, RealNodes, write_image
from moorage_testing.nodes.network import link_name
from moorage_testing.processes import Command, sweep
from moorage_testing.waiting import wait_for

IMAGE = "localhost/probe:1"
TEAM = "team"
OWNER = """
import sys, time
from pathlib import Path
from moorage_testing.nodes import RealNodes
from test_nodes import pod, prepare
with RealNodes.start(1) as real:
    prepare(real, Path(sys.argv[1]))
    real.cluster.apply([pod("left", "node-1")])
    real.cluster.kubectl("-nteam", "wait", "pod/left", "--for=condition=Ready", "--timeout=60s")
    children = [*real.cluster.run.children, *real.run.children]
    pids = {*real.nodes["node-1"].pids, *(child.pid for child in children)}
    print(real.run.id, real.cluster.run.id, *pids, flush=True)
    while True:  # not signal.pause(): a signal just before it would be slept through
        time.sleep(0.1)
"""


def prepare(real: RealNodes, folder: Path) -> None:
    """Have the image on every node and a namespace in which only restricted pods are admitted."""
    real.load_image(write_image(folder / "probe.tar", IMAGE, tool_path("probe")))
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": TEAM, "labels": labels}
    real.cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}])
    path = f"/api/v1/namespaces/{TEAM}/serviceaccounts/default"
    # A namespace has it shortly after it was made, and admission wants it.
    wait_for(lambda: exists(real, path), 20, "the ServiceAccount")


def exists(real: RealNodes, path: str) -> bool:
    with contextlib.suppress(ApiError):
        real.cluster.request("GET", path)
        return True
    return False


def pod(name: str, node: str) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": IMAGE,
        "args": ["serve"],
        "readinessProbe": {"httpGet": {"port": 8080}, "periodSeconds": 1},
        "securityContext": {
            "runAsUser": 65532,
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    spec = {
        "nodeName": node,
        "containers": [container],
        "hostAliases": [{"ip": "10.96.0.1", "hostnames": ["kubernetes.default.svc"]}],
        "terminationGracePeriodSeconds": 0,
    }
    metadata = {"name": name, "namespace": TEAM, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def service(name: str) -> dict[str, Any]:
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]}
    metadata = {"name": name, "namespace": TEAM}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


@pytest.fixture(scope="module")
def pods(real_nodes: RealNodes, tmp_path_factory: pytest.TempPathFactory) -> RealNodes:
    """A pod `one` on the first node and a pod `two` on the second, with a Service each."""
    prepare(real_nodes, tmp_path_factory.mktemp("images"))
    cluster = real_nodes.cluster
    objects = [pod("one", "node-1"), pod("two", "node-2"), service("one"), service("two")]
    cluster.apply(objects)
    account = f"--serviceaccount={TEAM}:default"
    cluster.kubectl("-n", TEAM, "create", "rolebinding", "read", "--clusterrole=view", account)
    cluster.kubectl(
        "-n", TEAM, "wait", "pod", "--all", "--for=condition=Ready", "--timeout=60s"
    )  # fmt: skip
    return real_nodes


def get_from(pods: RealNodes, name: str, url: str) -> str:
    return pods.cluster.kubectl("-n", TEAM, "exec", name, "--", "/probe", "get", url)


def status_of(pods: RealNodes, name: str) -> dict[str, Any]:
    answer = pods.cluster.request("GET", f"/api/v1/namespaces/{TEAM}/pods/{name}")
    status: dict[str, Any] = answer["status"]
    return status


def cluster_ip(pods: RealNodes, name: str) -> str:
    answer = pods.cluster.request("GET", f"/api/v1/namespaces/{TEAM}/services/{name}")
    return str(answer["spec"]["clusterIP"])


def answer_of(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310 - http only
            return str(answer.read().decode().strip())
    except (OSError, http.client.HTTPException):
        return None


def test_the_nodes_are_ready_as_themselves(real_nodes: RealNodes) -> None:
    assert [node.ready() for node in real_nodes.nodes.values()] == ["True", "True"]
    first = real_nodes.cluster.kubeconfig_for(user="system:node:node-1", groups=["system:nodes"])
    label = f"--kubeconfig={first}", "label", "node", "--overwrite"
    with pytest.raises(KubectlError, match='nodes "node-2" is forbidden'):
        real_nodes.cluster.kubectl(*label, "node-2", "a=b")
    with pytest.raises(KubectlError, match="is not allowed to modify labels"):
        real_nodes.cluster.kubectl(*label, "node-1", "node-restriction.kubernetes.io/a=b")
    real_nodes.cluster.kubectl(*label, "node-1", "a=b")


def test_a_kubelet_proves_itself_and_answers_nobody_without_rights(real_nodes: RealNodes) -> None:
    url = f"https://{real_nodes.nodes['node-1'].address}:10250/pods"
    trusted = ssl.create_default_context(cafile=str(real_nodes.cluster.ca_file))
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        urllib.request.urlopen(url, context=trusted, timeout=10)
    refused.value.close()


def test_a_restricted_pod_reads_the_api_by_its_token(pods: RealNodes) -> None:
    path = f"api/v1/namespaces/{TEAM}/pods/one"
    by_address = json.loads(get_from(pods, "one", f"https://10.96.0.1/{path}"))
    assert by_address["spec"]["serviceAccountName"] == "default"
    by_name = json.loads(get_from(pods, "two", f"https://kubernetes.default.svc/{path}"))
    assert by_name["metadata"]["uid"] == by_address["metadata"]["uid"]
    with pytest.raises(KubectlError, match="403 Forbidden"):
        get_from(pods, "one", "https://10.96.0.1/api/v1/nodes")


def test_logs_come_from_the_container(pods: RealNodes) -> None:
    assert "two serves as uid 65532" in pods.cluster.kubectl("-n", TEAM, "logs", "two")


def test_a_port_is_forwarded(pods: RealNodes, tmp_path: Path) -> None:
    options = [f"--kubeconfig={pods.cluster.kubeconfig}", f"--cache-dir={tmp_path}", "-n", TEAM]
    argv = [str(tool_path("kubectl")), *options, "port-forward", "pod/two", ":8080"]
    child = pods.cluster.run.start(Command("port-forward", argv))
    try:
        found = wait_for(
            lambda: re.search(r"127\.0\.0\.1:(\d+)", child.log_tail()), 20, "the port"
        )  # fmt: skip
        assert found is not None
        assert answer_of(f"http://127.0.0.1:{found[1]}") == "two"
    finally:
        child.stop()


def test_a_service_leads_to_another_node_and_back_to_its_own_pod(pods: RealNodes) -> None:
    address = cluster_ip(pods, "two")
    assert get_from(pods, "one", f"http://{address}") == "two\n"
    assert get_from(pods, "two", f"http://{address}") == "two\n"


def test_this_machine_reaches_pods_and_is_reached(pods: RealNodes) -> None:
    assert answer_of(f"http://{status_of(pods, 'two')['podIP']}:8080") == "two"
    port = pods.cluster.server.rsplit(":", 1)[1]
    assert get_from(pods, "one", f"https://{pods.host}:{port}/readyz") == "ok"


def test_a_client_outside_is_on_the_link_of_the_nodes_and_reaches_nothing_behind_them(
    pods: RealNodes,
) -> None:
    client, plan = pods.outside(), pods.network.plan
    (mac,) = client.who_has(pods.nodes["node-1"].address)
    assert client.who_has(pods.nodes["node-2"].address) != {mac}
    assert client.who_has(str(plan.spare[1])) == frozenset()
    assert pods.outside().namespace is client.namespace
    pod = status_of(pods, "two")["podIP"]
    with pytest.raises(OSError, match="unreachable"):
        client.namespace.call(lambda: socket.create_connection((pod, 8080), 1))


def test_a_stopped_kubelet_leaves_its_containers_alone(pods: RealNodes) -> None:
    node, before = pods.nodes["node-2"], status_of(pods, "two")
    node.stop_kubelet()
    node.wait_ready("Unknown")
    assert answer_of(f"http://{before['podIP']}:8080") == "two"
    node.start_kubelet()
    node.wait_ready()
    after = status_of(pods, "two")
    assert (
        after["containerStatuses"][0]["containerID"]
        == (before["containerStatuses"][0]["containerID"])
    )


def test_a_cut_link_is_a_node_that_nobody_reaches(pods: RealNodes) -> None:
    node, url = pods.nodes["node-2"], f"http://{status_of(pods, 'two')['podIP']}:8080"
    node.cut_link()
    assert answer_of(url) is None
    node.wait_ready("Unknown")
    node.restore_link()
    node.wait_ready()
    wait_for(lambda: answer_of(url) == "two", 20, "the pod to be reached again")


def test_a_node_without_power_is_dead_at_once_and_comes_back(pods: RealNodes) -> None:
    node, before = pods.nodes["node-2"], status_of(pods, "two")["containerStatuses"][0]
    processes = running(node.pids)
    assert {"kubelet", "kube-proxy", "containerd", "pause", "probe"} <= names(processes)
    node.power_off()
    assert node.pids == set()
    wait_for(lambda: not any(map(alive, processes)), 2, "all of them to be gone")
    with pytest.raises(MachineError, match="node-2 is off"):
        node.machine.call(["true"])

    node.power_on()
    node.wait_ready()

    def started_again() -> bool:
        status = status_of(pods, "two")["containerStatuses"][0]
        return bool(status["ready"] and status["restartCount"] == before["restartCount"] + 1)

    wait_for(started_again, 60, "the pod to run again")
    url = f"http://{cluster_ip(pods, 'two')}"
    wait_for(lambda: reached(pods, "one", url), 20, "the Service to lead to it")


def reached(pods: RealNodes, name: str, url: str) -> bool:
    try:
        return get_from(pods, name, url) == "two\n"
    except KubectlError:
        return False


def test_a_node_is_a_machine_of_a_cloud(real_nodes: RealNodes) -> None:
    node = real_nodes.nodes["node-1"]
    node.set_provider_id("aws:///a/i-1")
    spec = real_nodes.cluster.request("GET", "/api/v1/nodes/node-1")["spec"]
    assert spec["providerID"] == "aws:///a/i-1"


def running(pids: Collection[int]) -> list[psutil.Process]:
    """The processes with these numbers, but those that have ended meanwhile."""
    return [process for process in psutil.process_iter(["name"]) if process.pid in pids]


def names(processes: list[psutil.Process]) -> set[str]:
    return {process.info["name"] for process in processes}


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module", autouse=True)
def owner(
    real_nodes: RealNodes,  # noqa: ARG001 - where there are none, this cannot run either
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """Another process with a node of its own, and its temporary folder.

    Started with the first test, so that it is ready when the last one kills it.
    """
    folder = tmp_path_factory.mktemp("owner")
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    environment = os.environ | {"TMPDIR": str(folder), "PYTHONPATH": paths}
    with subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-c", OWNER, str(folder)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process, folder
        process.kill()


def test_nothing_is_left_of_a_killed_owner(
    real_nodes: RealNodes,
    owner: tuple["subprocess.Popen[str]", Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process, folder = owner
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    assert process.stdout is not None
    run, control_plane, *pids = process.stdout.readline().split()
    processes = running({int(pid) for pid in pids})
    assert {"etcd", "kubelet", "containerd", "probe"} <= names(processes)
    assert link_name(run) in psutil.net_if_addrs()
    process.kill()
    process.wait(30)
    assert set(sweep()) == {run, control_plane}
    wait_for(lambda: not any(map(alive, processes)), 20, "the processes to be gone")
    # The kernel takes a network apart some time after its last process.
    wait_for(lambda: link_name(run) not in psutil.net_if_addrs(), 20, "the link to be gone")
    assert list(Path("/sys/fs/cgroup").glob(f"**/{GROUP_PREFIX}{run}")) == []
    assert list(folder.glob("moorage-run-*")) == []
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()
    # Other runs are left alone.
    assert [node.ready() for node in real_nodes.nodes.values()] == ["True", "True"]
