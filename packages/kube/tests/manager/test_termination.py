"""The termination message of a pod says why its process ended, in one line without a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from moorage_kube.manager import termination
from moorage_kube.manager.process import run
from moorage_kube.manager.settings import CommonSettings, load
from moorage_kube.manager.termination import MOST_BYTES, explain, refuse


@pytest.fixture(name="message")
def _message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file of a pod, as the kubelet made it."""
    path = tmp_path / "termination-log"
    path.touch()
    monkeypatch.setattr(termination, "MESSAGE", path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    return path


def test_the_reason_is_in_the_message_and_in_one_line_of_the_log(
    message: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse("moorage-x", "two\nlines")
    assert message.read_text() == "moorage-x: two\\nlines"
    assert capsys.readouterr().err == "moorage-x: two\\nlines\n"


def test_no_secret_gets_into_it(message: Path) -> None:
    explain("401 for Authorization: Bearer abcdefghijklmnop")
    assert message.read_text() == "401 for Authorization: Bearer ***"


def test_it_is_no_longer_than_what_a_kubelet_reads(message: Path) -> None:
    explain("x" + "é" * MOST_BYTES)
    assert len(message.read_bytes()) == MOST_BYTES - 1
    assert message.read_text() == "x" + "é" * (MOST_BYTES // 2 - 1)


def test_outside_of_a_pod_nothing_is_written(
    message: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    explain("why")
    assert message.read_text() == ""


def test_a_pod_without_such_a_file_gets_none(message: Path) -> None:
    message.unlink()
    explain("why")
    assert not message.exists()


def test_a_file_that_cannot_be_written_stops_nothing(message: Path) -> None:
    # A folder cannot be written, not even by root.
    message.unlink()
    message.mkdir()
    explain("why")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--workers", "many"], "--workers: 'many' will not do"),
        (["--no-such-flag"], "unrecognized arguments: --no-such-flag"),
    ],
)
def test_bad_settings_are_in_it(
    message: Path, capsys: pytest.CaptureFixture[str], argv: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        load(CommonSettings, argv)
    assert ended.value.code == 2
    assert said in message.read_text()
    assert capsys.readouterr().err == f"{message.read_text()}\n"


def test_no_way_to_the_api_server_is_in_it(message: Path, tmp_path: Path) -> None:
    missing = CommonSettings.model_validate({"kubeconfig": str(tmp_path / "none")})
    assert run(missing, lambda _: None) == 2
    assert str(tmp_path / "none") in message.read_text()
