"""Whether so many nodes are lost at once that the fault is the network's or ours, not theirs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from moorage_core.model import Observed
from moorage_domain.nodes import Node

# Below three nodes a single failure is already the majority, so no conclusion can be drawn from it.
SMALLEST_POOL_THAT_CAN_FREEZE = 3
# Failures within this time may have one cause.
TOGETHER_SECONDS = 300.0
# When Kubernetes' node lifecycle controller calls a zone disrupted (--unhealthy-zone-threshold, and
# more than two nodes), or where nothing in it is Ready.
DISRUPTED_SHARE = 0.55
DISRUPTED_NODES = 2


@dataclass(frozen=True, slots=True)
class _Lost:
    """A node that is NotReady or gone, since an uptime; zone ``None`` = that is not known."""

    since: float
    zone: str | None


def mass_failure(observed: Observed, pool: Iterable[Node]) -> str:
    """Why the pool's lost nodes are not believed, in plain words; ``""`` = they are.

    Only what went down together counts: a node that has been broken for days says nothing about the
    next one. A deleted Node object counts no longer than it may take to come back. A zone that
    fails is a failure like any other, as long as another zone of the pool is healthy.
    """
    nodes = tuple(pool)
    not_ready = [_not_ready(node, observed) for node in nodes if not node.ready]
    gone = list(_gone_lately(observed))
    down = _most_together([one.since for one in (*not_ready, *gone)])
    size = len(nodes) + len(gone)
    if size < SMALLEST_POOL_THAT_CAN_FREEZE or down * 2 <= size:
        return ""
    zones = {node.zone for node in nodes} | {one.zone for one in gone if one.zone is not None}
    if len(zones) > 1 and not all(_is_disrupted(zone, nodes, not_ready, gone) for zone in zones):
        return ""
    where = ", in every zone" if len(zones) > 1 else ""
    return f"{down} of {size} nodes of the pool are NotReady or gone at once{where}; nothing moves"


def _is_disrupted(
    zone: str, nodes: Iterable[Node], not_ready: Iterable[_Lost], gone: Iterable[_Lost]
) -> bool:
    """Whether a zone is not healthy, whenever its nodes were lost.

    A vanished node whose zone nobody remembers may have been in any.
    """
    gone_there = sum(1 for one in gone if one.zone in (zone, None))
    lost = sum(1 for one in not_ready if one.zone == zone) + gone_there
    size = sum(1 for node in nodes if node.zone == zone) + gone_there
    return lost == size or (lost > DISRUPTED_NODES and lost >= DISRUPTED_SHARE * size)


def _not_ready(node: Node, observed: Observed) -> _Lost:
    return _Lost(observed.not_ready_since.get(node.uid, observed.uptime), node.zone)


def _gone_lately(observed: Observed) -> Iterator[_Lost]:
    """Vanished nodes that held an address, or from which one is being moved."""
    # Whether or not a move has begun: else its beginning would end the freeze, and so on.
    uids = {ref.uid for record in observed.records for ref in record.places}
    uids &= observed.gone_since.keys()
    lately = observed.uptime - observed.allocation.gone_after - TOGETHER_SECONDS
    for uid in uids:
        if observed.gone_since[uid] > lately:
            yield _Lost(observed.gone_since[uid], observed.gone_zones.get(uid))


def _most_together(moments: list[float]) -> int:
    """How many of these moments lie within the time that counts as together, at most."""
    moments = sorted(moments)
    return max(
        (
            sum(1 for other in moments[index:] if other - first <= TOGETHER_SECONDS)
            for index, first in enumerate(moments)
        ),
        default=0,
    )
