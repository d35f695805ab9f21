"""Machines with a start hook on a real API server, under the controller's own rights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_logs import refused_rights
from lab_openshift import HOOK, MachineLab, machine_lab, spec_of

from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.openshift import MachineController
from moorage_testing.waiting import PATIENCE, wait_for

CONFIG = """\
ipam-config:
  ip-range-cidr: 10.77.0.64/28
  prefix: 24
  default-gateway: 10.77.0.1
"""


@pytest.fixture
def lab(cluster: EmbeddedCluster, tmp_path: Path) -> Iterator[MachineLab]:
    config = tmp_path / "ipam-config.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    with machine_lab(cluster, config, "preCreate") as lab:
        yield lab


def make(lab: MachineLab, name: str) -> None:
    lab.create(spec_of({"networkName": "lab"}, lifecycleHooks={"preCreate": [HOOK]}), name=name)


def test_a_machine_gets_its_address_and_keeps_it_until_it_is_gone(lab: MachineLab) -> None:
    child = lab.start("--hook-config", str(lab.config))
    openshift = MachineController(lab.cluster.request, lab.namespace, "preCreate")
    make(lab, "a")

    def hooks_after_a_step() -> object:
        openshift.step()
        return lab.hooks("a")

    wait_for(lambda: "preTerminate" in str(hooks_after_a_step()), PATIENCE, "it to be addressed")
    assert lab.hooks("a") == {"preTerminate": [HOOK]}
    value = lab.get("a")["spec"]["providerSpec"]["value"]
    (device,) = value.pop("network")["devices"]
    assert value == {"template": "rhcos"}
    ipv4 = device["config"]["interfaces"][0]["ipv4"]
    assert ipv4["address"] == [{"ip": "10.77.0.64", "prefix-length": 24}]
    assert lab.phases() == {"10.77.0.64": "Bound"}
    openshift.step()
    assert openshift.vms
    lab.cluster.request("DELETE", lab.path("a"))
    wait_for(lambda: not lab.hooks("a"), PATIENCE, "our hook to go")
    assert lab.phases() == {"10.77.0.64": "Bound"}
    openshift.step()
    wait_for(lambda: lab.phases() == {"10.77.0.64": "Quarantined"}, PATIENCE, "it to be released")
    child.stop()
    log = child.log.read_text()
    assert refused_rights(log) == []
    assert "Traceback" not in log


def test_a_configuration_that_makes_no_sense_is_waited_for(lab: MachineLab) -> None:
    lab.config.write_text(CONFIG.replace("10.77.0.64/28", "10.77.0.65/28"), encoding="utf-8")
    child = lab.start("--hook-config", str(lab.config))
    make(lab, "a")
    wait_for(lambda: "is not used" in child.log.read_text(), PATIENCE, "a word about it")
    mistake = "does not begin at the range's first address; write 10.77.0.64/28"
    assert mistake in child.log.read_text()
    lab.config.write_text(CONFIG, encoding="utf-8")
    wait_for(lambda: "preTerminate" in lab.hooks("a"), PATIENCE, "it to be addressed")
    child.stop()
