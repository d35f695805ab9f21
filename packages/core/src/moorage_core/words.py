"""Words that several messages share, as a person would put them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from moorage_core.model import Allocation, Mutation
from moorage_domain.lists import names_of

_SHOWN = 3
"""Names in one message; of more only the number is told."""
_DOING = {"clear": "clearing", "give": "giving", "move": "moving", "take": "taking"}


def doing(mutation: Mutation, target: str, source: str = "") -> str:
    """What is being done with an address named before, as in "moving it to node n2"."""
    verb, _, rest = task(mutation, "it", target, source).partition(" ")
    return f"{_DOING[verb]} {rest}"


def task(mutation: Mutation, ip: str, target: str, source: str = "") -> str:
    """What is to be done, as in "move 203.0.113.10 from node n1 to node n2".

    ``target`` is the node that the address comes to, or comes off; or that gets its own again.
    ``source`` is the one that has the address, ``""`` = nobody, or it matters to nobody.
    """
    match mutation:
        case Mutation.PREPARE:
            return f"clear the interface of node {target} for {ip}"
        case Mutation.ATTACH:
            return f"give {ip} to node {target}"
        case Mutation.MOVE:
            origin = f" from node {source}" if source not in ("", target) else ""
            return f"move {ip}{origin} to node {target}"
        case Mutation.DETACH:
            return f"take {ip} off {f'node {target}' if target else 'its node'}"
        case Mutation.RESTORE:
            return f"give node {target} a public address of its own again"


def labels_of(selector: Iterable[tuple[str, str]]) -> str:
    """Labels as in "disk=ssd,pool=edge", "a=1,b=1,c=1 and 9 more labels"."""
    pairs = tuple(selector)
    more = len(pairs) - _SHOWN
    shown = ",".join(f"{key}={value}" for key, value in pairs[:_SHOWN])
    return f"{shown} and {more} more label{'s' if more > 1 else ''}" if more > 0 else shown


def pool_of(allocation: Allocation) -> str:
    """The nodes an allocation names, as in "pool=edge in zone a"; ``""`` = every node."""
    labels = ",".join(filter(None, (labels_of(allocation.selector), _allowed(allocation))))
    zones = first_of(sorted(allocation.zones))
    kind = "zones" if len(allocation.zones) > 1 else "zone"
    return " ".join(filter(None, (labels, f"in {kind} {zones}" if zones else "")))


def _allowed(allocation: Allocation) -> str:
    """What the administrator asks of nodes besides; ``""`` = nothing."""
    allowed = str(allocation.allowed_nodes)
    return f"{allowed} (--allow-nodes)" if allowed else ""


def nodes_that(names: Sequence[str], what: str) -> str:
    """As in "n1, n2 cordoned", in order, or "17 cordoned" where there are many."""
    return f"{', '.join(sorted(names)) if len(names) <= _SHOWN else len(names)} {what}"


def first_of(names: Sequence[str]) -> str:
    """As in "203.0.113.1, 203.0.113.2, 203.0.113.3 and 9 more"."""
    return names_of(names, _SHOWN)
