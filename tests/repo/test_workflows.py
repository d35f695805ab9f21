"""Workflows only run tasks that anybody can run, with the least rights and pinned actions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from e2e.images.build import programs, version
from e2e.publish import main

from .files import ROOT, shown

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SESSIONS = set(
    re.findall(r"(?m)^@nox\.session.*\n(?:@.*\n)*def (\w+)\(", (ROOT / "noxfile.py").read_text())
)
PINNED = re.compile(r"[\w.-]+/[\w./-]+@(v\d+\.\d+\.\d+|[0-9a-f]{40})")
# Beyond reading the code: a signature, or an upload, by the identity of the workflow.
MAY = {"contents": "read", "id-token": "write"}

each = pytest.mark.parametrize("path", WORKFLOWS, ids=shown)


def loaded(path: Path) -> dict[str, Any]:
    workflow: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return workflow


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in loaded(path)["jobs"].values() for step in job["steps"]]


def test_there_are_workflows() -> None:
    assert {path.stem for path in WORKFLOWS} >= {"ci", "release"}


@each
def test_every_command_is_one_task_that_there_is(path: Path) -> None:
    for command in (step["run"] for step in steps(path) if "run" in step):
        called = re.fullmatch(r"\./nox -s (\w+)( -- [^\n;&|]+)?", command)
        assert called, command
        assert called[1] in SESSIONS


@each
def test_every_action_is_pinned_to_one_version(path: Path) -> None:
    used = [step["uses"] for step in steps(path) if "uses" in step]
    assert [name for name in used if not PINNED.fullmatch(name)] == []


@each
def test_rights_are_stated_and_few(path: Path) -> None:
    workflow = loaded(path)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job.get("permissions", {}).items() <= MAY.items()
        assert job["timeout-minutes"] <= 120
    kept = [step for step in steps(path) if str(step.get("uses")).startswith("actions/checkout")]
    assert all(step["with"]["persist-credentials"] is False for step in kept)


@each
def test_no_expression_becomes_part_of_a_command(path: Path) -> None:
    # A branch or a variable could hold a command.
    assert [step["run"] for step in steps(path) if "${{" in step.get("run", "")] == []


def test_a_release_names_its_base_by_digest(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--dry-run", "images", "--registry", "example.test/moorage", "--base", "python:3.11"]
    assert main(argv) == 2
    assert "no digest" in capsys.readouterr().err


def test_a_release_pushes_signs_and_describes_every_image(
    capsys: pytest.CaptureFixture[str],
) -> None:
    base = "python@sha256:" + "0" * 64
    assert main(["--dry-run", "images", "--registry", "example.test/moorage", "--base", base]) == 0
    shown_commands = capsys.readouterr().out
    for package in programs():
        tag = f"example.test/moorage/{package}:{version()}"
        for command in (
            f"docker push --quiet {tag}",
            f"cosign sign --yes {tag}",
            f"syft scan {tag}",
        ):
            assert f"$ {command}" in shown_commands


def test_a_password_is_never_an_argument(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REGISTRY_USER", "robot")
    monkeypatch.setenv("REGISTRY_PASSWORD", "swordfish")
    assert main(["--dry-run", "chart", "--registry", "example.test/moorage"]) == 0
    out = capsys.readouterr().out
    assert "login example.test --username robot --password-stdin" in out
    assert "swordfish" not in out


def test_a_tag_is_that_of_the_version() -> None:
    assert main(["check", f"v{version()}"]) == 0
    assert main(["check", "v99.0.0"]) == 2
