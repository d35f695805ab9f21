"""Server and credentials are found where kubectl finds them, or one line says why not."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from moorage_kube.client.connection import ConfigError, Credentials, load_connection
from moorage_kube.client.connection.credentials import REREAD_SECONDS, TokenFile
from moorage_kube.client.errors import Unavailable

SECRET = "s3cret"  # noqa: S105 - of nothing
Write = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("nowhere")


def service_account(folder: Path, ca: Path) -> Path:
    folder.mkdir()
    for name, text in (("token", SECRET), ("ca.crt", ca.read_text()), ("namespace", "team\n")):
        (folder / name).write_text(text)
    return folder


def test_the_first_place_that_is_there_counts(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ca: Path
) -> None:
    account = service_account(tmp_path / "account", ca)

    def server(kubeconfig: Path | None = None) -> str:
        return load_connection(str(kubeconfig) if kubeconfig else None, account).server

    write("home/.kube/config", cluster={"server": "https://home"})
    assert server() == "https://home"
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    assert server() == "https://10.0.0.1:443"
    monkeypatch.setenv("KUBECONFIG", str(write("env", cluster={"server": "https://env"})))
    assert server() == "https://env"
    assert server(write("flag", cluster={"server": "https://flag"})) == "https://flag"


def test_a_user_without_a_home_is_told_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")

    def nobody(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", nobody)
    with pytest.raises(ConfigError, match=r"~/\.kube/config is not there"):
        load_connection()


def test_with_no_place_at_all_one_line_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        load_connection()
    assert str(refusal.value) == (
        "no way to the API server: this is no pod, KUBECONFIG is not set and "
        f"{tmp_path}/home/.kube/config is not there: name a kubeconfig with --kubeconfig"
    )


def test_a_named_file_that_is_not_there_is_not_replaced_by_another(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(write()))
    gone = tmp_path / "gone"
    with pytest.raises(ConfigError) as refusal:
        load_connection(str(gone))
    assert str(refusal.value) == (
        f"kubeconfig {gone}: cannot be read (No such file or directory): "
        "name another with --kubeconfig"
    )


def test_of_several_files_the_first_to_say_something_counts(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ca: Path
) -> None:
    nested = tmp_path / "second"
    nested.mkdir()
    (nested / "ca.crt").write_text(ca.read_text())
    first = write("first", clusters=[], user={"token": "first"})
    second = write(
        "second/config",
        cluster={"server": "https://second", "certificate-authority": "ca.crt"},
        user={"token": "second"},
        **{"current-context": "spare"},
    )
    listed = os.pathsep.join(["", str(tmp_path / "gone"), str(first), str(second)])
    monkeypatch.setenv("KUBECONFIG", listed)
    connection = load_connection()
    assert connection.namespace == "team"
    assert connection.server == "https://second"
    assert connection.authority() == ca.read_text()  # beside the file that names it
    assert asyncio.run(connection.credentials()).token == "first"  # noqa: S105 - of nothing


def test_a_kubeconfig_variable_that_leads_nowhere_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/no/config:/no/other")
    with pytest.raises(ConfigError) as refusal:
        load_connection()
    message = "KUBECONFIG /no/config:/no/other: no such file: correct or unset it"
    assert str(refusal.value) == message


def test_in_a_pod_the_service_account_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ca: Path
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    connection = load_connection(None, service_account(tmp_path / "account", ca))
    assert connection.server == "https://[fd00::1]:6443"
    assert (connection.namespace, connection.authority()) == ("team", ca.read_text())
    assert asyncio.run(connection.credentials()) == Credentials(token=SECRET)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("KUBERNETES_SERVICE_PORT", "Service host/port is not set"),
        ("token", "Service token file does not exist"),
        ("ca.crt", "Service certification file does not exist"),
        ("namespace", "No such file or directory"),
    ],
)
def test_the_error_in_a_pod_without_a_service_account_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ca: Path, missing: str, message: str
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    if missing != "KUBERNETES_SERVICE_PORT":
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    account = service_account(tmp_path / "account", ca)
    (account / missing).unlink(missing_ok=True)
    with pytest.raises(ConfigError) as refusal:
        load_connection(None, account)
    assert str(refusal.value) == (
        f"ServiceAccount in {account}: {message}: set "
        "automountServiceAccountToken to true or name a kubeconfig with --kubeconfig"
    )


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_token_file_is_read_again_once_a_minute_or_when_the_token_is_rejected(
    tmp_path: Path,
) -> None:
    path, clock = tmp_path / "token", Clock()
    path.write_text("one\n")
    source = TokenFile(path, clock=clock)
    one = await source.current()
    assert one == Credentials(token="one")  # noqa: S106 - of nothing
    path.write_text("two")
    clock.now = REREAD_SECONDS
    assert await source.current() is one
    clock.now += 1
    two = await source.current()
    assert two.token == "two"  # noqa: S105 - of nothing
    path.write_text("three")
    source.reject(one)  # long known to be old
    assert await source.current() is two
    source.reject(two)
    assert (await source.current()).token == "three"  # noqa: S105 - of nothing


async def test_a_token_file_that_vanishes_leaves_the_token_that_was_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, clock = tmp_path / "token", Clock()
    path.write_text("one")
    source = TokenFile(path, clock=clock)
    one = await source.current()
    path.unlink()
    clock.now = REREAD_SECONDS + 1
    assert await source.current() is one
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    with pytest.raises(Unavailable, match="cannot be read"):
        await TokenFile(path).current()


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        ({"server": "http://kubernetes.example.com:8080"}, ["name the server with https://"]),
        ({"insecure-skip-tls-verify": True}, ["name the server's certificate-authority instead"]),
        (
            {"server": "HTTP://192.0.2.1", "insecure-skip-tls-verify": True},
            ["is not encrypted", "insecure-skip-tls-verify is true"],
        ),
        ({}, []),
        ({"server": "http://127.0.0.1:8001"}, []),
        ({"server": "http://localhost:8001"}, []),
        ({"server": "http://[::1]:8001"}, []),
    ],
)
def test_sec_09_a_way_that_anybody_may_listen_on_is_named(
    write: Write, cluster: dict[str, Any], said: list[str]
) -> None:
    risks = load_connection(str(write(cluster=cluster))).risks()
    assert len(risks) == len(said)
    for risk, part in zip(risks, said, strict=True):
        assert part in risk
        assert risk.startswith("kubeconfig ")
