"""Log lines have fixed keys and show no credential."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from kopf._cogs.clients import api

from moorage_kube.telemetry.logs import also_to_file, configure

CREDENTIAL = "eyJhbGciOi.JSUzI1NiIs-ImtpZCI6"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def test_a_json_line_has_the_fixed_keys_and_the_extras(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json", "info")
    logging.getLogger("moorage.x").warning("bound %s", "n1", extra={"object": "a", "reason": "B"})
    line = json.loads(capsys.readouterr().err)
    assert line.pop("ts").endswith("+00:00")
    assert line == {
        "level": "warning",
        "logger": "moorage.x",
        "message": "bound n1",
        "object": "a",
        "reason": "B",
    }


def test_a_file_gets_the_same_lines_and_never_grows_for_ever(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    configure("text", "info")
    also_to_file(tmp_path / "moorage.log", "json")
    logging.getLogger("moorage.x").info("bound n1, by bearer %s", CREDENTIAL)
    line = json.loads((tmp_path / "moorage.log").read_text())
    assert line["message"] == "bound n1, by bearer ***"
    assert "bound n1, by bearer ***" in capsys.readouterr().err
    for _ in range(75):
        logging.getLogger("moorage.x").info("x" * 100_000)
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 6
    assert max(sizes) <= 1_000_000


def test_a_traceback_is_one_line_under_its_own_key(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json", "info")
    try:
        int("odd")
    except ValueError:
        logging.getLogger("x").exception("failed")
    line = json.loads(capsys.readouterr().err)
    assert "ValueError: invalid literal" in line["exception"]
    assert list(line)[:4] == ["ts", "level", "logger", "message"]


@pytest.mark.parametrize("form", ["json", "text"])
def test_credentials_are_blotted_out(capsys: pytest.CaptureFixture[str], form: str) -> None:
    configure("json" if form == "json" else "text", "info")
    logging.getLogger("x").error("request with %r", {"Authorization": f"Bearer {CREDENTIAL}"})
    written = capsys.readouterr().err
    assert CREDENTIAL not in written
    assert "Bearer ***" in written


def test_text_is_not_coloured_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("text", "info")
    logging.getLogger("x").error("plain")
    written = capsys.readouterr().err
    assert "\x1b" not in written
    assert "ERROR   x: plain" in written


def test_kopf_is_quiet_about_its_routine_but_not_about_trouble(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("json", "debug")
    logging.getLogger("kopf.activities").info("Initial authentication has been initiated.")
    assert not capsys.readouterr().err
    logging.getLogger("kopf.activities").warning("trouble")
    assert "trouble" in capsys.readouterr().err


FORGED = "bad\n2026-01-01 00:00:00 ERROR   x: forged\x1b[2J\r\u2028\x9b"


def test_in_text_a_record_is_one_line_whatever_its_message_holds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("text", "info")
    logging.getLogger("x").warning("name is %s", FORGED)
    written = capsys.readouterr().err
    assert written.splitlines() == [written.removesuffix("\n")]
    assert r"name is bad\n2026-01-01 00:00:00 ERROR   x: forged\x1b[2J\r\u2028\x9b" in written


def test_in_text_no_line_of_a_traceback_looks_like_a_record(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise ValueError(FORGED)

    configure("text", "info")
    try:
        fail()
    except ValueError:
        logging.getLogger("x").exception("failed", stack_info=True)
    first, *rest = capsys.readouterr().err.splitlines()
    assert first.endswith("failed")
    assert any("forged" in line for line in rest)
    assert [line for line in rest if not line.startswith("  | ")] == []
    assert "\x1b" not in "".join(rest)


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_tls_context_shows_in_a_line(capsys: pytest.CaptureFixture[str], form: str) -> None:
    configure("json" if form == "json" else "text", "info")
    context = "<ssl.SSLContext object at 0x7f3a517885f0>"
    logging.getLogger("x").error("no host a:1 ssl:%s [refused]; ssl=%s, %s", *[context] * 3)
    written = capsys.readouterr().err
    assert "SSLContext" not in written
    assert "no host a:1 [refused];" in written


def test_harm_19_what_kopf_tries_again_is_a_warning_and_what_it_gives_up_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("json", "info")
    kopf = logging.getLogger("kopf._cogs.clients.watching")
    kopf.error("Request attempt #1/9 failed; will retry: GET https://a/apis -> refused")
    kopf.error("Request attempt #2/9 failed; TCP closed; will re-authenticate: GET https://a/apis")
    kopf.error("Request attempt #9/9 failed; escalating: GET https://a/apis -> refused")
    logging.getLogger("other").error("it failed; will retry: later")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["level"] for line in lines] == ["warning", "warning", "error", "error"]


def test_kopf_still_says_what_it_tries_again_in_these_words() -> None:
    source = inspect.getsource(api)
    for message in ("failed; will retry: ", "; TCP closed; will re-authenticate: "):
        assert message in source
