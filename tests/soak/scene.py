"""What a part of Moorage is to a soak: where its controllers run, its trouble, who looks on."""

from __future__ import annotations

import os
import re
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from moorage_testing.processes import Command, Run

from .growth import Pooled
from .judged import Row

PROGRAM = Path(__file__).with_name("counted.py")
# Shorter than the defaults, so that the next leader has time before it is killed.
LEASE_FLAGS = ("--lease-duration", "10", "--lease-renew-deadline", "8", "--lease-retry", "1")


class Site(Protocol):
    """Where controllers run."""

    @property
    def run(self) -> Run:
        """What their processes belong to."""

    @property
    def calls(self) -> re.Pattern[str]:
        """In their metrics: calls that count here, by outcome, and how many."""

    def command(self, name: str, port: int) -> Command:
        """A controller of this name, its metrics on this port."""

    def lease_holder(self) -> str:
        """The name of the controller that leads, ``""``: none."""


class Scene(Protocol):
    """One part, set up, and the trouble that it has to live through."""

    @property
    def site(self) -> Site:
        """Where its controllers run."""

    @property
    def rest(self) -> str:
        """What being at rest means, for people."""

    @property
    def pooled(self) -> Pooled:
        """What a controller keeps."""

    def sizes(self) -> Mapping[str, object]:
        """What it is measured with, for the file."""

    def watchers(self) -> Sequence[Coroutine[Any, Any, None]]:
        """What looks on for as long as the soak takes."""

    async def begin(self) -> None:
        """What is there before there is trouble."""

    def fail(self) -> None:
        """From now on a share of calls fails."""

    def heal(self) -> None:
        """No call fails any more."""

    async def churn(self) -> None:
        """Cause trouble until ``end_churn`` is called; afterwards there is none."""

    def end_churn(self) -> None:
        """Cause no more."""

    async def unsettled(self) -> list[str]:
        """What is not at rest now."""

    @property
    def changes(self) -> int:
        """How many changes were seen."""

    def progress(self) -> str:
        """How far it is, in a few words."""

    def rows(self) -> list[Row]:
        """What went wrong, by all that was seen."""

    def trouble(self, calls: Sequence[Mapping[str, float]]) -> tuple[bool, str]:
        """Whether there was trouble, and which; ``calls`` of each controller by outcome."""


def asyncio_threads() -> int:
    """So many threads has a process whose event loop's own pool is full."""
    return 1 + min(32, (os.cpu_count() or 1) + 4)
