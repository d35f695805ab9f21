"""Nodes that should have an address and say that they cannot: when they are left; pure."""

from __future__ import annotations

from collections import Counter
from typing import Any

from moorage_api.ipclaim import MAX_TRIED
from moorage_external_ip.placement.model import Observed, Tried
from moorage_external_ip.placement.rules import Obstacle

TROUBLES = frozenset({"Conflict", "NoLink", "Refused", "Yielded"})
"""What an agent says that does not have the address, and does not expect to have it soon."""
CONFLICTS = frozenset({"Conflict", "Yielded"})
"""Those where another machine has it."""
MOMENT_SECONDS = 3.0
"""So long a node may say so: links come back, and who had the address before may just let go."""
TRY_AGAIN_SECONDS = 600.0
"""After so long a node that said no is asked like any other."""
_HEARD_BY = 2
"""By so many nodes the same machine was heard: it is on the segment, and others hear it, too."""


def why_rejected(observed: Observed) -> Obstacle | None:
    """``SAID_NO`` where the address should be tried elsewhere; ``None`` = it stays.

    So many nodes as a claim has room for would not all say no for reasons of their own. Where the
    node has the address as one of its own, every other one would hear it.
    """
    if not rejects(observed) or len(observed.claim.tried) >= MAX_TRIED or _has_it(observed):
        return None
    heard = Counter(one.mac for one in refusals(observed) if one.mac)
    return None if any(count >= _HEARD_BY for count in heard.values()) else Obstacle.SAID_NO


def rejects(observed: Observed) -> bool:
    """Whether the node that should have the address has said for longer than a moment that not."""
    seconds = observed.troubled_seconds
    return seconds is not None and seconds >= MOMENT_SECONDS


def is_taken(observed: Observed) -> bool:
    """Whether another machine has the address, and none of our nodes ever had it."""
    report = observed.claim.reports.get(observed.claim.node)
    answered = report is not None and report.state in CONFLICTS
    return answered and rejects(observed) and not observed.claim.announced


def refusals(observed: Observed) -> tuple[Tried, ...]:
    """What each node said that could not have it, the one that it is on last."""
    claim = observed.claim
    others = tuple(one for one in claim.tried if one.node != claim.node)
    report = claim.reports.get(claim.node)
    if report is None or not rejects(observed):
        return others
    own = Tried(claim.node, report.state, report.mac, report.message, report.since)
    return (*others, own)


def _has_it(observed: Observed) -> bool:
    node = observed.nodes.get(observed.claim.node)
    links = (node.agent.links if node and node.agent else None) or ()
    address = observed.claim.address
    return any(subnet.ip == address for link in links for subnet in link.subnets)


def tried_field(observed: Observed) -> dict[str, Any]:
    """``status.tried`` once the address leaves its node, for this reason."""
    return {"tried": [_wire(one) for one in refusals(observed)]}


def _wire(one: Tried) -> dict[str, str]:
    said = {
        "node": one.node,
        "state": one.state,
        "mac": one.mac,
        "message": one.message,
        "since": one.since,
    }
    return {key: text for key, text in said.items() if text}
