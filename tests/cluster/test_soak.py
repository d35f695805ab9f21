"""The soaks run cut down to minutes and stay clean."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--minutes", "2", "--nodes", "60", "--pods", "200", "--addresses", "20")
CLAIMS = ("--part", "machines", "--minutes", "1.2", "--claims", "200", "--churn-every", "0.5")
SECONDS = 500


def soak(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "tests.soak", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip


# Past the end of the program itself, so that its own report of what it waits for is printed.
@pytest.mark.timeout(SECONDS + 60)
def test_two_minutes_of_trouble_leave_all_clean(cluster: object, tmp_path: Path) -> None:
    del cluster  # only for its tools: built where missing, or a reason to skip
    path = tmp_path / "soak.json"
    # Memory differs by what a process happened to do; only in half an hour is that levelled out.
    done = soak(*SMALL, "--kill-every", "20", "--memory", "0.3", "--json", str(path))
    assert path.exists(), done.stderr[-3000:]
    reported = json.loads(path.read_text())
    assert reported["verdict"] == "clean", done.stdout
    assert done.returncode == 0
    assert "verdict: clean" in done.stdout
    assert reported["kills"] == 4
    # Two to begin with, and one more for each that was killed.
    assert [one["killed"] for one in reported["processes"]] == [True] * 4 + [False] * 2


@pytest.mark.timeout(SECONDS + 60)
def test_soak_chaos_of_claims(cluster: object, tmp_path: Path) -> None:
    del cluster  # as above
    path = tmp_path / "soak.json"
    done = soak(*CLAIMS, "--kill-every", "15", "--memory", "0.3", "--json", str(path))
    assert path.exists(), done.stderr[-3000:]
    reported = json.loads(path.read_text())
    assert reported["verdict"] == "clean", done.stdout
    assert (reported["claims"], reported["errors"], reported["kills"]) == (200, 0.05, 3)
