"""Services over secondary networks, and net-attach-defs in use, as the chart installs it."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.clusters.cluster import Cluster
from e2e.tests.installation import CHART, NAMESPACE, RELEASE, Installation
from e2e.tests.leftovers import everything, left, wait_left
from e2e.tests.test_uninstall import VERSION
from moorage_testing.cluster.kubectl import KubectlError, Object
from moorage_testing.cni import nad_crd

PART = "endpoints"
NADS = "network-attachment-definitions.k8s.cni.cncf.io"
NETWORKS = "k8s.v1.cni.cncf.io/networks"
FINALIZER = "moorage.dev/in-use"
BLUE = ipaddress.IPv4Network("10.77.1.0/24")
WEB, CLIENT = "web", "client"


class Networks:
    """The release, a network, pods on it and the Service that leads to them."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.cluster = installation.cluster
        self.kubectl = installation.kubectl

    def values(self, **more: Any) -> dict[str, Any]:
        """This part alone; no cloud is needed."""
        image = dict(self.cluster.image(PART))
        config = {"selectorServices": "handover"}
        part = {"enabled": True, "image": image, "config": config, **more}
        return {"core": {"enabled": False}, "endpoints": part}

    def run_pod(self, name: str, networks: str = "") -> None:
        """On the first node: a bridge is on one node alone."""
        container = {"name": "main", "image": self.cluster.app_image, "args": ["serve"]}
        notes = {NETWORKS: networks} if networks else {}
        meta = {"name": name, "namespace": "default", "annotations": notes, "labels": {"app": name}}
        spec = {
            "nodeName": self.cluster.nodes[0],
            "containers": [container | {"imagePullPolicy": "IfNotPresent"}],
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{"operator": "Exists"}],
        }
        self.kubectl.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
        self.kubectl.run(
            "wait", "-n", "default", "--for=condition=Ready", "--timeout=60s", f"pod/{name}"
        )

    def make_network(self, route_to: str) -> None:
        """A bridge with a gateway; answers to that address go the way that they came."""
        ipam = {
            "type": "host-local",
            "ranges": [[{"subnet": str(BLUE)}]],
            "routes": [{"dst": f"{route_to}/32", "gw": str(BLUE[1])}],
            "dataDir": "/run/cni",
        }
        config = {"cniVersion": "0.4.0", "type": "bridge", "bridge": "blue", "isGateway": True}
        self.kubectl.apply(
            {
                "apiVersion": "k8s.cni.cncf.io/v1",
                "kind": "NetworkAttachmentDefinition",
                "metadata": {"name": "blue", "namespace": "default"},
                "spec": {"config": json.dumps(config | {"ipam": ipam})},
            }
        )

    def expose(self) -> None:
        """The Service of the pods, which names the network as the first version has it."""
        spec = {"selector": {"app": WEB}, "ports": [{"port": 80, "targetPort": 8080}]}
        meta = {"name": WEB, "namespace": "default", "annotations": {NETWORKS: "blue"}}
        self.kubectl.apply({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})

    @property
    def blue(self) -> Object:
        """The network; ``{}`` = it is gone."""
        return self.kubectl.get(NADS, "-n", "default", "blue")

    def is_held(self) -> bool:
        """Whether it waits for its pods."""
        return FINALIZER in self.blue["metadata"].get("finalizers", ())

    def addresses(self) -> set[ipaddress.IPv4Address]:
        """Of all endpoints of the Service, whoever wrote them."""
        label = f"kubernetes.io/service-name={WEB}"
        slices = self.kubectl.items("endpointslices", "-n", "default", "-l", label)
        found = (one for raw in slices for one in raw.get("endpoints") or ())
        return {ipaddress.IPv4Address(text) for one in found for text in one["addresses"]}

    def answer(self) -> str:
        """What the client gets from the Service's address; ``""`` = nothing."""
        service = self.kubectl.get("service", "-n", "default", WEB)
        url = f"http://{service['spec']['clusterIP']}/"
        asked = ("exec", "-n", "default", CLIENT, "--", "/probe", "get", url)
        try:
            return self.kubectl.run(*asked).strip()
        except KubectlError:
            return ""

    def clean_up(self) -> None:
        """As the chart's README says."""
        parts = ("serviceaccount", "rbac", "clean-up")
        shown = [f"--show-only=charts/endpoints/templates/{part}.yaml" for part in parts]
        manifest = self.installation.helm.run(
            "template", RELEASE, str(CHART), "-n", NAMESPACE, *shown, *VERSION,
            values=self.values(cleanUp={"enabled": True}),
        )  # fmt: skip
        self.kubectl.run("apply", "-f-", stdin=manifest)
        self.installation.wait(lambda: not self.is_held(), "our finalizer to be gone")
        self.kubectl.run("delete", "-f-", stdin=manifest)


@pytest.fixture(scope="module")
def networks(installation: Installation, before: set[str]) -> Iterator[Networks]:
    """The release, a client, and a pod on the network."""
    del before
    kubectl = installation.kubectl
    crd = f"CustomResourceDefinition /{NADS}"
    is_there = crd in everything(installation.cluster)
    kubectl.apply(nad_crd())
    kubectl.run("wait", "--for=condition=Established", "crd", NADS)
    networks = Networks(installation)
    installation.upgrade(networks.values())
    installation.wait_working(part=PART)
    networks.run_pod(CLIENT)
    client = kubectl.get("pod", "-n", "default", CLIENT)
    networks.make_network(client["status"]["podIP"])
    networks.run_pod(WEB, "blue")
    networks.expose()
    yield networks
    kubectl.run("delete", "pods", "-n", "default", WEB, CLIENT, "--force", "--ignore-not-found")
    if not is_there:
        kubectl.run("delete", "crd", NADS)


def test_a_client_is_answered_from_the_secondary_address_alone(networks: Networks) -> None:
    if not networks.cluster.networks:
        pytest.skip("the pods of this cluster are on no networks but its own")
    networks.installation.wait(
        lambda: {one in BLUE for one in networks.addresses()} == {True},
        "no endpoint but in the network",
    )
    networks.installation.wait(lambda: networks.answer() == WEB, "the client to be answered")
    assert len(networks.addresses()) == 1


def test_a_net_attach_def_that_is_in_use_is_not_deleted(networks: Networks) -> None:
    networks.installation.wait(networks.is_held, "the network to be held")
    delete = ("delete", NADS, "-n", "default", "blue", "--wait=false")
    with pytest.raises(KubectlError, match=f"default/blue is in use.*default/{WEB}"):
        networks.kubectl.run(*delete)
    assert "deletionTimestamp" not in networks.blue["metadata"]
    said = networks.installation.run_helm("test", RELEASE, "--timeout", "120s")
    assert "Succeeded" in said


def test_uninstalling_leaves_the_network_and_the_clean_up_nothing(
    networks: Networks, cluster: Cluster, before: set[str]
) -> None:
    # The Service gets its selector back, and Kubernetes its endpoints.
    networks.kubectl.patch(
        "service", "-n", "default", WEB, metadata={"annotations": {NETWORKS: None}}
    )
    networks.installation.wait(
        lambda: not any(one in BLUE for one in networks.addresses()), "the way back"
    )
    networks.installation.run_helm("uninstall", RELEASE, "--wait")
    networks.installation.wait(
        lambda: not cluster.pods(NAMESPACE, PART), "the controller to be gone"
    )
    assert networks.is_held()
    networks.clean_up()
    networks.kubectl.run("delete", NADS, "-n", "default", "blue", "--timeout=60s")
    networks.kubectl.run("delete", "service", "-n", "default", WEB)
    networks.kubectl.run("delete", "crd", "netipallocations.netinfra.darkbrains.com")
    kept = {one for one in left(cluster, before) if one.endswith(NADS)}
    secrets = {one for one in left(cluster, before) if one.startswith("Secret ")}
    wait_left(cluster, before, kept | secrets)
