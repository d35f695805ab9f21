"""What takes long is made once, and kept by what it is made of."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

KEY_LENGTH = 16


def folder() -> Path:
    """Where it is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "moorage" / "images"


def key(*parts: str) -> str:
    """A short name of everything that a result depends on."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:KEY_LENGTH]


def kept(name: str, make: Callable[[Path], None]) -> Path:
    """The path of this name; ``make`` writes it where it is not there yet, whole or not at all."""
    path = folder() / name
    if not path.exists():
        half = path.with_name(f"{name}.half")
        shutil.rmtree(half, ignore_errors=True)
        half.unlink(missing_ok=True)
        half.parent.mkdir(parents=True, exist_ok=True)
        make(half)
        half.rename(path)
    return path


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two builds side by side would make the same things twice."""
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
