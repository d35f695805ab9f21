"""Election: what a manager asks of whatever decides who may write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol


class Election(Protocol):
    """Decides whether this process may write; a Lease, or nobody where every process may.

    :class:`moorage_kube.election.lease.LeaseElection` and
    :class:`moorage_kube.election.none.NoElection` are the two there are.
    """

    @property
    def is_leader(self) -> bool:
        """Whether this process may write now."""
        ...

    @property
    def stalled(self) -> bool:
        """Whether the loop of the election does not come round any more."""
        ...

    def fence(self) -> None:
        """Call before every write.

        Raises :class:`moorage_kube.election.lease.LeadershipLost` unless :attr:`is_leader`.
        """
        ...

    def missing(self) -> str | None:
        """Why this process is not ready as far as the election goes; ``None``: it is."""
        ...

    async def run(
        self,
        on_started: Callable[[], Awaitable[None]],
        on_stopped: Callable[[], Awaitable[None]],
    ) -> None:
        """Wait for leadership, call ``on_started`` once, and run until cancelled.

        Raises :class:`moorage_kube.election.lease.LeadershipLost` after ``on_stopped`` once
        leadership is lost, and whatever ``on_started`` raises.
        """
        ...

    async def release(self) -> None:
        """Give leadership up; for the end of a process. Never raises."""
        ...
