"""kubectl on one cluster."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moorage_testing.cluster.toolchain import tool_path

Object = dict[str, Any]


class KubectlError(Exception):
    """A command failed; the message is what it printed."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with one kubeconfig."""

    kubeconfig: Path
    flags: Sequence[str] = ()
    """More that every command gets."""
    seconds: float = 120.0
    """After which a command is given up."""

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """Run a command; returns what it prints. Raises KubectlError."""
        kubeconfig = f"--kubeconfig={self.kubeconfig}"
        done = subprocess.run(  # noqa: S603 - a test's own arguments, without a shell
            [str(tool_path("kubectl")), kubeconfig, *self.flags, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=self.seconds,
            check=False,
        )
        if done.returncode != 0:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Create or change objects."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.run("apply", "--server-side", "-f-", stdin=json.dumps(items))

    def patch(self, *what: str, **change: Any) -> None:  # noqa: ANN401  # fields of any object
        """Change fields of an object with a merge patch."""
        self.run("patch", *what, "--type=merge", "--patch", json.dumps(change))

    def get(self, *arguments: str) -> Object:
        """One object, or a list; ``{}`` = it is not there."""
        text = self.run("get", *arguments, "-o", "json", "--ignore-not-found")
        found: Object = json.loads(text) if text else {}
        return found

    def items(self, *arguments: str) -> Sequence[Object]:
        """The objects of a list."""
        found: Sequence[Object] = self.get(*arguments).get("items", [])
        return found
