"""An image laid out in a folder, whose program runs there as in a pod."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# No user of the image, as OpenShift gives to each namespace.
UID = 1000640000
# Those who change the network of a node get the rights for it as root alone.
ROOT = ("node-agent",)
# What a program with several processes is told first.
WORDS = {"danm": ("controller",)}
# Its own mounts end with it. A pod has a read-only root, /dev and /proc.
_ENTER = """
mount --bind "$1" "$1"
mount --rbind /dev "$1/dev"
mount -t proc proc "$1/proc"
mount -o remount,bind,ro "$1"
root=$1 uid=$2
shift 2
exec chroot --userspec="$uid:0" --groups=0 "$root" /usr/bin/env -i "$@"
"""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The files of a controller's image, and how it wants to be started."""

    package: str
    root: Path
    config: Mapping[str, Any]

    def argv(self, *command: str, **env: str) -> list[str]:
        """What runs a command in it: a user without a name or home, no right to write a file.

        Those of ``ROOT`` are root, but cannot write either.
        """
        user = "0" if self.package in ROOT else str(UID)
        variables = [*self.config["Env"], *(f"{name}={value}" for name, value in env.items())]
        enter = ["/usr/bin/unshare", "--mount", "/bin/sh", "-ec", _ENTER, "sh"]
        return [*enter, str(self.root), user, *variables, *command]

    def program(self, *arguments: str, **env: str) -> list[str]:
        """What runs its entry point."""
        words = WORDS.get(self.package, ())
        return self.argv(*self.config["Entrypoint"], *words, *arguments, **env)

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run what :meth:`argv` or :meth:`program` made, to its end."""
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603 - our own arguments
