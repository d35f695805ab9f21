"""The demo proves what it says, fails when it is not so, and leaves nothing behind."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from moorage_testing.processes import FOLDER_PREFIX, Child, Command, Run, sweep
from moorage_testing.waiting import wait_for

ROOT = Path(__file__).parents[2]
DEMO_SECONDS = 90.0
CLEAR_UP_SECONDS = 20.0
FAST = ("--fast", "--nodes", "4")

# One idle cluster more, for what its fixture does where the tools are missing.
needs_tools = pytest.mark.usefixtures("cluster")


@dataclass
class Demo:
    """One run of the demo, its output in a file and its folders in one of its own."""

    child: Child
    folder: Path

    @property
    def text(self) -> str:
        return self.child.log.read_text()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def folders(self) -> list[Path]:
        return sorted(self.folder.glob(f"{FOLDER_PREFIX}*"))

    def wait_for(self, text: str) -> None:
        def said() -> bool:
            return text in self.text or not self.child.alive

        wait_for(said, DEMO_SECONDS, f"the demo to say {text!r}")
        assert text in self.text, self.text

    def exit_code(self, seconds: float) -> int | None:
        wait_for(lambda: not self.child.alive, seconds, "the demo to end")
        return self.child.returncode


@pytest.fixture
def run() -> Iterator[Run]:
    with Run.open() as opened:
        yield opened


def start(run: Run, folder: Path, *flags: str, **environment: str) -> Demo:
    argv = [sys.executable, "-m", "e2e.demo", *flags]
    env = {"TMPDIR": str(folder), **environment}
    return Demo(run.start(Command("demo", argv, env=env, cwd=ROOT, grace_seconds=0)), folder)


def processes_of(demo: Demo) -> list[psutil.Process]:
    return psutil.Process(demo.child.pid).children(recursive=True)


def open_ports(processes: list[psutil.Process] | None = None) -> set[int]:
    """The TCP ports that these listen on, or anybody."""
    pids = {process.pid for process in processes or ()}
    return {
        each.laddr.port
        for each in psutil.net_connections("tcp")
        if each.laddr
        and each.status == psutil.CONN_LISTEN
        and (processes is None or each.pid in pids)
    }


def running(processes: list[psutil.Process]) -> list[str]:
    # One whose parent died first stays a zombie where nobody reaps. Its other threads may live on
    # for a moment and keep its ports, so these are waited for apart.
    return [
        process.name()
        for process in processes
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ]


@needs_tools
def test_every_step_is_told_in_one_line_and_the_demo_succeeds(run: Run, tmp_path: Path) -> None:
    demo = start(run, tmp_path, *FAST)
    assert demo.exit_code(DEMO_SECONDS) == 0, demo.text
    steps = [line for line in demo.lines if re.match(r"\d/5 ", line)]
    assert [line.split(":")[0] for line in steps] == [
        "1/5 bound",
        "2/5 held",
        "3/5 drained",
        "4/5 failed",
        "5/5 released",
    ]
    for line in steps:
        assert re.search(r"\bcloud \d+\.\d\d s", line), line
        assert re.search(r"\bstatus \d+\.\d\d s", line), line
    assert "203.0.113.10 on node-1, 203.0.113.11 on node-2" in steps[0]
    assert "EC2 was asked for 0 changes" in steps[1]
    assert "pods of Deployment demo/shop still run there" in steps[1]
    assert "203.0.113.10 went from node-1 to node-3" in steps[2]
    assert "203.0.113.11 went from node-2 to node-4" in steps[3]
    assert demo.lines[-1] == (
        "EC2 was asked for 6 changes: 4 AssociateAddress, 2 DisassociateAddress."
    )
    assert demo.folders == []


@needs_tools
def test_kept_running_it_can_be_used_with_the_commands_it_tells(run: Run, tmp_path: Path) -> None:
    demo = start(run, tmp_path, *FAST, "--keep")
    demo.wait_for("Ctrl-C in this terminal")
    told = dict(re.findall(r"(?m)^  (?:export |alias )(\w+)=(.+)$", demo.text))
    create = next(line for line in demo.lines if line.startswith("  kubectl create"))

    def kubectl(*arguments: str) -> str:
        argv = [told["kubectl"], f"--kubeconfig={told['KUBECONFIG']}", *arguments]
        done = subprocess.run(argv, check=True, capture_output=True, text=True)  # noqa: S603 - what the demo told people to run
        return done.stdout

    kubectl(*shlex.split(create)[1:])
    bound = ("get", "netipallocation", "demo", "-o", "jsonpath={.status.bound}")
    wait_for(lambda: kubectl(*bound) == "2", 30, "the controller to work on")
    processes = processes_of(demo)
    demo.child.send(signal.SIGINT)
    assert demo.exit_code(CLEAR_UP_SECONDS) == 0, demo.text
    assert running(processes) == []
    assert demo.folders == []


@needs_tools
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name
)
def test_killed_half_way_it_leaves_no_process_no_port_and_no_folder(
    run: Run, tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = start(run, tmp_path, *FAST)
    demo.wait_for("1/5 bound")
    processes = processes_of(demo)
    ports = open_ports(processes)
    # etcd, API server, controller manager, scheduler, kwok, EC2, controller.
    assert len(processes) >= 7
    # etcd's two, the API server's, EC2's, the controller's probes.
    assert len(ports) >= 5
    assert len(demo.folders) == 2
    demo.child.send(number)
    code = demo.exit_code(CLEAR_UP_SECONDS)
    assert code == (-number if number == signal.SIGKILL else 128 + number), demo.text
    wait_for(lambda: not running(processes), 5, "every process to end")
    wait_for(lambda: not ports & open_ports(), 5, f"ports {ports} to be free")
    if number == signal.SIGKILL:
        # What nobody could remove, the next start removes.
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        assert len(sweep()) == 2
    assert demo.folders == []


@needs_tools
def test_a_step_that_does_not_happen_is_named_with_the_controllers_log(
    run: Run, tmp_path: Path
) -> None:
    demo = start(run, tmp_path, *FAST, MOORAGE_DRY_RUN="true")
    assert demo.exit_code(DEMO_SECONDS) == 1, demo.text
    assert "step 'bound' was not observed within" in demo.text
    assert "Missing: cloud: each address on a node of its own" in demo.text
    log = demo.text.partition("The last lines of the controller's log:")[2]
    assert "dry run, not done" in log
    assert not re.search(r"(?m)^\d/5 ", demo.text)
    assert demo.folders == []


@pytest.mark.parametrize(
    "flags", [("--nodes", "3"), ("--nodes", "101"), ("--nodes", "many"), ("--slow",), ("more",)]
)
def test_wrong_options_end_with_2_before_anything_starts(
    run: Run, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    demo = start(run, tmp_path, *flags)
    assert demo.exit_code(30) == 2
    assert "e2e.demo: error: " in demo.lines[-1]


def test_help_tells_what_happens_and_what_the_exit_codes_mean(run: Run, tmp_path: Path) -> None:
    demo = start(run, tmp_path, "--help")
    assert demo.exit_code(30) == 0
    for word in ("kubectl drain", "--keep", "--fast", "--nodes", "exit codes", "./nox -s demo"):
        assert word in demo.text
