"""Observe: one claim and all that concerns it; from the caches only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from moorage_api.ipallocation import DEFAULT_NETWORK
from moorage_api.ipclaim import POOL_LABEL
from moorage_external_ip.caches import Caches
from moorage_external_ip.claim.model import ClaimObserved
from moorage_external_ip.projections import Claim, Use
from moorage_external_ip.service.fields import open_ports
from moorage_ipam.allocations import Allocations


class ClaimObserver:
    """Reads the caches for the controller of claims."""

    def __init__(self, caches: Caches, allocations: Allocations) -> None:
        self._caches = caches
        self._allocations = allocations

    def claim(self, key: str) -> ClaimObserved | None:
        """One claim; ``None`` = it is gone."""
        caches = self._caches
        claim = caches.claims.get(key)
        if claim is None:
            return None
        name, pool = caches.pool_of_claim(claim)
        network = pool.spec.network if pool else self._known_network(claim)
        address = claim.address
        return ClaimObserved(
            claim=claim,
            records=caches.given.records_of(network, address) if address is not None else (),
            pool=name,
            in_pool=pool is not None and address is not None and pool.has(address),
            gone=tuple(self._gone(claim)),
            heirs=tuple(self._heirs(claim)),
            fields=self._fields(claim, name),
            unsure=bool(self._allocations.unsure(claim.subject.uid)),
        )

    def network(self, claim: Claim) -> str:
        """The network that its address is in."""
        _, pool = self._caches.pool_of_claim(claim)
        return pool.spec.network if pool else self._known_network(claim)

    def _known_network(self, claim: Claim) -> str:
        """Of a claim whose pool is gone: the network of its record."""
        caches = self._caches
        own = caches.records_of(caches.records_by_owner.get(("IpClaim", claim.subject.name)))
        same = (one.network for one in own if one.address == claim.address)
        return next(same, DEFAULT_NETWORK)

    def _gone(self, claim: Claim) -> Iterator[Use]:
        """A Service of the same name with another uid is another one."""
        for use in claim.uses:
            service = self._caches.services.get(use.key)
            if service is None or (use.uid and service.subject.uid != use.uid):
                yield use

    def _heirs(self, claim: Claim) -> Iterator[Use]:
        for key in claim.seed_services:
            service = self._caches.services.get(key)
            if service is not None:
                yield service.use

    def _fields(self, claim: Claim, name: str) -> dict[str, Any]:
        """What it should say; ``{}`` = it says so."""
        view = self._caches.pools.get(name)
        labels = {POOL_LABEL: name} if name and claim.pool != name else {}
        wanted: dict[str, Any] = {}
        if view is not None and view.spec is not None and (claim.made_for or claim.uses):
            spec = view.spec
            ports = open_ports(spec, claim.uses)
            wanted |= _if(claim.placement != spec.placement, placement=spec.placement)
            wanted |= _if(claim.interface != spec.interface, interface=spec.interface)
            pattern = spec.interface_pattern
            wanted |= _if(claim.interface_pattern != pattern, interfacePattern=pattern)
            wanted |= _if(claim.ports != ports, ports=[one.to_wire() for one in ports])
        health = self._health_ports(claim.uses)
        wanted |= _if(claim.health_ports != health, healthCheckNodePorts=list(health))
        found: dict[str, Any] = {"metadata": {"labels": labels}} if labels else {}
        return found | ({"spec": wanted} if wanted else {})

    def _health_ports(self, uses: Iterable[Use]) -> tuple[int, ...]:
        services = (self._caches.services.get(one.key) for one in uses if one.local)
        return tuple(sorted({one.health_port for one in services if one and one.health_port}))


def _if(differs: bool, **fields: Any) -> dict[str, Any]:  # noqa: ANN401, FBT001 - any JSON value
    return fields if differs else {}
