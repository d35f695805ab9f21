"""Runs in its own process: measures the cost of unused providers; prints JSON.

``python -m tests.bench.loading NAMES SDK DOOR``: providers to make; packages of cloud SDKs; one
module that imports such packages. The first and second by commas.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import cast

import moorage_core.controller  # noqa: F401 - what a controller has loaded before its first provider
from moorage_kube.manager.plugins import load


def main() -> int:
    """Load the providers, look for SDKs, then load one; times are of this process's CPU."""
    names, packages, door = sys.argv[1:]
    making = _cpu_seconds(lambda: [_make(name) for name in names.split(",")])
    early = sum(_is_below(module, packages.split(",")) for module in sys.modules)
    using = _cpu_seconds(lambda: import_module(door))
    known = sum(_is_below(module, packages.split(",")) for module in sys.modules)
    figures = {"making": making, "early": early, "using": using, "known": known}
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


def _make(name: str) -> object:
    create = cast("Callable[[dict[str, str]], object]", load("moorage.providers", name))
    return create({"region": "somewhere"})


def _is_below(module: str, packages: list[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _cpu_seconds(call: Callable[[], object]) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun


if __name__ == "__main__":
    sys.exit(main())
