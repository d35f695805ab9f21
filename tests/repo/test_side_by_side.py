"""Sessions run side by side: nothing printed is lost or mixed, a failure is seen at the end."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from .files import ROOT
from .side_by_side import Outcome, Task, report, run_all

MEETING = """
import pathlib, sys, time
here, other = map(pathlib.Path, sys.argv[1:])
here.touch()
deadline = time.monotonic() + 60
while not other.exists() and time.monotonic() < deadline:
    time.sleep(0.01)
print("met" if other.exists() else "alone")
"""
INTERRUPTED = """
import signal, sys
from tests.repo.side_by_side import Task, run_all
# A shell in the background makes its programs ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
sleeper = "import time; file = open({!r}, 'w'); print('up', file=file, flush=True); time.sleep(600)"
argv = (sys.executable, "-c", sleeper.format(sys.argv[1]))
list(run_all([Task("a", argv), Task("b", argv)], 1))
"""


def python(name: str, text: str, *arguments: str) -> Task:
    return Task(name, (sys.executable, "-c", text, *arguments))


def test_as_many_run_at_once_as_may(tmp_path: Path) -> None:
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    tasks = [python("one", MEETING, one, two), python("two", MEETING, two, one)]
    assert {outcome.output for outcome in run_all(tasks, 2)} == {"met\n"}


def test_what_counts_as_two_leaves_less_room_for_others(tmp_path: Path) -> None:
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    alone = MEETING.replace("60", "1")
    tasks = [replace(python("one", alone, one, two), places=2), python("two", MEETING, two, one)]
    assert [outcome.output for outcome in run_all(tasks, 2)] == ["alone\n", "met\n"]


def test_nothing_waits_for_more_room_than_there_is() -> None:
    (outcome,) = run_all([replace(python("big", "print('ran')"), places=9)], 2)
    assert outcome.output == "ran\n"


def test_one_at_a_time_keeps_the_order() -> None:
    tasks = [python(name, "print('said')") for name in ("c", "a", "b")]
    assert [outcome.name for outcome in run_all(tasks, 1)] == ["c", "a", "b"]


def test_all_that_was_written_is_kept_with_its_exit_status() -> None:
    # Flushed: what the kernel has not taken at once would come after what stderr gets.
    text = "import sys; print('x' * 10**6, flush=True); sys.exit('no')"
    (outcome,) = run_all([python("big", text)], 1)
    assert outcome.status == 1
    assert outcome.output.count("x") == 10**6
    assert outcome.output.endswith("no\n")


def test_failures_are_told_whole_after_all_else_and_the_times_last() -> None:
    out = io.StringIO()
    outcomes = [
        Outcome("types", 2, 3.0, "wrong here\nand there\n"),
        Outcome("lint", 0, 1.0, "clean\n"),
        Outcome("unit", 0, 9.0, "ten slowest\n"),
    ]
    assert report(iter(outcomes), out) == 1
    text = out.getvalue()
    places = [text.rindex(words) for words in ("clean", "ten slowest", "wrong here\nand there")]
    assert places == sorted(places)
    # At the end, and at once: of a run that is cut short nothing else would be known.
    assert text.count("wrong here") == 2
    assert text.index("wrong here") < text.index("clean")
    told = text.splitlines()[-4:]
    assert [line.split(" s  ")[1] for line in told] == [
        "unit: passed",
        "types: failed with 2",
        "lint: passed",
        "all of them, 1 failed",
    ]


def test_of_tests_that_failed_their_list_is_told_at_once() -> None:
    out = io.StringIO()
    lines = [f"line {number}" for number in range(100)]
    rule = "=" * 9
    summary = [f"{rule} short test summary info {rule}", "FAILED test_one", "FAILED test_two"]
    wrong = Outcome("unit", 1, 3.0, "\n".join([*lines, *summary, ""]))
    report(iter([wrong, Outcome("lint", 0, 1.0, "clean\n")]), out)
    at_once = out.getvalue().split("clean")[0]
    assert "FAILED test_one\nFAILED test_two\n" in at_once
    assert "line 99" not in at_once


def test_without_a_failure_the_status_is_0() -> None:
    assert report(iter([Outcome("lint", 0, 1.0, "clean\n")]), io.StringIO()) == 0


def test_an_interrupt_ends_what_runs_and_starts_no_more(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    argv = [sys.executable, "-c", INTERRUPTED, str(fifo)]
    runs = subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.DEVNULL)  # noqa: S603 - our own
    with runs, fifo.open() as told:
        assert told.readline() == "up\n"
        runs.send_signal(signal.SIGINT)
        # The end of the file: nobody who could write is left.
        assert told.read() == ""
        assert runs.wait(60) != 0
