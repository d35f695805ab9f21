"""The files of the repository, as git knows them, and the texts people read."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Hashes, which may contain any text by chance.
_NO_PROSE = {"go.sum"}
_FENCE = re.compile(r"^```\w*\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def repository_files() -> list[Path]:
    """Every text file that is, or is about to be, committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(  # noqa: S603 - a fixed command
        command, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    paths = (ROOT / name for name in sorted(listed))
    return [path for path in paths if path.is_file() and path.name not in _NO_PROSE]


def python_files() -> list[Path]:
    """Every module."""
    return [path for path in repository_files() if path.suffix == ".py"]


def documents() -> list[Path]:
    """Everything written only for people."""
    return [path for path in repository_files() if path.suffix == ".md"]


def blocks(text: str) -> list[str]:
    """The fenced blocks of a document, without their fences."""
    return _FENCE.findall(text)


def code_spans(text: str) -> list[str]:
    """Text in single or double backticks, outside fenced blocks."""
    spans = re.findall(r"(?<!`)(`{1,2})(?!`)([^`\n]+)\1(?!`)", _FENCE.sub("", text))
    return [span.strip() for _, span in spans]


def shown(path: Path) -> str:
    """A path relative to the root, for messages."""
    return path.relative_to(ROOT).as_posix()
