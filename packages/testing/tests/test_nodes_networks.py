"""Pods of a real node are on the networks that they name, and on no other."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_nodes import TEAM, pod, prepare

from moorage_testing.cni.meta_plugin import NETWORKS, STATUS
from moorage_testing.nodes import RealNodes
from moorage_testing.pytest_plugin import start_nodes
from moorage_testing.waiting import wait_for

NODE = "node-1"
SUBNETS = {"blue": "10.77.1.0/24", "green": "10.77.2.0/24"}
GET = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=3).read().decode())"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNodes]:
    """One node, two networks, each a bridge on that node."""
    with start_nodes(1, networks=True) as real:
        prepare(real, tmp_path_factory.mktemp("images"))
        real.cluster.apply([network(name) for name in SUBNETS])
        yield real


def network(name: str) -> dict[str, Any]:
    ipam = {"type": "host-local", "ranges": [[{"subnet": SUBNETS[name]}]], "dataDir": "/run/cni"}
    config = {"cniVersion": "0.4.0", "type": "bridge", "bridge": name, "isGateway": True}
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name, "namespace": TEAM},
        "spec": {"config": json.dumps(config | {"ipam": ipam})},
    }


def run(real: RealNodes, name: str, networks: str) -> None:
    one = pod(name, NODE)
    one["metadata"]["annotations"] = {NETWORKS: networks}
    real.cluster.apply([one])


def ready(real: RealNodes, name: str) -> list[dict[str, Any]]:
    """The network status of a pod, once it is Ready."""
    real.cluster.kubectl(
        "-n", TEAM, "wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s"
    )
    raw = real.cluster.request("GET", f"/api/v1/namespaces/{TEAM}/pods/{name}")
    found: list[dict[str, Any]] = json.loads(raw["metadata"]["annotations"][STATUS])
    assert found[0]["ips"] == [raw["status"]["podIP"]]
    return found


def answer(real: RealNodes, address: str) -> str:
    """Of whoever is at an address, as its node asks."""
    url = f"http://{address}:8080/"
    return real.nodes[NODE].machine.call([sys.executable, "-c", GET, url]).strip()


def test_a_pod_has_an_address_in_each_network_that_it_names(real: RealNodes) -> None:
    run(real, "both", f"blue, {TEAM}/green@eth7")
    default, *others = ready(real, "both")
    assert (default["interface"], default["default"]) == ("eth0", True)
    found = {one["name"]: (one["interface"], one["ips"][0]) for one in others}
    assert found == {
        f"{TEAM}/blue": ("net1", "10.77.1.2"),
        f"{TEAM}/green": ("eth7", "10.77.2.2"),
    }
    for _, address in found.values():
        assert answer(real, address) == answer(real, default["ips"][0])


def test_a_pod_that_names_none_has_the_clusters_network_alone(real: RealNodes) -> None:
    real.cluster.apply([pod("plain", NODE)])
    assert [one["interface"] for one in ready(real, "plain")] == ["eth0"]


def test_a_network_that_is_not_there_keeps_a_pod_from_starting_until_it_is(
    real: RealNodes,
) -> None:
    run(real, "waits", "red")

    def said() -> bool:
        events = real.cluster.request("GET", f"/api/v1/namespaces/{TEAM}/events")["items"]
        return any(
            one["involvedObject"]["name"] == "waits" and f"network {TEAM}/red" in one["message"]
            for one in events
        )

    wait_for(said, 60, "an Event that names the network")
    SUBNETS["red"] = "10.77.3.0/24"
    real.cluster.apply([network("red")])
    assert [one["interface"] for one in ready(real, "waits")] == ["eth0", "net1"]


def test_addresses_of_a_pod_that_is_gone_are_free(real: RealNodes) -> None:
    run(real, "short", "blue")
    ready(real, "short")
    machine = real.nodes[NODE].machine
    node = Path(f"/proc/{machine.pid}/root/run")
    assert list((node / "cni" / "blue").glob("10.77.1.3"))
    real.cluster.kubectl("-n", TEAM, "delete", "pod", "short", "--timeout=60s")
    wait_for(lambda: not list((node / "cni" / "blue").glob("10.77.1.3")), 60, "it to be free")
