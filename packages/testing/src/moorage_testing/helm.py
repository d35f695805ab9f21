"""Helm of one version, as people call it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moorage_testing.cluster.toolchain import tool_path

SECONDS = 300.0

Values = Mapping[str, Any]


class HelmError(Exception):
    """A command of Helm failed; the message is what it printed."""


@dataclass(frozen=True, slots=True)
class Helm:
    """One version of Helm, with folders of its own.

    Attributes:
        name: of the tool: ``helm3`` or ``helm4``.
        home: where it keeps its files.
        kubeconfig: of the cluster where releases go; ``None`` = nothing but rendering.
    """

    name: str
    home: Path
    kubeconfig: Path | None = None

    def run(self, *arguments: str, values: Values | None = None) -> str:
        """Run a command; returns what it prints. ``values`` are given to it as a file."""
        given = ["--values", "-"] if values is not None else []
        cluster = [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        folders = ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HOME")
        done = subprocess.run(  # noqa: S603 - the caller's own arguments, without a shell
            [str(tool_path(self.name)), *arguments, *given, *cluster],
            input=json.dumps(values) if values is not None else None,
            env={**os.environ, **dict.fromkeys(folders, str(self.home))},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise HelmError(done.stderr.strip())
        return done.stdout
