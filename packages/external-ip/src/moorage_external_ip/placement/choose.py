"""Choose: which nodes may get an address, and which of them does; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from moorage_external_ip.placement.model import (
    LocalUse,
    NodeFilter,
    NodeView,
    Observed,
    Rank,
)
from moorage_external_ip.placement.rules import Case, Obstacle, obstacle


@dataclass(frozen=True, slots=True)
class Candidates:
    """Nodes that may get an address.

    Attributes:
        ready: with a ready endpoint of every Service that counts, or where none asks for one.
        ending: where some Service has only endpoints that end and still serve.
        served: Services with policy Local that these nodes have endpoints of.
        unserved: those that have endpoints, and none on a node with the others'.
        removed: how many nodes each obstacle takes out.
    """

    ready: tuple[NodeView, ...]
    ending: tuple[NodeView, ...] = ()
    served: tuple[LocalUse, ...] = ()
    unserved: tuple[LocalUse, ...] = ()
    removed: Mapping[Obstacle, int] | None = None

    @property
    def best(self) -> tuple[NodeView, ...]:
        """Those with ready endpoints, else those with ending ones."""
        return self.ready or self.ending

    def __str__(self) -> str:
        """Which rule removed how many, as in ``of 3 nodes 2 are not live, 1 is draining``."""
        removed = self.removed or {}
        total = sum(removed.values()) + len(self.best)
        if not total:
            return "there are no nodes"
        parts = [_counted(count, why) for why, count in removed.items()]
        return f"of {total} nodes " + ", ".join(parts)


def candidates(observed: Observed, holder: NodeView | None = None) -> Candidates:
    """All nodes that may get the address of the claim.

    ``holder`` has it now and may stay: its endpoints count, whether it could get it now or not.
    """
    removed: Counter[Obstacle] = Counter()
    free: list[NodeView] = []
    for node in observed.nodes.values():
        found = obstacle(Case(node, observed))
        if found is None:
            free.append(node)
        else:
            removed[found] += 1
    names = dict.fromkeys(node.name for node in (*free, *((holder,) if holder else ())))
    served, unserved = together(observed.local, names)
    # What only Services with policy Local use is of no use where none of them is served.
    useless = bool(observed.local) and not observed.others and not served
    ranked = [] if useless else [(rank_of(served, node.name), node) for node in free]
    ready = tuple(node for rank, node in ranked if rank is Rank.READY)
    ending = tuple(node for rank, node in ranked if rank is Rank.TERMINATING)
    if without := len(free) - len(ready) - (0 if ready else len(ending)):
        removed[Obstacle.NO_ENDPOINT] = without
    order = {why: removed[why] for why in Obstacle if removed[why]}
    return Candidates(ready, ending, served, unserved, order)


def without_endpoints(observed: Observed) -> bool:
    """Whether all Services are Local and none has an endpoint that gets traffic, on any node."""
    has_local = bool(observed.local) and not observed.others
    return has_local and not any(use.anywhere for use in observed.local)


def together(
    local: Iterable[LocalUse], nodes: Iterable[str]
) -> tuple[tuple[LocalUse, ...], tuple[LocalUse, ...]]:
    """Services that one node can serve all of, the oldest first, and those for which none can.

    A Service that has no endpoint on any node counts for neither: there is nothing to serve.
    """
    left = list(nodes)
    served: list[LocalUse] = []
    unserved: list[LocalUse] = []
    for use in local:
        if not use.anywhere:
            continue
        common = [name for name in left if use.rank(name) > Rank.UNREADY]
        if common:
            left = common
            served.append(use)
        else:
            unserved.append(use)
    return tuple(served), tuple(unserved)


def rank_of(served: Iterable[LocalUse], node: str) -> Rank:
    """The worst of the best endpoints: a node is as good as for the Service it serves worst."""
    return min([use.rank(node) for use in served], default=Rank.READY)


def choose(observed: Observed, nodes: Iterable[NodeView]) -> NodeView | None:
    """The node that gets the address: the most preferred, the one with the fewest, then a hash.

    A cordoned node is the last resort: it is likely to be drained next. ``None`` = there is none.
    """
    if observed.node_filter is NodeFilter.FIRST_ALIVE:
        return min(nodes, key=lambda node: node.name, default=None)
    scored = [(_score(observed, node), node) for node in nodes]
    best = min((score for score, _ in scored), default=None)
    equals = [node for score, node in scored if score == best]
    # Where one is enough no hash is made: that costs more than all the rest.
    if len(equals) <= 1:
        return equals[0] if equals else None
    address = str(observed.claim.address)
    return min(equals, key=lambda node: blake2b(f"{address}#{node.name}".encode()).digest())


def _score(observed: Observed, node: NodeView) -> tuple[bool, int, int]:
    cordoned = node.facts is not None and node.facts.cordoned
    labels = node.facts.labels if node.facts else {}
    preferences = observed.pool.preferences
    weight = sum(one.weight for one in preferences if one.selector.fits(labels))
    return cordoned, -weight, observed.loads.get(node.name, 0)


def _counted(count: int, why: Obstacle) -> str:
    # "3 without an agent", "1 whose agent restarts", "2 are draining".
    is_phrase = why.value.startswith(("with", "whose"))
    verb = "" if is_phrase else ("is " if count == 1 else "are ")
    return f"{count} {verb}{why.value}"
