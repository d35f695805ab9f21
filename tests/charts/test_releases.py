"""Releases on a real control plane: installed, upgraded, reinstalled, uninstalled."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm import CHART, Helm, HelmError, Object
from test_admission import monitoring  # noqa: F401 - a fixture
from value_sets import SETS

from moorage_testing.cluster import EmbeddedCluster, Node
from moorage_testing.cluster.kubectl import KubectlError
from moorage_testing.waiting import PATIENCE, wait_for

CRD = "netipallocations.netinfra.darkbrains.com"
IPPOOLS = "ippools.ipamcontroller.openshift.io"
CRDS = {CRD, IPPOOLS, "ipallocations.moorage.dev"}
EXTERNAL = {f"{plural}.ipcontroller.ext" for plural in ("ipclaims", "ipclaimpools", "ipnodes")}
ALL_CRDS = CRDS | EXTERNAL
MACHINES: Object = {"machineIpam": {"enabled": True}}
POOL: Object = {
    "apiVersion": "ipamcontroller.openshift.io/v1",
    "kind": "IPPool",
    "metadata": {"name": "lab", "namespace": "default"},
    "spec": {"address-cidr": "192.168.101.64/28", "prefix": 23, "gateway": "192.168.100.1"},
}
# The kind as machine-ipam-controller installs it: its own fields, and nothing in the status.
FIRST_IPPOOLS: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": IPPOOLS},
    "spec": {
        "group": "ipamcontroller.openshift.io",
        "names": {"kind": "IPPool", "plural": "ippools"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["address-cidr", "prefix"],
                                "properties": {
                                    "address-cidr": {"type": "string"},
                                    "prefix": {"type": "integer"},
                                    "gateway": {"type": "string"},
                                    "nameserver": {"type": "array", "items": {"type": "string"}},
                                },
                            },
                            "status": {"type": "object"},
                        },
                    }
                },
            }
        ],
    },
}
ALLOCATION: Object = {
    "apiVersion": "netinfra.darkbrains.com/v1alpha1",
    "kind": "NetIPAllocation",
    "metadata": {"name": "kept", "finalizers": ["moorage.dev/release"]},
    "spec": {"reservedIPs": ["203.0.113.1"], "cloud": {"provider": "aws"}},
}
_numbers = itertools.count(1)


@pytest.fixture(scope="module", autouse=True)
def nodes(cluster: EmbeddedCluster) -> None:
    """Two nodes with fake kubelets."""
    names = ("charts-1", "charts-2")
    cluster.add_nodes(Node(name, labels={"kubernetes.io/hostname": name}) for name in names)


@pytest.fixture
def namespace(cluster: EmbeddedCluster, installer: Helm) -> Iterator[str]:
    """A namespace of its own; no release, CRD or allocation outlasts the test."""
    name = f"release-{next(_numbers)}"
    cluster.kubectl("create", "namespace", name)
    yield name
    for release in json.loads(installer.run("list", "-A", "-o", "json")):
        installer.run("uninstall", release["name"], "-n", release["namespace"])
    there = cluster.kubectl("get", "crd", "-o", "name").replace(_CRD, "").split()
    for kind in ALL_CRDS.intersection(there):
        # Where a kind is deleted before it was ever listed, the API server never finishes with it.
        wait_for(partial(_is_listed, cluster, kind), PATIENCE, f"{kind} to be listed")
    if CRD in there:
        for one in _allocations(cluster):
            path = f"/apis/netinfra.darkbrains.com/v1alpha1/netipallocations/{one}"
            cluster.remove(path)
    if IPPOOLS in there:
        cluster.kubectl("delete", IPPOOLS, "--all", "-n", "default")
    cluster.kubectl("delete", "crd", "--ignore-not-found", *sorted(ALL_CRDS))
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def _allocations(cluster: EmbeddedCluster) -> list[str]:
    return cluster.kubectl("get", "nia", "-o", "jsonpath={.items[*].metadata.name}").split()


def _is_listed(cluster: EmbeddedCluster, kind: str) -> bool:
    try:
        cluster.kubectl("get", kind, "-A")
    except KubectlError:
        return False
    return True


def install(helm: Helm, namespace: str, *flags: str, **more: Any) -> str:
    """Install a release, or upgrade it; ``more``: release, chart, values."""
    arguments = (more.get("release", "moorage"), str(more.get("chart", CHART)), "-n", namespace)
    return helm.run("upgrade", "--install", *arguments, *flags, values=more.get("values"))


def objects_of(helm: Helm, cluster: EmbeddedCluster, namespace: str) -> dict[str, Object]:
    """The objects of the release as the cluster has them."""
    text = helm.run("get", "manifest", "moorage", "-n", namespace)
    raw = cluster.kubectl("get", "-f-", "--ignore-not-found", "-o", "json", stdin=text)
    items = json.loads(raw)["items"] if raw else []
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in items}


def test_it_runs_and_says_what_to_do_next(
    installer: Helm, cluster: EmbeddedCluster, namespace: str
) -> None:
    said = install(installer, namespace, "--wait", "--timeout", "60s")
    assert f"kubectl get pods -n {namespace}" in said
    assert "core: reserved cloud addresses" in said
    assert "moorage.dev/evictions=allowed" in said
    there = objects_of(installer, cluster, namespace)
    assert there["Deployment/moorage-core"]["status"]["readyReplicas"] == 2
    pods = cluster.request("GET", f"/api/v1/namespaces/{namespace}/pods")["items"]
    assert {one["spec"]["nodeName"] for one in pods} == {"charts-1", "charts-2"}


def test_uninstalling_leaves_the_kinds_and_takes_no_address_away(
    installer: Helm, cluster: EmbeddedCluster, namespace: str
) -> None:
    install(installer, namespace, values=SETS["all-on"])
    manifest = installer.run("get", "manifest", "moorage", "-n", namespace)
    cluster.apply([ALLOCATION])
    installer.run("uninstall", "moorage", "-n", namespace)

    def left() -> list[str]:
        found = cluster.kubectl("get", "-f-", "--ignore-not-found", "-o", "name", stdin=manifest)
        return found.split()

    key = "secret/moorage-core-status-key"
    only = {f"customresourcedefinition.apiextensions.k8s.io/{name}" for name in ALL_CRDS} | {key}
    wait_for(lambda: set(left()) == only, PATIENCE, "all but the CRDs and the key to be gone")
    kept = json.loads(cluster.kubectl("get", "nia", "kept", "-o", "json"))
    assert "deletionTimestamp" not in kept["metadata"]
    assert kept["metadata"]["finalizers"] == ["moorage.dev/release"]
    assert cluster.kubectl("get", "secrets", "-n", namespace, "-o", "name").split() == [key]


def test_the_same_again_changes_nothing(
    installer: Helm, cluster: EmbeddedCluster, namespace: str
) -> None:
    def versions() -> dict[str, int]:
        there = objects_of(installer, cluster, namespace)
        return {name: one["metadata"].get("generation", 0) for name, one in there.items()}

    def specs() -> dict[str, Any]:
        there = objects_of(installer, cluster, namespace)
        parts = ("spec", "rules", "data")
        return {name: {key: one.get(key) for key in parts} for name, one in there.items()}

    install(installer, namespace, values=SETS["all-on"])
    before, begun = versions(), specs()
    install(installer, namespace, values=SETS["all-on"])
    assert versions() == before
    assert specs() == begun
    assert len(before) > 20


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    """A chart of an earlier version: with fewer values, and fewer objects."""
    chart = tmp_path / "moorage"
    shutil.copytree(CHART, chart)
    shutil.rmtree(chart / "charts" / "machine-ipam")
    metadata = yaml.safe_load((chart / "Chart.yaml").read_text("utf-8"))
    parts = [one for one in metadata["dependencies"] if one["name"] != "machine-ipam"]
    (chart / "Chart.yaml").write_text(yaml.safe_dump({**metadata, "dependencies": parts}), "utf-8")
    _without(chart / "values.schema.json", "machineIpam")
    for path in (chart / "values.yaml", chart / "charts/core/values.yaml"):
        values = yaml.safe_load(path.read_text("utf-8"))
        for name in ("global", "machineIpam", "test", "cleanUp", "policies", "spreadOver"):
            values.pop(name, None)
        path.write_text(yaml.safe_dump(values), "utf-8")
    templates = chart / "charts" / "core" / "templates"
    for later in ("policy-*", "clean-*", "tests/*"):
        for gone in templates.glob(later):
            gone.unlink()
    deployment = chart / "charts" / "lib" / "templates" / "_deployment.tpl"
    text = deployment.read_text("utf-8")
    spread = '{{- include "moorage.spread" . | nindent 6 }}'
    assert spread in text
    deployment.write_text(text.replace(spread, ""), "utf-8")
    (chart / "templates" / "NOTES.txt").write_text("earlier", "utf-8")
    return chart


def _without(schema: Path, part: str) -> None:
    """Take a part out of the schema of the umbrella."""
    found = json.loads(schema.read_text("utf-8"))
    del found["properties"][part]
    del found["properties"]["crds"]["properties"][part]
    schema.write_text(json.dumps(found), "utf-8")


def test_an_upgrade_may_reuse_the_values(
    installer: Helm, cluster: EmbeddedCluster, namespace: str, previous: Path
) -> None:
    given = {"core": {"replicas": 3, "config": {"clusterName": "blue"}}}
    install(installer, namespace, chart=previous, values=given)
    added = f"ValidatingAdmissionPolicy/{namespace}.moorage-core-nodes"
    assert added not in objects_of(installer, cluster, namespace)
    said = install(installer, namespace, "--reuse-values", "--wait", "--timeout", "60s")
    assert "helm test moorage" in said
    there = objects_of(installer, cluster, namespace)
    deployment = there["Deployment/moorage-core"]["spec"]
    assert deployment["replicas"] == 3
    assert deployment["template"]["spec"]["topologySpreadConstraints"]
    assert added in there
    assert "Deployment/moorage-machine-ipam" not in there, "what is new is off"
    install(installer, namespace, "--reuse-values", "--set", "machineIpam.enabled=true")
    there = objects_of(installer, cluster, namespace)
    assert "Deployment/moorage-machine-ipam" in there
    assert {f"CustomResourceDefinition/{name}" for name in CRDS} <= there.keys()
    installer.run("rollback", "moorage", "1", "-n", namespace)
    assert added not in objects_of(installer, cluster, namespace)


def test_on_two_nodes_an_upgrade_and_a_drain_both_end(
    installer: Helm, cluster: EmbeddedCluster, namespace: str
) -> None:
    install(installer, namespace, "--wait", "--timeout", "60s")
    one = {"core": {"replicas": 1, "podAnnotations": {"changed": "yes"}}}
    two = {"core": {"replicas": 2, "podAnnotations": {"changed": "yes"}}}
    install(installer, namespace, "--wait", "--timeout", "60s", values=two)
    install(installer, namespace, "--wait", "--timeout", "60s", values=one)
    (pod,) = cluster.request("GET", f"/api/v1/namespaces/{namespace}/pods")["items"]
    node = pod["spec"]["nodeName"]
    drain = ("drain", node, "--pod-selector", "app.kubernetes.io/part-of=moorage")
    try:
        cluster.kubectl(*drain, "--timeout=60s")
    finally:
        cluster.kubectl("uncordon", node)


def test_another_release_takes_the_kept_kinds_over(
    installer: Helm, cluster: EmbeddedCluster, namespace: str
) -> None:
    install(installer, namespace, release="first")
    cluster.apply([ALLOCATION])
    installer.run("uninstall", "first", "-n", namespace)
    with pytest.raises(HelmError, match=r"(?s)CustomResourceDefinition.*(first|conflict)"):
        installer.run("install", "second", str(CHART), "-n", namespace)
    installer.run("install", "second", str(CHART), "-n", namespace, "--take-ownership")
    assert _allocations(cluster) == ["kept"]


def test_kinds_that_kubectl_installed_are_taken_over(
    installer: Helm, cluster: EmbeddedCluster, namespace: str
) -> None:
    cluster.kubectl("apply", "-f", str(CHART.parents[1] / "crds"))
    cluster.apply([ALLOCATION])
    with pytest.raises(HelmError, match="CustomResourceDefinition"):
        installer.run("install", "moorage", str(CHART), "-n", namespace)
    installer.run("install", "moorage", str(CHART), "-n", namespace, "--take-ownership")
    assert _allocations(cluster) == ["kept"]


def test_two_releases_of_one_name_live_in_two_namespaces(
    installer: Helm, cluster: EmbeddedCluster, namespace: str
) -> None:
    install(installer, namespace)
    cluster.kubectl("create", "namespace", f"{namespace}-b")
    values = {"crds": {"enabled": False}}
    install(installer, f"{namespace}-b", values=values)
    installer.run("uninstall", "moorage", "-n", namespace)
    left = objects_of(installer, cluster, f"{namespace}-b")
    assert f"ClusterRole/{namespace}-b.moorage-core" in left
    installer.run("uninstall", "moorage", "-n", f"{namespace}-b")
    cluster.kubectl("delete", "namespace", f"{namespace}-b", "--wait=false")


def test_with_everything_on_the_release_is_small(
    installer: Helm, cluster: EmbeddedCluster, namespace: str
) -> None:
    install(installer, namespace, values=SETS["all-on"])
    raw = cluster.kubectl("get", "secrets", "-n", namespace, "-l", "owner=helm", "-o", "json")
    (secret,) = json.loads(raw)["items"]
    assert len(base64.b64decode(secret["data"]["release"])) <= 600 * 1024


def test_toggles_flip_on_a_live_release(
    installer: Helm, cluster: EmbeddedCluster, namespace: str
) -> None:
    install(installer, namespace)
    install(installer, namespace, values={"core": {"enabled": False}})
    there = objects_of(installer, cluster, namespace)
    assert list(there) == [f"CustomResourceDefinition/{CRD}"]
    install(installer, namespace, values={"core": {"enabled": True}})
    assert "Deployment/moorage-core" in objects_of(installer, cluster, namespace)


def test_a_part_that_is_off_by_default_comes_with_its_kinds_and_leaves_them(
    installer: Helm, cluster: EmbeddedCluster, namespace: str
) -> None:
    def crds() -> set[str]:
        return CRDS & set(cluster.kubectl("get", "crd", "-o", "name").replace(_CRD, "").split())

    said = install(installer, namespace)
    assert "machine-ipam: off (machineIpam.enabled)" in said
    assert crds() == {CRD}
    said = install(installer, namespace, "--wait", "--timeout", "60s", values=MACHINES)
    assert "machine-ipam: static addresses for machines" in said
    there = objects_of(installer, cluster, namespace)
    assert there["Deployment/moorage-machine-ipam"]["status"]["readyReplicas"] == 2
    install(installer, namespace, values={"machineIpam": {"enabled": False}})
    assert "Deployment/moorage-machine-ipam" not in objects_of(installer, cluster, namespace)
    assert crds() == CRDS
    install(installer, namespace, values=MACHINES)
    assert "Deployment/moorage-machine-ipam" in objects_of(installer, cluster, namespace)


def test_the_kind_of_the_first_version_is_taken_over_with_its_pools_or_left_alone(
    installer: Helm, cluster: EmbeddedCluster, namespace: str
) -> None:
    cluster.apply([FIRST_IPPOOLS])
    cluster.kubectl("wait", "--for=condition=Established", "crd", IPPOOLS)
    cluster.apply([POOL])
    pool = json.loads(cluster.kubectl("get", "ippools", "lab", "-n", "default", "-o", "json"))
    # Whoever does not want the part does not notice.
    install(installer, namespace)
    with pytest.raises(HelmError, match=f"(?s)CustomResourceDefinition.*{IPPOOLS}"):
        install(installer, namespace, values=MACHINES)
    without = {**MACHINES, "crds": {"machineIpam": False}}
    install(installer, namespace, values=without)
    assert _owner(cluster) is None
    # Helm 4 also asks whether fields may be changed that others have written.
    force = ("--force-conflicts",) if installer.name == "helm4" else ()
    install(installer, namespace, "--take-ownership", *force, values=MACHINES)
    assert _owner(cluster) == "moorage"
    kept = json.loads(cluster.kubectl("get", "ippools", "lab", "-n", "default", "-o", "json"))
    assert kept["metadata"]["uid"] == pool["metadata"]["uid"]
    assert pool["spec"].items() <= kept["spec"].items()


_CRD = "customresourcedefinition.apiextensions.k8s.io/"


def _owner(cluster: EmbeddedCluster) -> str | None:
    """The release that the kind IPPool belongs to, ``None`` = none."""
    meta = json.loads(cluster.kubectl("get", "crd", IPPOOLS, "-o", "json"))["metadata"]
    return (meta.get("annotations") or {}).get("meta.helm.sh/release-name")
