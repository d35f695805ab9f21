"""Settings of machine-ipam: what is wrong is named, with the way out."""

from __future__ import annotations

import pytest

from moorage_kube.manager.settings import load
from moorage_machine_ipam.settings import MachineIpamSettings


def test_aliases_are_read_by_group_kind_and_name() -> None:
    flags = ["--pool-aliases", "installer.openshift.io/IPPool/default-0=lab, a.b/Pools/x=other"]
    assert load(MachineIpamSettings, flags).aliases() == {
        ("installer.openshift.io", "ippool", "default-0"): "lab",
        ("a.b", "pools", "x"): "other",
    }
    assert load(MachineIpamSettings, []).aliases() == {}


@pytest.mark.parametrize("text", ["lab", "IPPool/default-0=lab", "a/b/c=", "a/b/c", "a//c=lab"])
def test_what_is_no_alias_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        load(MachineIpamSettings, ["--pool-aliases", text])
    assert refused.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--pool-aliases" in line
    assert text in line
    assert "write GROUP/KIND/NAME=IPPOOL" in line


def test_a_version_that_is_not_known_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load(MachineIpamSettings, ["--ipam-version", "v1alpha1"])
    assert "v1beta2" in capsys.readouterr().err


def test_where_the_api_server_was_not_asked_the_oldest_version_is_taken() -> None:
    assert load(MachineIpamSettings, []).served_version == "v1beta1"
    assert load(MachineIpamSettings, ["--ipam-version", "v1beta2"]).served_version == "v1beta2"


def test_a_webhook_without_ranges_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        load(MachineIpamSettings, ["--webhook-machines"])
    assert refused.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--webhook-machines gives addresses of a file: name it with --hook-config" in line


@pytest.mark.parametrize("seconds", ["119", "0", "86401"])
def test_a_reservation_outlives_every_request(
    seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        load(MachineIpamSettings, ["--reservation-seconds", seconds])
    assert "--reservation-seconds" in capsys.readouterr().err
