"""A network segment in memory: kernels that forget, agents that decide, and one controller."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from moorage_domain.families import Address, parse_address
from moorage_domain.plans import Plan
from moorage_node_agent.actions import (
    Action,
    Add,
    Announce,
    Probe,
    Refresh,
    Remember,
    Remove,
    Reread,
    Restrict,
)
from moorage_node_agent.decide import decide
from moorage_node_agent.decide.address import heard
from moorage_node_agent.link.choose import Wish
from moorage_node_agent.link.model import Holding, Link
from moorage_node_agent.model import NEVER, Claim, Memory, NodeState, Observed, Policy, State

STEP = 0.05
LEASE = 5.0
RENEW = 1.0
LATE = 1.2
"""So much later than asked for a kernel removes an address, at worst."""
SETTLED = {"Refresh", "Restrict", "Remember"}


@dataclass
class World:
    """What all nodes share: the time, the dice, and what the API server has."""

    dice: random.Random
    policy: Policy
    deadly: float = 0.001
    """How likely an agent is killed after any one action."""
    now: float = 1000.0
    placed: dict[Address, str] = field(default_factory=dict)
    previous: dict[Address, frozenset[str]] = field(default_factory=dict)
    said: dict[tuple[Address, str], NodeState] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    leaving: dict[Address, str] = field(default_factory=dict)

    def send(self, sender: Node, address: Address) -> None:
        """Everybody else hears that the sender has an address."""
        for node in self.nodes:
            if node is not sender:
                node.inbox.append((address, sender.link.mac))

    def who_answers(self, asking: Node, address: Address) -> None:
        """Every kernel that has the address answers, also under an agent that is frozen or dead."""
        for node in self.nodes:
            if node is not asking and address in node.kernel:
                asking.inbox.append((address, node.link.mac))

    def holders(self, address: Address) -> list[Node]:
        """The nodes whose kernels have it."""
        return [node for node in self.nodes if address in node.kernel]


@dataclass
class Node:
    """A node: its kernel goes on whatever its agent does."""

    world: World
    name: str
    link: Link
    kernel: dict[Address, float] = field(default_factory=dict)
    inbox: list[tuple[Address, str]] = field(default_factory=list)
    alive: bool = True
    frozen: bool = False
    cut: bool = False
    renewed_at: float = NEVER
    """As the controller saw it."""
    view: dict[Address, frozenset[str]] = field(default_factory=dict)
    memory: dict[Address, Memory] = field(default_factory=dict)
    states: dict[Address, NodeState] = field(default_factory=dict)
    read_at: float = NEVER
    void_before: float = NEVER
    last_pass: float = NEVER
    lease_at: float = NEVER
    refreshed_at: float = NEVER
    begun_at: float = NEVER
    started_at: float = 0.0
    last: Plan[Action] | None = None
    kept: tuple[Holding, ...] | None = None
    due_at: float = NEVER
    seen: dict[Address, frozenset[str]] = field(default_factory=dict)
    """The view of the last pass."""

    def start(self) -> None:
        """A new process: it remembers nothing, and has not listed the claims yet."""
        self.alive, self.frozen = True, False
        self.memory, self.states, self.view, self.inbox = {}, {}, {}, []
        self.read_at = self.void_before = self.last_pass = self.lease_at = NEVER
        self.refreshed_at = self.begun_at = self.due_at = NEVER
        self.kept = None
        self.started_at = self.world.now

    def step(self) -> None:
        """What passes in one moment."""
        now = self.world.now
        self.kernel = {one: end for one, end in self.kernel.items() if end > now}
        if not self.alive or self.frozen:
            self.inbox = self.inbox[-50:] if self.alive else []
            return
        if not self.cut:
            self._watch()
        if self.read_at == NEVER:
            return
        self._renew()
        # As the agent does: where nothing is new and nothing due, renewals need no pass.
        changed = self.view != self.seen or self.inbox or self._has_not_run()
        if changed or self.kept is None or self.world.now >= self.due_at:
            self._look()
        self.last_pass = self.world.now

    def _watch(self) -> None:
        """What the API server shows, now or a little later."""
        if self.world.dice.random() < 0.5:
            return
        mine = {one for one, node in self.world.placed.items() if node == self.name}
        self.view = {one: self.world.previous.get(one, frozenset()) for one in mine}
        if self.read_at == NEVER:
            self.read_at = self.world.now
        known = {one for one, node in self.world.said if node == self.name}
        for address in known | self.states.keys():
            state = self.states.get(address)
            if state is None:
                self.world.said.pop((address, self.name), None)
            else:
                self.world.said[address, self.name] = state

    def _renew(self) -> None:
        now = self.world.now
        if self.last_pass == NEVER or now - self.begun_at < RENEW - 1e-9:
            return
        self.begun_at = now
        if self.kept is not None and not self._has_not_run():
            self._put(Refresh(self.kept), self.kept)
        else:
            self.refreshed_at, self.due_at = NEVER, now
        if not self.cut:
            self.lease_at = self.renewed_at = now

    def _has_not_run(self) -> bool:
        world = self.world
        return self.last_pass != NEVER and world.now - self.last_pass > world.policy.valid

    def _look(self) -> None:
        world = self.world
        if self._has_not_run():
            self.void_before = world.now
        self.kept, self.seen = None, self.view
        claims = {
            one: Claim(str(one), "u", one, Wish(), previous=macs) for one, macs in self.view.items()
        }
        for address, mac in self.inbox:
            if address in claims and address in self.memory:
                after = heard(self.memory[address], claims[address], mac, world.now)
                self.memory[address] = after
        self.inbox = []
        observed = Observed(
            now=world.now, read_at=self.read_at, claims=tuple(claims.values()), links=(self.link,),
            policy=world.policy, void_before=self.void_before,
            held=dict.fromkeys(self.kernel, (self.link.index,)), memory=dict(self.memory),
            lease_at=self.lease_at, refreshed_at=self.refreshed_at,
        )  # fmt: skip
        self.last = decide(observed)
        self.due_at = world.now + (self.last.wait.total_seconds() if self.last.wait else 0.0)
        for action in self.last.actions:
            self._act(action)
            if world.dice.random() < world.deadly:
                self.alive = False  # killed between two actions
                return

    def _act(self, action: Action) -> None:
        match action:
            case Remove(holdings):
                gone = {one.address for one in holdings}
                self.kernel = {one: end for one, end in self.kernel.items() if one not in gone}
            case Refresh(holdings) | Add(holdings):
                self._put(action, holdings)
            case Probe(targets) | Announce(targets):
                self._send(action, [address for address, _ in targets])
            case Remember():
                self._remember(action)
            case Reread():
                self._reread()
            case Restrict():
                pass

    def _send(self, action: Action, addresses: list[Address]) -> None:
        reach = self.world.who_answers if isinstance(action, Probe) else self.world.send
        for address in addresses:
            reach(self, address)

    def _remember(self, action: Remember) -> None:
        self.memory, self.kept = dict(action.memory), action.kept
        by_name = {str(one): one for one in (*self.view, *self.states)}
        self.states = {by_name[name]: said for name, said in action.states.items()}

    def _put(self, action: Action, holdings: tuple[Holding, ...]) -> None:
        seconds = self.world.policy.valid_at_first
        if isinstance(action, Refresh):
            self.refreshed_at, seconds = self.world.now, self.world.policy.valid
        end = self.world.now + seconds + self.world.dice.uniform(0, LATE)
        self.kernel |= {one.address: end for one in holdings}

    def _reread(self) -> None:
        if self.cut or self.world.dice.random() < 0.5:
            return
        mine = {one for one, node in self.world.placed.items() if node == self.name}
        self.view = {one: self.world.previous.get(one, frozenset()) for one in mine}
        self.read_at = self.world.now


class Controller:
    """Places addresses as the real one does: on live nodes only, after another has let go."""

    def __init__(self, world: World) -> None:
        self._world = world

    def live(self) -> list[Node]:
        now = self._world.now
        return [node for node in self._world.nodes if now - node.renewed_at <= LEASE]

    def step(self) -> None:
        world, live = self._world, self.live()
        names = {node.name for node in live}
        for address, name in list(world.placed.items()):
            if not live:
                return
            old = world.leaving.get(address, name)
            if name and name not in names:
                self._place(address, name, live)
            elif not name and (old not in names or (address, old) not in world.said):
                self._place(address, old, live)

    def move(self, address: Address) -> None:
        """Begin a graceful move: the old node lets go first.

        Only of an address that the node has said it has: of one that said nothing yet, silence
        does not mean that it let go.
        """
        world = self._world
        if (address, world.placed[address]) in world.said:
            world.leaving[address] = world.placed[address]
            world.placed[address] = ""

    def _place(self, address: Address, old: str, live: list[Node]) -> None:
        world = self._world
        others = [node for node in live if node.name != old] or live
        macs = frozenset(node.link.mac for node in world.nodes if node.name == old)
        world.previous[address] = macs
        world.placed[address] = world.dice.choice(others).name
        world.leaving.pop(address, None)


def new_world(seed: int, policy: Policy, *, nodes: int = 3, addresses: int = 3) -> World:
    """Nodes that all live, and addresses that nobody has yet."""
    world = World(random.Random(seed), policy)
    for number in range(1, nodes + 1):
        link = Link(2, "eth0", f"02:00:00:00:00:{number:02x}", subnets=(f"10.0.0.{number}/24",))
        world.nodes.append(Node(world, f"n{number}", link))
    for number in range(addresses):
        address = parse_address(f"10.0.0.{100 + number}")
        world.placed[address] = ""
    return world


def at_rest(world: World) -> bool:
    """Every address is where it is placed, and no agent wants to do anything about it."""
    for address, name in world.placed.items():
        if [node.name for node in world.holders(address)] != [name]:
            return False
        said = world.said.get((address, name))
        if said is None or said.state is not State.ANNOUNCED:
            return False
    return all(
        type(action).__name__ in SETTLED
        for node in world.nodes
        if node.last is not None
        for action in node.last.actions
    )


def without_announcements(policy: Policy) -> Policy:
    """So that nothing is ever due at rest."""
    return replace(policy, announce_every=0.0)
