"""How long nodes have been saying that they cannot have an address, by this process's own clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from moorage_external_ip.placement.model import ClaimView, Tried
from moorage_external_ip.placement.trouble import TROUBLES, TRY_AGAIN_SECONDS


class Memory:
    """Since when; a new process begins anew."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._troubled: dict[str, tuple[str, float]] = {}
        self._tried: dict[str, dict[Tried, float]] = {}

    def forget(self, claim: str) -> None:
        """It is gone."""
        self._troubled.pop(claim, None)
        self._tried.pop(claim, None)

    def troubled_seconds(self, claim: ClaimView) -> float | None:
        """For how long the node of a claim has been in trouble; ``None`` = it is in none now.

        That it asks again between two refusals does not end it.
        """
        report = claim.reports.get(claim.node)
        if claim.every_node or report is None or report.state == "Announced":
            self._troubled.pop(claim.name, None)
            return None
        if report.state not in TROUBLES:
            return None
        node, since = self._troubled.get(claim.name, ("", 0.0))
        if node != claim.node:
            since = self._clock()
            self._troubled[claim.name] = (claim.node, since)
        return self._clock() - since

    def still_tried(self, name: str, tried: Iterable[Tried]) -> tuple[Tried, ...]:
        """Those of them that said no not too long ago."""
        known, now = self._tried.pop(name, {}), self._clock()
        seen = {one: known.get(one, now) for one in tried}
        if seen:
            self._tried[name] = seen
        return tuple(one for one, since in seen.items() if now - since < TRY_AGAIN_SECONDS)
