"""What builds images on this machine: docker, podman or buildah."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ENGINES = ("docker", "podman", "buildah")
# For buildah; neither asks for more rights or other mounts than a plain container has.
_CHROOT = {"BUILDAH_ISOLATION": "chroot"}
_ANY_FILE_SYSTEM = {"STORAGE_DRIVER": "vfs"}


class EngineMissing(Exception):
    """Nothing here builds images; the message says what to install."""


class BuildFailed(Exception):
    """A command failed; the message ends with what it wrote."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One of them.

    Attributes:
        name: of the program.
        environment: set beside the variables of this process.
    """

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def build(
        self,
        folder: Path,
        tag: str,
        arguments: Mapping[str, str] | None = None,
        contexts: Mapping[str, Path] | None = None,
    ) -> None:
        """Build the Dockerfile of a folder, with build arguments and named contexts."""
        options = [f"--build-arg={name}={value}" for name, value in (arguments or {}).items()]
        options += [f"--build-context={name}={path}" for name, path in (contexts or {}).items()]
        if self.name != "docker":
            options += ["--format=docker", "--layers"]
        self._run("build", *options, "--tag", tag, str(folder))

    def save(self, tag: str, archive: Path) -> None:
        """Write an image into a file that every container runtime imports."""
        archive.unlink(missing_ok=True)
        if self.name == "buildah":
            self._run("push", "--quiet", tag, f"docker-archive:{archive}:{tag}")
        else:
            self._run("save", "--output", str(archive), tag)

    def has(self, tag: str) -> bool:
        """Whether the image is there."""
        inspect = ("inspect", "--type=image") if self.name == "buildah" else ("image", "inspect")
        return self._call(*inspect, tag).returncode == 0

    def works(self) -> bool:
        """Whether it is installed and its daemon, if it has one, answers."""
        return shutil.which(self.name) is not None and self._call("info").returncode == 0

    def _run(self, *arguments: str) -> None:
        ended = self._call(*arguments)
        if ended.returncode:
            last = "\n".join((ended.stdout + ended.stderr).splitlines()[-30:])
            raise BuildFailed(f"{self.name} {' '.join(arguments)} failed:\n{last}")

    def _call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = (self.name, *arguments)
        environment = {**os.environ, **self.environment}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments


def find_engine(name: str = "") -> Engine:
    """The engine of this name, or the first that works; raises :class:`EngineMissing`."""
    for candidate in (name,) if name else ENGINES:
        engine = Engine(candidate)
        if candidate == "buildah":
            engine = Engine(candidate, _CHROOT)
            if not engine.works():
                # Its usual driver cannot lie on the file system of a container.
                engine = Engine(candidate, _CHROOT | _ANY_FILE_SYSTEM)
        if engine.works():
            return engine
    wanted = name or ", ".join(ENGINES)
    raise EngineMissing(f"none works of: {wanted}; on Debian: apt-get install buildah debootstrap")
