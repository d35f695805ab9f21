"""A machine without hardware: namespaces under one process whose death takes everything along.

Whatever ends the owner, the kernel ends the machine: the death signal reaches its first process,
that one's end kills all others of the PID namespace, containers included, and with the last of
them go the mounts and the links. Only control groups and the run's folder are left to be removed.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from moorage_testing.cgroups import Group
from moorage_testing.nodes import machine_init
from moorage_testing.nodes.programs import program
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import wait_for

BOOT_SECONDS = 30.0
CALL_SECONDS = 120.0
UNSHARE = ("--mount", "--net", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc")
# Into the control groups that stand before the --, then become the command behind it.
JOIN = 'while [ "$1" != -- ]; do echo 0 > "$1"; shift; done; shift; exec "$@"'


class MachineError(Exception):
    """A command of a machine failed; the message is its output."""


class Machine:
    """Namespaces for mounts, network, processes and the host name; off until it is booted."""

    def __init__(self, run: Run, name: str, programs: Sequence[Path]) -> None:
        """Make a machine whose /var/bin has these programs."""
        self.name = name
        self.var = run.folder / name
        self.var.mkdir()
        self._run = run
        self._programs = programs
        self._first: Child | None = None
        self.group = Group(run.id, name)

    @property
    def pid(self) -> int:
        """Process 1 of the machine, as seen from outside; raises MachineError if it is off."""
        parent = self._first.pid if self._first and self._first.alive else 0
        with contextlib.suppress(FileNotFoundError):
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
            if children:
                return int(children[0])
        raise MachineError(f"{self.name} is off")

    def boot(self) -> None:
        """Switch it on, without a network link and with an empty /run."""
        self.group.make()
        init = [sys.executable, "-I", "-S", machine_init.__file__, self.name, str(self.var)]
        argv = self._joined([program("unshare"), *UNSHARE, *init, *map(str, self._programs)])
        first = self._run.start(Command(f"{self.name}-machine", argv, grace_seconds=0))
        self._first = first

        def ready() -> bool:
            first.check()
            with contextlib.suppress(MachineError):
                return Path(f"/proc/{self.pid}/root/run/{machine_init.READY}").exists()
            return False

        wait_for(ready, BOOT_SECONDS, f"{self.name} to boot")

    def kill(self) -> None:
        """Switch it off: everything in it dies at once, unasked."""
        if self._first is not None and self._first.alive:
            os.kill(self.pid, signal.SIGKILL)
            self._first.stop(0)
        self.group.remove()

    def start(self, name: str, argv: Sequence[str]) -> Child:
        """Start a command in the machine, its path as seen from there; its log is outside."""
        command = self._joined([*self._enter(), *argv])
        return self._run.start(Command(f"{self.name}-{name}", command, grace_seconds=0))

    def call(self, argv: Sequence[str], stdin: Path | None = None) -> str:
        """Run a command in the machine and return what it prints; raises MachineError."""
        with (stdin or Path(os.devnull)).open("rb") as source:
            done = subprocess.run(  # noqa: S603 - a test's own arguments, without a shell
                self._joined([*self._enter(), *argv]),
                stdin=source,
                capture_output=True,
                timeout=CALL_SECONDS,
                check=False,
            )
        if done.returncode != 0:
            message = done.stderr.decode(errors="replace").strip()
            raise MachineError(f"{self.name}: {' '.join(argv)}: {message}")
        return done.stdout.decode(errors="replace")

    def _enter(self) -> list[str]:
        spaces = ("--mount", "--net", "--pid", "--uts")
        return [program("nsenter"), f"--target={self.pid}", *spaces, "--"]

    def _joined(self, argv: Sequence[str]) -> list[str]:
        entrances = map(str, self.group.entrances())
        return ["/bin/sh", "-c", JOIN, "sh", *entrances, "--", *argv]
