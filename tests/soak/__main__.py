"""Soak a controller and say whether it stayed clean: ``python -m tests.soak --help``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager

from tests.bench.report import say

from .claims import opened_claims
from .core import opened_core
from .options import Options, parse
from .report import CLEAN, keep_logs, table, verdict, write_json
from .rows import rows
from .scene import Scene
from .trial import Trial

SCENES: dict[str, Callable[[Options], AbstractContextManager[Scene]]] = {
    "core": opened_core,
    "machines": opened_claims,
}


def main() -> int:
    """Run; 1 unless all is clean."""
    options = parse()
    with SCENES[options.part](options) as scene:
        trial = Trial.of(scene, options)
        try:
            asyncio.run(trial.run())
            figures = rows(trial)
        except BaseException:
            say(f"it broke off; the controllers' logs are in {keep_logs(trial)}")
            raise
        clean = verdict(figures) == CLEAN
        if not clean:
            say(f"the controllers' logs are in {keep_logs(trial)}")
    sys.stdout.write(table(figures) + "\n")
    write_json(trial, figures)
    say(f"figures in {options.json}")
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
