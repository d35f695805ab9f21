"""The benchmarks run cut down: every row has a figure and a verdict, whatever they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--nodes", "100", "--addresses", "50", "--pods", "1000", "--resyncs", "2", "--moves", "5"]
ROWS = {
    "T1", "T2a", "T2b", "T2c", "T3", "T4a", "T4b", "T5", "T8a", "T8b", "T8c", "T8d", "T8e",
    "J3a", "J3b", "J3c", "J3d", "J3e",
}  # fmt: skip


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "tests.bench", *arguments]
    return subprocess.run(  # noqa: S603 - our own program
        argv, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.mark.usefixtures("cluster")  # for its tools: built where missing, or a reason to skip
def test_every_row_has_a_figure_and_a_verdict(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "bench.json"
    done = bench(*SMALL, "--json", str(path))
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(path.read_text())
    rows = {row["id"]: row for row in told["rows"]}
    assert rows.keys() == ROWS
    for row in rows.values():
        assert row["measured"] >= 0
        assert row["met"] == (row["measured"] <= row["target"])
        assert row["verdict"].startswith("met" if row["met"] else "missed by ")
    # What its source amounts to, computed by hand: the loops written anew must agree.
    assert "3/2: 12, 10/5: 90, 50/20: 2,560" in rows["T1"]["note"]
    assert (told["nodes"], told["addresses"], told["pods"]) == (100, 50, 1000)
    table = [line.split()[0] for line in done.stdout.splitlines()[2 : 2 + len(ROWS)]]
    assert set(table) == ROWS


def test_without_a_row_that_needs_it_no_cluster_is_started(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    size = ("--nodes", "100", "--addresses", "50", "--pods", "100")
    done = bench("--rows", "j3", *size, "--json", str(path))
    assert done.returncode == 0, done.stderr
    assert "control plane" not in done.stderr
    rows = json.loads(path.read_text())["rows"]
    assert [row["id"] for row in rows] == ["J3a", "J3b", "J3c", "J3d", "J3e"]
    # The seed's reads grow with almost the cube of the cluster.
    assert 2 < rows[0]["seed"]["value"] < 3


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--rows", "T9"), "--rows: there is no row 'T9'; there are T1,T2,T3,T4,T5,T8,J3"),
        (("--nodes", "0"), "argument --nodes: '0' is no whole number above 0"),
        (("--addresses", "513"), "--addresses: one NetIPAllocation has at most 512"),
        (("--nodes", "60", "--addresses", "50"), "--nodes: 60 are too few; 50 addresses and"),
        (("--pods", "10"), "--pods: every one of the 1000 nodes needs one of the workload's"),
        (("--fast",), "unrecognized arguments: --fast"),
    ],
)
def test_bad_options_are_refused_in_one_line(arguments: tuple[str, ...], complaint: str) -> None:
    done = bench(*arguments)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_help_teaches_what_the_rows_are() -> None:
    done = bench("--help")
    assert done.returncode == 0
    for family in ("T1", "T2", "T3", "T4", "T5", "T8", "J3"):
        assert f"  {family}  " in done.stdout
    assert "--nodes 100 --addresses 50 --pods 1000" in done.stdout
