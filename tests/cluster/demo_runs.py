"""Runs of the demo, as a process of its own."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from moorage_testing.processes import FOLDER_PREFIX, Child, Command, Run
from moorage_testing.waiting import PATIENCE, wait_for

ROOT = Path(__file__).parents[2]


@dataclass
class Demo:
    """One run of the demo, its output in a file and its folders in one of its own."""

    child: Child
    folder: Path

    @property
    def text(self) -> str:
        return self.child.log.read_text()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def folders(self) -> list[Path]:
        return sorted(self.folder.glob(f"{FOLDER_PREFIX}*"))

    def wait_for(self, text: str) -> None:
        def said() -> bool:
            return text in self.text or not self.child.alive

        wait_for(said, PATIENCE, f"the demo to say {text!r}")
        assert text in self.text, self.text

    def exit_code(self, seconds: float = PATIENCE) -> int | None:
        wait_for(lambda: not self.child.alive, seconds, "the demo to end")
        return self.child.returncode


def start(run: Run, folder: Path, *flags: str, **environment: str) -> Demo:
    argv = [sys.executable, "-m", "e2e.demo", *flags]
    env = {"TMPDIR": str(folder), **environment}
    return Demo(run.start(Command("demo", argv, env=env, cwd=ROOT, grace_seconds=0)), folder)
