"""Other programs, whose failure says what they printed."""

from __future__ import annotations

import shutil
import subprocess

from e2e.clusters.cluster import ClusterError

SECONDS = 600.0


def call(name: str, *arguments: str) -> str:
    """Run a program of this machine; returns what it prints."""
    program = shutil.which(name)
    if program is None:
        raise ClusterError(f"{name} is not installed")
    done = subprocess.run(  # noqa: S603 - a test's own arguments, without a shell
        [program, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode != 0:
        raise ClusterError(f"{name} {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
