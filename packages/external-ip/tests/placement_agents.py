"""Simulated agents: they renew Leases, hold addresses as their claims say, and can break."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moorage_api.ipclaim import EVERY_NODE, IPCLAIMS, NODE_LABEL
from moorage_external_ip.placement import leases
from moorage_kube.client.kinds import LEASES, resource_path
from moorage_testing.apiserver import ApiServer

NS = "moorage"
Raw = dict[str, Any]


@dataclass
class Agent:
    """One node's agent and kernel.

    What it holds lasts for ``lifetime`` seconds after it was last refreshed, as the kernel has it;
    a dead agent refreshes nothing.

    Attributes:
        held: by claim, until when the kernel keeps the address.
        skew: seconds by which its clock is wrong.
        sees_api: whether it can reach the API server; it goes on refreshing where it cannot.
        refuses: what it says instead of taking an address, by claim; of ``""``: of all others.
        alive: whether its process runs; a frozen one is not, and comes back with what it believed.
        others: all agents on the network, by node: who has an address answers when it is asked for.
    """

    server: ApiServer
    node: str
    links: list[Raw]
    renew: float = 1.0
    lease: float = 5.0
    lifetime: float = 4.2
    proxy: str = "Healthy"
    draining: bool = False
    hold: float = 0.0
    longest_hold: float = 30.0
    skew: float = 0.0
    alive: bool = True
    died_at: float = 0.0
    sees_api: bool = True
    held: dict[str, float] = field(default_factory=dict)
    others: Mapping[str, Agent] = field(default_factory=dict)
    _answered: set[str] = field(default_factory=set)
    refuses: dict[str, Raw] = field(default_factory=dict)
    _count: int = 0
    _saw: bool = False
    _beat_at: float = 0.0
    _timer: asyncio.TimerHandle | None = None

    @property
    def path(self) -> str:
        return resource_path(LEASES, NS, f"{leases.PREFIX}{self.node}")

    def start(self) -> None:
        """Begin, as a new instance."""
        self.alive, self.hold, self.draining = True, 0.0, False
        self._count += 1
        self._cancel()
        self._saw = False
        # Agents do not renew at the same moments.
        first = sum(self.node.encode()) % 10 * self.renew / 10
        self._timer = asyncio.get_running_loop().call_later(first, self._beat)

    def kill(self) -> None:
        """It is gone or frozen; what it holds runs out."""
        self.alive = False
        self.died_at = _now()
        self._cancel()

    def say(self) -> None:
        """Write the Lease now, as it does where something changed."""
        if not (self.alive and self.sees_api):
            return
        said = {
            leases.LINKS: json.dumps(self.links),
            leases.PROXY: self.proxy,
            leases.DRAINING: "true" if self.draining else "",
            leases.HOLD_SECONDS: f"{self.hold:g}" if self.hold else "",
            leases.LONGEST_HOLD: f"{self.longest_hold:g}",
        }
        self.server.put(
            LEASES,
            f"{leases.PREFIX}{self.node}",
            NS,
            metadata={
                "name": f"{leases.PREFIX}{self.node}",
                "namespace": NS,
                "uid": f"uid-lease-{self.node}",
                "labels": {leases.AGENT_LABEL: "true"},
                "annotations": {key: value for key, value in said.items() if value},
            },
            spec={
                "holderIdentity": f"{self.node}-{self._count}",
                "leaseDurationSeconds": self.lease,
                "renewTime": f"{_now() + self.skew:.6f}",
            },
        )

    def restart_gracefully(self, hold: float, *, shown: bool = True) -> None:
        """It stores a hold, lengthens the lifetimes to just under it, and ends.

        ``shown``: watches hear of it. Where the hold cannot be stored, nothing is lengthened.
        """
        if not self.sees_api:
            self.kill()
            return
        self.hold = hold
        if shown:
            self.say()
        else:
            raw = self.server.objects[self.path]
            notes = raw["metadata"]["annotations"] | {leases.HOLD_SECONDS: f"{hold:g}"}
            meta = raw["metadata"] | {"annotations": notes}
            self.server.objects[self.path] = raw | {"metadata": meta}
        for claim in self.held:
            self.held[claim] = _now() + hold - 1.0
        self.kill()

    def drain(self) -> None:
        """It is leaving for good, and stays until its claims have moved."""
        self.draining = True
        self.say()

    def cut_off(self, seconds: float) -> None:
        """It cannot reach the API server for a while; then its watch goes on from where it was."""
        self.sees_api = False

        def heal() -> None:
            self.sees_api = True
            self.look()

        asyncio.get_running_loop().call_later(seconds, heal)

    def holds(self, claim: str) -> bool:
        """Whether the kernel answers for the address of a claim."""
        return self.held.get(claim, 0.0) > _now()

    def cannot_let_go(self, claim: str) -> bool:
        """Whether it holds an address, and nobody may believe that it hears of anything.

        Of one that died a moment ago that cannot be known: until it is missed it counts as told.
        """
        if not self.holds(claim) or self.alive:
            return False
        return self.hold > 0 or _now() - self.died_at > self.lease * 0.7

    def look(self) -> None:
        """Read all claims, as it does when it begins."""
        if self.alive and self.sees_api:
            names = [raw["metadata"]["name"] for raw in self.server.all_of(IPCLAIMS)]
            for claim in dict.fromkeys((*self.held, *names)):
                self.look_at(claim)

    def look_at(self, claim: str) -> None:
        """Hold or let go of what one claim is about; called when a watch shows a change of it."""
        if not (self.alive and self.sees_api):
            return
        raw = self.server.find(IPCLAIMS, claim)
        if raw is None or not self._mine(raw):
            if self.held.pop(claim, None) is not None:
                self._report(claim, None)
            return
        if said := self.refuses.get(claim) or self.refuses.get(""):
            self.held.pop(claim, None)
            if (raw.get("status") or {}).get("nodes", {}).get(self.node) != said:
                self._report(claim, said)
            return
        if claim not in self.held:
            if self._is_answered(claim, raw):
                self._answered.add(claim)
                self._report(claim, {"state": "Conflict", "mac": "02:00:00:00:00:ee"})
                return
            link = self.links[0] if self.links else {}
            self._report(claim, {"state": "Announced", "mac": link.get("mac", "")})
        # No longer than the others: else it would outlive the lease of an agent that dies now.
        self.held[claim] = self._beat_at + self.lifetime

    def _beat(self) -> None:
        self._beat_at = _now()
        self.say()
        if self.sees_api and not self._saw:
            self.look()
        self._saw = self.sees_api
        answered, self._answered = self._answered, set()
        for claim in answered:
            self.look_at(claim)
        for claim in self.held:
            # Also where the API is out of reach.
            self.held[claim] = _now() + self.lifetime
        self._timer = asyncio.get_running_loop().call_later(self.renew, self._beat)

    def _is_answered(self, claim: str, raw: Raw) -> bool:
        """Whether somebody has the address who is not known to have had it before."""
        previous = (raw["spec"].get("previous") or {}).get("nodeName")
        every = raw["spec"].get("placement") == EVERY_NODE
        strangers = (one for one in self.others.values() if one.node not in (self.node, previous))
        return not every and any(one.holds(claim) and not one.alive for one in strangers)

    def _mine(self, raw: Raw) -> bool:
        label = (raw["metadata"].get("labels") or {}).get(NODE_LABEL)
        every = label == EVERY_NODE and self.node in (raw["spec"].get("nodeNames") or ())
        return label == self.node or every

    def _report(self, claim: str, said: Raw | None) -> None:
        if self.server.find(IPCLAIMS, claim) is not None:
            path = resource_path(IPCLAIMS, None, claim, "status")
            self.server.request("PATCH", path, {"status": {"nodes": {self.node: said}}})

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def _now() -> float:
    return asyncio.get_running_loop().time()
