"""A credential plug-in is run when it must be, once, beside everything else that goes on."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from moorage_kube.client.connection import exec_plugin, load_connection
from moorage_kube.client.connection.exec_plugin import ExecPlugin, ExecSettings
from moorage_kube.client.errors import Unavailable
from moorage_testing.waiting import until

VERSION = "client.authentication.k8s.io/v1"
SECRET = "s3cret"  # noqa: S105 - of nothing
Make = Callable[..., "Plugin"]


class Plugin:
    """A shell script that counts its runs."""

    def __init__(self, folder: Path, script: str) -> None:
        self.runs_file = folder / "runs"
        self.path = folder / "plugin"
        self.path.write_text(f"#!/bin/sh\necho run >> {self.runs_file}\n{script}\n")
        self.path.chmod(0o700)
        self.source = ExecPlugin(ExecSettings(VERSION, str(self.path)))

    @property
    def runs(self) -> int:
        return len(self.runs_file.read_text().splitlines()) if self.runs_file.exists() else 0


@pytest.fixture(name="make")
def _make(tmp_path: Path) -> Make:
    return lambda script: Plugin(tmp_path, script)


def answer(version: str = VERSION, **status: Any) -> str:
    credential = {"apiVersion": version, "kind": "ExecCredential", "status": status}
    return f"cat <<'END'\n{json.dumps(credential)}\nEND"


def at(seconds: float) -> str:
    when = datetime.now(UTC) + timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_many_who_ask_at_once_get_the_answer_of_one_run(make: Make) -> None:
    plugin = make(answer(token=SECRET))
    known = await asyncio.gather(*(plugin.source.current() for _ in range(10)))
    assert {each.token for each in known} == {SECRET}
    assert plugin.runs == 1


@pytest.mark.parametrize(("lifetime", "runs"), [(3600, 1), (-1, 2), (5, 2)])
async def test_credentials_are_kept_until_shortly_before_they_expire(
    make: Make, lifetime: float, runs: int
) -> None:
    plugin = make(answer(token=SECRET, expirationTimestamp=at(lifetime)))
    await plugin.source.current()
    await plugin.source.current()
    assert plugin.runs == runs


async def test_rejected_credentials_are_replaced_but_not_by_who_comes_late(make: Make) -> None:
    plugin = make(answer(token=SECRET))
    first = await plugin.source.current()
    plugin.source.reject(first)
    second = await plugin.source.current()
    plugin.source.reject(first)
    assert await plugin.source.current() is second
    assert plugin.runs == 2


async def test_certificates_are_taken_as_well(make: Make) -> None:
    plugin = make(answer(clientCertificateData="cert", clientKeyData="key"))
    known = await plugin.source.current()
    assert (known.certificate, known.key, known.token) == ("cert", "key", None)


async def test_the_loop_goes_on_while_a_plug_in_runs(make: Make) -> None:
    plugin = make(f"sleep 0.5\n{answer(token=SECRET)}")
    running = asyncio.create_task(plugin.source.current())
    beats = 0
    while not running.done():
        await asyncio.sleep(0.01)
        beats += 1
    assert (await running).token == SECRET
    assert beats > 10


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo no entry >&2; echo 'ask the master' >&2; exit 3", "ended with 3: ask the master"),
        ("exit 1", "ended with 1: it said nothing"),
        (f"echo {SECRET}", "did not print an ExecCredential with a status (JSONDecodeError)"),
        ("echo '{}'", "did not print an ExecCredential with a status (KeyError)"),
        (
            answer(token=SECRET, expirationTimestamp="soon"),
            "did not print an ExecCredential with a status (ValueError)",
        ),
        (answer(), "printed neither a token nor a certificate with its key"),
        (
            answer(clientCertificateData=SECRET),
            "printed neither a token nor a certificate with its key",
        ),
        (
            answer("client.authentication.k8s.io/v1beta1", token=SECRET),
            f"answered in client.authentication.k8s.io/v1beta1, asked in {VERSION}",
        ),
    ],
)
async def test_the_error_of_a_plug_in_that_fails_hides_what_it_printed(
    make: Make, script: str, message: str
) -> None:
    plugin = make(script)
    with pytest.raises(Unavailable) as failure:
        await plugin.source.current()
    error = failure.value
    assert (error.message, error.what) == (message, f"credential plug-in {plugin.path}")
    assert SECRET not in f"{error} {error.__cause__!r}"


async def test_a_plug_in_that_vanished_is_an_error(make: Make) -> None:
    plugin = make("")
    plugin.path.unlink()
    with pytest.raises(Unavailable, match="cannot be run: No such file or directory"):
        await plugin.source.current()


def children() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if each.status() != "zombie"]


@pytest.mark.parametrize("how", ["too long", "cancelled"])
async def test_a_plug_in_nobody_waits_for_any_more_is_ended(
    make: Make, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    plugin = make("exec sleep 600")
    monkeypatch.setattr(exec_plugin, "RUN_SECONDS", 0.3 if how == "too long" else 60.0)
    running = asyncio.create_task(plugin.source.current())
    await until(lambda: plugin.runs, "the plug-in to run")
    if how == "cancelled":
        running.cancel()
    (outcome,) = await asyncio.gather(running, return_exceptions=True)
    assert isinstance(outcome, asyncio.CancelledError | Unavailable)
    assert not [each for each in children() if "sleep" in each.name()]


async def test_a_plug_in_receives_what_the_kubeconfig_says(tmp_path: Path) -> None:
    received = tmp_path / "seen"
    plugin = Plugin(
        tmp_path,
        f'printf "%s\\n" "$1" "$REGION" "$HOME" "$KUBERNETES_EXEC_INFO" > {received}\n'
        + answer(token=SECRET),
    )
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [
            {
                "name": "k",
                "cluster": {
                    "server": "https://api",
                    "extensions": [
                        {"name": "client.authentication.k8s.io/exec", "extension": {"size": 7}}
                    ],
                },
            }
        ],
        "users": [
            {
                "name": "u",
                "user": {
                    "exec": {
                        "apiVersion": VERSION,
                        "command": "./plugin",
                        "args": ["get-token"],
                        "env": [{"name": "REGION", "value": "north"}],
                        "interactiveMode": "IfAvailable",
                        "provideClusterInfo": True,
                    }
                },
            }
        ],
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    connection = load_connection(str(path))
    assert (await connection.credentials()).token == SECRET
    argument, variable, home, info = received.read_text().splitlines()
    assert (argument, variable, home) == ("get-token", "north", os.environ["HOME"])
    assert json.loads(info) == {
        "apiVersion": VERSION,
        "kind": "ExecCredential",
        "spec": {
            "interactive": False,
            "cluster": {"server": "https://api", "config": {"size": 7}},
        },
    }
    assert plugin.runs == 1
