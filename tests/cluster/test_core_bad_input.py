"""Bad input gets one clear message, on the object or at the start, and nothing is changed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from core_lab import CoreLab

from moorage_testing.cluster import EmbeddedCluster, KubectlError, Node
from moorage_testing.processes import Child
from moorage_testing.waiting import PATIENCE, wait_for

PREFERENCE = f"{{weight: 1, matchLabels: {{{', '.join(f'k{n}: v' for n in range(43))}}}}}"
MANIFEST = """
apiVersion: netinfra.darkbrains.com/v1alpha1
kind: NetIPAllocation
metadata:
  name: refused
spec:
  reservedIPs: {ips}
  cloud:
    provider: aws
"""


@pytest.mark.parametrize(
    ("ips", "message"),
    [
        ('["10.1.2.3"]', "10.1.2.3"),
        ('["203.0.113.9", "203.0.113.9"]', "203.0.113.9"),
        ('["banana"]', "banana"),
        ('["2001:db8::1", "2001:0DB8::0001"]', "2001:0DB8::0001"),
        ('["169.254.1.1"]', "169.254.1.1"),
    ],
)
def test_g4_a_bad_list_is_refused_naming_field_and_value(
    lab: CoreLab, ips: str, message: str
) -> None:
    with pytest.raises(KubectlError) as refused:
        lab.cluster.kubectl("create", "-f-", stdin=MANIFEST.format(ips=ips))
    assert "spec.reservedIPs[" in str(refused.value)
    assert message in str(refused.value)
    assert lab.gone("refused")


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ("reconcileInterval: 1", "spec.reconcileInterval"),
        ("releasePolicy: Keep", "spec.releasePolicy"),
        ("workloadRef: {kind: Job, name: x}", "spec.workloadRef.kind"),
        ("workloadRef: {kind: Deployment}", "spec.workloadRef.name"),
        (
            "placement: {preferredLabels: [{weight: 101, matchLabels: {a: b}}]}",
            "spec.placement.preferredLabels[0].weight",
        ),
        (
            "placement: {preferredLabels: [{weight: 1, matchLabels: {}}]}",
            "spec.placement.preferredLabels[0].matchLabels",
        ),
        (
            f"placement: {{preferredLabels: [{', '.join([PREFERENCE] * 3)}]}}",
            "has more than 128 labels in all; use fewer or shorter entries",
        ),
    ],
)
def test_bad_fields_are_refused(lab: CoreLab, spec: str, field: str) -> None:
    manifest = MANIFEST.format(ips='["203.0.113.9"]') + f"  {spec}\n"
    with pytest.raises(KubectlError, match=re.escape(field)):
        lab.cluster.kubectl("create", "-f-", stdin=manifest)


def test_an_unknown_provider_is_reported_with_what_is_installed(lab: CoreLab, core: Child) -> None:
    pool, ips = lab.pool(1), lab.addresses(1)
    name = lab.allocate(pool, ips, cloud={"provider": "nimbus"})
    lab.wait_reason(name, ips[0], "ProviderMissing")
    message = lab.condition(name, "Ready")["message"]
    assert all(word in message for word in ("nimbus", "aws", "packages/provider/README.md"))
    wait_for(lambda: "ProviderMissing" in dict(lab.events(name)), PATIENCE, "the Event")
    assert core.alive
    with pytest.raises(KubectlError, match="cannot be changed"):
        lab.allocate(pool, ips)
    lab.delete(name)
    wait_for(lambda: lab.gone(name), PATIENCE, "it to go")
    lab.allocate(pool, ips)
    lab.wait_bound(name, ips[0])


def test_an_empty_provider_is_reported(lab: CoreLab, core: Child) -> None:
    pool, ips = lab.pool(1), lab.addresses(1)
    name = lab.allocate(pool, ips, cloud={})
    wait_for(
        lambda: lab.condition(name, "Ready").get("reason") == "InvalidSpec", PATIENCE, "InvalidSpec"
    )
    assert "spec.cloud.provider" in lab.condition(name, "Ready")["message"]
    wait_for(lambda: "InvalidSpec" in dict(lab.events(name)), PATIENCE, "the Event")
    assert core.alive


def test_an_address_nobody_reserved_is_reported(lab: CoreLab, core: Child) -> None:
    pool = lab.pool(1)
    name = lab.allocate(pool, ["198.51.100.99"])
    lab.wait_reason(name, "198.51.100.99", "NotFound")
    assert lab.emulator.region in lab.condition(name, "Degraded")["message"]
    assert core.alive


def test_a_node_that_is_no_machine_of_this_cloud_is_passed_over(lab: CoreLab, core: Child) -> None:
    pool, ips = lab.pool(0), lab.addresses(1)
    lab.cluster.add_nodes([_stranger(pool.label)])
    name = lab.allocate(pool, ips)
    lab.wait_reason(name, ips[0], "NoEligibleNode")
    assert core.alive


def _stranger(label: str) -> Node:
    return Node(f"{label}-gce", labels={"pool": label}, provider_id="gce://p/z/vm")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (": not yaml [", "kubeconfig"),
        ("apiVersion: v1\nkind: Config\ncurrent-context: x\ncontexts: []\n", "current-context"),
    ],
)
def test_a_malformed_kubeconfig_is_one_line_and_exit_2(
    lab: CoreLab, tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    child = lab.start("", "--kubeconfig", str(path))
    wait_for(lambda: not child.alive, PATIENCE, "it to end")
    lines = child.log.read_text().strip().splitlines()
    assert child.returncode == 2
    assert len(lines) == 1
    assert str(path) in lines[0]
    assert message in lines[0]


@pytest.mark.parametrize(
    ("flags", "env", "message"),
    [
        (("--metrics-port", "99999"), {}, "--metrics-port"),
        (("--cloud-timeout", "soon"), {}, "--cloud-timeout"),
        ((), {"LEASE_DURATION": "abc"}, "LEASE_DURATION"),
        (("--no-such-flag",), {}, "--no-such-flag"),
    ],
)
def test_bad_settings_are_one_line_and_exit_2(
    lab: CoreLab, flags: tuple[str, ...], env: dict[str, str], message: str
) -> None:
    child = lab.start("", *flags, **env)
    wait_for(lambda: not child.alive, PATIENCE, "it to end")
    lines = child.log.read_text().strip().splitlines()
    assert child.returncode == 2
    assert len(lines) == 1
    assert message in lines[0]


def test_help_teaches(lab: CoreLab, cluster: EmbeddedCluster) -> None:
    child = lab.start("", "--help")
    wait_for(lambda: not child.alive, PATIENCE, "it to end")
    text = child.log.read_text()
    assert child.returncode == 0
    assert all(word in text for word in ("--kubeconfig", "MOORAGE_", "LEASE_NAME", "--dry-run"))
    assert cluster.server
