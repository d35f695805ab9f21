"""Machines of OpenShift on a real API server, and the controller with all that it needs there."""

from __future__ import annotations

import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_rights import held
from test_example_controller import bind

from moorage_api.crds import crd
from moorage_api.ipallocation import DEFINITION as IPALLOCATION
from moorage_api.ippool import DEFINITION as IPPOOL
from moorage_machine_ipam.rbac import ALL_RULES
from moorage_testing.cluster import ApiError, EmbeddedCluster
from moorage_testing.cluster_api import ipam_crds
from moorage_testing.openshift import machine_crd
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import PATIENCE, wait_for

Raw = dict[str, Any]
GROUP = "machine.openshift.io"
HOOK = {"name": "ipamController", "owner": "network-admin"}
RECORDS = "/apis/moorage.dev/v1alpha1/ipallocations"


@dataclass
class MachineLab:
    """A namespace with Machines, and the controller started for it.

    Attributes:
        config: the file with the ranges; those of each test are its own.
    """

    cluster: EmbeddedCluster
    run: Run
    namespace: str
    kubeconfig: Path
    config: Path

    def start(self, *flags: str) -> Child:
        argv = [sys.executable, "-m", "moorage_machine_ipam", "--kubeconfig", str(self.kubeconfig)]
        argv += ["--metrics-port", "0", "--metrics-host", "127.0.0.1", "--lease-name", "machines"]
        argv += ["--lease-namespace", self.namespace, *flags]
        return self.run.start(Command("machines", argv))

    def path(self, name: str = "", plural: str = "machines") -> str:
        groups = {"machines": f"{GROUP}/v1beta1", "ippools": "ipamcontroller.openshift.io/v1"}
        group = groups.get(plural, "ipam.cluster.x-k8s.io/v1beta1")
        return f"/apis/{group}/namespaces/{self.namespace}/{plural}/{name}".rstrip("/")

    def create(self, spec: Raw, query: str = "", **meta: Any) -> Raw:
        body = {"apiVersion": f"{GROUP}/v1beta1", "kind": "Machine", "spec": spec}
        body["metadata"] = {"namespace": self.namespace, **meta}
        return dict(self.cluster.request("POST", f"{self.path()}{query}", body))

    def get(self, name: str) -> Raw:
        return dict(self.cluster.request("GET", self.path(name)))

    def hooks(self, name: str) -> Raw:
        return dict(self.get(name)["spec"].get("lifecycleHooks") or {})

    def all_of(self, plural: str) -> list[Raw]:
        return list(self.cluster.request("GET", self.path(plural=plural))["items"])

    def phases(self) -> dict[str, str]:
        """Of the records of owners in this namespace, by address."""
        return {
            one["spec"]["address"]: one["status"]["phase"]
            for one in self.cluster.request("GET", RECORDS)["items"]
            if (one["spec"].get("owner") or {}).get("namespace") == self.namespace
        }

    def register(self, webhook: Raw) -> None:
        """Have the API server ask the webhook before it creates Machines; before it is started."""
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": self.namespace, "namespace": self.namespace},
            "spec": {"ports": [{"name": "https", "port": 443, "targetPort": "https"}]},
        }
        configuration = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": self.namespace},
            "webhooks": [webhook],
        }
        self.cluster.apply([service, configuration])

    def expose(self, child: Child, host: str) -> None:
        """Tell the API server where the webhook is."""
        wait_for(lambda: "webhooks listen on" in child.log.read_text(), PATIENCE, "the webhook")
        found = re.search(r"webhooks listen on [^\"]*:(\d+)\"", child.log.read_text())
        assert found is not None
        labels = {"labels": {"kubernetes.io/service-name": self.namespace}}
        slice_of = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": self.namespace, "namespace": self.namespace, **labels},
            "addressType": "IPv4",
            "ports": [{"name": "https", "port": int(found[1]), "protocol": "TCP"}],
            "endpoints": [{"addresses": [host], "conditions": {"ready": True}}],
        }
        self.cluster.apply([slice_of])


def spec_of(*devices: Raw, **more: Any) -> Raw:
    """Of a Machine with these devices."""
    value = {"network": {"devices": list(devices)}, "template": "rhcos"}
    return {"providerSpec": {"value": value}, **more}


@contextmanager
def machine_lab(cluster: EmbeddedCluster, config: Path, *start_lists: str) -> Iterator[MachineLab]:
    """Machines with these lists of start hooks; OpenShift's own have none."""
    namespace = f"machines-{secrets.token_hex(3)}"
    cluster.apply([*ipam_crds(), crd(IPALLOCATION), crd(IPPOOL), machine_crd(*start_lists)])
    kubeconfig = cluster.kubeconfig_for(f"{namespace}/example")
    bind(cluster, namespace, ALL_RULES)
    policies = held(cluster, namespace, "machineIpam", config={"watchMachines": True})
    with policies, Run.open() as run:
        lab = MachineLab(cluster, run, namespace, kubeconfig, config)
        wait_for(lambda: _knows(lab, start_lists), PATIENCE, "the kind to be served")
        try:
            yield lab
        finally:
            cluster.kubectl(
                "delete", "mutatingwebhookconfiguration", namespace, "--ignore-not-found"
            )
    _remove(lab)


def _knows(lab: MachineLab, start_lists: tuple[str, ...]) -> bool:
    """Whether the lists are there, and no others: another test may have had other ones."""
    wanted = spec_of(lifecycleHooks={name: [HOOK] for name in ("preCreate", "preProvision")})
    try:
        made = lab.create(wanted, "?dryRun=All", name="probe")
    except ApiError:
        return False
    return set(made["spec"]["lifecycleHooks"]) == set(start_lists)


def _remove(lab: MachineLab) -> None:
    """Leave nothing to those that come after."""
    for plural in ("machines", "ipaddressclaims", "ipaddresses", "ippools"):
        for one in lab.all_of(plural):
            lab.cluster.remove(lab.path(one["metadata"]["name"], plural))
    for one in lab.cluster.request("GET", RECORDS)["items"]:
        if (one["spec"].get("owner") or {}).get("namespace") == lab.namespace:
            lab.cluster.remove(f"{RECORDS}/{one['metadata']['name']}")
    lab.cluster.kubectl("delete", "namespace", lab.namespace, "--wait=false")
