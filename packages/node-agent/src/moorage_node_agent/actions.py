"""What a plan of the agent can do; every action may be repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from moorage_domain.families import Address
from moorage_node_agent.link.model import Holding, Link
from moorage_node_agent.model import Memory, NodeState, Port


@dataclass(frozen=True, slots=True)
class Reread:
    """Ask for the list of claims again, in the background."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Take addresses off their links."""

    holdings: tuple[Holding, ...]


@dataclass(frozen=True, slots=True)
class Restrict:
    """Let only these ports of these addresses through; others are not restricted any more."""

    ports: Mapping[Address, frozenset[Port]]


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask on the network who has these addresses."""

    targets: tuple[tuple[Address, Link], ...]


@dataclass(frozen=True, slots=True)
class Add:
    """Put addresses on links."""

    holdings: tuple[Holding, ...]


@dataclass(frozen=True, slots=True)
class Refresh:
    """Begin the lives of addresses anew; those not named expire."""

    holdings: tuple[Holding, ...]


@dataclass(frozen=True, slots=True)
class Announce:
    """Say on the network that this node has these addresses, unless it could not take them."""

    targets: tuple[tuple[Address, Link], ...]


@dataclass(frozen=True, slots=True)
class Remember:
    """What the next pass shall know of all addresses, and what the status of each claim says.

    Attributes:
        states: by the claim's name.
        kept: what the next renewals of the Lease may begin anew without a pass; ``None`` = each
            needs one.
    """

    memory: Mapping[Address, Memory]
    states: Mapping[str, NodeState]
    kept: tuple[Holding, ...] | None = None


Action = Reread | Remove | Restrict | Probe | Add | Refresh | Announce | Remember
