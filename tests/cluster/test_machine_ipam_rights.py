"""Every right of machine-ipam is enough, and every one is used."""

from __future__ import annotations

import contextlib
from pathlib import Path

from lab_openshift import GROUP, HOOK
from lab_pages import refused_requests, unused
from test_example_controller import bind
from test_machine_ipam import Lab, Raw, lab

from moorage_machine_ipam.projections import OWNER_ANNOTATION
from moorage_machine_ipam.rbac import MACHINE_RULES, RULES
from moorage_testing.openshift import machine_crd
from moorage_testing.waiting import PATIENCE, WaitTimeoutError, wait_for

__all__ = ["lab"]

# A range of its own: the records of all tests are in one cluster.
CONFIG = """\
ipam-config:
  ip-range-cidr: 10.76.0.64/28
  prefix: 24
  default-gateway: 10.76.0.1
"""

NOT_COUNTED_HERE = {
    # A second Event with the same text within ten minutes; the unit tests of events have it.
    ("events", "patch"),
    # Made by kopf's own session; without it no pool would be served at all.
    ("ippools", "watch"),
    # Cluster API is not installed, so there is nothing to follow.
    ("clusters", "watch"),
    # Where two replicas want one address at the same time, as in test_uniq_two_replicas.
    ("ipallocations", "get"),
}


def test_rbac_minimal(lab: Lab, tmp_path: Path) -> None:
    cluster = lab.cluster
    rules = (*RULES, *MACHINE_RULES)
    bind(cluster, lab.namespace, rules)
    cluster.apply([machine_crd("preCreate")])
    cluster.kubectl("wait", "--for=condition=Established", f"crd/machines.{GROUP}", "--timeout=60s")
    config = tmp_path / "ipam-config.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    lab.pool()
    child = lab.start({}, "--hook-config", str(config), "--watch-clusters")
    lab.claim("a", "b")
    lab.wait_bound(2)
    _without_owners(lab, "b")
    _without_a_claim(lab)
    _a_machine_comes_and_goes(lab)
    lab.claim("late", pool="missing")
    lab.delete("a")
    with contextlib.suppress(WaitTimeoutError):
        wait_for(lambda: unused(rules, child) <= NOT_COUNTED_HERE, PATIENCE, "all to be used")
    assert unused(rules, child) - NOT_COUNTED_HERE == set()
    assert refused_requests(child) == []


def _without_owners(lab: Lab, name: str) -> None:
    """As after a restore: the IPAddress has lost its owners."""
    path = lab.path("ipaddresses", name)
    lab.cluster.request("PATCH", path, {"metadata": {"ownerReferences": None}})
    wait_for(
        lambda: lab.cluster.request("GET", path)["metadata"].get("ownerReferences"),
        PATIENCE,
        "its owners to be put back",
    )


def _without_a_claim(lab: Lab) -> None:
    """An IPAddress that names a claim that nobody sees."""
    pool = {"apiGroup": "ipamcontroller.openshift.io", "kind": "IPPool", "name": "lab"}
    spec: Raw = {"address": "10.0.0.9", "prefix": 16, "poolRef": pool, "claimRef": {"name": "x"}}
    meta = {"name": "x", "namespace": lab.namespace, "annotations": {OWNER_ANNOTATION: "uid-x"}}
    body = {"apiVersion": f"ipam.cluster.x-k8s.io/{lab.version}", "kind": "IPAddress"}
    lab.cluster.request("POST", lab.path("ipaddresses"), body | {"metadata": meta, "spec": spec})


def _a_machine_comes_and_goes(lab: Lab) -> None:
    machines = f"/apis/{GROUP}/v1beta1/namespaces/{lab.namespace}/machines"
    value = {"network": {"devices": [{"networkName": "lab"}]}}
    spec = {"lifecycleHooks": {"preCreate": [HOOK]}, "providerSpec": {"value": value}}
    body = {"apiVersion": f"{GROUP}/v1beta1", "kind": "Machine", "spec": spec}
    meta = {"name": "m", "namespace": lab.namespace, "finalizers": ["example.com/vm"]}
    lab.cluster.request("POST", machines, body | {"metadata": meta})

    def hooks() -> Raw:
        found = lab.cluster.request("GET", f"{machines}/m")["spec"].get("lifecycleHooks")
        return dict(found or {})

    wait_for(lambda: "preTerminate" in hooks(), PATIENCE, "it to be addressed")
    lab.cluster.request("DELETE", f"{machines}/m")
    wait_for(lambda: not hooks(), PATIENCE, "it to be let go")
    lab.cluster.request("PATCH", f"{machines}/m", {"metadata": {"finalizers": None}})
