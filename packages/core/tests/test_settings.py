"""What moorage-core can be set to beyond the common settings, and how it refuses nonsense."""

from __future__ import annotations

from importlib.metadata import entry_points, version

import pytest

from moorage_core.__main__ import main
from moorage_core.model import ForeignPolicy
from moorage_core.settings import CoreSettings
from moorage_kube.manager.settings import load


def test_the_defaults_are_those_of_the_documentation() -> None:
    settings = load(CoreSettings, [])
    assert (settings.cloud_calls, settings.cloud_timeout) == (20, 15.0)
    assert settings.lease("ns", "me").name == "moorage-core"


def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORAGE_CLOUD_CALLS", "5")
    monkeypatch.setenv("MOORAGE_CLOUD_TIMEOUT", "2.5")
    settings = load(CoreSettings, ["--cloud-calls", "7"])
    assert (settings.cloud_calls, settings.cloud_timeout) == (7, 2.5)


def test_the_variables_of_the_first_version_still_count(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LEASE_NAME", "old"), ("METRICS_PORT", "1"), ("CLUSTER_NAME", "blue")):
        monkeypatch.setenv(name, value)
    settings = load(CoreSettings, [])
    assert (settings.lease_name, settings.metrics_port) == ("old", 1)
    assert settings.cluster_name == "blue"


@pytest.mark.parametrize("namespace", ["one", "two"])
def test_harm_20_installations_in_different_namespaces_lead_by_one_lease(
    namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POD_NAMESPACE", namespace)
    assert load(CoreSettings, []).lease(namespace, "me").namespace == "kube-system"
    assert load(CoreSettings, ["--lease-namespace", "x"]).lease(namespace, "me").namespace == "x"
    monkeypatch.setenv("LEASE_NAMESPACE", "old")
    assert load(CoreSettings, []).lease(namespace, "me").namespace == "old"


@pytest.mark.parametrize("name", ["MOORAGE_GCP_PROJECT", "MOORAGE_AZURE_CLOUD"])
def test_the_variables_of_an_installed_provider_are_let_through(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = name.split("_")[1].lower()
    if not entry_points(group="moorage.providers", name=provider):
        pytest.skip(f"{provider} is not installed")
    monkeypatch.setenv(name, "x")
    load(CoreSettings, [])


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--cloud-calls", "0"),
        ("--cloud-calls", "201"),
        ("--cloud-calls", "many"),
        ("--cloud-timeout", "0"),
        ("--cloud-timeout", "301"),
    ],
)
def test_nonsense_is_refused_in_one_line_that_names_the_flag(
    flag: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        load(CoreSettings, [flag, value])
    printed = capsys.readouterr().err
    assert ended.value.code == 2
    assert printed.startswith(f"moorage-core: {flag}: '{value}'")
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    ("flag", "value", "why"),
    [
        ("--settled-taints", "a/b,x=y:NoSchedule", "'x=y:NoSchedule' is no taint key; write one"),
        ("--allow-foreign-policy", "Sometimes", "'Never', 'IfUnmanaged' or 'Always'"),
        ("--allow-providers", "asw", "no moorage.providers plug-in 'asw'; installed: "),
        ("--allow-addresses", "203.0.113.0/33", '"203.0.113.0/33"'),
        ("--allow-addresses", "203.0.113.9/24", '"203.0.113.9/24"'),
        ("--allow-addresses", "203.0.113.0/24,eu", '"eu" is not an IP address: write one'),
        ("--allow-nodes", "pool in a", "is no part of a label selector: write key=value"),
    ],
)
def test_sec_02_limits_that_nobody_understands_are_refused_at_the_start(
    flag: str, value: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        load(CoreSettings, [flag, value])
    printed = capsys.readouterr().err
    assert ended.value.code == 2
    assert printed.startswith(f"moorage-core: {flag}: '{value}' will not do: ")
    assert why in printed
    assert printed.count("\n") == 1


def test_limits_are_read_from_lists_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORAGE_SETTLED_TAINTS", "")
    monkeypatch.setenv("MOORAGE_ALLOW_ADDRESSES", "203.0.113.0/24, 198.51.100.1-198.51.100.9,")
    flags = ["--allow-regions", "eu-west-1 ,eu-west-3", "--allow-nodes", "pool in (a,b),!old"]
    limits = load(CoreSettings, [*flags, "--allow-foreign-policy=Always"]).limits()
    assert (limits.settled_taints, limits.providers) == ((), ())
    assert limits.regions == ("eu-west-1", "eu-west-3")
    assert list(map(str, limits.addresses)) == ["203.0.113.0/24", "198.51.100.1-198.51.100.9"]
    assert str(limits.nodes) == "pool in (a,b),!old"
    assert limits.foreign_policy is ForeignPolicy.ALWAYS


def test_the_command_prints_its_version(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["moorage-core", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"moorage-core {version('moorage-core')}\n"
