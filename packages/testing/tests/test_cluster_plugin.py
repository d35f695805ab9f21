"""The fixture `cluster` skips without the tools, and fails instead where CI is set."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("ci", "outcome"), [("", "1 skipped"), ("1", "1 error")])
def test_missing_tools(tmp_path: Path, ci: str, outcome: str) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(cluster): pass\n")
    environment = os.environ | {"CI": ci, "MOORAGE_TOOLCHAIN": str(tmp_path / "nowhere")}
    environment.pop("KUBEBUILDER_ASSETS", None)
    plugin = "moorage_testing.pytest_plugin"
    # The installed entry point is put aside, so that the plug-in is not registered twice.
    done = subprocess.run(  # noqa: S603 - pytest itself
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:moorage_testing",
            "-p",
            plugin,
            "-rs",
            "--rootdir=.",
            "test_it.py",
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert outcome in done.stdout
    assert "MOORAGE_TOOLCHAIN=" in done.stdout
