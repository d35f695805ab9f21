"""The configuration file: each mistake is told in one line, and takes nothing from anybody."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from lab_machines import README_CONFIG

from moorage_machine_ipam.machine.hook_file import HookFile

BAD = README_CONFIG.replace("prefix: 23", "prefix: many")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ipam-config.yaml"
    path.write_text(README_CONFIG, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (BAD.encode(), 'ipam-config.prefix: "many" is not the length of a prefix; write a number'),
        (b"", "ipam-config: is missing, the file is empty; begin with ipam-config:"),
        (b"\xff", "it is no text in UTF-8; write it again"),
        (None, "it cannot be read: No such file or directory; give an existing file"),
    ],
    ids=["field", "empty", "binary", "missing"],
)
def test_a_file_that_is_bad_from_the_beginning_is_told_and_read_again(
    path: Path, caplog: pytest.LogCaptureFixture, content: bytes | None, line: str
) -> None:
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    file, changes = HookFile(str(path)), []
    file.subscribe(lambda: changes.append(file.config))
    for _ in range(3):
        file.refresh()
    (told,) = caplog.messages
    assert told.startswith(f"{path} is not used, until then no Machine gets addresses: {line}")
    unusable = file.unusable()
    assert unusable is not None
    assert unusable.startswith(f"{path}: {line}")
    path.write_text(README_CONFIG, encoding="utf-8")
    file.refresh()
    assert file.config is not None
    assert (changes, file.unusable()) == ([file.config], None)
    path.write_text(BAD, encoding="utf-8")
    file.refresh()
    assert file.unusable() is None, "what was there before goes on"
    assert "the one before is" in caplog.messages[-1]


def test_hooks_of_before_are_known(path: Path) -> None:
    file = HookFile(str(path))
    for owner in ("somebody", "me!", "network-admin"):
        path.write_text(README_CONFIG.replace("network-admin", owner), encoding="utf-8")
        file.refresh()
    assert {one.owner for one in file.former} == {"somebody", "me!"}


def cidr_of(file: HookFile) -> str:
    assert file.config is not None
    return file.config.ranges[0].cidr


def test_a_file_that_changes_is_told_once_for_each_change(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    file, changes = HookFile(str(path)), []
    file.subscribe(lambda: changes.append(cidr_of(file)))

    def after(text: str | None) -> list[str]:
        caplog.clear()
        if text is None:
            path.unlink()
        else:
            path.write_text(text, encoding="utf-8")
        for _ in range(3):
            file.refresh()
        return [one.levelname for one in caplog.records]

    assert after(README_CONFIG) == []
    assert after(BAD) == ["WARNING"]
    assert after(None) == ["WARNING"]
    assert after(BAD) == ["WARNING"]
    assert after(README_CONFIG) == ["INFO"]
    assert after("# why\n" + README_CONFIG) == []
    assert changes == []
    assert after(README_CONFIG.replace("/28", "/30")) == ["INFO"]
    assert changes == ["192.168.101.64/30"]
    assert after(README_CONFIG.replace("network-admin", "somebody")) == ["INFO", "WARNING"]
