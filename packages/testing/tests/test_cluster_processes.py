"""Child processes and folders never outlive the process that opened their run."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import psutil
import pytest

from moorage_testing import processes
from moorage_testing.processes import ChildError, Command, Run, sweep
from moorage_testing.waiting import PATIENCE, wait_for

SLEEPER = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)")
STUBBORN_SCRIPT = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(600)
"""
STUBBORN = (sys.executable, "-c", STUBBORN_SCRIPT)
PARENT_SCRIPT = """
import subprocess, sys, time
argv = [sys.executable, "-c", "import time; time.sleep(600)"]
child = subprocess.Popen(argv, start_new_session=len(sys.argv) > 1)
print("up", child.pid, flush=True)
time.sleep(600)
"""
PARENT = (sys.executable, "-c", PARENT_SCRIPT)
# Its child runs in its own session, so that only the mark in its environment identifies it.
ESCAPER = (*PARENT, "escape")
OWNER = """
import signal, sys, time
from moorage_testing.processes import Command, Run
# Who runs the tests may ignore these, and with it all its children: a shell in the background does
# so with SIGINT, nohup with SIGHUP.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_IGN if "ignoring" in sys.argv else signal.SIG_DFL)
with Run.open() as run:
    child = run.start(Command("sleeper", [word for word in sys.argv[1:] if word != "ignoring"]))
    print(run.folder, child.pid, flush=True)
    while True:  # not signal.pause(): a signal just before it would be slept through
        time.sleep(0.1)
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Isolate the sweeps of these tests from the runs of others, and the other way round."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.fixture
def run() -> Iterator[Run]:
    with Run.open() as opened:
        yield opened


def start(run: Run, argv: tuple[str, ...] = SLEEPER, grace_seconds: float = 5.0) -> processes.Child:
    child = run.start(Command("child", argv, grace_seconds=grace_seconds))
    wait_for(lambda: "up" in child.log_tail(), 20, "the child to be up")
    return child


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def owner(*options: str, argv: tuple[str, ...] = SLEEPER) -> tuple[Popen[str], Path, int]:
    """Start a process that opens a run with one child; return it, the folder and the child."""
    process = Popen(  # noqa: S603 - this file's own program
        [sys.executable, "-c", OWNER, *options, *argv], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    folder, pid = process.stdout.readline().split()
    return process, Path(folder), int(pid)


def end(process: Popen[str], number: signal.Signals) -> int:
    process.send_signal(number)
    with process:
        try:
            return process.wait(PATIENCE)
        finally:
            # One that lives on would be waited for without end.
            process.kill()


def test_closing_ends_children_and_removes_the_folder() -> None:
    with Run.open() as run:
        child = start(run)
        assert child.alive
        assert child.log.parent == run.folder
    assert gone(child.pid)
    assert not run.folder.exists()


def test_a_child_gets_sigterm_first(run: Run) -> None:
    assert start(run).stop() == -signal.SIGTERM


def test_a_child_that_ignores_sigterm_is_killed_after_its_grace(run: Run) -> None:
    assert start(run, STUBBORN, grace_seconds=0.1).stop() == -signal.SIGKILL


def test_the_whole_group_of_a_child_ends_with_it(run: Run) -> None:
    child = start(run, PARENT)
    grandchild = int(child.log_tail().split()[1])
    child.stop()
    wait_for(lambda: gone(grandchild), 10, "the grandchild to end")


def test_an_ended_child_is_an_error_with_its_log(run: Run) -> None:
    child = run.start(Command("brief", (sys.executable, "-c", "import sys; sys.exit('no disk')")))
    wait_for(lambda: not child.alive, 20, "the child to end")
    with pytest.raises(ChildError, match="brief ended with 1:\nno disk"):
        child.check()


def test_a_missing_program_is_an_immediate_error(run: Run) -> None:
    with pytest.raises(ChildError, match=r"no program \./nowhere"):
        run.start(Command("lost", ("./nowhere",)))


def test_a_child_gets_the_commands_environment_and_the_runs_mark(run: Run) -> None:
    script = "import os; print(os.environ['COLOUR'], os.environ['MOORAGE_RUN'])"
    child = run.start(Command("env", (sys.executable, "-c", script), env={"COLOUR": "blue"}))
    wait_for(lambda: not child.alive, 20, "the child to end")
    assert child.log_tail() == f"blue {run.id}"


def test_a_child_outlives_the_thread_that_started_it(run: Run) -> None:
    started: list[processes.Child] = []
    thread = threading.Thread(target=lambda: started.append(start(run)))
    thread.start()
    thread.join()
    # Were the death signal tied to that thread, it would have been sent when it ended; a signal
    # sent afterwards is handled after it, so the child's death by our signal proves that none was
    # sent.
    assert started[0].stop() == -signal.SIGTERM


def test_a_forked_copy_of_the_owner_leaves_the_run_alone(run: Run) -> None:
    child = start(run)
    # A fork from a multi-threaded process warns on newer Pythons: here it is the subject.
    script = (
        "import os, sys, warnings; warnings.simplefilter('ignore')\n"
        "from moorage_testing.processes import Command, Run, sweep\n"
        "with Run.open() as run:\n"
        "    child = run.start(Command('c', sys.argv[1:]))\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        sys.exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "    assert child.alive and run.folder.exists()\n"
        "    assert sweep() == ()\n"
    )
    argv = [sys.executable, "-c", script, *SLEEPER]
    subprocess.run(argv, check=True, timeout=60)  # noqa: S603 - the program above
    assert child.alive


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGHUP, -1)],
)
def test_a_signal_to_the_owner_leaves_nothing_at_once(number: signal.Signals, status: int) -> None:
    process, folder, pid = owner()
    assert end(process, number) == status
    assert gone(pid)
    assert not folder.exists()


@contextmanager
def ignoring_sighup() -> Iterator[None]:
    """As nohup runs the tests: children inherit it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def test_these_tests_hold_where_sighup_is_ignored() -> None:
    with ignoring_sighup():
        test_a_signal_to_the_owner_leaves_nothing_at_once(signal.SIGHUP, -signal.SIGHUP)


def test_an_owner_that_ignores_sighup_keeps_what_it_started() -> None:
    process, folder, pid = owner("ignoring")
    process.send_signal(signal.SIGHUP)
    # Signals are handled in the order of their numbers: by now the first would have had its effect.
    assert end(process, signal.SIGINT) == -signal.SIGINT
    assert gone(pid)
    assert not folder.exists()


def test_a_killed_owner_takes_its_children_along_and_the_sweep_takes_the_folder() -> None:
    process, folder, pid = owner()
    assert sweep() == (), "the run of a living owner was swept"
    assert folder.exists()
    end(process, signal.SIGKILL)
    wait_for(lambda: gone(pid), 10, "the child to end with its parent")
    assert folder.exists()
    assert sweep() == (folder.name.removeprefix(processes.FOLDER_PREFIX),)
    assert not folder.exists()


def test_the_sweep_kills_what_left_its_group() -> None:
    process, folder, pid = owner(argv=ESCAPER)
    log = folder / "sleeper.log"
    wait_for(lambda: "up" in log.read_text(), 20, "the grandchild to be up")
    grandchild = int(log.read_text().split()[1])
    end(process, signal.SIGKILL)
    wait_for(lambda: gone(pid), 10, "the child to end with its parent")
    assert not gone(grandchild), "this test needs a survivor"
    with Run.open():
        wait_for(lambda: gone(grandchild), 10, "the survivor to be swept")
    assert not folder.exists()


def test_a_folder_that_is_being_created_is_left_alone_until_it_is_old(tmp_path: Path) -> None:
    unlocked = tmp_path / f"{processes.FOLDER_PREFIX}young"
    unlocked.mkdir()
    assert sweep() == ()
    old = unlocked.stat().st_mtime - 2 * processes.UNLOCKED_AGE_SECONDS
    os.utime(unlocked, (old, old))
    assert sweep() == ("young",)
