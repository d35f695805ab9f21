"""What the agent remembers between passes, and its hands on the node's network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from moorage_domain.families import Address
from moorage_node_agent.announce.network import Network
from moorage_node_agent.decide.address import heard
from moorage_node_agent.link.events import drain, open_events
from moorage_node_agent.link.kernel import Kernel
from moorage_node_agent.link.model import LOOPBACK, Holding, Link
from moorage_node_agent.model import NEVER, Claim, Memory, NodeState
from moorage_node_agent.namespace import Namespace

AUDIT_SECONDS = 30.0
"""So often links and addresses are read although nothing reported a change."""
_PROXY_LINK = "kube-ipvs0"
"""Here kube-proxy with IPVS puts the addresses of all Services, on every node."""


def clock() -> float:
    """Seconds that also pass while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(slots=True)
class AgentState:
    """What passes share. Times are those of :func:`clock`.

    Attributes:
        links: as last read.
        held: addresses with our tag, as last read and changed by us since.
        dirty: they are to be read again before anything is decided.
        claims: of the last pass.
        last_pass: when the last pass looked; ``NEVER`` = none has.
        looked_at: the same, and when lives were begun anew without a pass: a process that did
            neither for long has not run.
        kept: what the last pass found settled, so that lives may be begun anew without another;
            ``None`` = a pass has to decide.
        states: what the status of each claim shall say, by its name, since a pass ended.
        adopted: a first pass has ended: nothing is left that the agent before should have removed.
        tokens: announcements that may be sent now.
    """

    links: tuple[Link, ...] = ()
    held: dict[Address, tuple[int, ...]] = field(default_factory=dict)
    untagged: frozenset[Address] = frozenset()
    dirty: bool = True
    read_kernel_at: float = NEVER
    claims: dict[Address, Claim] = field(default_factory=dict)
    memory: dict[Address, Memory] = field(default_factory=dict)
    states: dict[str, NodeState] = field(default_factory=dict)
    last_pass: float = NEVER
    looked_at: float = NEVER
    kept: tuple[Holding, ...] | None = None
    read_at: float = NEVER
    void_before: float = NEVER
    refreshed_at: float = NEVER
    lease_at: float = NEVER
    adopted: asyncio.Event = field(default_factory=asyncio.Event)
    tokens: float = 0.0

    def health_ports(self) -> list[int]:
        """The health check ports of all claims."""
        return [port for claim in self.claims.values() for port in claim.health_ports]

    def own_addresses(self) -> list[str]:
        """The node's own addresses, without those of loopback and those that we brought."""
        networks = [one for link in self.links if link.name != LOOPBACK for one in link.subnets]
        return [one.partition("/")[0] for one in networks]

    def own_macs(self) -> frozenset[str]:
        """The MACs of all links of the node."""
        return frozenset(link.mac for link in self.links if link.mac)


class Hands:
    """The sockets of the agent in the node's network namespace."""

    def __init__(self, state: AgentState, path: str) -> None:
        """Open them; raises ``OSError`` where this is not allowed."""
        namespace = Namespace(path)
        self.state = state
        self.kernel = Kernel(namespace)
        self.network = Network(namespace)
        self.namespace = namespace
        self._events = open_events(namespace, self.kernel.port)
        self._loop: asyncio.AbstractEventLoop | None = None

    def look(self, now: float) -> None:
        """Read links and addresses, if they may have changed."""
        state = self.state
        self._drain()
        if not state.dirty and now - state.read_kernel_at < AUDIT_SECONDS:
            return
        state.dirty = False
        rows = self.kernel.addresses()
        state.links = self.kernel.links(rows)
        held: dict[Address, tuple[int, ...]] = {}
        for row in rows:
            if row.ours:
                held[row.address] = (*held.get(row.address, ()), row.index)
        state.held = held
        proxys = {link.index for link in state.links if link.name == _PROXY_LINK}
        state.untagged = frozenset(
            row.address for row in rows if not row.ours and row.index not in proxys
        )
        state.read_kernel_at = now

    def listen(self) -> bool:
        """Read what others say; whether it concerns an address of ours, or a link changed."""
        concerns = self._drain()
        own = self.state.own_macs()
        for one in self.network.sockets:
            for said in self.network.heard(one):
                claim = self.state.claims.get(said.address)
                memory = self.state.memory.get(said.address)
                if claim is None or memory is None or said.mac in own:
                    continue
                after = heard(memory, claim, said.mac, clock())
                concerns = concerns or after != memory
                self.state.memory[said.address] = after
        return concerns

    def wake(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        """Call back whenever something can be heard."""
        self._loop = loop
        for one in (*self.network.sockets, self._events):
            loop.add_reader(one.fileno(), callback)

    def close(self) -> None:
        """Close all sockets; nothing is heard any more."""
        for one in (*self.network.sockets, self._events):
            if self._loop is not None:
                self._loop.remove_reader(one.fileno())
        self.network.close()
        self.kernel.close()
        self._events.close()

    def _drain(self) -> bool:
        changed = drain(self._events)
        self.state.dirty = self.state.dirty or changed
        return changed


def by_address(claims: Iterable[Claim]) -> tuple[dict[Address, Claim], dict[str, str]]:
    """One claim for each address, of several the first by name; and the others, with its name."""
    found: dict[Address, Claim] = {}
    doubled: dict[str, str] = {}
    for claim in sorted(claims, key=lambda one: one.name):
        first = found.setdefault(claim.address, claim)
        if first is not claim:
            doubled[claim.name] = first.name
    return found, doubled
