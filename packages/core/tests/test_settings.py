"""What moorage-core can be set to beyond the common settings, and how it refuses nonsense."""

from __future__ import annotations

from importlib.metadata import entry_points, version

import pytest

from moorage_core.__main__ import main
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


def test_the_command_prints_its_version(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["moorage-core", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"moorage-core {version('moorage-core')}\n"
