"""Test runs on a copy of the repository, one fault at a time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from .operators import Mutant
from .runner import OUTPUT
from .which_tests import ROOT

# A run with a fault may take this many times as long as without, and so many seconds more.
_PATIENCE_FACTOR = 4.0
_PATIENCE_SECONDS = 30.0
_LONGEST_BASELINE_SECONDS = 1800.0
_TREES = ("packages", "tests")
_SKIPPED = shutil.ignore_patterns("__pycache__", ".*", "build", "dist")
# Seconds for each fault that survives: a fault has to fall to few random runs, and to a small plan.
_ENVIRONMENT = {"MOORAGE_RANDOM_RUNS": "30", "CI": "1"}
_TOO_SLOW = "not j3_five_hundred and not seeds_nobody_chose"
_ARGUMENTS = (
    "-x", "-q", "--no-header", "--tb=line", "-p", "no:cacheprovider", "--hypothesis-seed=0",
    "-k", _TOO_SLOW,
    # Hypothesis is imported already.
    "-W", "ignore::pytest.PytestAssertRewriteWarning",
)  # fmt: skip
_TESTS_FAILED = (1, 2)


class Verdict(StrEnum):
    """What became of a fault."""

    KILLED = "killed"
    HANGING = "killed by timeout"
    SURVIVED = "survived"
    EQUIVALENT = "equivalent"


class BrokenTestsError(Exception):
    """The tests fail, or cannot be run, without any fault."""


@dataclass(slots=True)
class Copy:
    """A copy of the repository that one test run at a time uses."""

    folder: Path
    _runner: subprocess.Popen[str]
    _writes: int = 0

    @classmethod
    @contextmanager
    def made(cls, folder: Path) -> Iterator[Copy]:
        """Copy what tests need into a new folder, and end with its last run."""
        for tree in _TREES:
            shutil.copytree(ROOT / tree, folder / tree, ignore=_SKIPPED)
        for name in ("pyproject.toml", "crds", "docs"):
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
        with _started(folder) as runner:
            yield cls(folder, runner)

    def baseline(self, tests: Sequence[str]) -> float:
        """Seconds that tests take without a fault.

        Raises:
            BrokenTestsError: they fail.
        """
        begun = time.monotonic()
        code, output = self._run(tests, _LONGEST_BASELINE_SECONDS)
        if code != 0:
            raise BrokenTestsError(f"{' '.join(tests)}, without any fault:\n{output[-4000:]}")
        return time.monotonic() - begun

    def verdict(self, mutant: Mutant, path: Path, tests: Sequence[str], baseline: float) -> Verdict:
        """Run tests with a fault in the module at ``path``.

        Raises:
            BrokenTestsError: pytest itself failed, so that nothing is known.
        """
        original = (ROOT / path).read_text("utf-8")
        self._write(path, mutant.text)
        try:
            # Most faults fall to the nearest file: what the others need is not even imported.
            parts = [part for part in (tests[:1], tests[1:]) if part]
            patience = baseline * _PATIENCE_FACTOR + _PATIENCE_SECONDS
            verdicts = (self._verdict(part, patience) for part in parts)
            return next((one for one in verdicts if one is not Verdict.SURVIVED), Verdict.SURVIVED)
        finally:
            self._write(path, original)

    def _verdict(self, tests: Sequence[str], seconds: float) -> Verdict:
        code, output = self._run(tests, seconds)
        if code is None:
            return Verdict.HANGING
        if code == 0:
            return Verdict.SURVIVED
        if code in _TESTS_FAILED:
            return Verdict.KILLED
        raise BrokenTestsError(f"pytest ended with {code}:\n{output[-4000:]}")

    def _write(self, path: Path, text: str) -> None:
        """Write a module with a time of its own: bytecode is found by whole seconds and size."""
        self._writes += 1
        file = self.folder / path
        file.write_text(text, "utf-8")
        os.utime(file, (self._writes, self._writes))

    def _run(self, tests: Sequence[str], seconds: float) -> tuple[int | None, str]:
        """Exit status, ``None`` = stopped for taking too long, and output of a run of pytest."""
        # Examples that an earlier fault failed with would be tried first.
        shutil.rmtree(self.folder / ".hypothesis", ignore_errors=True)
        asked = {"arguments": [*_ARGUMENTS, *tests], "seconds": seconds}
        if self._runner.stdin is None or self._runner.stdout is None:
            raise BrokenTestsError("the runner has no pipes")
        self._runner.stdin.write(f"{json.dumps(asked)}\n")
        self._runner.stdin.flush()
        if not (answer := self._runner.stdout.readline()):
            raise BrokenTestsError("the process that runs the tests has ended")
        return json.loads(answer), (self.folder / OUTPUT).read_text("utf-8", "replace")


def _started(folder: Path) -> subprocess.Popen[str]:
    """The process that runs the tests of a copy."""
    sources = (folder / "packages").glob("*/src")
    return subprocess.Popen(
        [sys.executable, "-m", "tests.mutants.runner"],
        cwd=folder,
        env=os.environ | _ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(map(str, sources))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
