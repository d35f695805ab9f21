"""Manifests of the predecessor apply unchanged and mean what they meant."""

from __future__ import annotations

import pytest
from core_lab import CoreLab

from moorage_testing.processes import Child
from moorage_testing.waiting import PATIENCE, wait_for

FULL = """
apiVersion: netinfra.darkbrains.com/v1alpha1
kind: NetIPAllocation
metadata:
  name: example-allocation
spec:
  reservedIPs:
    - 34.123.45.67
    - 34.123.45.68
  workloadRef:
    kind: Deployment
    name: my-app
    namespace: default
  nodeSelector:
    role: external-ip-node
  cloud:
    provider: gcp
    region: us-west1
    zones:
      - us-west1-a
      - us-west1-b
  reconcileInterval: 60
"""

OLD = """
apiVersion: netinfra.darkbrains.com/v1alpha1
kind: NetIPAllocation
metadata:
  name: {name}
spec:
  reservedIPs:
    - {ip}
  deploymentRef:
    name: {app}
    namespace: default
  nodeSelector:
    pool: {pool}
  cloud:
    provider: aws
    region: {region}
"""


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_the_full_manifest_applies_strictly_and_says_what_is_missing(
    lab: CoreLab, core: Child, kind: str
) -> None:
    name = f"compat-{kind.lower()}"
    manifest = FULL.replace("kind: Deployment", f"kind: {kind}").replace("example-allocation", name)
    lab.cluster.kubectl("apply", "--validate=strict", "-f-", stdin=manifest)
    stored = lab.cluster.kubectl("get", "netipallocations", name, "-o", "jsonpath={.spec}")
    assert all(word in stored for word in (kind, "us-west1-b", "external-ip-node", "60"))
    lab.wait_reason(name, "34.123.45.67", "CredentialsRejected")
    lab.delete(name)
    wait_for(lambda: lab.gone(name), PATIENCE, "it to go")
    assert core.alive


def test_deployment_ref_is_accepted_and_honoured(lab: CoreLab, core: Child) -> None:
    pool, (ip,) = lab.pool(2), lab.addresses(1)
    app = lab.workload(pool, replicas=1, node_selector={"pool": pool.label, "ip.ready": "true"})
    name = f"old-{pool.label}"
    manifest = OLD.format(name=name, ip=ip, app=app, pool=pool.label, region=lab.emulator.region)
    lab.cluster.kubectl("apply", "--validate=strict", "-f-", stdin=manifest)
    node = lab.wait_bound(name, ip)
    (target,) = set(pool.names) - {node}

    def runs_there() -> bool:
        pods = lab.cluster.request("GET", "/api/v1/namespaces/default/pods")["items"]
        mine = [pod for pod in pods if pod["metadata"]["name"].startswith(f"{app}-")]
        return any(pod["spec"].get("nodeName") == node for pod in mine)

    wait_for(runs_there, PATIENCE, "the workload to run where the label is")
    lab.cordon(node)
    lab.wait_reason(name, ip, "WorkloadRunning")
    assert f"Deployment default/{app}" in lab.record(name, ip)["message"]
    lab.cluster.kubectl("delete", "deployment", app)
    lab.wait_bound(name, ip, target)
    assert core.alive


def test_the_metrics_keep_their_names(lab: CoreLab, core: Child) -> None:
    pool, ips = lab.pool(1), lab.addresses(1)
    name = lab.allocate(pool, ips)
    lab.wait_bound(name, ips[0])
    text = lab.metrics(core)
    node = pool.names[0]
    for series in (
        f'netipallocation_crd_status{{crd_name="{name}"}} 1.0',
        f'netipallocation_reserved_ips_total{{crd_name="{name}"}} 1.0',
        f'netipallocation_attached_ips_total{{crd_name="{name}"}} 1.0',
        f'netipallocation_unattached_ips_total{{crd_name="{name}"}} 0.0',
        f'netipallocation_ip_attached{{crd_name="{name}",ip="{ips[0]}",node="{node}"}} 1.0',
        f'netipallocation_node_ip_ready{{crd_name="{name}",node="{node}"}} 1.0',
        f'netipallocation_node_cordoned{{node="{node}"}} 0.0',
        f'netipallocation_reconcile_total{{crd_name="{name}",status="success"}}',
        f'netipallocation_ip_attach_total{{crd_name="{name}",status="success"}} 1.0',
        f'netipallocation_reconcile_duration_seconds_count{{crd_name="{name}"}}',
        'netipallocation_controller_is_leader{pod_name="',
        'netipallocation_controller_ready{pod_name="',
        'netipallocation_controller_healthy{pod_name="',
        'netipallocation_controller_info{pod_name="',
        # Empty without an allocation on GCP.
        "# TYPE netipallocation_gcp_api_errors_total counter",
    ):
        assert series in text
