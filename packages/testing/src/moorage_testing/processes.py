"""Runs: a temporary folder with child processes that never outlive the process that opened it.

Nothing is left behind, whatever ends the owner:
- leaving the `with` block, an exception, Ctrl-C, the interpreter's end: `Run.close`;
- SIGTERM and SIGHUP: the same from a signal handler, then the signal's own effect;
- SIGKILL: the kernel kills the children (PR_SET_PDEATHSIG, Linux), and the next `Run.open` of
  anybody removes the folder, what still runs with that run's mark in its environment, and the
  run's control groups with all that runs in them.
"""

import atexit
import contextlib
import fcntl
import os
import queue
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Self, TypeVar

import psutil

from moorage_testing.cgroups import remove_groups
from moorage_testing.waiting import WaitTimeoutError, wait_for

T = TypeVar("T")

FOLDER_PREFIX = "moorage-run-"
MARK_VARIABLE = "MOORAGE_RUN"
LOCK_NAME = "owner.lock"
KILL_SECONDS = 10.0
# A folder without a lock is being created; if it is this old, its creator died between two system
# calls.
UNLOCKED_AGE_SECONDS = 60.0

# Run between fork and exec of the real command, as a program of its own: a preexec_fn may
# deadlock in a process with threads. 1 is PR_SET_PDEATHSIG, 9 is SIGKILL; the death signal
# survives the exec. The parent may have died before prctl, so its process id is checked.
LAUNCHER = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


class ChildError(Exception):
    """A child process failed; the message ends with its log."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run as a child process."""

    name: str
    """Its name in messages and of its log file."""
    argv: Sequence[str]
    """The first is a path; nothing is looked up on PATH."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to this process's environment."""
    cwd: Path | None = None
    """The run's folder if None."""
    grace_seconds: float = 5.0
    """From SIGTERM to SIGKILL when the run is closed; 0 kills at once."""


class Child:
    """One running command with its own session, logging to a file."""

    def __init__(self, command: Command, process: "subprocess.Popen[bytes]", log: Path) -> None:
        """Take over a process that was just started; see `Run.start`."""
        self.command = command
        self.log = log
        self.pid = process.pid
        self._process = process

    @property
    def name(self) -> str:
        """The command's name."""
        return self.command.name

    @property
    def returncode(self) -> int | None:
        """The exit status, negative for a signal, or None while it runs."""
        if self._process.returncode is not None:
            return self._process.returncode
        # Not reaped here (WNOWAIT): as long as the dead leader is there, nobody else can get its
        # number, and killing the group in `stop` hits this group and no other.
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.returncode is None

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines it wrote, for messages."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def check(self) -> None:
        """Raise ChildError with the end of its log if it has ended."""
        status = self.returncode
        if status is not None:
            raise ChildError(f"{self.name} ended with {status}:\n{self.log_tail()}")

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone, for instance SIGSTOP."""
        if self.alive:
            os.kill(self.pid, number)

    def stop(self, grace_seconds: float | None = None) -> int:
        """End it and all in its group: SIGTERM, SIGKILL after the grace; return its status."""
        grace = self.command.grace_seconds if grace_seconds is None else grace_seconds
        if self._process.returncode is not None:
            return self._process.returncode
        if grace > 0:
            self._signal_group(signal.SIGTERM)
            # A timeout is no error here: the next line handles it.
            with contextlib.suppress(WaitTimeoutError):
                wait_for(lambda: not self.alive, grace, f"{self.name} to end")
        self._signal_group(signal.SIGKILL)
        return self._process.wait(KILL_SECONDS)

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


class Run:
    """A temporary folder and the child processes working in it, ended and removed together."""

    def __init__(self, folder: Path, lock: int) -> None:
        """Take over a folder that was just made; see `Run.open`."""
        self.folder = folder
        self.id = folder.name.removeprefix(FOLDER_PREFIX)
        self._lock = lock
        self._owner = os.getpid()
        self._children: list[Child] = []
        self._closed = False

    @classmethod
    def open(cls) -> Self:
        """Make a run's folder, after removing what dead runs left."""
        sweep()
        folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{secrets.token_hex(3)}-"))
        fresh = folder / f"{LOCK_NAME}.new"
        lock = os.open(fresh, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Locked before it has its name: a lock file that can be locked is a dead run's.
        fresh.rename(folder / LOCK_NAME)
        run = cls(folder, lock)
        _OPEN_RUNS.append(run)
        _watch_signals()
        return run

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def children(self) -> tuple[Child, ...]:
        """Everything started in this run, in order."""
        return tuple(self._children)

    @property
    def inherited_lock(self) -> int:
        """The descriptor of the lock, for closing it in a forked copy of this process."""
        return self._lock

    def start(self, command: Command) -> Child:
        """Start a command with its log at `<folder>/<name>.log`."""
        if self._closed:
            raise ChildError(f"{command.name} was not started: its run is closed")
        if not os.access(command.argv[0], os.X_OK):
            raise ChildError(f"{command.name} was not started: no program {command.argv[0]}")
        log = self.folder / f"{command.name}.log"
        process = _FORKER.call(lambda: self._spawn(command, log))
        child = Child(command, process, log)
        self._children.append(child)
        return child

    def close(self) -> None:
        """End the children, the last started first, and remove the folder. May be repeated."""
        if self._closed or os.getpid() != self._owner:
            return
        self._closed = True
        for child in self._children:
            if child.command.grace_seconds == 0:
                child.send(signal.SIGKILL)
        for child in reversed(self._children):
            child.stop()
        remove_groups(self.id)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)
        _OPEN_RUNS.remove(self)

    def _spawn(self, command: Command, log: Path) -> "subprocess.Popen[bytes]":
        launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(self._owner)]
        with log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - running the caller's command is the job
                [*launcher, *command.argv],
                cwd=command.cwd or self.folder,
                env={**os.environ, **command.env, MARK_VARIABLE: self.id},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def sweep() -> tuple[str, ...]:
    """Remove what runs of dead processes left: folders and processes; return the runs' ids.

    A run is dead when the lock in its folder is free: the kernel releases it with the last process
    that held it. Unlike a process number, this also works with reused numbers and in containers.
    """
    dead = []
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):
            if folder.stat().st_uid == os.geteuid() and _take_over(folder):
                dead.append(folder.name.removeprefix(FOLDER_PREFIX))
    return tuple(dead)


def _take_over(folder: Path) -> bool:
    """Remove one run if it is dead; return whether it was."""
    try:
        lock = os.open(folder / LOCK_NAME, os.O_RDWR)
    except FileNotFoundError:
        if time.time() - folder.stat().st_mtime < UNLOCKED_AGE_SECONDS:
            return False
        shutil.rmtree(folder, ignore_errors=True)
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _kill_marked(folder.name.removeprefix(FOLDER_PREFIX))
        remove_groups(folder.name.removeprefix(FOLDER_PREFIX))
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def _kill_marked(run_id: str) -> None:
    """Kill every process with this run's mark, also those that left their group."""
    marked = []
    for process in psutil.process_iter():
        # Processes of others and those just ending do not show their environment.
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK_VARIABLE) == run_id:
                process.kill()
                marked.append(process)
    psutil.wait_procs(marked, timeout=KILL_SECONDS)


class _Forker:
    """A thread that starts all children and never ends.

    PR_SET_PDEATHSIG fires when the *thread* that forked ends, so a child started by a worker
    thread would die with that thread instead of with this process.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()

    def call(self, function: Callable[[], T]) -> T:
        """Run `function` in the thread and return what it returns."""
        future: Future[T] = Future()

        def settle() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - handed to the caller as it is
                future.set_exception(error)

        with self._guard:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="forker", daemon=True)
                self._thread.start()
        self._calls.put(settle)
        return future.result()

    def _work(self) -> None:
        while True:
            self._calls.get()()


_FORKER = _Forker()
_OPEN_RUNS: list[Run] = []
_FATAL_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def _close_all() -> None:
    for run in reversed(_OPEN_RUNS.copy()):
        run.close()


def _close_and_die(number: int, _frame: FrameType | None) -> None:
    """Handle a fatal signal: leave nothing behind, then let the signal take effect."""
    _close_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _watch_signals() -> None:
    """Clean up on fatal signals that have no other handler; only in Python's main thread."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _FATAL_SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _close_and_die)


def _forget_in_fork() -> None:
    """Make a forked copy of this process neither end the runs nor hold their locks."""
    global _FORKER  # noqa: PLW0603 - the thread of the original does not exist in the copy
    _FORKER = _Forker()
    for run in _OPEN_RUNS:
        os.close(run.inherited_lock)
    _OPEN_RUNS.clear()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forget_in_fork)
