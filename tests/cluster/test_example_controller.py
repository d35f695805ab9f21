"""The example controller converges, as a pure matter and on a real API server."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage_domain.rbac import cluster_role, role
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import PATIENCE, wait_for

HERE = Path(__file__).parent
PROGRAM = HERE / "example_controller.py"
BERTHS = st.sampled_from(["", "north", "south"])
MOMENTS = st.lists(st.sampled_from(["act", "crash before", "crash after", "refused"]), max_size=8)


@pytest.fixture(scope="module")
def example() -> ModuleType:
    """The example as a module; it is a program, so it lies beside the tests, not on the path."""
    spec = spec_from_file_location("example_controller", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class TestConvergence:
    """From any start, with a crash or an error at any moment, the label follows and then rests."""

    @given(label=BERTHS, wanted=BERTHS, later=BERTHS, moments=MOMENTS)
    def test_it_comes_to_rest_in_step(
        self, example: ModuleType, label: str, wanted: str, later: str, moments: list[str]
    ) -> None:
        steps = example.Example.decide
        world = example.Observed("shop/menu", label, wanted)
        for moment in moments:
            for action in steps(None, world).actions:
                if moment in ("act", "crash after"):
                    world = replace(world, label=action.value)
        world = replace(world, wanted=later)
        for action in steps(None, world).actions:
            world = replace(world, label=action.value)
        assert world.label == later
        assert steps(None, world).actions == ()


@dataclass
class Replica:
    """One running example controller."""

    child: Child

    @property
    def lines(self) -> list[dict[str, object]]:
        """Its log so far."""
        text = self.child.log.read_text()
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def said(self, message: str) -> bool:
        """Whether a log line starts so."""
        return any(str(line["message"]).startswith(message) for line in self.lines)

    @property
    def leads(self) -> bool:
        return self.said("working")

    def ask(self, path: str) -> tuple[int, str]:
        """Status and body of one of its probes."""
        listening = re.search(r'"message": "listening on [^"]*:(\d+)"', self.child.log.read_text())
        assert listening is not None
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{listening[1]}{path}") as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def ready(self) -> bool:
        """Whether it listens and says so of itself."""
        return self.said("listening") and self.ask("/readyz")[0] == 200


@dataclass
class Harbour:
    """A namespace for one test, and the replicas started in it under the example's own rights."""

    cluster: EmbeddedCluster
    run: Run
    namespace: str
    kubeconfig: Path
    replicas: list[Replica] = field(default_factory=list)

    def start(self, *flags: str, under: Sequence[str] = ()) -> Replica:
        """One more replica; ``under`` is a command that runs it."""
        number = len(self.replicas)
        argv = [*under, sys.executable, str(PROGRAM), "--kubeconfig", str(self.kubeconfig)]
        argv += ["--metrics-port", "0", "--metrics-host", "127.0.0.1"]
        argv += ["--lease-namespace", self.namespace, *flags]
        replica = Replica(self.run.start(Command(f"example-{number}", argv)))
        self.replicas.append(replica)
        return replica

    def berth(self, value: str | None, namespace: str | None = None) -> None:
        """Annotate the namespace."""
        change = f"example.moorage.dev/berth={value}" if value else "example.moorage.dev/berth-"
        self.cluster.kubectl(
            "annotate", "--overwrite", "namespace", namespace or self.namespace, change
        )

    def label(self, name: str) -> str | None:
        """The label of a ConfigMap."""
        raw = self.cluster.request("GET", f"/api/v1/namespaces/{self.namespace}/configmaps/{name}")
        found: str | None = raw["metadata"].get("labels", {}).get("example.moorage.dev/berth")
        return found

    def holder(self) -> str:
        """Who holds the Lease, ``""`` for nobody."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/moorage-example"
        return str(self.cluster.request("GET", path)["spec"].get("holderIdentity") or "")


@pytest.fixture
def harbour(cluster: EmbeddedCluster, example: ModuleType) -> Iterator[Harbour]:
    namespace = f"harbour-{secrets.token_hex(4)}"
    subject = {"kind": "ServiceAccount", "name": "example", "namespace": namespace}
    kubeconfig = cluster.kubeconfig_for(f"{namespace}/example")
    roles = (cluster_role(namespace, example.RULES), role(namespace, example.RULES))
    for one in roles:
        place = {} if one["kind"] == "ClusterRole" else {"namespace": namespace}
        one["metadata"] |= place
        binding = {
            "apiVersion": one["apiVersion"],
            "kind": one["kind"] + "Binding",
            "metadata": {"name": namespace} | place,
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": one["kind"],
                "name": namespace,
            },
            "subjects": [subject],
        }
        cluster.apply([one, binding])
    with Run.open() as run:
        yield Harbour(cluster, run, namespace, kubeconfig)
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def menu(namespace: str, name: str = "menu") -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
    }


def test_labels_follow_the_namespace_and_stay(harbour: Harbour) -> None:
    harbour.cluster.apply([menu(harbour.namespace)])
    harbour.berth("north")
    replica = harbour.start()
    wait_for(lambda: harbour.label("menu") == "north", PATIENCE, "the label of an old ConfigMap")
    harbour.berth("south")
    wait_for(lambda: harbour.label("menu") == "south", PATIENCE, "the label to follow")
    harbour.cluster.apply([menu(harbour.namespace, "late")])
    wait_for(lambda: harbour.label("late") == "south", PATIENCE, "the label of a new ConfigMap")
    harbour.cluster.kubectl(
        "label", "-n", harbour.namespace, "configmap", "menu", "example.moorage.dev/berth-"
    )
    wait_for(lambda: harbour.label("menu") == "south", PATIENCE, "the label put back")
    harbour.berth(None)
    wait_for(lambda: harbour.label("menu") is None, PATIENCE, "the label taken off")
    assert replica.child.alive
    status, metrics = replica.ask("/metrics")
    assert status == 200
    assert "moorage_example_leader 1.0" in metrics
    assert 'moorage_example_reconciles_total{outcome="done"}' in metrics
    assert 'outcome="bug"' not in metrics
    assert re.search(
        r'moorage_example_kube_requests_total\{code="200",resource="configmaps",verb="\w+"\}',
        metrics,
    )


def test_kopf_leaves_the_objects_it_watches_alone_marks_of_a_predecessor_too(
    harbour: Harbour,
) -> None:
    path = f"/api/v1/namespaces/{harbour.namespace}"
    mark = "kopf.zalando.org/KopfFinalizerMarker"
    harbour.cluster.request("PATCH", path, {"metadata": {"finalizers": [mark]}})
    try:
        replica = harbour.start()
        wait_for(lambda: replica.leads, PATIENCE, "the controller to work")
        harbour.cluster.apply([menu(harbour.namespace)])
        harbour.berth("south")
        wait_for(lambda: harbour.label("menu") == "south", PATIENCE, "kopf's watch to tell")
        meta = harbour.cluster.request("GET", path)["metadata"]
        assert meta["finalizers"] == [mark]
        assert [key for key in meta["annotations"] if "kopf" in key] == []
        assert [line for line in replica.lines if "kopf" in str(line["logger"])] == []
    finally:
        harbour.cluster.request("PATCH", path, {"metadata": {"finalizers": None}})


def test_a_standby_is_ready_but_does_nothing(harbour: Harbour) -> None:
    leader = harbour.start()
    wait_for(lambda: leader.leads, PATIENCE, "the leader to work")
    standby = harbour.start()
    wait_for(standby.ready, PATIENCE, "the standby to be ready")
    assert not standby.leads
    assert "moorage_example_leader 0.0" in standby.ask("/metrics")[1]


def test_a_dry_run_labels_nothing_and_says_what_it_would(harbour: Harbour) -> None:
    harbour.cluster.apply([menu(harbour.namespace)])
    harbour.berth("north")
    replica = harbour.start("--dry-run")
    wait_for(lambda: replica.said("dry run, not done: SetLabel"), PATIENCE, "the dry run to speak")
    assert harbour.label("menu") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a process as somebody else")
def test_it_runs_as_a_user_that_the_machine_does_not_know(harbour: Harbour) -> None:
    setpriv = shutil.which("setpriv")
    assert setpriv is not None
    # The interpreter may lie where only root can read.
    reading = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    stranger = [setpriv, "--reuid=12345", "--regid=12345", "--clear-groups", *reading]
    nameless = ["/usr/bin/env", *(f"--unset={name}" for name in ("HOME", "USER", "LOGNAME"))]
    replica = harbour.start(under=[*stranger, *nameless])
    wait_for(lambda: replica.leads, PATIENCE, "the controller to work")
    status = Path(f"/proc/{replica.child.pid}/status").read_text()
    assert re.search(r"^Uid:\s+12345\s+12345", status, re.MULTILINE)
    replica.child.send(signal.SIGTERM)
    wait_for(lambda: not replica.child.alive, PATIENCE, "the controller to end")
    assert replica.child.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_controller_ends_clean(harbour: Harbour, number: signal.Signals) -> None:
    replica = harbour.start()
    wait_for(lambda: replica.leads, PATIENCE, "the controller to work")
    assert harbour.holder() != ""
    replica.child.send(number)
    wait_for(lambda: not replica.child.alive, PATIENCE, "the controller to end")
    assert replica.child.returncode == 0
    assert harbour.holder() == ""
    assert [line for line in replica.lines if line["level"] in ("error", "warning")] == []


def test_a_controller_that_waits_for_its_kinds_ends_clean_too(harbour: Harbour) -> None:
    harbour.cluster.kubectl("delete", "clusterrolebinding", harbour.namespace)
    replica = harbour.start()
    wait_for(lambda: replica.said("namespaces cannot be listed"), PATIENCE, "the complaint")
    assert replica.ask("/healthz")[0] == 200
    assert "cache of namespaces: not listed yet" in replica.ask("/readyz")[1]
    replica.child.send(signal.SIGTERM)
    wait_for(lambda: not replica.child.alive, PATIENCE, "the controller to end")
    assert replica.child.returncode == 0


def test_a_taken_port_ends_with_one_line(harbour: Harbour) -> None:
    first = harbour.start()
    wait_for(lambda: first.said("listening"), PATIENCE, "the first to listen")
    port = next(line["port"] for line in first.lines if "port" in line)
    second = harbour.start("--metrics-port", str(port))
    wait_for(lambda: not second.child.alive, PATIENCE, "the second to end")
    assert second.child.returncode == 2
    (line,) = second.child.log.read_text().splitlines()
    assert line.startswith(f"moorage-example: cannot listen on 127.0.0.1:{port}")


def test_a_kubeconfig_that_is_not_there_ends_with_one_line(harbour: Harbour) -> None:
    replica = harbour.start("--kubeconfig", "nowhere.yaml")
    wait_for(lambda: not replica.child.alive, PATIENCE, "the controller to end")
    assert replica.child.returncode == 2
    (line,) = replica.child.log.read_text().splitlines()
    assert line.startswith("moorage-example: ")
    assert "nowhere.yaml" in line
