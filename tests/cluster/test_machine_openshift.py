"""Machines of OpenShift as it is on a real API server: by claims, and by our webhook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab_logs import refused_rights
from lab_openshift import HOOK, MachineLab, machine_lab, spec_of

from moorage_machine_ipam.machine.registration import LABEL, machine_webhook
from moorage_testing.cluster import ApiError, EmbeddedCluster
from moorage_testing.openshift import MachineController
from moorage_testing.processes import Child
from moorage_testing.waiting import PATIENCE, wait_for

CONFIG = """\
ipam-config:
  ip-range-cidr: 10.78.0.64/30
  prefix: 24
  default-gateway: 10.78.0.1
  nameserver: [10.78.0.2]
"""
LAB = {"networkName": "lab"}
LABELS = {LABEL: "true"}


@pytest.fixture
def lab(cluster: EmbeddedCluster, tmp_path: Path) -> Iterator[MachineLab]:
    config = tmp_path / "ipam-config.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    with machine_lab(cluster, config) as lab:
        yield lab


def stepped(openshift: MachineController, condition: Callable[[], object]) -> Callable[[], object]:
    """The condition, after machine-api-operator has looked at everything."""

    def look() -> object:
        openshift.step()
        return condition()

    return look


def stop(child: Child) -> None:
    child.stop()
    log = child.log.read_text()
    assert refused_rights(log) == []
    assert "Traceback" not in log


def test_stock_flow_by_claims(lab: MachineLab) -> None:
    """A device names pools; machine-api-operator claims from them, and makes no VM before."""
    child = lab.start()
    openshift = MachineController(lab.cluster.request, lab.namespace)
    meta = {"name": "lab", "namespace": lab.namespace}
    pool = {"address-cidr": "10.79.0.0/29", "prefix": 24, "gateway": "10.79.0.1"}
    kind = {"apiVersion": "ipamcontroller.openshift.io/v1", "kind": "IPPool"}
    pools = lab.path(plural="ippools")
    lab.cluster.request("POST", pools, kind | {"metadata": meta, "spec": pool})
    ref = {"group": "ipamcontroller.openshift.io", "resource": "ippools", "name": "lab"}
    lab.create(spec_of(LAB | {"addressesFromPools": [ref], "nameservers": ["10.79.0.9"]}), name="a")
    wait_for(stepped(openshift, lambda: openshift.vms), PATIENCE, "its VM")
    (vm,) = openshift.vms.values()
    assert vm.kargs == "ip=10.79.0.2::10.79.0.1:255.255.255.0:::none nameserver=10.79.0.9 "
    (condition,) = lab.get("a")["status"]["providerStatus"]["conditions"]
    assert (condition["status"], condition["reason"]) == ("True", "IPAddressesClaimed")
    assert [one["metadata"]["name"] for one in lab.all_of("ipaddressclaims")] == ["a-claim-0-0"]
    lab.cluster.request("DELETE", lab.path("a"))
    gone = stepped(openshift, lambda: lab.phases() == {"10.79.0.2": "Quarantined"})
    wait_for(gone, PATIENCE, "its address to be released")
    assert openshift.vms == {}
    wait_for(lambda: not lab.all_of("ipaddressclaims"), PATIENCE, "the claim to go")
    stop(child)


def test_a_machine_is_born_with_its_address(lab: MachineLab, host: str) -> None:
    child = admitting(lab, host)
    openshift = MachineController(lab.cluster.request, lab.namespace)
    # As a MachineSet does it.
    made = lab.create(spec_of(LAB), generateName="worker-", labels=LABELS)
    name = made["metadata"]["name"]
    assert name.startswith("worker-")
    assert made["spec"]["lifecycleHooks"] == {"preTerminate": [HOOK]}
    (device,) = made["spec"]["providerSpec"]["value"]["network"]["devices"]
    assert device == LAB | {
        "ipAddrs": ["10.78.0.64/24"],
        "gateway": "10.78.0.1",
        "nameservers": ["10.78.0.2"],
    }
    wait_for(lambda: lab.phases() == {"10.78.0.64": "Bound"}, PATIENCE, "it to be bound")
    for spec, called, code, says in (
        (spec_of(*[LAB] * 4), "b", 403, "4 of 10.78.0.64/30 needed, 3 free"),
        (spec_of(LAB), name, 409, "already exists"),
        (made["spec"], "copy", 422, f"it belongs to Machine {lab.namespace}/{name}"),
    ):
        with pytest.raises(ApiError) as refused:
            lab.create(spec, name=called, labels=LABELS)
        assert refused.value.status == code
        assert says in str(refused.value)
    wait_for(stepped(openshift, lambda: openshift.vms), PATIENCE, "its VM")
    assert openshift.addresses() == {name: ("10.78.0.64",)}
    lab.cluster.request("DELETE", lab.path(name))
    gone = stepped(openshift, lambda: lab.phases() == {"10.78.0.64": "Quarantined"})
    wait_for(gone, PATIENCE, "its address to be released")
    stop(child)


def admitting(lab: MachineLab, host: str) -> Child:
    """The controller with its webhook, which the API server asks; it has reserved nothing yet."""
    # First: its own certificates are written into what is there when it starts.
    lab.register(machine_webhook(lab.namespace, lab.namespace))
    flags = ["--hook-config", str(lab.config), "--webhook-machines", "--webhook-port", "0"]
    child = lab.start(*flags, "--webhook-host", host, "--webhook-name", lab.namespace)
    lab.expose(child, host)

    def shown() -> object:
        try:
            return lab.create(spec_of(LAB), "?dryRun=All", name="shown", labels=LABELS)
        except ApiError as error:
            # Not reachable yet, or not ready.
            return None if "webhook" in str(error) else error

    dry = wait_for(shown, PATIENCE, "the webhook to answer")
    assert "10.78.0.64/24" in str(dry)
    assert lab.phases() == {}, "a dry run reserves nothing"
    plain = lab.create(spec_of(LAB), "?dryRun=All", name="plain")
    assert plain["spec"] == spec_of(LAB), "only those with the label are asked about"
    return child
