"""The demo proves what it says, fails when it is not so, and leaves nothing behind."""

from __future__ import annotations

import http
import json
import re
import shlex
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from demo_runs import Demo, start

from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.processes import FOLDER_PREFIX, Run, sweep
from moorage_testing.waiting import PATIENCE, wait_for

FAST = ("--fast", "--nodes", "4")
A, B = "203.0.113.10", "203.0.113.11"
# With one of these the demo would fail or call somebody else.
OWN_SETTINGS = {
    "AWS_PROFILE": "own",
    "GOOGLE_APPLICATION_CREDENTIALS": "own.json",
    "AZURE_AUTHORITY_HOST": "login.example",
    "MOORAGE_AZURE_CLOUD": "own",
    "MOORAGE_DRY_RUN": "true",
}

# One idle cluster more, for what its fixture does where the tools are missing.
needs_tools = pytest.mark.usefixtures("cluster")


@dataclass(frozen=True)
class Told:
    """What the demo must say of one cloud.

    Attributes:
        name: as ``--cloud`` has it.
        move: what it takes to move an address.
        changes: what all steps together take, in the cloud's own words.
    """

    name: str
    move: str
    changes: str


CLOUDS = (
    Told(
        "aws",
        "1 change",
        "EC2 was asked for 6 changes: 4 AssociateAddress, 2 DisassociateAddress.",
    ),
    # Each node that gets an address gives its own one up, and is given one again. Before the first
    # ones do so, the reserved address is asked for in vain: see the README of the provider.
    Told(
        "gcp",
        "4 changes",
        "Compute Engine was asked for 18 changes:"
        " 10 instances.addAccessConfig, 8 instances.deleteAccessConfig.",
    ),
    Told(
        "azure",
        "2 changes",
        "Azure was asked for 8 changes: 8 networkInterfaces.createOrUpdate.",
    ),
)


@pytest.fixture
def run() -> Iterator[Run]:
    with Run.open() as opened:
        yield opened


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


@pytest.fixture(scope="module")
def all_clouds(
    cluster: EmbeddedCluster,  # noqa: ARG001 - for what its fixture does where tools are missing
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Demo]:
    """The demo after all clouds, played once, by somebody who has accounts of their own."""
    with Run.open() as run:
        demo = start(run, tmp_path_factory.mktemp("all"), *FAST, "--cloud", "all", **OWN_SETTINGS)
        code = demo.exit_code(len(CLOUDS) * PATIENCE)
        assert code == 0, demo.text
        yield demo


@pytest.mark.parametrize("cloud", CLOUDS, ids=lambda cloud: cloud.name)
def test_every_step_is_one_line_with_what_was_asked_of_the_cloud(
    all_clouds: Demo, cloud: Told
) -> None:
    name = cloud.name
    steps = [line for line in all_clouds.lines if re.match(rf"{name} \d/5 ", line)]
    assert [line.split(":")[0] for line in steps] == [
        f"{name} 1/5 bound",
        f"{name} 2/5 held",
        f"{name} 3/5 drained",
        f"{name} 4/5 failed",
        f"{name} 5/5 released",
    ]
    for line in steps:
        assert re.search(r"\bcloud \d+\.\d\d s", line), line
        assert re.search(r"\bstatus \d+\.\d\d s", line), line
    assert f"{A} on {name}-1, {B} on {name}-2" in steps[0]
    assert f"{A} stays, 0 changes asked for" in steps[1]
    assert f"pods of Deployment demo/shop-{name} still run there" in steps[1]
    assert f"{A} went from {name}-1 to {name}-3, {cloud.move} asked for" in steps[2]
    assert f"{B} went from {name}-2 to {name}-4, {cloud.move} asked for" in steps[3]


def test_all_clouds_are_summed_up_and_nothing_is_left_behind(all_clouds: Demo) -> None:
    summary, *asked = all_clouds.lines[-1 - len(CLOUDS) :]
    assert summary.startswith("All 15 steps were seen in the cloud and in the status, ")
    assert asked == [cloud.changes for cloud in CLOUDS]
    assert list(all_clouds.folder.iterdir()) == []


@needs_tools
def test_kept_running_it_can_be_used_with_the_commands_it_prints(run: Run, tmp_path: Path) -> None:
    demo = start(run, tmp_path, *FAST, "--keep")
    demo.wait_for("Ctrl-C in this terminal")
    printed = dict(re.findall(r"(?m)^  (?:export |alias )(\w+)=(.+)$", demo.text))
    create = next(line for line in demo.lines if line.startswith("  kubectl create"))

    def kubectl(*arguments: str) -> str:
        argv = [printed["kubectl"], f"--kubeconfig={printed['KUBECONFIG']}", *arguments]
        done = subprocess.run(argv, check=True, capture_output=True, text=True)  # noqa: S603 - what the demo printed for people
        return done.stdout

    kubectl(*shlex.split(create)[1:])
    bound = ("get", "netipallocation", "aws", "-o", "jsonpath={.status.bound}")
    wait_for(lambda: kubectl(*bound) == "2", PATIENCE, "the controller to work on")
    processes = processes_of(demo)
    demo.child.send(signal.SIGINT)
    assert demo.exit_code() == 0, demo.text
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
    demo.wait_for("aws 1/5 bound")
    # Else it may be at its end before all that runs has been looked at.
    demo.child.send(signal.SIGSTOP)
    processes = processes_of(demo)
    ports = open_ports(processes)
    # etcd, API server, controller manager, scheduler, kwok, EC2, controller.
    assert len(processes) >= 7
    # etcd's two, the API server's, EC2's, the controller's probes.
    assert len(ports) >= 5
    assert len(demo.folders) == 2
    demo.child.send(number)
    if number != signal.SIGKILL:
        demo.child.send(signal.SIGCONT)
    code = demo.exit_code()
    assert code == (-number if number == signal.SIGKILL else 128 + number), demo.text
    wait_for(lambda: not running(processes), PATIENCE, "every process to end")
    wait_for(lambda: not ports & open_ports(), PATIENCE, f"ports {ports} to be free")
    if number == signal.SIGKILL:
        # What nobody could remove, the next start removes.
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        assert len(sweep()) == 2
    assert demo.folders == []


@needs_tools
def test_a_step_that_does_not_happen_is_named_with_the_controllers_log(
    run: Run, tmp_path: Path
) -> None:
    demo = start(run, tmp_path, *FAST, "--cloud", "all")
    # The emulator serves by then; the controller, which has nothing to do yet, does not.
    demo.wait_for("4 nodes are joining")
    refuse(demo, "AssociateAddress", "UnauthorizedOperation")
    assert demo.exit_code() == 1, demo.text
    assert "step 'bound' was not observed within" in demo.text
    assert "Missing: cloud: each address on a node of its own" in demo.text
    log = demo.text.partition("The last lines of the controller's log:")[2]
    assert "UnauthorizedOperation" in log
    assert demo.lines[-1] == "Not played: gcp, azure."
    assert not re.search(r"(?m)^aws \d/5 ", demo.text)
    assert demo.folders == []


def refuse(demo: Demo, operation: str, code: str) -> None:
    """Let the demo's EC2 refuse an operation from now on."""
    (log,) = demo.folder.glob(f"{FOLDER_PREFIX}*/aws.log")
    printed = next(line for line in log.read_text().splitlines() if line.startswith("{"))
    fault = {"op": operation, "status": http.HTTPStatus.FORBIDDEN, "code": code, "times": None}
    request = urllib.request.Request(  # noqa: S310 - http, to this machine
        f"{json.loads(printed)['url']}/moorage/faults", json.dumps(fault).encode(), method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
        assert answer.status == http.HTTPStatus.OK


@pytest.mark.parametrize(
    "flags",
    [
        ("--nodes", "3"),
        ("--nodes", "101"),
        ("--nodes", "many"),
        ("--slow",),
        ("more",),
        ("--cloud", "moon"),
        ("--cloud", "all", "--keep"),
    ],
    ids=" ".join,
)
def test_wrong_options_end_with_2_before_anything_starts(
    run: Run, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    demo = start(run, tmp_path, *flags)
    assert demo.exit_code() == 2
    assert "e2e.demo: error: " in demo.lines[-1]


def test_help_says_what_happens_and_what_the_exit_codes_mean(run: Run, tmp_path: Path) -> None:
    demo = start(run, tmp_path, "--help")
    assert demo.exit_code() == 0
    for word in (
        "kubectl drain",
        "--cloud",
        "--keep",
        "--fast",
        "--nodes",
        "exit codes",
        "./nox -s demo",
    ):
        assert word in demo.text
