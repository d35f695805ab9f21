"""Static addresses of DANM, as the chart installs it: freed when a node is dead, and not before."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from e2e.clusters.cluster import Cluster
from e2e.tests.installation import NAMESPACE, RELEASE, Installation
from e2e.tests.leftovers import left, wait_left
from moorage_testing.cluster.kubectl import KubectlError, Object
from moorage_testing.danm import Kubelets, danm_crds
from moorage_testing.danm.ipam import bit, fresh, used
from moorage_testing.waiting import WaitTimeoutError, wait_for

PART = "danm"
GROUP = "danm.k8s.io"
INTERFACES = f"{GROUP}/interfaces"
NETWORK, CIDR, IP = "blue", "10.88.0.0/24", "10.88.0.5"
APP = "static"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
HOLD_SECONDS = 5.0
"""How long what must stay is watched: it would be gone within one."""


class Addresses:
    """The release, a network of DANM, its CNI on every node, and a pod with a static address."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.cluster = installation.cluster
        self.kubectl = installation.kubectl
        self.kubelets = Kubelets(self.kubectl.kubeconfig, GROUP)

    def values(self) -> dict[str, Any]:
        """This part alone; no cloud is needed."""
        webhook = {"enabled": self.cluster.calls_pods, "config": {"mode": "enforce"}}
        part = {
            "enabled": True,
            "image": dict(self.cluster.image(PART)),
            "config": {"policy": "strict"},
            "webhook": webhook,
        }
        return {"core": {"enabled": False}, "danm": part}

    def make_network(self) -> None:
        """Pods that ask for any address get one of its upper half."""
        pool = {"start": "10.88.0.128", "end": "10.88.0.254"}
        options = {"cidr": CIDR, "allocation_pool": pool, "alloc": fresh(CIDR)}
        spec = {"NetworkID": NETWORK, "NetworkType": "ipvlan", "Options": options}
        meta = {"name": NETWORK, "namespace": "default"}
        self.kubectl.apply(
            {"apiVersion": f"{GROUP}/v1", "kind": "DanmNet", "metadata": meta, "spec": spec}
        )

    def template(self, **spec: Any) -> Object:
        """A pod that asks for the address."""
        wanted = json.dumps([{"network": NETWORK, "ip": IP}])
        container = {"name": "main", "image": self.cluster.app_image, "args": ["serve"]}
        pod = {
            "containers": [container | {"imagePullPolicy": "IfNotPresent"}],
            "terminationGracePeriodSeconds": 0,
            # Where its node is not heard of any more it is replaced at once.
            "tolerations": [
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0}
                for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
            ],
        }
        meta = {"labels": {"app": APP}, "annotations": {INTERFACES: wanted}}
        return {"metadata": meta, "spec": pod | spec}

    def run_app(self) -> None:
        """One replica of it."""
        spec = {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"app": APP}},
            "template": self.template(),
        }
        meta = {"name": APP, "namespace": "default"}
        self.kubectl.apply(
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
        )

    def step(self) -> Mapping[str, str]:
        """Let the CNI go on; returns the node of each pod that runs, by its name."""
        pods = self.kubectl.items("pods", "-n", "default", "-l", f"app={APP}")
        self.kubelets.step(pods)
        running = self.kubelets.running
        found = {one["metadata"]["name"]: running.get(one["metadata"]["uid"]) for one in pods}
        return {name: place[0] for name, place in found.items() if place}

    def holders(self) -> list[str]:
        """The pods of all endpoints that have the address."""
        found = self.kubectl.items("danmeps", "-n", "default")
        specs = [one["spec"] for one in found]
        return [one["Pod"] for one in specs if one["Interface"]["Address"].startswith(f"{IP}/")]

    def is_used(self) -> bool:
        """Whether the network says so."""
        options = self.kubectl.get("danmnet", "-n", "default", NETWORK)["spec"]["Options"]
        return bit(options, "alloc", IP) in used(options, "alloc")

    def waiting(self) -> list[str]:
        """Pods that have a node, and cannot run without the address."""
        running = self.step()
        pods = self.kubectl.items("pods", "-n", "default", "-l", f"app={APP}")
        return [
            one["metadata"]["name"]
            for one in pods
            if one["spec"].get("nodeName") not in {None, *self.kubelets.idle}
            and one["metadata"]["name"] not in running
        ]

    def runs_on(self, node: str) -> bool:
        """Whether one pod runs, there, and has the address in every book."""
        running = self.step()
        right = list(running.values()) == [node] and self.holders() == list(running)
        return right and self.is_used()

    def ready(self, node: str) -> str:
        """What the node's condition says."""
        conditions = self.kubectl.get("node", node)["status"]["conditions"]
        return next(str(one["status"]) for one in conditions if one["type"] == "Ready")

    def leading_node(self) -> str:
        """Where the replica runs that leads, ``""`` = none does."""
        lease = self.kubectl.get("lease", "-n", NAMESPACE, "moorage-danm")
        holder = str(lease.get("spec", {}).get("holderIdentity") or "")
        pods = self.cluster.pods(NAMESPACE, PART)
        return next(
            (one["spec"]["nodeName"] for one in pods if one["metadata"]["name"] in holder), ""
        )


@pytest.fixture(scope="module")
def addresses(installation: Installation, before: set[str]) -> Iterator[Addresses]:
    """The pod runs on a node where the controller does not lead."""
    del before
    kubectl = installation.kubectl
    kubectl.apply(*danm_crds(GROUP))
    crds = [one["metadata"]["name"] for one in danm_crds(GROUP)]
    kubectl.run("wait", "--for=condition=Established", "crd", *crds)
    addresses = Addresses(installation)
    addresses.make_network()
    installation.upgrade(addresses.values())
    installation.wait_working(part=PART)
    leading = installation.wait(addresses.leading_node, "a leader")
    kubectl.run("cordon", leading)
    addresses.run_app()
    installation.wait(addresses.step, "the pod to run")
    kubectl.run("uncordon", leading)
    yield addresses
    kubectl.run("delete", "deployment", "-n", "default", APP)
    kubectl.run("delete", "crd", *crds)


def test_an_address_is_freed_when_its_node_is_fenced_and_not_while_it_is_only_not_ready(
    addresses: Addresses,
) -> None:
    cluster, kubectl = addresses.cluster, addresses.kubectl
    if not cluster.loses_power:
        pytest.skip("no machine of this cluster is switched off by a test")
    wait = addresses.installation.wait
    ((old, victim),) = addresses.step().items()
    (other,) = set(cluster.nodes[:2]) - {victim}
    addresses.kubelets.cut_power(victim)
    cluster.power_off(victim)
    wait(lambda: addresses.ready(victim) == "Unknown", f"{victim} to be missed")
    wait(addresses.waiting, "a replacement that waits")
    with pytest.raises(WaitTimeoutError):
        wait_for(lambda: addresses.step() or addresses.holders() != [old], HOLD_SECONDS, "change")
    kubectl.run("taint", "node", victim, f"{OUT_OF_SERVICE}=nodeshutdown:NoExecute")
    wait(lambda: addresses.runs_on(other), "the replacement to have the address")
    # A machine that boots takes down what ran there, and that is nobody's address any more.
    cluster.power_on(victim)
    addresses.kubelets.restore_power(victim)
    kubectl.run("taint", "node", victim, f"{OUT_OF_SERVICE}-")
    wait(lambda: addresses.ready(victim) == "True", f"{victim} to be back")
    assert addresses.runs_on(other)


def test_a_pod_that_wants_an_address_of_a_running_one_is_refused(addresses: Addresses) -> None:
    if not addresses.cluster.calls_pods:
        pytest.skip("no pod of this cluster can be called")
    addresses.installation.wait(addresses.holders, "a pod to have the address")
    meta = {"name": "another", "namespace": "default"}
    template = addresses.template()
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"] | meta}
    text = json.dumps(pod | {"spec": template["spec"]})

    def refusal() -> str:
        try:
            addresses.kubectl.run("create", "--dry-run=server", "-f-", stdin=text)
        except KubectlError as error:
            return str(error)
        return ""

    said = addresses.installation.wait(refusal, "it to be refused")
    assert f"pod default/{addresses.holders()[0]} runs with it" in said


def test_uninstalling_leaves_the_addresses_of_pods_alone(
    addresses: Addresses, cluster: Cluster, before: set[str]
) -> None:
    said = addresses.installation.run_helm("test", RELEASE, "--timeout", "120s")
    assert "Succeeded" in said
    holders = addresses.holders()
    addresses.installation.run_helm("uninstall", RELEASE, "--wait")
    addresses.installation.wait(
        lambda: not cluster.pods(NAMESPACE, PART), "the controller to be gone"
    )
    assert addresses.holders() == holders
    assert addresses.is_used()
    endpoints = addresses.kubectl.items("danmeps", "-n", "default")
    assert [one for one in endpoints if one["metadata"].get("finalizers")] == []
    addresses.kubectl.run("delete", "crd", "netipallocations.netinfra.darkbrains.com")
    kept = {one for one in left(cluster, before) if one.endswith(f".{GROUP}")}
    secrets = {one for one in left(cluster, before) if one.startswith("Secret ")}
    wait_left(cluster, before, kept | secrets)
