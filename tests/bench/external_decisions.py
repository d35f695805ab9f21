"""What the decisions about external addresses cost, from caches in memory (EI)."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from moorage_domain.families import Address
from moorage_external_ip.caches import Caches
from moorage_external_ip.names import claim_name
from moorage_external_ip.placement.caches import Caches as PlacementCaches
from moorage_external_ip.placement.decide import decide as decide_place
from moorage_external_ip.placement.leases import AGENT_LABEL, LINKS, PREFIX
from moorage_external_ip.placement.model import Assign
from moorage_external_ip.placement.observe import Choice, Observer
from moorage_external_ip.service.actions import MakeClaims, Take
from moorage_external_ip.service.decide import decide as decide_service
from moorage_external_ip.service.observe import ServiceObserver
from moorage_external_ip.settings import ExternalIpSettings
from moorage_ipam.records import Owner, PoolRef, body_of

from .report import step
from .rows import NO_SEED, Row

DECISIONS_TARGET_SECONDS = 1.0
GROWTH_TARGET = 2.0
"""Each of ten times as many may cost so many times as much; a logarithm grows by a third or so."""
_POOL, _NETWORK, _LENGTH = "lab", "default", 16
_CLASS = "moorage.dev/external-ip"
_NODES = 10
_MANY_NODES = 100
_REPEATS = 3
Raw = dict[str, Any]


@dataclass
class Town:
    """Caches with Services, a pool and live nodes, and the CPU seconds of what was decided."""

    services: int
    nodes: int
    now: float = 1000.0
    allocation_seconds: float = 0.0
    placement_seconds: float = 0.0
    given: list[Address] = field(default_factory=list)
    _version: int = 0

    def __post_init__(self) -> None:
        self.caches = caches = Caches(ExternalIpSettings.model_validate({}))
        self.placement = PlacementCaches(caches, lambda: self.now)
        self._observer = ServiceObserver(caches, lambda _: False, lambda _: 0.0)
        self._placer = Observer(self.placement, Choice(), lambda: self.now)
        spec = {"cidr": "10.0.0.0/16"}
        caches.pools.apply(self._raw(_POOL, spec=spec))
        for number in range(self.nodes):
            self._node(f"n{number:03}", number)
        self.placement.leases.synced = True
        for _ in range(2):
            self.placement.liveness.advance()
            self.now += 5.1
            self._renew()
        self.placement.liveness.advance()
        for number in range(self.services):
            caches.services.apply(self._service(number))

    def run(self) -> None:
        """Decide about every Service and every claim, as if each write was answered at once."""
        for number in range(self.services):
            self._serve(f"shop/s{number:05}", number)
        counts = [
            len(self.placement.claims_by_holder.get(f"n{one:03}")) for one in range(self.nodes)
        ]
        if len(set(self.given)) != self.services or max(counts) - min(counts) > 1:
            raise AssertionError("an address was given twice, or nodes have not equally many")

    def _serve(self, key: str, number: int) -> None:
        begun = time.process_time()
        observed = self._observer.service(key)
        plan = decide_service(observed) if observed else None
        pool = self.caches.given.get(_POOL)
        chosen = self.caches.given.choose(pool, f"choice for {key}", key) if pool else None
        self.allocation_seconds += time.process_time() - begun
        if plan is None or plan.actions != (Take(_POOL), MakeClaims()) or chosen is None:
            raise AssertionError(f"{key}: {plan}")
        self.given.append(chosen)
        claim = self._bind(key, number, chosen)
        begun = time.process_time()
        place = self._placer.claim(claim)
        placed = decide_place(place) if place else None
        self.placement_seconds += time.process_time() - begun
        (action,) = placed.actions if placed else (None,)
        if not isinstance(action, Assign) or not action.node:
            raise AssertionError(f"{claim}: {placed}")
        self._claim(claim, key, number, chosen, node=action.node)

    def _bind(self, key: str, number: int, address: Address) -> str:
        name = claim_name(address, _LENGTH)
        owner = Owner("ipcontroller.ext/v1", "IpClaim", "", name, f"u-{name}")
        body = body_of(_NETWORK, address, owner, self._ref, "2026-01-01T00:00:00Z")
        meta = body["metadata"] | {"uid": f"u-{address}", "resourceVersion": self._next()}
        self.caches.records.apply(body | {"metadata": meta})
        self.caches.given.let_go(_NETWORK, address, f"choice for {key}")
        self._claim(name, key, number, address)
        return name

    @property
    def _ref(self) -> PoolRef:
        pool = self.caches.given.get(_POOL)
        if pool is None:
            raise AssertionError("the pool is gone")
        return pool.spec.ref

    def _claim(self, name: str, key: str, number: int, address: Address, node: str = "") -> None:
        namespace, _, service = key.partition("/")
        use: Raw = {"namespace": namespace, "name": service, "uid": f"u-{number}"}
        use |= {"sharingKey": "", "ports": [{"protocol": "TCP", "port": 80}]}
        labels = {"ip-pool-name": _POOL} | ({"ipnode": node} if node else {})
        spec = {"cidr": f"{address}/{_LENGTH}", "services": [use], "nodeName": node}
        allocated = {"type": "Allocated", "status": "True", "reason": "InPool", "message": ""}
        raw = self._raw(name, spec=spec, status={"conditions": [allocated]})
        raw["metadata"] |= {"labels": labels, "annotations": {"moorage.dev/made-for": key}}
        self.caches.claims.apply(raw)

    def _service(self, number: int) -> Raw:
        spec = {"type": "LoadBalancer", "loadBalancerClass": _CLASS, "ipFamilies": ["IPv4"]}
        ports = [{"protocol": "TCP", "port": 80}]
        address = f"172.{16 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
        raw = self._raw(f"s{number:05}", spec=spec | {"ports": ports, "clusterIPs": [address]})
        created = f"2026-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"
        raw["metadata"] |= {"namespace": "shop", "uid": f"u-{number}", "creationTimestamp": created}
        return raw

    def _node(self, name: str, number: int) -> None:
        self.placement.node_facts.apply(self._raw(name, spec={}))
        self._lease(name, number)

    def _renew(self) -> None:
        for number in range(self.nodes):
            self._lease(f"n{number:03}", number)

    def _lease(self, name: str, number: int) -> None:
        mac = f"02:00:00:00:00:{number:02x}"
        link = {"name": "eth0", "mac": mac, "carrier": True, "subnets": [f"10.0.255.{number}/16"]}
        spec = {"leaseDurationSeconds": 5, "renewTime": self._next()}
        raw = self._raw(f"{PREFIX}{name}", spec=spec)
        raw["metadata"] |= {
            "labels": {AGENT_LABEL: "true"},
            "annotations": {LINKS: json.dumps([link])},
        }
        self.placement.leases.apply(raw)

    def _raw(self, name: str, **fields: Any) -> Raw:
        return {
            "metadata": {"name": name, "uid": f"u-{name}", "resourceVersion": self._next()}
        } | fields

    def _next(self) -> str:
        self._version += 1
        return str(self._version)


def decision_rows(services: int) -> list[Row]:
    """EI: what deciding costs, without any API server."""
    few = max(1, services // 10)
    with step(f"decisions about {services:,} Services"):
        small, big = _fastest(few, _NODES), _fastest(services, _NODES)
        # Once: with as many nodes it takes its time, and is a note.
        wide = Town(services, _MANY_NODES)
        wide.run()
    each = big.allocation_seconds / services, big.placement_seconds / services
    before = small.allocation_seconds / few, small.placement_seconds / few
    growth = max(now / then for now, then in zip(each, before, strict=True))
    how = f"CPU; from caches to plan and address, the fastest of {_REPEATS} runs. "
    return [
        Row(
            "EIa", f"{services:,} addresses chosen, one /16", DECISIONS_TARGET_SECONDS,
            big.allocation_seconds, "s", NO_SEED,
            how + f"{each[0] * 1e6:,.0f} us for each Service.",
        ),
        Row(
            "EIb", f"{services:,} nodes chosen, of {_NODES}", DECISIONS_TARGET_SECONDS,
            big.placement_seconds, "s", NO_SEED,
            how + f"{each[1] * 1e6:,.0f} us for each claim; every node is looked at for each, so"
            f" with {_MANY_NODES} it takes {wide.placement_seconds:.1f} s.",
        ),
        Row(
            "EIc", f"cost of one, {services:,} per {few:,} Services", GROWTH_TARGET, growth, "x",
            NO_SEED, "of the two the one that grows more; with the square it would be 10.",
        ),
    ]  # fmt: skip


def _fastest(services: int, nodes: int) -> Town:
    """Of some runs, the one with the least CPU seconds."""
    runs = [Town(services, nodes) for _ in range(_REPEATS)]
    for one in runs:
        one.run()
    return min(runs, key=lambda one: one.allocation_seconds + one.placement_seconds)
