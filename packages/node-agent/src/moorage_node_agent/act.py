"""Carry out the plan on the node's network; nothing here waits for the API server."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterable, Mapping

from moorage_domain.families import Address
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
from moorage_node_agent.decide.address import refused
from moorage_node_agent.firewall import Firewall
from moorage_node_agent.link.model import Holding, Link
from moorage_node_agent.metrics import NetworkMetrics
from moorage_node_agent.model import NodeState, Policy, Port, State
from moorage_node_agent.state import Hands, clock

logger = logging.getLogger(__name__)

_SAYS = {
    errno.EPERM: "the kernel allows no change of addresses: NET_ADMIN is missing",
    errno.EEXIST: "the link has the address already, and it is not ours",
    errno.ENODEV: "the link is gone",
}


class Actor:
    """Changes addresses, and says so; what the kernel refuses is remembered for that address.

    ``reread``: asks for the list of claims in the background. ``said``: called with the names of
    claims whose state changed.
    """

    def __init__(
        self,
        hands: Hands,
        firewall: Firewall,
        metrics: NetworkMetrics,
        reread: Callable[[], None],
        said: Callable[[Iterable[str]], None],
    ) -> None:
        self._hands, self._state = hands, hands.state
        self._firewall, self._metrics = firewall, metrics
        self._reread, self._said = reread, said
        self._failed: dict[Address, str] = {}

    def act(self, policy: Policy, action: Action) -> None:
        """One action; raises ``OSError`` only where the kernel answers nothing at all."""
        match action:
            case Remove(holdings):
                self._remove(holdings)
            case Refresh(holdings):
                self.refresh(holdings, policy.valid)
            case Add(holdings):
                self._add(holdings, policy.valid_at_first)
            case Restrict(ports):
                self._restrict(ports)
            case Probe() | Announce():
                self._send(action)
            case Remember():
                self._remember(action)
            case Reread():
                self._reread()

    def _send(self, action: Probe | Announce) -> None:
        send = self._probe if isinstance(action, Probe) else self._announce
        send(action.targets)

    def refresh(self, holdings: tuple[Holding, ...], valid_seconds: int) -> None:
        """Begin the lives of addresses anew."""
        state = self._state
        state.refreshed_at = clock()
        refused_now = self._hands.kernel.refresh(holdings, valid_seconds) if holdings else {}
        if refused_now:
            state.dirty = True
            logger.warning(
                "%d addresses are not refreshed: %s", len(refused_now), _text(refused_now)
            )
        self._metrics.refreshes.inc()

    def keep(self, policy: Policy) -> bool:
        """Begin the lives of what the last pass kept anew; ``False`` = a pass has to decide."""
        state, now = self._state, clock()
        if state.kept is None or state.dirty or now - state.looked_at > policy.valid:
            return False
        state.looked_at = now
        try:
            self.refresh(state.kept, policy.valid)
        except OSError as error:
            logger.warning("the kernel does not answer, so a pass looks again: %s", error)
            state.dirty = True
        return not state.dirty

    def say_all(self) -> None:
        """Have the status of every claim looked at."""
        self._said([one.name for one in self._state.claims.values()])

    def _remove(self, holdings: tuple[Holding, ...]) -> None:
        refused_now = self._hands.kernel.remove(holdings)
        held = self._state.held
        for one in holdings:
            left = tuple(index for index in held.get(one.address, ()) if index != one.index)
            held[one.address] = left
            if not left:
                del held[one.address]
        if refused_now:
            # They stay in the kernel's books at most until their lives end.
            self._state.dirty = True
            logger.error("%d addresses are not removed: %s", len(refused_now), _text(refused_now))
        self._metrics.changes.labels("remove").inc(len(holdings) - len(refused_now))

    def _add(self, holdings: tuple[Holding, ...], valid_seconds: int) -> None:
        able = [one for one in holdings if one.address not in self._failed]
        refused_now = self._hands.kernel.add(able, valid_seconds)
        for one in able:
            number = refused_now.get(one)
            if number is None:
                self._state.held[one.address] = (*self._state.held.get(one.address, ()), one.index)
            else:
                self._failed[one.address] = _SAYS.get(number, os.strerror(number))
        if refused_now:
            self._state.dirty = True
        self._metrics.changes.labels("add").inc(len(able) - len(refused_now))

    def _restrict(self, ports: Mapping[Address, frozenset[Port]]) -> None:
        try:
            self._firewall.restrict(ports)
        except OSError as error:
            # Never up without its restrictions.
            why = f"nftables does not restrict it to its ports: {error.strerror or error}"
            self._failed |= {address: why for address in ports if address not in self._state.held}
            logger.error("ports are not restricted: %s", error)  # noqa: TRY400 - no bug of ours

    def _probe(self, targets: tuple[tuple[Address, Link], ...]) -> None:
        for address, link in targets:
            if why := self._hands.network.probe(address, link):
                # Unasked is not unanswered: nothing is added.
                self._failed[address] = f"cannot ask on {link.name} who has it: {why}"

    def _announce(self, targets: tuple[tuple[Address, Link], ...]) -> None:
        for address, link in targets:
            if link.index not in self._state.held.get(address, ()):
                continue
            why = self._hands.network.announce(address, link)
            self._metrics.announcements.labels("failed" if why else "sent").inc()
        self._state.tokens -= len(targets)

    def _remember(self, action: Remember) -> None:
        state, now = self._state, clock()
        memory, states = dict(action.memory), dict(action.states)
        for address, why in self._failed.items():
            if address in memory:
                memory[address] = refused(memory[address], now, why)
                states[state.claims[address].name] = NodeState(State.REFUSED, message=why)
        state.kept = None if self._failed else action.kept
        if self._failed:
            self._failed = {}
            state.dirty = True
        changed = {
            one for one in states.keys() | state.states if states.get(one) != state.states.get(one)
        }
        state.memory, state.states = memory, states
        state.adopted.set()
        self._said(changed)


def _text(refused_now: Iterable[Holding]) -> str:
    return ", ".join(str(one.address) for one in refused_now)
