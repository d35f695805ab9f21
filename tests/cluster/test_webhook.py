"""The real API server calls a webhook through its Service: at work, at rotation, at a loss."""

from __future__ import annotations

import json
import re
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from moorage_domain.rbac import WEBHOOK_CERTIFICATE_RULES, cluster_role, role
from moorage_testing.cluster import ApiError, EmbeddedCluster
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import PATIENCE, wait_for

PROGRAM = Path(__file__).parent / "webhook_replica.py"
LONG = ("31536000", "5184000", "600", "0.3")
SHORT = ("31", "10", "3", "0.3")
"""Seconds of an authority, a certificate, the overlap, a refresh."""
ROTATION_SECONDS = 40.0


@dataclass
class Replica:
    """A running webhook server."""

    child: Child
    number: int
    port: int = 0

    def listens(self) -> bool:
        """Whether it does; then its port is known."""
        self.child.check()
        listening = re.search(r"webhooks listen on [^\"]*:(\d+)\"", self.child.log.read_text())
        self.port = int(listening[1]) if listening else 0
        return self.port > 0


@dataclass
class Hooks:
    """A namespace, a Service without selector, webhook configurations, and replicas behind them."""

    cluster: EmbeddedCluster
    run: Run
    namespace: str
    kubeconfig: Path
    host: str
    replicas: list[Replica] = field(default_factory=list)

    def start(self, count: int, seconds: tuple[str, ...]) -> list[Replica]:
        """Replicas, started at the same moment; returns when all are called."""
        fresh = []
        for _ in range(count):
            number = len(self.replicas)
            argv = [sys.executable, str(PROGRAM), str(self.kubeconfig), self.host, self.namespace]
            fresh.append(
                Replica(self.run.start(Command(f"hook-{number}", [*argv, *seconds])), number)
            )
            self.replicas.append(fresh[-1])
        for replica in fresh:
            wait_for(replica.listens, PATIENCE, "a replica to listen")
            self.endpoint(replica, ready=True)
        wait_for(self.denied_by_webhook, PATIENCE, "the webhook to be called")
        return fresh

    def endpoint(self, replica: Replica, *, ready: bool) -> None:
        """A slice a replica: all endpoints of one slice have the same port."""
        conditions = {"ready": ready, "serving": ready, "terminating": not ready}
        self.cluster.apply(
            [
                {
                    "apiVersion": "discovery.k8s.io/v1",
                    "kind": "EndpointSlice",
                    "metadata": {
                        "name": f"hooks-{replica.number}",
                        "namespace": self.namespace,
                        "labels": {"kubernetes.io/service-name": "hooks"},
                    },
                    "addressType": "IPv4",
                    "ports": [{"name": "https", "port": replica.port, "protocol": "TCP"}],
                    "endpoints": [{"addresses": [self.host], "conditions": conditions}],
                }
            ]
        )

    def create(self, name: str = "", *, dry_run: bool = True, **labels: str) -> dict[str, Any]:
        """Create a ConfigMap as the admin; raises ApiError."""
        path = f"/api/v1/namespaces/{self.namespace}/configmaps"
        meta = {"name": name or f"c-{secrets.token_hex(4)}", "labels": labels}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}
        return self.cluster.request("POST", path + ("?dryRun=All" if dry_run else ""), body)

    def denied_by_webhook(self) -> bool:
        """Whether the webhook is asked; before it can be, whatever it is to see fails."""
        try:
            self.create(deny="yes")
        except ApiError as error:
            return "this one is not wanted" in str(error)
        return False

    def failures(self, seconds: float) -> list[str]:
        """Create as fast as one can for a time; what failed."""
        failed, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self.create()
            except ApiError as error:
                failed.append(str(error))
        return failed

    def secret(self) -> dict[str, str]:
        path = f"/api/v1/namespaces/{self.namespace}/secrets/hooks-tls"
        data: dict[str, str] = self.cluster.request("GET", path)["data"]
        return data

    def ca_bundles(self) -> set[str]:
        """In every webhook of both configurations."""
        path = "/apis/admissionregistration.k8s.io/v1/{}webhookconfigurations/" + self.namespace
        return {
            webhook["clientConfig"].get("caBundle", "")
            for kind in ("validating", "mutating")
            for webhook in self.cluster.request("GET", path.format(kind))["webhooks"]
        }


def configuration(namespace: str, kind: str, path: str) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": namespace},
        "webhooks": [
            {
                "name": f"{path}.hooks.moorage.dev",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "timeoutSeconds": 5,
                "clientConfig": {
                    "service": {"namespace": namespace, "name": "hooks", "path": f"/{path}"}
                },
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "rules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["configmaps"],
                    }
                ],
            }
        ],
    }


def bindings(namespace: str) -> list[dict[str, Any]]:
    """The rights of self-managed certificates, and no other, for the replicas."""
    objects = []
    for one in (
        cluster_role(namespace, WEBHOOK_CERTIFICATE_RULES),
        role(namespace, WEBHOOK_CERTIFICATE_RULES),
    ):
        place = {} if one["kind"] == "ClusterRole" else {"namespace": namespace}
        one["metadata"] |= place
        group = "rbac.authorization.k8s.io"
        subject = {"kind": "ServiceAccount", "name": "hooks", "namespace": namespace}
        binding = {
            "apiVersion": one["apiVersion"],
            "kind": one["kind"] + "Binding",
            "metadata": {"name": namespace} | place,
            "roleRef": {"apiGroup": group, "kind": one["kind"], "name": namespace},
            "subjects": [subject],
        }
        objects += [one, binding]
    return objects


@pytest.fixture
def hooks(cluster: EmbeddedCluster, host: str) -> Iterator[Hooks]:
    namespace = f"hooks-{secrets.token_hex(4)}"
    kubeconfig = cluster.kubeconfig_for(f"{namespace}/hooks")
    cluster.apply(bindings(namespace))
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "hooks", "namespace": namespace},
        "spec": {"ports": [{"name": "https", "port": 443, "targetPort": "https"}]},
    }
    configurations = [
        configuration(namespace, "Validating", "validate"),
        configuration(namespace, "Mutating", "mutate"),
    ]
    cluster.apply([service, *configurations])
    try:
        with Run.open() as run:
            yield Hooks(cluster, run, namespace, kubeconfig, host)
    finally:
        for kind in ("validating", "mutating"):
            cluster.kubectl("delete", f"{kind}webhookconfiguration", namespace)
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def test_the_api_server_asks_through_the_service_and_obeys_the_answer(hooks: Hooks) -> None:
    hooks.start(1, LONG)
    with pytest.raises(ApiError, match="this one is not wanted") as refused:
        hooks.create(deny="yes")
    assert refused.value.status == 422
    made = hooks.create("menu", dry_run=False, dish="soup")
    assert made["metadata"]["labels"] == {"dish": "soup", "made-by/whom": "admin"}
    manifest = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dry"}})
    printed = hooks.cluster.kubectl(
        "create", "-n", hooks.namespace, "-f-", "--dry-run=server", "-oname", stdin=manifest
    )
    assert printed.strip() == "configmap/dry"


def test_replicas_that_start_together_agree_on_one_certificate(hooks: Hooks) -> None:
    replicas = hooks.start(3, LONG)
    secret = hooks.secret()
    assert set(secret) == {"ca.crt", "ca.key", "tls.crt", "tls.key"}
    assert hooks.ca_bundles() == {secret["ca.crt"]}
    made = [replica for replica in replicas if "new certificates" in replica.child.log.read_text()]
    assert len(made) == 1
    assert hooks.failures(2.0) == []
    # Somebody takes the caBundle away, as a reinstalled chart does.
    patch = json.dumps([{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}])
    hooks.cluster.kubectl(
        "patch", "validatingwebhookconfiguration", hooks.namespace, "--type=json", f"-p={patch}"
    )
    wait_for(lambda: hooks.ca_bundles() == {secret["ca.crt"]}, PATIENCE, "the caBundle to return")
    assert hooks.secret() == secret
    for replica in replicas:
        assert "PRIVATE KEY" not in replica.child.log.read_text()


def test_no_request_is_lost_while_certificates_and_authorities_change(hooks: Hooks) -> None:
    hooks.start(2, SHORT)
    served, authorities = set(), set()
    failed, end = [], time.monotonic() + ROTATION_SECONDS
    while time.monotonic() < end:
        failed += hooks.failures(0.5)
        secret = hooks.secret()
        served.add(secret["tls.crt"])
        authorities.add(secret["ca.crt"])
    assert failed == []
    assert len(served) >= 3
    assert len(authorities) >= 2


def test_a_replica_that_is_stopped_loses_no_request(hooks: Hooks) -> None:
    first, _ = hooks.start(2, LONG)
    assert hooks.failures(1.0) == []
    first.child.send(signal.SIGTERM)
    # The endpoint controller does this when a pod is being deleted.
    hooks.endpoint(first, ready=False)
    failed = []
    while first.child.alive:
        failed += hooks.failures(0.2)
    assert first.child.returncode == 0
    assert failed + hooks.failures(1.0) == []


def test_a_killed_replica_is_missed_only_until_its_endpoint_is_gone(hooks: Hooks) -> None:
    """The API server does not repeat a call: until then, who asks again may reach the other one."""
    first, second = hooks.start(2, LONG)
    assert hooks.failures(1.0) == []
    first.child.send(signal.SIGKILL)
    wait_for(lambda: not first.child.alive, PATIENCE, "the replica to die")
    failed = hooks.failures(2.0)
    assert all("failed calling webhook" in each for each in failed), failed
    wait_for(hooks.denied_by_webhook, PATIENCE, "the other replica to be reached")
    hooks.endpoint(first, ready=False)
    wait_for(lambda: hooks.failures(0.3) == [], PATIENCE, "the API server to see the slice")
    assert hooks.failures(2.0) == []
    assert second.child.alive
