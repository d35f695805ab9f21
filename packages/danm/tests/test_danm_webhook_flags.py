"""The command line of the first version goes on working, and its switches mean what they meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from moorage_danm.webhook.first_version import translated
from moorage_danm.webhook.settings import DanmWebhookSettings
from moorage_danm.webhook.wording import limited, shortened
from moorage_kube.manager.settings import load

SEED = [
    "--port=8443",
    "--certFile=/c/tls.crt",
    "--keyFile=/c/tls.key",
    "--clientCAFile=/c/ca.crt",
    "--clientAuth=true",
    "--admitAll=false",
    "--logFile=/var/log/danmlifecycle.log",
    "--logLevel=warn",
]


def loaded(*arguments: str) -> DanmWebhookSettings:
    return load(DanmWebhookSettings, translated(arguments))


@pytest.mark.parametrize("dash", ["-", "--"])
def test_every_flag_of_the_first_version_is_understood(dash: str) -> None:
    settings = loaded(*(dash + one.lstrip("-") for one in SEED))
    assert settings.webhook_port == 8443
    assert settings.webhook_certificate == "/c/tls.crt"
    assert settings.webhook_key == "/c/tls.key"
    assert settings.client_ca_file == "/c/ca.crt"
    assert settings.client_auth
    assert not settings.admit_all
    assert settings.log_file == "/var/log/danmlifecycle.log"
    assert settings.log_level == "warning"
    callers = settings.callers()
    assert callers is not None
    assert callers.names == frozenset()


def test_values_may_stand_apart_and_switches_need_none() -> None:
    settings = loaded("-port", "8443", "--admitAll", "-clientAuth", "--logLevel", "DEBUG")
    assert (settings.webhook_port, settings.admit_all, settings.client_auth) == (8443, True, True)
    assert settings.log_level == "debug"
    assert not settings.evaluates


@pytest.mark.parametrize("argument", ["--admitAll=perhaps", "--logLevel=loud", "--port=https"])
def test_what_cannot_be_meant_is_refused(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        loaded(argument)
    assert refused.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--" in line


def test_our_own_flags_stay_as_they_are() -> None:
    own = ["--mode", "sync", "--sync-seconds=2", "--no-admit-all", "check", "-x"]
    assert translated(own) == own
    settings = loaded("--client-auth", "--client-names", "kube-apiserver, other")
    callers = settings.callers()
    assert callers is not None
    assert callers.names == {"kube-apiserver", "other"}
    assert loaded().callers() is None
    assert Path(loaded().client_ca_file).name == "ca.crt"


def test_warnings_are_short_and_few_enough_to_be_shown() -> None:
    assert limited(["a", "b", "a"]) == ("a", "b")
    assert shortened("x  y\nz") == "x y z"
    many = limited(f"{number} {'x' * 200}" for number in range(50))
    assert len(many) == 11
    assert max(map(len, many)) <= 120
    assert many[-1] == "... and 40 more warnings about static addresses"
