"""How a controller ends: with the action in hand finished, or at once when it must."""

from __future__ import annotations

import secrets
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import PATIENCE, wait_for

PROGRAM = Path(__file__).parent / "slow_controller.py"


@pytest.fixture
def namespace(cluster: EmbeddedCluster) -> Iterator[str]:
    name = f"end-{secrets.token_hex(4)}"
    meta = {"name": "log", "namespace": name}
    cluster.apply(
        [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta},
        ]
    )
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def run() -> Iterator[Run]:
    with Run.open() as opened:
        yield opened


def start(cluster: EmbeddedCluster, run: Run, namespace: str, *flags: str) -> Child:
    argv = [sys.executable, str(PROGRAM), "--kubeconfig", str(cluster.kubeconfig)]
    argv += ["--lease-namespace", namespace, "--metrics-port", "0", "--metrics-host", "127.0.0.1"]
    return run.start(Command("slow", [*argv, *flags]))


def data(cluster: EmbeddedCluster, namespace: str) -> dict[str, str]:
    raw = cluster.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/log")
    return dict(raw.get("data") or {})


def holder(cluster: EmbeddedCluster, namespace: str) -> str:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/moorage-slow"
    return str(cluster.request("GET", path)["spec"].get("holderIdentity") or "")


def test_sigterm_lets_the_step_in_hand_end_before_the_lease_is_given_up(
    cluster: EmbeddedCluster, run: Run, namespace: str
) -> None:
    controller = start(cluster, run, namespace)
    wait_for(lambda: "begun" in data(cluster, namespace), PATIENCE, "the step to begin")
    controller.send(signal.SIGTERM)
    observed = []

    def ended() -> bool:
        # The Lease first: when it is released, the action must have been written already.
        observed.append((holder(cluster, namespace) == "", "ended" in data(cluster, namespace)))
        return not controller.alive

    wait_for(ended, PATIENCE, "the controller to end")
    assert controller.returncode == 0
    assert observed[0] == (False, False)
    assert observed[-1] == (True, True)
    assert (True, False) not in observed


def test_a_task_that_dies_takes_the_process_with_it(
    cluster: EmbeddedCluster, run: Run, namespace: str
) -> None:
    controller = start(cluster, run, namespace, "--way", "dies")
    wait_for(lambda: not controller.alive, PATIENCE, "the controller to end")
    assert controller.returncode == 1
    assert "sink ended, and so does the process" in controller.log.read_text()
    assert "water in the hold" in controller.log.read_text()
    assert holder(cluster, namespace) == ""


def test_a_lease_taken_away_ends_the_process_at_once_with_the_step_unfinished(
    cluster: EmbeddedCluster, run: Run, namespace: str
) -> None:
    controller = start(cluster, run, namespace)
    wait_for(lambda: "begun" in data(cluster, namespace), PATIENCE, "the step to begin")
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/moorage-slow"
    cluster.request("PATCH", lease, {"spec": {"holderIdentity": "thief"}})
    wait_for(lambda: not controller.alive, PATIENCE, "the controller to end")
    assert controller.returncode == 1
    log = controller.log.read_text()
    assert "was taken from" in log
    assert "ended, and so does the process" not in log
    assert holder(cluster, namespace) == "thief"
