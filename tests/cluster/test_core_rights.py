"""Every right of the core controller is enough, and every one is used."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from core_lab import CoreLab, Pool, log_lines
from lab_labels import draw
from lab_rights import grant

from moorage_core.rbac import RULES
from moorage_testing.processes import Child
from moorage_testing.waiting import PATIENCE, wait_for

NOT_COUNTED_HERE = {
    # A second Event with the same text within ten minutes; the unit tests of events have it.
    ("events", "patch"),
    # Made by kopf's own session; without it no allocation would be reconciled at all.
    ("netipallocations", "watch"),
}


@pytest.fixture
def core(lab: CoreLab) -> Iterator[Child]:
    """A controller under exactly the rendered rights, with a Lease that nobody has made before."""
    account = "rights/moorage-core"
    kubeconfig = lab.cluster.kubeconfig_for(account)
    grant(lab.cluster, account)
    places = ("--lease-namespace", "rights", "--status-key-secret", f"{account}-status-key")
    child = lab.started("", "--kubeconfig", str(kubeconfig), *places)
    yield child
    child.stop()


def test_every_right_is_used_and_none_is_missing(lab: CoreLab, core: Child) -> None:
    pool, ips = lab.pool(2), lab.addresses(1)
    app = _run_where_no_address_will_be(lab, pool)
    reference = {"kind": "Deployment", "name": app}
    name = lab.allocate(pool, ips, evictMisplacedPods=True, workloadRef=reference)
    node, target = pool.names
    lab.wait_bound(name, ips[0], node)
    wait_for(lambda: "Evicted" in dict(lab.events(name)), PATIENCE, "the pod to be evicted")
    lab.cluster.kubectl("delete", "deployment", app, "--wait=false")
    lab.cordon(node)
    lab.wait_bound(name, ips[0], target)
    lab.delete(name)
    wait_for(lambda: lab.gone(name), PATIENCE, "the release")
    granted = {(res, verb) for right in RULES for res in right.resources for verb in right.verbs}
    granted -= NOT_COUNTED_HERE
    wait_for(lambda: granted <= _used(lab, core), PATIENCE, f"{granted} to be used")
    refused = re.findall(r'kube_requests_total\{code="4(?:0[13]|22)".*', lab.metrics(core))
    assert refused == []
    assert [line for line in log_lines(core) if line["level"] in ("error", "critical")] == []


def _run_where_no_address_will_be(lab: CoreLab, pool: Pool) -> str:
    """A workload that selects an address, with a pod on the last node; returns its name."""
    app = lab.workload(pool, node_selector={"pool": pool.label, "ip.ready": "true"})
    path = f"/api/v1/namespaces/default/pods?labelSelector=app={app}-{pool.label}"
    draw(
        lab.cluster,
        pool.names[-1],
        ["ip.ready=true"],
        lambda: [p for p in lab.cluster.request("GET", path)["items"] if "nodeName" in p["spec"]],
    )
    return app


def _used(lab: CoreLab, core: Child) -> set[tuple[str, str]]:
    pattern = r'kube_requests_total\{code="\d+",resource="([^"]+)",verb="([^"]+)"\}'
    return set(re.findall(pattern, lab.metrics(core)))
