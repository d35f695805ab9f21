"""The controller's own cost: time until it is ready, and memory (T8)."""

from __future__ import annotations

from .fleet import Fleet
from .options import Options
from .rows import NO_SEED, Row

MEMORY_TARGET_MIB = 200.0
READY_TARGET_SECONDS = 10.0


def start_rows(fleet: Fleet, options: Options) -> list[Row]:
    """Call it last: the memory is measured after all other rows."""
    size = f"{options.nodes:,} nodes, {options.pods:,} pods"
    cloud = fleet.cloud.cloud
    now, peak = fleet.memory_mib()
    return [
        Row(
            "T8d", f"controller RSS, {size}", MEMORY_TARGET_MIB, now, "MiB", NO_SEED,
            f"at the end of this run, the SDK of {cloud.title} loaded; {peak:.0f} MiB at most,"
            " before that. The seed was not run.",
            cloud.name,
        ),
        Row(
            "T8e", f"process start -> ready, {size}", READY_TARGET_SECONDS, fleet.ready_seconds,
            "s", NO_SEED,
            "until /readyz answers 200, imports included; all addresses were bound"
            f" {fleet.bound_seconds:.1f} s later, which is the speed of the emulated"
            f" {cloud.title}, too.",
            cloud.name,
        ),
    ]  # fmt: skip
