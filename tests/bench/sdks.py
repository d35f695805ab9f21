"""The cost of cloud SDKs that the controller does not use yet (SDK)."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from .clouds import Cloud
from .report import step
from .rows import NO_SEED, Row

MAKING_TARGET_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Load:
    """The figures of one process.

    Attributes:
        making: CPU seconds of finding, loading and making all providers.
        early: modules of any SDK that were there then.
        using: CPU seconds of importing one SDK, as its provider does at its first call.
        known: modules of any SDK that were there after that.
    """

    making: float
    early: int
    using: float
    known: int


def sdk_rows(clouds: Sequence[Cloud]) -> list[Row]:
    """Make every provider in a process of its own per cloud, then load that cloud's SDK."""
    with step(f"loading {len(clouds)} providers"):
        loads = {cloud.name: _load(clouds, cloud) for cloud in clouds}
    if blind := [name for name, load in loads.items() if not load.known]:
        raise AssertionError(f"no module of the SDK of {blind[0]} is there even after its import")
    names = ", ".join(loads)
    sdks = ", ".join(f"{name} {load.using:.2f} s" for name, load in loads.items())
    return [
        Row(
            "SDKa", "SDK modules loaded before their first use", 0.0,
            float(max(load.early for load in loads.values())), "", NO_SEED,
            f"in a process with moorage_core, and the providers {names} found, loaded and made.",
        ),
        Row(
            "SDKb", f"CPU to load and make {len(clouds)} providers", MAKING_TARGET_SECONDS,
            statistics.median(load.making for load in loads.values()), "s", NO_SEED,
            f"median of {len(loads)} processes. Importing the SDKs with the providers would take"
            f" {sdks} more; it is done in a thread, at the first call to that cloud.",
        ),
    ]  # fmt: skip


def _load(clouds: Sequence[Cloud], used: Cloud) -> Load:
    names = ",".join(cloud.name for cloud in clouds)
    packages = ",".join(package for cloud in clouds for package in cloud.sdk)
    argv = [sys.executable, "-m", "tests.bench.loading", names, packages, used.door]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    if done.returncode != 0:
        raise RuntimeError(f"loading the providers failed:\n{done.stderr[-2000:]}")
    return Load(**json.loads(done.stdout))
