"""Settings come from flags, environment, file and defaults, in this order; --help shows each."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field

from moorage_kube.manager.settings import (
    CommonSettings,
    ElectedSettings,
    also,
    in_group,
    load,
    new_identity,
    without_effect,
)


class ExampleSettings(ElectedSettings):
    """Settings of a controller that exists only here."""

    prog: ClassVar[str] = "moorage-example"
    version: ClassVar[str] = "1.2.3"
    description: ClassVar[str] = "Keeps links up."

    link: str = Field(
        "eth0",
        description="Link to use.",
        validation_alias=also("MOORAGE_LINK", "IFACE"),
        json_schema_extra=in_group("example", "--iface"),
    )


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for name in os.environ if name.startswith(("MOORAGE_", "LEASE_", "POD_"))]
    for name in [*names, "CLUSTER_NAME", "METRICS_PORT", "IFACE"]:
        monkeypatch.delenv(name, raising=False)


def refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr with which these arguments are refused."""
    with pytest.raises(SystemExit) as ended:
        load(ExampleSettings, argv)
    assert ended.value.code == 2
    line = capsys.readouterr().err
    assert line.startswith("moorage-example: ")
    assert line.count("\n") == 1
    return line


def test_defaults_stand_where_nothing_is_said() -> None:
    settings = load(ExampleSettings, [])
    assert (settings.metrics_port, settings.log_format, settings.dry_run) == (9999, "json", False)
    lease = settings.lease(namespace="example", identity="me")
    assert (lease.name, lease.namespace, lease.duration) == ("moorage-example", "example", 15.0)


def test_flags_win_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("workers: 1\nlease_name: file\nlog_level: debug\n")
    monkeypatch.setenv("MOORAGE_WORKERS", "2")
    monkeypatch.setenv("MOORAGE_LEASE_NAME", "environment")
    settings = load(ExampleSettings, ["--config", str(file), "--workers", "3"])
    assert (settings.workers, settings.lease_name, settings.log_level) == (
        3,
        "environment",
        "debug",
    )


def test_the_file_may_be_json_and_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"metrics_port": 0, "link": "bond0"}))
    monkeypatch.setenv("MOORAGE_CONFIG", str(file))
    settings = load(ExampleSettings, [])
    assert (settings.metrics_port, settings.link) == (0, "bond0")


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("LEASE_NAME", "old", "lease_name", "old"),
        ("LEASE_DURATION", "30", "lease_duration", 30.0),
        ("CLUSTER_NAME", "east", "cluster_name", "east"),
        ("METRICS_PORT", "8080", "metrics_port", 8080),
        ("POD_NAMESPACE", "pods", "lease_namespace", "pods"),
        ("IFACE", "eth7", "link", "eth7"),
    ],
)
def test_names_of_before_still_work_but_ours_win(
    name: str, value: str, field: str, expected: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert getattr(load(ExampleSettings, []), field) == expected


def test_our_name_wins_over_the_name_of_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASE_NAME", "old")
    monkeypatch.setenv("MOORAGE_LEASE_NAME", "new")
    assert load(ExampleSettings, []).lease_name == "new"


def test_sec_10_a_service_called_metrics_changes_no_setting_and_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever may make Services in the namespace would else have every pod refuse to start."""
    default = load(ExampleSettings, []).metrics_port
    monkeypatch.setenv("METRICS_SERVICE_HOST", "10.0.0.1")
    for address in ("tcp://10.0.0.1:80", "udp://[2001:db8::1]:53"):
        monkeypatch.setenv("METRICS_PORT", address)
        settings = load(ExampleSettings, [])
        assert settings.metrics_port == default
        (said,) = settings.ineffective()
        assert said.startswith(f"METRICS_PORT: '{address}' is the address of a Service")
        assert "enableServiceLinks: false" in said
    monkeypatch.setenv("METRICS_PORT", "8080")
    settings = load(ExampleSettings, [])
    assert (settings.metrics_port, settings.ineffective()) == (8080, [])


def test_the_address_of_a_service_is_no_value_of_a_setting(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    default = load(ExampleSettings, []).metrics_port
    monkeypatch.setenv("MOORAGE_METRICS_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("MOORAGE_METRICS_PORT", "tcp://10.0.0.1:80")
    assert load(ExampleSettings, []).metrics_port == default
    monkeypatch.setenv("MOORAGE_METRICS_PORT", "8080")
    assert load(ExampleSettings, []).metrics_port == 8080
    monkeypatch.delenv("MOORAGE_METRICS_SERVICE_HOST")
    monkeypatch.setenv("MOORAGE_METRICS_PORT", "tcp://10.0.0.1:80")
    assert "MOORAGE_METRICS_PORT: 'tcp://10.0.0.1:80' will not do" in refused([], capsys)


def test_a_second_flag_sets_the_same_field() -> None:
    assert load(ExampleSettings, ["--iface", "eth1"]).link == "eth1"


def test_a_switch_can_be_turned_off_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORAGE_DRY_RUN", "true")
    assert load(ExampleSettings, []).dry_run is True
    assert load(ExampleSettings, ["--no-dry-run"]).dry_run is False


def test_a_bad_flag_is_named_with_its_value(capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(["--metrics-port", "many"], capsys)
    assert "--metrics-port: 'many' will not do" in line
    assert "see --help" in line


def test_a_bad_variable_is_named_as_the_user_wrote_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEASE_DURATION", "soon")
    assert "LEASE_DURATION: 'soon' will not do" in refused([], capsys)


def test_a_bad_value_in_the_file_is_named_by_its_key(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("workers: 0\n")
    assert "workers in the file: 0 will not do" in refused(["--config", str(file)], capsys)


def test_an_unknown_key_in_the_file_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("wrokers: 3\n")
    assert "wrokers in the --config file is no setting" in refused(["--config", str(file)], capsys)


def test_a_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(["--config", "nowhere.yaml"], capsys)
    assert "'nowhere.yaml' cannot be read: No such file" in line


@pytest.mark.parametrize("content", ["a: [", "- a\n- b\n"])
def test_a_file_that_holds_no_settings_is_refused(
    content: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(content)
    assert str(file) in refused(["--config", str(file)], capsys)


def test_an_unknown_variable_is_refused_like_a_bad_flag(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOORAGE_DRYRUN", "1")
    assert "MOORAGE_DRYRUN is no variable" in refused([], capsys)


def test_a_process_without_an_election_has_no_settings_of_a_lease(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert not [name for name in CommonSettings.model_fields if "lease" in name]
    with pytest.raises(SystemExit) as ended:
        load(CommonSettings, ["--lease-name", "x"])
    assert ended.value.code == 2
    assert "--lease-name" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["inf", "nan", "-1"])
def test_lease_times_are_finite(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--lease-duration" in refused(["--lease-duration", seconds], capsys)


def test_lease_times_must_grow(capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(["--lease-duration", "5"], capsys)
    assert "retry 2 s, renew deadline 10 s and duration 5 s" in line
    assert line.endswith("; change --lease-retry, --lease-renew-deadline or --lease-duration\n")


def test_an_unknown_flag_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert "unrecognized arguments: --wrokers" in refused(["--wrokers", "3"], capsys)


def test_help_teaches_every_field_with_its_variable_and_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        load(ExampleSettings, ["--help"])
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, field in ExampleSettings.model_fields.items():
        assert "--" + name.replace("_", "-") in text
        assert str(field.description) in text
    assert "[MOORAGE_LEASE_DURATION, LEASE_DURATION; default 15.0]" in text
    assert "One of debug, info, warning, error." in text
    assert "example:" in text


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load(ExampleSettings, ["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == "moorage-example 1.2.3\n"


def test_no_two_processes_have_one_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NAME", "example-0")
    first, second = new_identity(), new_identity()
    assert first != second
    assert first.startswith("example-0_")


class OldSettings(ExampleSettings):
    """With a flag that is only understood."""

    speed: str | None = Field(
        None, description="Without effect: it is fast.", json_schema_extra=without_effect("--quick")
    )


@pytest.mark.parametrize("flags", [["--speed"], ["--speed=9"], ["--quick", "9"]])
def test_a_setting_without_effect_is_understood_and_named(flags: list[str]) -> None:
    assert load(OldSettings, flags).ineffective() == ["--speed: Without effect: it is fast."]
    assert load(OldSettings, ["--link", "eth1"]).ineffective() == []
