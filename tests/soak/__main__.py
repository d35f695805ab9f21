"""Soak the core controller and say whether it stayed clean: ``python -m tests.soak --help``."""

from __future__ import annotations

import asyncio
import sys

from tests.bench.report import say

from .churn import Disturbance, drawn
from .options import parse
from .pool import opened
from .report import CLEAN, keep_logs, table, verdict, write_json
from .rows import rows
from .trial import Trial


def main() -> int:
    """Run; 1 unless all is clean."""
    options = parse()
    in_stock = drawn(options).count(Disturbance.REPLACE)
    with opened(options, in_stock) as pool:
        trial = Trial.of(pool, options)
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
