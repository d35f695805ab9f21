"""Leadership on a real API server, with real processes that are killed, frozen and ended."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import PATIENCE, wait_for

HERE = Path(__file__).parent
LEASE_SECONDS = 15.0


@pytest.fixture
def run() -> Iterator[Run]:
    with Run.open() as opened:
        yield opened


@pytest.fixture
def namespace(cluster: EmbeddedCluster, example_crd: None) -> Iterator[str]:
    del example_crd  # only that it is there
    name = f"lead-{time.monotonic_ns()}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def controller(cluster: EmbeddedCluster, run: Run, namespace: str, name: str, *flags: str) -> Child:
    """One replica of the example controller, with the Lease times everybody gets without flags."""
    argv = [sys.executable, str(HERE / "example_controller.py")]
    argv += ["--kubeconfig", str(cluster.kubeconfig), "--lease-namespace", namespace]
    argv += ["--metrics-port", "0", "--metrics-host", "127.0.0.1"]
    argv += ["--webhook-port", "0", "--webhook-name", namespace, *flags]
    return run.start(Command(name, argv, env={"POD_NAME": name}))


def holder(cluster: EmbeddedCluster, namespace: str, lease: str = "moorage-example") -> str:
    """Who holds the Lease, without the random part; ``""`` for nobody."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{lease}"
    spec = cluster.request("GET", path)["spec"]
    return str(spec.get("holderIdentity") or "").partition("_")[0]


def leads(child: Child) -> bool:
    return '"working"' in child.log.read_text()


def pair(cluster: EmbeddedCluster, run: Run, namespace: str, *flags: str) -> tuple[Child, Child]:
    """A leader at work and a standby that waits for its Lease."""
    leader = controller(cluster, run, namespace, "first", *flags)
    wait_for(lambda: leads(leader), PATIENCE, "the first to lead")
    standby = controller(cluster, run, namespace, "second", *flags)
    wait_for(lambda: "listening" in standby.log.read_text(), PATIENCE, "the second to stand by")
    return leader, standby


def test_a_dead_holder_is_replaced_though_its_pod_is_still_there(
    cluster: EmbeddedCluster, run: Run, namespace: str
) -> None:
    leader, standby = pair(cluster, run, namespace)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "first", "namespace": namespace},
        "spec": {"containers": [{"name": "controller", "image": "controller"}]},
    }
    cluster.apply([pod])
    leader.send(signal.SIGKILL)
    wait_for(lambda: leads(standby), PATIENCE, "the second to lead")
    assert holder(cluster, namespace) == "second"
    assert cluster.request("GET", f"/api/v1/namespaces/{namespace}/pods/first")


def test_a_standby_does_not_take_over_from_a_holder_that_lives(
    cluster: EmbeddedCluster, run: Run, namespace: str
) -> None:
    _, standby = pair(cluster, run, namespace)
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/moorage-example"
    renewed = {cluster.request("GET", path)["spec"]["renewTime"]}

    def outlived() -> bool:
        renewed.add(cluster.request("GET", path)["spec"]["renewTime"])
        return len(renewed) > LEASE_SECONDS / 2

    wait_for(outlived, PATIENCE, "renewals for longer than the Lease lasts")
    assert holder(cluster, namespace) == "first"
    assert not leads(standby)


def test_sigterm_hands_over_before_the_lease_runs_out(
    cluster: EmbeddedCluster, run: Run, namespace: str
) -> None:
    leader, standby = pair(cluster, run, namespace, "--lease-duration", f"{5 * PATIENCE:g}")
    leader.send(signal.SIGTERM)
    wait_for(lambda: leads(standby), PATIENCE, "the second to lead")
    wait_for(lambda: not leader.alive, PATIENCE, "the first to end")
    assert leader.returncode == 0
    assert holder(cluster, namespace) == "second"


def test_a_frozen_controller_ends_with_1_once_it_runs_again(
    cluster: EmbeddedCluster, run: Run, namespace: str
) -> None:
    leader, standby = pair(cluster, run, namespace)
    leader.send(signal.SIGSTOP)
    wait_for(lambda: leads(standby), PATIENCE, "the second to lead")
    leader.send(signal.SIGCONT)
    wait_for(lambda: not leader.alive, PATIENCE, "the first to end")
    assert leader.returncode == 1
    assert holder(cluster, namespace) == "second"


def test_a_frozen_leader_writes_nothing_once_it_runs_again(
    cluster: EmbeddedCluster, run: Run, namespace: str
) -> None:
    meta = {"name": "writes", "namespace": namespace}
    cluster.apply([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}])
    path = f"/api/v1/namespaces/{namespace}/configmaps/writes"

    def writer() -> str:
        return str(cluster.request("GET", path).get("data", {}).get("writer", ""))

    def start(name: str) -> Child:
        argv = [sys.executable, str(HERE / "leader.py"), str(cluster.kubeconfig), namespace, name]
        return run.start(Command(name, argv))

    frozen = start("frozen")
    wait_for(lambda: writer() == "frozen", PATIENCE, "the first to write")
    successor = start("successor")
    frozen.send(signal.SIGSTOP)
    wait_for(lambda: writer() == "successor", PATIENCE, "the second to write")
    successor.send(signal.SIGTERM)
    wait_for(lambda: not successor.alive, PATIENCE, "the second to end")
    # Nobody else writes now: whatever changes from here on is the frozen one's doing.
    version = cluster.request("GET", path)["metadata"]["resourceVersion"]
    frozen.send(signal.SIGCONT)
    wait_for(lambda: not frozen.alive, PATIENCE, "the first to end")
    assert frozen.returncode == 1
    log = frozen.log.read_text()
    assert "lost: lease" in log
    assert "stopped" in log
    assert cluster.request("GET", path)["metadata"]["resourceVersion"] == version
