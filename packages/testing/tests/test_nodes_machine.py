"""The machines under real nodes: namespaces that end together and leave nothing behind."""

import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from moorage_testing.cgroups import GROUP_PREFIX
from moorage_testing.nodes import NodesUnavailableError, check_machine
from moorage_testing.nodes.machine import Machine, MachineError
from moorage_testing.nodes.network import Network, link_name
from moorage_testing.processes import Run, sweep
from moorage_testing.waiting import wait_for

OWNER = """
import signal, sys, time
from moorage_testing.nodes.machine import Machine
from moorage_testing.nodes.network import Network, link_name
from moorage_testing.processes import Run
# Who runs the tests may ignore it, and with it all its children.
signal.signal(signal.SIGINT, signal.default_int_handler)
with Run.open() as run:
    network, machine = Network(run, 1), Machine(run, "node-1", [])
    machine.boot()
    network.plug(1, machine.pid)
    machine.call(["sh", "-c", "exec setsid sleep 1000 > /dev/null 2>&1 &"])
    machine.call(["ip", "link", "add", "extra", "type", "veth"])
    print(run.id, network.plan.host, *machine.group.pids(), flush=True)
    while True:  # not signal.pause(): a signal just before it would be slept through
        time.sleep(0.1)
"""


@pytest.fixture(autouse=True)
def _possible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip where machines cannot be made, and isolate sweeps from the runs of others."""
    try:
        check_machine()
    except NodesUnavailableError as error:
        pytest.skip(str(error))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.fixture
def run() -> Iterator[Run]:
    with Run.open() as opened:
        yield opened


@pytest.fixture
def machine(run: Run) -> Machine:
    made = Machine(run, "node-1", [Path(sys.executable)])
    made.boot()
    return made


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def groups(run_id: str) -> list[Path]:
    return list(Path("/sys/fs/cgroup").glob(f"**/{GROUP_PREFIX}{run_id}"))


def test_it_has_its_own_name_files_processes_and_network(machine: Machine) -> None:
    assert machine.call(["cat", "/proc/sys/kernel/hostname"]) == "node-1\n"
    assert socket.gethostname() != "node-1"
    assert machine.call(["ls", "/var"]).split() == ["bin", "run"]
    assert machine.call(["ls", "/var/bin"]).split() == [Path(sys.executable).name]
    assert machine.call(["cat", "/proc/1/comm"]).startswith("python")
    assert "LOOPBACK,UP" in machine.call(["ip", "link"])
    assert set(machine.call(["ls", "/sys/class/net"]).split()) >= {"lo"}


def test_it_loses_run_but_not_var_with_its_power(machine: Machine) -> None:
    machine.call(["touch", "/var/kept", "/run/lost"])
    machine.kill()
    with pytest.raises(MachineError, match="node-1 is off"):
        machine.call(["true"])
    machine.boot()
    assert machine.call(["ls", "/var/kept"])
    with pytest.raises(MachineError, match="No such file"):
        machine.call(["ls", "/run/lost"])


def test_its_orphans_are_collected(machine: Machine) -> None:
    machine.call(["sh", "-c", "(exec sleep 0.05) &"])
    first = psutil.Process(machine.pid)
    wait_for(lambda: not first.children(), 10, "the orphan to be collected")


def test_two_runs_have_networks_of_their_own(run: Run) -> None:
    with Run.open() as other:
        first, second = Network(run, 1), Network(other, 1)
        assert not first.plan.network.overlaps(second.plan.network)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_its_owner_ends(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen(  # noqa: S603 - this file's own program
        [sys.executable, "-c", OWNER],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            run_id, host, *pids = process.stdout.readline().split()
            processes = [psutil.Process(int(pid)) for pid in pids]
            assert any("sleep" in each.name() for each in processes)
            assert groups(run_id)
            assert link_name(run_id) in psutil.net_if_addrs()
            process.send_signal(number)
            process.wait(30)
        finally:
            process.kill()
    assert sweep() == ((run_id,) if number == signal.SIGKILL else ())
    wait_for(lambda: not any(map(alive, processes)), 20, "the processes to be gone")
    # The kernel takes a network apart some time after its last process.
    wait_for(lambda: link_name(run_id) not in psutil.net_if_addrs(), 20, "the link to be gone")
    assert host not in Path("/proc/net/fib_trie").read_text()
    assert groups(run_id) == []
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
