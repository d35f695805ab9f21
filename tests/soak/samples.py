"""The resources of a process at one moment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """One controller; ``at`` in seconds of the machine's monotonic clock."""

    at: float
    leads: bool
    rss_mib: float
    fds: int
    threads: int
    tasks: int
