"""What a decision about the place of an address rests on, and what may be done; values only."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import TypeAlias

from moorage_domain.label_selectors import Selector
from moorage_domain.subject import Subject

IpAddress: TypeAlias = IPv4Address | IPv6Address
IpInterface: TypeAlias = IPv4Interface | IPv6Interface


class Life(enum.Enum):
    """What is known of a node's agent by its Lease; judged by our own clock."""

    UNKNOWN = "unknown"
    """This process has not watched for a whole lease yet: nobody is live or dead."""
    LIVE = "live"
    LATE = "late"
    """Half of the lease has passed without a renewal: keeps what it has, and gets nothing."""
    HELD = "held"
    """Its agent said that it restarts: nothing of it is moved, and it gets nothing."""
    LOST = "lost"
    """Its lease has ended, and so has what it held."""
    NONE = "none"
    """No agent of this node has a Lease."""


class Proxy(enum.Enum):
    """What an agent says of the service proxy of its node."""

    HEALTHY = "Healthy"
    UNHEALTHY = "Unhealthy"
    UNCHECKED = "Unchecked"


class Rank(enum.IntEnum):
    """How good the best endpoint of a service on a node is."""

    UNREADY = 0
    """There is one, and it gets no traffic."""
    TERMINATING = 1
    """Ending, and still serving: traffic goes there where nothing is ready."""
    READY = 2


@dataclass(frozen=True, slots=True)
class Link:
    """One link of a node.

    Attributes:
        mac: its hardware address, ``""`` = it has none.
        carrier: something is at its other end.
        subnets: its addresses with their lengths.
        problem: why another link would answer for it, ``""`` = nothing is wrong.
    """

    name: str
    mac: str = ""
    carrier: bool = True
    subnets: tuple[IpInterface, ...] = ()
    problem: str = ""

    def reaches(self, address: IpAddress) -> bool:
        """Whether one of its subnets has the address."""
        return any(address in subnet.network for subnet in self.subnets)


@dataclass(frozen=True, slots=True)
class Agent:
    """The Lease of a node's agent.

    Attributes:
        holder: the instance that writes it.
        renewed: ``spec.renewTime`` as it is written: that it changes is what counts.
        lease_seconds: so long without a change is the end of its lease.
        hold_seconds: nothing is moved before so many seconds after the last change; 0 = no hold.
        longest_hold: how many it would ask for; 0 = it does not say.
        draining: it leaves for good.
        links: ``None`` = what it says cannot be read.
    """

    node: str
    holder: str = ""
    renewed: str = ""
    lease_seconds: float = 5.0
    hold_seconds: float = 0.0
    longest_hold: float = 0.0
    draining: bool = False
    proxy: Proxy = Proxy.UNCHECKED
    links: tuple[Link, ...] | None = ()

    def renews_into(self, other: Agent) -> bool:
        """Whether the other one says nothing new."""
        return replace(self, renewed="") == replace(other, renewed="")


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One Node.

    Attributes:
        leaving: the first taint that says that it is about to vanish or is lost, ``""`` = none.
        cordoned: no new pods are scheduled on it.
        network_unavailable: its condition of this name is True.
    """

    name: str
    uid: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    leaving: str = ""
    cordoned: bool = False
    network_unavailable: bool = False


@dataclass(frozen=True, slots=True)
class NodeView:
    """All that is known of a node.

    Attributes:
        facts: ``None`` = there is no Node of this name.
        agent: as its Lease was last; ``None`` = there is none.
        proxy_failing: the proxy has been unhealthy for longer than a restart takes.
    """

    name: str
    facts: NodeFacts | None = None
    agent: Agent | None = None
    life: Life = Life.NONE
    proxy_failing: bool = False

    @property
    def macs(self) -> tuple[str, ...]:
        """Hardware addresses of its links, in their order; each once."""
        links = (self.agent.links if self.agent else None) or ()
        return tuple(dict.fromkeys(link.mac for link in links if link.mac))


@dataclass(frozen=True, slots=True)
class Preference:
    """Nodes that are taken rather than others; ``weight`` 1 to 100."""

    weight: int
    selector: Selector


@dataclass(frozen=True, slots=True)
class PoolRules:
    """What a pool says of the place of its addresses; the default is that of no pool."""

    selector: Selector = field(default_factory=Selector)
    preferences: tuple[Preference, ...] = ()
    ignore_exclude_label: bool = False


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What an agent says of a claim; ``state`` as on the wire."""

    state: str
    mac: str = ""
    message: str = ""
    since: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """A node that an address was on, and what it said instead of taking it."""

    node: str
    state: str
    mac: str = ""
    message: str = ""
    since: str = ""

    def __str__(self) -> str:
        return f"{self.node}: {self.state}" + (f": {self.message}" if self.message else "")


@dataclass(frozen=True, slots=True)
class ClaimView:
    """One IpClaim.

    Attributes:
        address: ``None`` = ``spec.cidr`` is none.
        node: ``spec.nodeName``, ``""`` = on none.
        nodes: ``spec.nodeNames``, with EveryNode.
        label: value of the label ``ipnode``, ``""`` = absent.
        previous: the node that had the address before, ``""`` = none.
        previous_macs: hardware addresses of that one.
        allocated: whether the address is the claim's own; ``None`` = nobody has said so yet.
        tried: nodes that it left since they could not have it, the latest last.
        announced: some node has had it.
    """

    subject: Subject
    address: IpAddress | None
    text: str = ""
    pool: str = ""
    every_node: bool = False
    node: str = ""
    nodes: tuple[str, ...] = ()
    label: str = ""
    interface: str = ""
    interface_pattern: str = ""
    reports: Mapping[str, NodeReport] = field(default_factory=dict)
    previous: str = ""
    previous_macs: tuple[str, ...] = ()
    allocated: bool | None = True
    tried: tuple[Tried, ...] = ()
    announced: bool = False

    @property
    def name(self) -> str:
        """Its name."""
        return self.subject.name

    @property
    def holders(self) -> tuple[str, ...]:
        """Nodes that shall have the address."""
        if self.every_node:
            return self.nodes
        return (self.node,) if self.node else ()


@dataclass(frozen=True, slots=True)
class LocalUse:
    """A Service with external traffic policy Local that uses a claim.

    Attributes:
        key: ``namespace/name``.
        ranks: the best endpoint on each node that has any.
        nameless: some endpoint gets traffic and says no node, and none that says one does.
    """

    key: str
    ranks: Mapping[str, Rank] = field(default_factory=dict)
    nameless: bool = False

    def rank(self, node: str) -> Rank:
        """The best endpoint on this node."""
        return Rank.READY if self.nameless else self.ranks.get(node, Rank.UNREADY)

    @property
    def anywhere(self) -> bool:
        """Whether any endpoint gets traffic."""
        return self.nameless or any(rank > Rank.UNREADY for rank in self.ranks.values())


class NodeFilter(enum.Enum):
    """How one of several nodes is chosen."""

    FAIR = "fair"
    FIRST_ALIVE = "first-alive"


@dataclass(frozen=True, slots=True)
class Observed:
    """One claim and all that its place depends on.

    Attributes:
        nodes: by name; a view.
        loads: how many addresses each node has, with those that are on their way; a view.
        local: the Services with policy Local, the oldest first.
        others: whether some Service without policy Local uses it, or none is known at all.
        selector: of all nodes that may have addresses, by a setting.
        held: too many leases ended at once, so nothing is moved off lost nodes for now.
        starting: this process has not watched for a whole lease yet.
        unseen_seconds: for how much longer its node, if that has no Lease, may hold the address:
            the Lease may have been deleted before this process began; 0 = no longer.
        troubled_seconds: for how long the node that should have it has been saying that it cannot;
            ``None`` = it does not say so now.
    """

    claim: ClaimView
    nodes: Mapping[str, NodeView]
    loads: Mapping[str, int]
    pool: PoolRules = field(default_factory=PoolRules)
    local: tuple[LocalUse, ...] = ()
    others: bool = True
    selector: Selector = field(default_factory=Selector)
    node_filter: NodeFilter = NodeFilter.FAIR
    held: bool = False
    starting: bool = False
    unseen_seconds: float = 0.0
    troubled_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Assign:
    """Write where the address shall be.

    Attributes:
        node: ``""`` = on none.
        nodes: with EveryNode: on these.
        every_node: whether the label says so.
        previous: who had it until now, ``""`` = what stands there stays.
        macs: hardware addresses of those who may answer a probe.
    """

    node: str = ""
    nodes: tuple[str, ...] = ()
    every_node: bool = False
    previous: str = ""
    macs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"put it on {', '.join(self.nodes or (self.node,)) or 'no node'}"


@dataclass(frozen=True, slots=True)
class ForgetReports:
    """Take out of the status what nodes have said that are gone."""

    nodes: tuple[str, ...]

    def __str__(self) -> str:
        return f"forget what {', '.join(self.nodes)} said"


PlacementAction: TypeAlias = "Assign | ForgetReports"
