"""A process that has imported pytest once and forks for each test run: importing takes seconds.

``python -m tests.mutants.runner`` reads one JSON object a line (``arguments``, ``seconds``) and
answers each with the exit status of pytest, ``null`` where the run was stopped for taking too long.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

OUTPUT = "output.txt"
# Nothing of this repository: the faults are put into that.
_SLOW_TO_IMPORT = ("hypothesis.strategies", "pytest_asyncio", "pytest_timeout", "pydantic")
_POLL_SECONDS = 0.02


def main() -> None:
    """Serve until the end of the input."""
    for name in _SLOW_TO_IMPORT:
        import_module(name)
    for line in sys.stdin:
        asked = json.loads(line)
        code = _run(asked["arguments"], asked["seconds"])
        sys.stdout.write(f"{json.dumps(code)}\n")
        sys.stdout.flush()


def _run(arguments: list[str], seconds: float) -> int | None:
    pid = os.fork()
    if pid == 0:
        os._exit(_pytest(arguments))
    deadline = time.monotonic() + seconds
    ended, status = os.waitpid(pid, os.WNOHANG)
    while not ended and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        ended, status = os.waitpid(pid, os.WNOHANG)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # and what it has started itself
    if not ended:
        os.waitpid(pid, 0)
        return None
    return os.waitstatus_to_exitcode(status)


def _pytest(arguments: list[str]) -> int:
    """Run the tests in a group of processes of their own, with what they print in a file."""
    os.setsid()
    output = os.open(Path(OUTPUT), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream, number in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
        os.dup2(stream, number)
    try:
        return int(pytest.main(arguments))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    main()
