"""One certain address: whether a Service may have it, from which pool, and who else has it."""

from __future__ import annotations

from moorage_domain.families import Address, Family
from moorage_external_ip.caches import Caches, named_by_service
from moorage_external_ip.names import claim_name, named_address
from moorage_external_ip.pool.spec import prefix_of, why_not_for
from moorage_external_ip.projections import CLAIM_KIND, Claim, parsed
from moorage_external_ip.service.model import Wanted
from moorage_external_ip.service.sharing import why_not_shared
from moorage_external_ip.service.wish import Service
from moorage_ipam.records import Phase


class Wants:
    """Answers about addresses and pools, from the caches only."""

    def __init__(self, caches: Caches) -> None:
        self._caches = caches

    def wanted(self, service: Service, address: Address, *, by_hand: bool = False) -> Wanted:
        """An address that a Service asks for; ``by_hand``: in spec.externalIPs."""
        pool, refused = self._pool_for(service, address, by_hand=by_hand)
        claim = self._claim(address)
        forbidden = self.forbidden(address)
        if claim is not None and not forbidden:
            across = self.across_namespaces(self._caches.pool_of_claim(claim)[0])
            why_not = why_not_shared(claim, service.use, across_namespaces=across)
            if not claim.uses and not claim.made_for and not claim.seed_services:
                why_not = f"IpClaim {claim.subject.name} was made by a person"
            return Wanted(address, pool, refused, claim, why_not)
        used_by = self._user(service, address, pool)
        return Wanted(address, pool, forbidden or refused, None, "", used_by)

    def remembered(self, service: Service, family: Family) -> Wanted | None:
        """An address of the family that the Service's status says, or that we added to its spec."""
        added = (parsed(text) for text in service.added)
        for address in (*sorted(service.addresses, key=str), *added):
            if address is not None and address.family is family:
                found = self.wanted(service, address)
                if not found.refused:
                    return found
                if not self.forbidden(address) and (former := self._former(address)) is not None:
                    return former
        return None

    def _former(self, address: Address) -> Wanted | None:
        """An address that no pool gives any more, and whose claim was lost: its record is there."""
        caches = self._caches
        for record in caches.records_of(caches.records_by_address.get(address)):
            owner, pool = record.owner, record.pool.name if record.pool else ""
            given = caches.given.get(pool)
            is_lost = owner is not None and owner.kind == CLAIM_KIND and record.phase is Phase.BOUND
            if not is_lost or given is None or given.spec.network != record.network:
                continue
            if self._claim(address) is None:
                return Wanted(address, pool)
        return None

    def why_not(self, service: Service, name: str) -> str:
        """Why a pool may not give a Service an address by itself; ``""`` = it may."""
        view = self._caches.pools.get(name)
        if view is None or view.spec is None:
            return "it is gone"
        if view.subject.deleting:
            return "it is being deleted"
        if service.pools and name not in service.pools:
            return "the Service asks for other pools"
        if not service.pools and not view.spec.auto_assign:
            return "it gives addresses only to Services that name it"
        labels = self._caches.namespaces.get(service.namespace) or {}
        return why_not_for(view.spec, service.namespace, labels, service.labels)

    def across_namespaces(self, name: str) -> bool:
        """Whether Services of two namespaces may share addresses of a pool."""
        view = self._caches.pools.get(name)
        return view is not None and view.spec is not None and view.spec.share_across_namespaces

    def shared(self, service: Service, family: Family) -> Claim | None:
        """A claim of the Service's sharing key that it may use, and that its pools give it."""
        if not service.sharing_key:
            return None
        caches = self._caches
        for name in sorted(caches.claims_by_key.get(service.sharing_key)):
            claim = caches.claims.get(name)
            if claim is None or claim.address is None or claim.subject.deleting or claim.taken:
                continue
            pool, _ = caches.pool_of_claim(claim)
            across = self.across_namespaces(pool)
            fits = claim.address.family is family and caches.waiting.admits(service, pool)
            if fits and not why_not_shared(claim, service.use, across_namespaces=across):
                return claim
        return None

    def forbidden(self, address: Address) -> str:
        """Why no Service may ever have an address; ``""`` = it is no node's and no pod's."""
        for name, node in self._caches.nodes.items():
            if address in node.addresses:
                return f"it is an address of Node {name}"
        if why := self._caches.kept.why(address):
            return why
        for user in self._caches.cluster_ips.get(address):
            return f"it is an address of Service {user} within the cluster"
        return ""

    def _pool_for(self, service: Service, address: Address, *, by_hand: bool) -> tuple[str, str]:
        """The pool that an address is taken from, and why not."""
        caches = self._caches
        names = sorted((n for n, p in caches.given.items() if p.has(address)), key=caches.order)
        refused = "no pool has it"
        for name in names:
            why_not = self._why_not_from(service, name, by_hand=by_hand)
            if not why_not:
                return name, ""
            refused = f"pool {name}: {why_not}"
        return (names[0] if names else ""), refused

    def _why_not_from(self, service: Service, name: str, *, by_hand: bool) -> str:
        view = self._caches.pools.get(name)
        if view is None or view.spec is None or view.subject.deleting:
            return "it is being deleted"
        if by_hand and not view.spec.allow_external_ips:
            return "it does not allow spec.externalIPs"
        if service.pools and name not in service.pools:
            return "the Service asks for other pools"
        labels = self._caches.namespaces.get(service.namespace) or {}
        return why_not_for(view.spec, service.namespace, labels, service.labels)

    def _claim(self, address: Address) -> Claim | None:
        names = sorted(self._caches.claims_by_address.get(address))
        return self._caches.claims.get(names[0]) if names else None

    def _user(self, service: Service, address: Address, name: str) -> str:
        """Who else has an address of which there is no claim; ``""`` = nobody has."""
        pool = self._caches.given.get(name)
        if pool is None:
            return ""
        network = pool.spec.network
        records = self._caches.given.records_of(network, address)
        for record in records:
            if record.phase is Phase.QUARANTINED:
                return "it was released, and its reuse delay is not over"
            owner = record.owner
            if owner is None:
                return "a person has reserved it"
            # Of a claim that is gone the address may be had again; there is none, or it were found.
            if owner.kind != CLAIM_KIND or named_address(owner.name) != address:
                return f"it belongs to {owner}"
            request = owner.reservation.request if owner.reservation else service.subject.uid
            if request != service.subject.uid:
                return "it is being given to another Service"
        own = {named_by_service(service.key), *(f"IPAllocation {one.name}" for one in records)}
        others = sorted(self._caches.given.users(network, address) - own)
        return f"{others[0]} has it" if others else ""

    def claim_name(self, address: Address, pool: str) -> str:
        """Name of the claim of an address that is taken from a pool."""
        view = self._caches.pools.get(pool)
        spec = view.spec if view else None
        prefix = prefix_of(spec, address.family, self._caches.prefix_length)
        return claim_name(address, prefix)
