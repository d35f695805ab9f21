"""A program of ours in a demo: how it is called, started, and seen to lead."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from e2e.demo.rights import CONTROLLER_NAMESPACE
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.processes import Child, Command
from moorage_testing.waiting import wait_for

LEAD_SECONDS = 60.0


def call_of(program: str, kubeconfig: Path, *words: str) -> list[str]:
    """The command line of a program, with the identity of this file; ``words`` come first."""
    return [
        sys.executable, "-m", program.replace("-", "_"), *words,
        "--kubeconfig", str(kubeconfig),
        "--lease-namespace", CONTROLLER_NAMESPACE, "--log-format", "text",
        "--metrics-host", "127.0.0.1", "--metrics-port", "0",
    ]  # fmt: skip


@contextlib.contextmanager
def leading(cluster: EmbeddedCluster, command: Command) -> Iterator[Child]:
    """A controller while a block runs, from when it leads."""
    controller = cluster.run.start(command)
    wait_until_it_leads(controller)
    try:
        yield controller
    finally:
        controller.stop()


def wait_until_it_leads(controller: Child) -> None:
    """Raises ``ChildError`` where it has ended."""

    def leads() -> bool:
        controller.check()
        return "working" in controller.log.read_text(encoding="utf-8", errors="replace")

    wait_for(leads, LEAD_SECONDS, "the controller to lead")
