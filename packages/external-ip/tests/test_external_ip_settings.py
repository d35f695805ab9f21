"""Settings of external-ip: flags of the first version, and what is refused."""

from __future__ import annotations

import pytest

from moorage_external_ip.settings import ExternalIpSettings
from moorage_kube.manager.settings import load


def test_seed_compat_of_flags() -> None:
    flags = ["--mask", "24", "--nodefilter", "first-alive", "--monitor", "4s", "--leader-elect"]
    settings = load(ExternalIpSettings, flags)
    assert (settings.prefix_length, settings.node_filter) == (24, "first-alive")


def test_flags_of_the_first_version_that_change_nothing_are_named() -> None:
    flags = ["--leader-elect=true", "--monitor=1s", "--logtostderr", "--v=5", "--resync", "20s"]
    said = load(ExternalIpSettings, flags).ineffective()
    names = [one.partition(":")[0] for one in said]
    assert names == ["--leader-elect", "--logtostderr", "--monitor", "--resync", "--v"]
    assert all("without effect: " in one for one in said)
    assert load(ExternalIpSettings, ["--mask", "24"]).ineffective() == []


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("--nodefilter", "random"),
        ("--mask", "33"),
        ("--reserved-cidrs", "10.0.0.1/24"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_value(
    flag: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        load(ExternalIpSettings, [flag, text])
    assert refused.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert text in line


def test_reserved_networks_are_of_both_families() -> None:
    settings = load(ExternalIpSettings, ["--reserved-cidrs", "10.244.0.0/16, fd00::/64"])
    assert [str(one) for one in settings.reserved()] == ["10.244.0.0/16", "fd00::/64"]
