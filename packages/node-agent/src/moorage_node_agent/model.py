"""What decisions about the addresses of a node rest on, and what they remember."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from moorage_domain.families import Address
from moorage_node_agent.link.choose import Wish
from moorage_node_agent.link.model import Holding, Link

NEVER = float("-inf")
Macs = frozenset[str]
Port = tuple[str, int]
"""Protocol (``TCP``, ``UDP``, ``SCTP``) and number."""


class State(enum.Enum):
    """What this node says about an address; the values are those of the claim's status."""

    ANNOUNCED = "Announced"
    PROBING = "Probing"
    CONFLICT = "Conflict"
    WAITING_FOR_PROXY = "WaitingForProxy"
    NO_LINK = "NoLink"
    REFUSED = "Refused"
    YIELDED = "Yielded"


@dataclass(frozen=True, slots=True)
class Claim:
    """One address that this node shall have.

    Attributes:
        name: of the IpClaim.
        ports: only these are let through; empty = everything is.
        health_ports: ports of this node that say whether it has endpoints.
        previous: hardware addresses of the node that had it last.
    """

    name: str
    uid: str
    address: Address
    wish: Wish = field(default_factory=Wish)
    ports: frozenset[Port] = frozenset()
    health_ports: tuple[int, ...] = ()
    previous: Macs = frozenset()


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that decide. Times are in seconds.

    Attributes:
        valid: how long an address lives in the kernel without a refresh.
        valid_at_first: the same of one that was just added. The Lease may have been renewed a whole
            pause before; the next renewal, at most so much later, brings the rest.
        refresh: between refreshes, where no renewal of the Lease brings one before.
        withdraw: whether all is let go when the Lease cannot be renewed; else only what another
            machine announces.
        withdraw_after: how long after the last renewal.
        trust: with ``withdraw``, how long after it addresses are still taken and renewed: what the
            kernel has then is gone before the Lease ends, whatever becomes of the agent.
        proxy_wait: how long an address waits for the service proxy on a move.
        announce_every: between announcements once an address is known; 0 = none are repeated.
    """

    valid: int = 3
    valid_at_first: int = 2
    refresh: float = 1.5
    withdraw: bool = False
    withdraw_after: float = 4.0
    trust: float = 0.8
    proxy_wait: float = 2.0
    announce_every: float = 30.0


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of one address between passes. Times are monotonic seconds.

    Attributes:
        since: when the claim was first seen here.
        probed_at: when it was asked who has the address; ``None`` = not yet.
        answered: the MAC that answered; ``""`` = none did.
        added_at: when it was put on a link, or found there; ``None`` = it is on none.
        was_here: it was on a link before, for the same claim.
        burst_at: since when it is announced often.
        announced: how many times since then.
        announced_at: when last.
        heard: a MAC of another machine that announced the address while it was here.
        heard_at: when.
        yielded: the MAC for which it was let go; ``""`` = it was not.
        yielded_at: when.
        tries: probes in a row that found another holder, or adds that the kernel refused.
        retry_at: nothing is tried before.
        refused: what the kernel said to the last try; ``""`` = it took the address.
        told_proxy: it was taken although the proxy is not healthy.
    """

    since: float
    probed_at: float | None = None
    answered: str = ""
    added_at: float | None = None
    was_here: bool = False
    burst_at: float = NEVER
    announced: int = 0
    announced_at: float = NEVER
    heard: str = ""
    heard_at: float = NEVER
    yielded: str = ""
    yielded_at: float = NEVER
    tries: int = 0
    retry_at: float = NEVER
    refused: str = ""
    told_proxy: bool = False


@dataclass(frozen=True, slots=True)
class NodeState:
    """What this node says about an address, for the claim's status.

    Attributes:
        mac: of the link that has it; with a conflict, or when yielded, of the other machine.
        unready: it was taken although the service proxy is not healthy.
    """

    state: State
    link: str = ""
    mac: str = ""
    message: str = ""
    unready: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """The node at one moment. Times are monotonic seconds.

    Attributes:
        read_at: when the list of claims was asked for that is the last whole one.
        void_before: what was read or believed before then counts for nothing: the agent did not
            run for longer than addresses live.
        claims: those that name this node, one for each address.
        held: addresses with our tag, by the indexes of the links that have them.
        untagged: addresses of the node that are not ours.
        proxy: whether the service proxy is healthy; ``None`` = it is not asked.
        healthy_ports: the health check ports that answer that there is an endpoint.
        lease_at: when the last renewal of the Lease that succeeded was begun.
        refreshed_at: when lives were last begun anew.
        budget: how many addresses may be announced now.
        doubled: claims of an address that another claim has: their names, and that one's.
    """

    now: float
    read_at: float
    claims: tuple[Claim, ...]
    links: tuple[Link, ...]
    policy: Policy = field(default_factory=Policy)
    void_before: float = NEVER
    held: Mapping[Address, tuple[int, ...]] = field(default_factory=dict)
    untagged: frozenset[Address] = frozenset()
    memory: Mapping[Address, Memory] = field(default_factory=dict)
    proxy: bool | None = None
    healthy_ports: frozenset[int] = frozenset()
    lease_at: float = NEVER
    refreshed_at: float = NEVER
    budget: int = 1000
    doubled: Mapping[str, str] = field(default_factory=dict)

    @property
    def trusted(self) -> bool:
        """Whether what is taken or renewed now is gone from the kernel before the Lease ends."""
        return not self.policy.withdraw or self.now - self.lease_at <= self.policy.trust

    def holdings(self) -> tuple[Holding, ...]:
        """All addresses with our tag."""
        return tuple(
            Holding(address, index) for address, indexes in self.held.items() for index in indexes
        )
