"""Somebody else's provider: built from the documentation alone, found by its entry point."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "packages" / "testing" / "README.md"
SDKS = ("azure", "boto3", "botocore", "google.cloud", "googleapiclient")
# A heading that is the name of a file, and the block that is the file.
_FILE = re.compile(r"^#### (\S+)\n\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_CREATE_ALL = f"""
import contextlib, sys
from importlib.metadata import entry_points
from moorage_provider.errors import CloudError

for point in entry_points(group="moorage.providers"):
    create = point.load()
    with contextlib.suppress(CloudError):
        create({{}})
print(*[name for name in {SDKS} if name in sys.modules])
"""


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """What a command prints; fails with it when the command does."""
    done = subprocess.run(  # noqa: S603  # our own commands
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def uv() -> str:
    """The builder and installer that comes with nox."""
    found = shutil.which("uv")
    if found is None:
        if "CI" in os.environ:
            pytest.fail("there is no uv on PATH")
        pytest.skip("there is no uv on PATH: ./nox brings one")
    return found


def test_the_provider_of_the_documentation_is_built_found_and_keeps_the_contract(
    uv: str, tmp_path: Path
) -> None:
    toy, installed = tmp_path / "toy", tmp_path / "installed"
    for name, text in _FILE.findall(README.read_text("utf-8")):
        path = toy / name.replace("\\", "")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    wheels = tmp_path / "wheels"
    run(uv, "build", "--offline", "--wheel", "--out-dir", wheels, toy, cwd=tmp_path)
    (wheel,) = wheels.glob("*.whl")
    target = ("--python", sys.executable, "--target", installed)
    run(uv, "pip", "install", "--offline", "--no-deps", *target, wheel, cwd=tmp_path)
    # Found where it is installed, not where it was written.
    shutil.rmtree(toy / "src")
    printed = run(
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests",
        cwd=toy, PYTHONPATH=str(installed),
    )  # fmt: skip
    assert re.search(r"^\d\d passed, \d+ skipped in ", printed, re.MULTILINE), printed


def test_creating_any_provider_that_is_installed_loads_no_sdk(tmp_path: Path) -> None:
    assert "aws" in entry_points(group="moorage.providers").names
    assert run(sys.executable, "-c", _CREATE_ALL, cwd=tmp_path).strip() == ""
