"""Read what a decision about the node's addresses rests on."""

from __future__ import annotations

from dataclasses import replace

from moorage_kube.cache.store import Store
from moorage_node_agent.link.choose import Wish
from moorage_node_agent.model import NEVER, Claim, Observed, Policy
from moorage_node_agent.projections import View
from moorage_node_agent.proxy import ProxyHealth
from moorage_node_agent.settings import NodeAgentSettings
from moorage_node_agent.state import Hands, by_address, clock


class Observer:
    """Reads the claims, the kernel and what is remembered; never asks the API server."""

    def __init__(
        self, settings: NodeAgentSettings, hands: Hands, claims: Store[View], proxy: ProxyHealth
    ) -> None:
        self._state, self._hands = hands.state, hands
        self._claims, self._proxy = claims, proxy
        self._policy: Policy = settings.policy()
        self._default = Wish(settings.interface, settings.interface_pattern)
        self._rate = float(settings.announce_rate)

    def observe(self) -> Observed:
        """The node as it is now."""
        state, now = self._state, clock()
        if state.looked_at != NEVER and now - state.looked_at > self._policy.valid:
            # Stopped, frozen or starved: the kernel has let go, and others may have taken over.
            state.void_before, state.dirty = now, True
        self._refill(now)
        state.last_pass = state.looked_at = now
        # Until this pass has decided.
        state.kept = None
        self._hands.look(now)
        # After the time was taken: what is heard from here on is for this pass to answer.
        self._hands.listen()
        views = (view.claim for view in self._claims.values())
        wished = (self._wished(claim) for claim in views if claim is not None)
        claims, doubled = by_address(wished)
        state.claims = claims
        return Observed(
            now=now,
            read_at=state.read_at,
            claims=tuple(claims.values()),
            links=state.links,
            policy=self._policy,
            void_before=state.void_before,
            held=dict(state.held),
            untagged=state.untagged,
            memory=dict(state.memory),
            proxy=self._proxy.healthy,
            healthy_ports=self._proxy.healthy_ports,
            lease_at=state.lease_at,
            refreshed_at=state.refreshed_at,
            budget=int(state.tokens),
            doubled=doubled,
        )

    def _refill(self, now: float) -> None:
        state = self._state
        passed = self._rate if state.last_pass == NEVER else self._rate * (now - state.last_pass)
        state.tokens = min(self._rate, state.tokens + passed)

    def _wished(self, claim: Claim) -> Claim:
        """With the agent's own choice of a link, where the claim has none."""
        wish = claim.wish
        if wish.loopback or wish.name or wish.pattern:
            return claim
        default = self._default if self._default.name else Wish(pattern=self._default.pattern)
        return replace(claim, wish=default)
