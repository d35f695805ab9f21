"""Runs sessions of nox side by side; what each printed stays together, failures come at the end.

``python tests/repo/side_by_side.py --jobs 3 cluster*2 lint -- -x``: cluster counts as two of the
three that may run at once; what follows -- goes to each.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

INTERRUPTED = 130
# The heading of pytest's list of tests that failed; of others the last lines are told.
SUMMARY, TAIL = " short test summary info ", 20


@dataclass(frozen=True, slots=True)
class Task:
    """A command and the word for it.

    Attributes:
        places: how many it counts as, of those that may run at once.
    """

    name: str
    argv: tuple[str, ...]
    places: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended.

    Attributes:
        name: the task's.
        status: its exit status, 0 = all is well.
        seconds: how long it took.
        output: all it wrote, errors included.
    """

    name: str
    status: int
    seconds: float
    output: str


class Running:
    """The processes at work, so that nothing outlives an interrupt."""

    def __init__(self, jobs: int) -> None:
        self._guard = threading.Lock()
        self._jobs = self._free = jobs
        self._came_free = threading.Condition()
        self._processes: set[subprocess.Popen[str]] = set()
        self._over = False

    def run(self, task: Task) -> Outcome:
        """Run a task to its end, as soon as there is room for it."""
        places = min(task.places, self._jobs)
        with self._came_free:
            self._came_free.wait_for(lambda: self._free >= places)
            self._free -= places
        try:
            return self._run(task)
        finally:
            with self._came_free:
                self._free += places
                self._came_free.notify_all()

    def _run(self, task: Task) -> Outcome:
        begun = time.monotonic()
        with self._guard:
            if self._over:
                return Outcome(task.name, INTERRUPTED, 0.0, "")
            process = subprocess.Popen(  # noqa: S603 - the caller's own commands
                task.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace",
            )  # fmt: skip
            self._processes.add(process)
        output, _ = process.communicate()
        with self._guard:
            self._processes.discard(process)
        return Outcome(task.name, process.returncode, time.monotonic() - begun, output)

    def end(self) -> None:
        """Start nothing more and ask what runs to end."""
        with self._guard:
            self._over = True
            for process in self._processes:
                process.terminate()


def run_all(tasks: Sequence[Task], jobs: int) -> Iterator[Outcome]:
    """Run tasks, at most ``jobs`` at once, begun in their order; each outcome when it is there."""
    running = Running(jobs)
    with ThreadPoolExecutor(jobs) as pool, _ended_by_errors(running):
        futures: list[Future[Outcome]] = [pool.submit(running.run, task) for task in tasks]
        for future in as_completed(futures):
            yield future.result()


@contextmanager
def _ended_by_errors(running: Running) -> Iterator[None]:
    try:
        yield
    except BaseException:
        running.end()
        raise


def report(outcomes: Iterator[Outcome], out: TextIO) -> int:
    """Print what each task wrote, those that failed last, and the times; return the exit status."""
    begun = time.monotonic()
    done = []
    for outcome in outcomes:
        done.append(outcome)
        if outcome.status:
            out.write(f"\n==== {_line(outcome)}; all of its output is at the end\n")
            out.write("".join(_summary(outcome.output)))
        else:
            out.write(f"\n==== {_line(outcome)}\n{outcome.output}")
        out.flush()
    failed = [outcome for outcome in done if outcome.status]
    for outcome in failed:
        out.write(f"\n==== {_line(outcome)}\n{outcome.output}")
    out.write("\n==== sessions, the slowest first\n")
    for outcome in sorted(done, key=lambda one: -one.seconds):
        out.write(f"{_line(outcome)}\n")
    out.write(f"{time.monotonic() - begun:7.1f} s  all of them, {len(failed)} failed\n")
    out.flush()
    return 1 if failed else 0


def _summary(output: str) -> list[str]:
    """What failed, in few lines: who ends the run before its end has seen at least these."""
    lines = output.splitlines(keepends=True)
    heads = [place for place, line in enumerate(lines) if SUMMARY in line]
    return lines[heads[-1] :] if heads else lines[-TAIL:]


def _line(outcome: Outcome) -> str:
    verdict = f"failed with {outcome.status}" if outcome.status else "passed"
    return f"{outcome.seconds:7.1f} s  {outcome.name}: {verdict}"


def main(arguments: Sequence[str]) -> int:
    """Run the sessions that are named."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("names", nargs="+")
    options = parser.parse_args(arguments[:cut])
    tasks = [_task(name, arguments[cut:]) for name in options.names]
    # Ends like Ctrl-C: what runs is ended first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    return report(run_all(tasks, options.jobs), sys.stdout)


def _task(word: str, more: Sequence[str]) -> Task:
    """Of ``name`` or ``name*places``."""
    name, _, places = word.partition("*")
    argv = (sys.executable, "-m", "nox", "-s", name, *more)
    return Task(name, argv, int(places or 1))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
