"""The example controller and the example agent on a real API server, under their own rights."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import sys
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import example_agent
import example_controller
import pytest
from test_webhook import configuration

from moorage_domain.rbac import PolicyRule, cluster_role, role
from moorage_testing.cluster import ApiError, EmbeddedCluster
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import PATIENCE, wait_for

HERE = Path(__file__).parent
PROGRAM = HERE / "example_controller.py"
AGENT = HERE / "example_agent.py"
COPIES = "/apis/example.moorage.dev/v1/namespaces/{}/configcopies"


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
class Shop:
    """A namespace for one test, and the replicas started in it under the example's own rights."""

    cluster: EmbeddedCluster
    run: Run
    namespace: str
    kubeconfig: Path
    replicas: list[Replica] = field(default_factory=list)

    def start(self, *flags: str, under: Sequence[str] = (), program: Path = PROGRAM) -> Replica:
        """One more replica; ``under`` is a command that runs it."""
        number = len(self.replicas)
        argv = [*under, sys.executable, str(program), "--kubeconfig", str(self.kubeconfig)]
        argv += ["--metrics-port", "0", "--metrics-host", "127.0.0.1"]
        if program is PROGRAM:
            argv += ["--lease-namespace", self.namespace]
            argv += ["--webhook-port", "0", "--webhook-name", self.namespace]
        replica = Replica(self.run.start(Command(f"example-{number}", [*argv, *flags])))
        self.replicas.append(replica)
        return replica

    def path(self, name: str, plural: str = "configmaps") -> str:
        """Of an object of this namespace."""
        core = f"/api/v1/namespaces/{self.namespace}/configmaps"
        base = core if plural == "configmaps" else COPIES.format(self.namespace)
        return f"{base}/{name}" if name else base

    def write(self, name: str, **data: str) -> None:
        """A ConfigMap."""
        meta = {"name": name, "namespace": self.namespace}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
        self.cluster.apply([body])

    def copy(self, name: str, source: str) -> None:
        """A ConfigCopy; raises ApiError."""
        meta = {"name": name, "namespace": self.namespace}
        body = {"apiVersion": "example.moorage.dev/v1", "kind": "ConfigCopy", "metadata": meta}
        self.cluster.request("POST", self.path("", "copies"), body | {"spec": {"source": source}})

    def read(self, name: str, plural: str = "configmaps") -> dict[str, Any] | None:
        """An object of this namespace; ``None``: there is none."""
        try:
            return self.cluster.request("GET", self.path(name, plural))
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def data(self, name: str) -> dict[str, str] | None:
        """The data of a ConfigMap; ``None``: there is none."""
        found = self.read(name)
        return None if found is None else found.get("data", {})

    def reason(self, name: str, condition: str = "Ready") -> str:
        """The reason of a ConfigCopy's condition; ``""``: it has none."""
        status = (self.read(name, "copies") or {}).get("status", {})
        conditions = status.get("conditions", ())
        return next((one["reason"] for one in conditions if one["type"] == condition), "")

    def labels(self, name: str) -> list[str]:
        """The labels of a ConfigMap."""
        return sorted((self.read(name) or {"metadata": {}})["metadata"].get("labels", {}))

    def holder(self) -> str:
        """Who holds the Lease, ``""`` for nobody."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/moorage-example"
        return str(self.cluster.request("GET", path)["spec"].get("holderIdentity") or "")


def bind(cluster: EmbeddedCluster, namespace: str, rules: Iterable[PolicyRule]) -> None:
    """Give the ServiceAccount of a namespace these rights."""
    rules = tuple(rules)
    subject = {"kind": "ServiceAccount", "name": "example", "namespace": namespace}
    for one in (cluster_role(namespace, rules), role(namespace, rules)):
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


@pytest.fixture(name="shop")
def _shop(cluster: EmbeddedCluster, example_crd: None) -> Iterator[Shop]:
    del example_crd  # only that it is there
    namespace = f"shop-{secrets.token_hex(4)}"
    kubeconfig = cluster.kubeconfig_for(f"{namespace}/example")
    bind(cluster, namespace, example_controller.RULES)
    with Run.open() as run:
        yield Shop(cluster, run, namespace, kubeconfig)
    patch = '{"metadata":{"finalizers":null}}'
    for raw in cluster.request("GET", COPIES.format(namespace))["items"]:
        name = raw["metadata"]["name"]
        cluster.kubectl("patch", "configcopy", name, "-n", namespace, "--type=merge", f"-p={patch}")
    # Before the namespace: what the next test starts must not find them in one that is going.
    cluster.request("DELETE", COPIES.format(namespace))
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def test_a_copy_follows_its_source_and_lets_it_go(shop: Shop) -> None:
    shop.write("menu", soup="leek")
    shop.copy("early", "menu")
    replica = shop.start()
    wait_for(lambda: shop.data("early") == {"soup": "leek"}, PATIENCE, "the copy of an old object")
    wait_for(lambda: shop.reason("early") == "Copied", PATIENCE, "the status")
    shop.write("menu", soup="pea", fish="cod")
    wait_for(lambda: shop.data("early") == {"soup": "pea", "fish": "cod"}, PATIENCE, "the change")
    shop.copy("late", "nothing")
    wait_for(lambda: shop.reason("late") == "SourceMissing", PATIENCE, "a word about the source")
    shop.write("nothing", a="1")
    wait_for(lambda: shop.data("late") == {"a": "1"}, PATIENCE, "the copy of a late source")
    shop.write("early", somebody="else")
    wait_for(lambda: shop.data("early") == {"soup": "pea", "fish": "cod"}, PATIENCE, "the repair")
    raw = shop.read("early", "copies")
    assert raw is not None
    assert raw["metadata"]["finalizers"] == ["example.moorage.dev/label"]
    assert shop.labels("menu") == [example_controller.LABEL + raw["metadata"]["uid"]]
    shop.cluster.kubectl("delete", "-n", shop.namespace, "configcopy", "early", "--wait=false")
    wait_for(lambda: shop.read("early", "copies") is None, PATIENCE, "the finalizer to go")
    assert shop.labels("menu") == []
    wait_for(lambda: shop.data("early") is None, PATIENCE, "the garbage collector")
    assert replica.child.alive
    status, metrics = replica.ask("/metrics")
    assert status == 200
    assert "moorage_example_leader 1.0" in metrics
    assert "moorage_copies_objects 1.0" in metrics
    assert 'moorage_copies_reconciles_total{outcome="done"}' in metrics
    assert 'outcome="bug"' not in metrics
    assert re.search(
        r'moorage_example_kube_requests_total\{code="200",resource="configmaps",verb="\w+"\}',
        metrics,
    )


def test_each_new_reason_is_an_event(shop: Shop) -> None:
    shop.start()
    shop.copy("menu", "late")
    wait_for(lambda: shop.reason("menu") == "SourceMissing", PATIENCE, "the status")
    shop.write("late", a="1")
    wait_for(lambda: shop.reason("menu") == "Copied", PATIENCE, "the copy")
    path = f"/api/v1/namespaces/{shop.namespace}/events"

    def reasons() -> set[str]:
        return {raw["reason"] for raw in shop.cluster.request("GET", path)["items"]}

    wait_for(lambda: reasons() >= {"SourceMissing", "Copied"}, PATIENCE, "the Events")


def test_a_foreign_object_of_the_name_is_left_alone(shop: Shop) -> None:
    shop.write("menu", soup="leek")
    shop.write("mine", yes="1")
    shop.copy("mine", "menu")
    shop.start()
    wait_for(lambda: shop.reason("mine") == "NameTaken", PATIENCE, "the status")
    assert shop.data("mine") == {"yes": "1"}


def test_the_source_cannot_be_changed(shop: Shop) -> None:
    shop.copy("menu", "a")
    with pytest.raises(ApiError, match="cannot be changed"):
        shop.cluster.request("PATCH", shop.path("menu", "copies"), {"spec": {"source": "b"}})


def test_kopf_leaves_the_objects_it_watches_alone_marks_of_a_predecessor_too(shop: Shop) -> None:
    mark = "kopf.zalando.org/KopfFinalizerMarker"
    shop.write("menu", soup="leek")
    shop.copy("copy", "menu")
    path = shop.path("copy", "copies")
    shop.cluster.request("PATCH", path, {"metadata": {"finalizers": [mark]}})
    replica = shop.start()
    wait_for(lambda: shop.reason("copy") == "Copied", PATIENCE, "the controller to work")
    shop.copy("another", "menu")
    wait_for(lambda: shop.reason("another") == "Copied", PATIENCE, "kopf's watch to report")
    meta = shop.cluster.request("GET", path)["metadata"]
    assert meta["finalizers"] == [mark, example_controller.FINALIZER]
    assert [key for key in meta.get("annotations", ()) if "kopf" in key] == []
    assert [line for line in replica.lines if "kopf" in str(line["logger"])] == []


def test_the_webhook_refuses_a_copy_of_a_copy(shop: Shop, host: str) -> None:
    name = {"name": shop.namespace, "namespace": shop.namespace}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": name,
        "spec": {"ports": [{"name": "https", "port": 443, "targetPort": "https"}]},
    }
    hook = configuration(shop.namespace, "Validating", "validate")
    hook["webhooks"][0]["clientConfig"]["service"]["name"] = shop.namespace
    hook["webhooks"][0]["rules"][0] |= {
        "apiGroups": ["example.moorage.dev"],
        "resources": ["configcopies"],
    }
    shop.write("menu", soup="leek")
    shop.copy("first", "menu")
    replica = shop.start("--webhook-host", host)
    wait_for(lambda: replica.said("webhooks listen on"), PATIENCE, "the webhook to listen")
    found = re.search(r"webhooks listen on [^\"]*:(\d+)\"", replica.child.log.read_text())
    assert found is not None
    slice_of = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": name | {"labels": {"kubernetes.io/service-name": shop.namespace}},
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": int(found[1]), "protocol": "TCP"}],
        "endpoints": [{"addresses": [host], "conditions": {"ready": True}}],
    }
    try:
        shop.cluster.apply([service, slice_of, hook])

        def refusal() -> str:
            try:
                shop.copy("second", "first")
            except ApiError as error:
                return str(error)
            return ""

        wait_for(lambda: "first is a copy itself" in refusal(), PATIENCE, "the webhook to refuse")
        shop.copy("third", "menu")
        wait_for(lambda: shop.reason("third") == "Copied", PATIENCE, "what it allows")
        assert 'decision="denied"' in replica.ask("/metrics")[1]
    finally:
        shop.cluster.kubectl("delete", "validatingwebhookconfiguration", shop.namespace)


def test_an_agent_works_without_a_lease_and_without_rights_to_one(shop: Shop) -> None:
    namespace, node = f"{shop.namespace}-agent", f"node-{secrets.token_hex(4)}"
    kubeconfig = shop.cluster.kubeconfig_for(f"{namespace}/example")
    bind(shop.cluster, namespace, example_agent.RULES)
    granted = cluster_role("agent", example_agent.RULES)["rules"]
    granted += role("agent", example_agent.RULES)["rules"]
    assert [one for one in granted if "leases" in one["resources"]] == []
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}
    shop.cluster.apply([body])
    try:
        agents = Shop(shop.cluster, shop.run, namespace, kubeconfig)
        replicas = [agents.start("--node-name", node, program=AGENT) for _ in range(2)]

        def kernel() -> str:
            meta = shop.cluster.request("GET", f"/api/v1/nodes/{node}")["metadata"]
            return str(meta.get("annotations", {}).get(example_agent.KERNEL, ""))

        wait_for(lambda: kernel() == os.uname().release, PATIENCE, "the annotation")
        wait_for(lambda: all(one.leads for one in replicas), PATIENCE, "both to work")
        leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        assert shop.cluster.request("GET", leases)["items"] == []
        assert "leases" not in replicas[0].ask("/metrics")[1]
        assert "_leader" not in replicas[0].ask("/metrics")[1]
        for one in replicas:
            one.child.send(signal.SIGTERM)
            wait_for(lambda: not one.child.alive, PATIENCE, "the agent to end")  # noqa: B023 - waited for at once
            assert one.child.returncode == 0
    finally:
        shop.cluster.kubectl("delete", "node", node)
        shop.cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def test_a_standby_is_ready_but_does_nothing(shop: Shop) -> None:
    leader = shop.start()
    wait_for(lambda: leader.leads, PATIENCE, "the leader to work")
    standby = shop.start()
    wait_for(standby.ready, PATIENCE, "the standby to be ready")
    assert not standby.leads
    assert "moorage_example_leader 0.0" in standby.ask("/metrics")[1]


def test_a_standby_takes_over_from_a_leader_that_was_killed(shop: Shop) -> None:
    times = ("--lease-duration", "3", "--lease-renew-deadline", "2", "--lease-retry", "0.5")
    leader = shop.start(*times)
    wait_for(lambda: leader.leads, PATIENCE, "the leader to work")
    standby = shop.start(*times)
    wait_for(standby.ready, PATIENCE, "the standby to be ready")
    leader.child.send(signal.SIGKILL)
    shop.write("menu", soup="leek")
    shop.copy("copy", "menu")
    wait_for(lambda: shop.reason("copy") == "Copied", PATIENCE, "the standby to work")
    assert standby.leads


def test_a_dry_run_says_what_it_would_do_and_writes_only_the_status(shop: Shop) -> None:
    shop.write("menu", soup="leek")
    shop.copy("copy", "menu")
    replica = shop.start("--dry-run")
    wait_for(lambda: shop.reason("copy", "DryRun") == "WouldChange", PATIENCE, "the status")
    assert any("would label the source; write the copy" in str(line) for line in replica.lines)
    assert (shop.data("copy"), shop.labels("menu")) == (None, [])
    assert "finalizers" not in (shop.read("copy", "copies") or {})["metadata"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a process as somebody else")
def test_it_runs_as_a_user_that_the_machine_does_not_know(shop: Shop) -> None:
    setpriv = shutil.which("setpriv")
    assert setpriv is not None
    # The interpreter may lie where only root can read.
    reading = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    stranger = [setpriv, "--reuid=12345", "--regid=12345", "--clear-groups", *reading]
    nameless = ["/usr/bin/env", *(f"--unset={name}" for name in ("HOME", "USER", "LOGNAME"))]
    replica = shop.start(under=[*stranger, *nameless])
    wait_for(lambda: replica.leads, PATIENCE, "the controller to work")
    status = Path(f"/proc/{replica.child.pid}/status").read_text()
    assert re.search(r"^Uid:\s+12345\s+12345", status, re.MULTILINE)
    replica.child.send(signal.SIGTERM)
    wait_for(lambda: not replica.child.alive, PATIENCE, "the controller to end")
    assert replica.child.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_controller_ends_clean(shop: Shop, number: signal.Signals) -> None:
    replica = shop.start()
    wait_for(lambda: replica.leads, PATIENCE, "the controller to work")
    assert shop.holder() != ""
    replica.child.send(number)
    wait_for(lambda: not replica.child.alive, PATIENCE, "the controller to end")
    assert replica.child.returncode == 0
    assert shop.holder() == ""
    assert [line for line in replica.lines if line["level"] in ("error", "warning")] == []


def test_a_controller_that_waits_for_its_kinds_ends_clean_too(shop: Shop) -> None:
    shop.cluster.kubectl("delete", "clusterrolebinding", shop.namespace)
    replica = shop.start()
    wait_for(lambda: replica.said("configcopies cannot be listed"), PATIENCE, "the complaint")
    assert replica.ask("/healthz")[0] == 200
    assert "cache of configcopies: not listed yet" in replica.ask("/readyz")[1]
    replica.child.send(signal.SIGTERM)
    wait_for(lambda: not replica.child.alive, PATIENCE, "the controller to end")
    assert replica.child.returncode == 0


def test_a_taken_port_ends_with_one_line(shop: Shop) -> None:
    first = shop.start()
    wait_for(lambda: first.said("listening"), PATIENCE, "the first to listen")
    port = next(line["port"] for line in first.lines if "port" in line)
    second = shop.start("--metrics-port", str(port))
    wait_for(lambda: not second.child.alive, PATIENCE, "the second to end")
    assert second.child.returncode == 2
    (line,) = second.child.log.read_text().splitlines()
    assert line.startswith(f"moorage-example: cannot listen on 127.0.0.1:{port}")


def test_a_kubeconfig_that_is_not_there_ends_with_one_line(shop: Shop) -> None:
    replica = shop.start("--kubeconfig", "nowhere.yaml")
    wait_for(lambda: not replica.child.alive, PATIENCE, "the controller to end")
    assert replica.child.returncode == 2
    (line,) = replica.child.log.read_text().splitlines()
    assert line.startswith("moorage-example: ")
    assert "nowhere.yaml" in line
