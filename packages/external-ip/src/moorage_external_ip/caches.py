"""Caches: what is kept of all objects, with an index for every question that is asked."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import replace

from moorage_domain.addresses import InvalidAddress
from moorage_domain.families import Address
from moorage_domain.ranges import AddressRange
from moorage_external_ip.kept import Kept, networks, of_pods, of_services, overlap
from moorage_external_ip.named import Named
from moorage_external_ip.pool.spec import has_room_for, pool_spec, ranges_of
from moorage_external_ip.projections import (
    CLAIM_KIND,
    Claim,
    NodeView,
    PoolView,
    claim_of,
    labels_of,
    node_of,
    parsed,
    pool_of,
    service_cidr_of,
)
from moorage_external_ip.service.waiting import Waiting
from moorage_external_ip.service.wish import Manners, Mode, Service, Wish, service_of, wish_of
from moorage_external_ip.settings import ExternalIpSettings
from moorage_ipam.outside import pool_in_use
from moorage_ipam.pool_logic import PoolRecords
from moorage_ipam.pools import Pool, Pools
from moorage_ipam.records import Record, record_of
from moorage_kube.cache.store import Change, Index, Store


class Caches:
    """All stores and indexes, and the pools that follow from them."""

    def __init__(self, settings: ExternalIpSettings) -> None:
        self.kept = Kept(settings.reserved())
        """Networks of which no address is ever given."""
        self._manners = Manners(settings.load_balancer_class, settings.serve_without_class)
        self._settings = settings
        self.services: Store[Service] = Store(service_of)
        self.claims: Store[Claim] = Store(claim_of)
        self.pools: Store[PoolView] = Store(pool_of)
        self.records: Store[Record] = Store(record_of)
        self.nodes: Store[NodeView] = Store(node_of)
        self.namespaces: Store[Mapping[str, str]] = Store(labels_of)
        self.service_cidrs: Store[tuple[AddressRange, ...]] = Store(service_cidr_of)
        self._index_claims()
        self._index_services()
        self.records_by_request = Index(self.records, _request)
        self.records_by_pool = Index(self.records, lambda one: (one.pool,) if one.pool else ())
        self.bound_by_pool = Index(self.records, pool_in_use)
        self.records_by_address = Index(self.records, lambda one: (one.address,))
        self.records_by_owner = Index(self.records, _owner)
        # Which address comes next is nobody's secret.
        self.given = Pools(self.records, random.Random())  # noqa: S311  # spreads load only
        self.pool_records = PoolRecords(
            self.given, self.records, self.records_by_pool, self.bound_by_pool
        )
        self.named = Named(self.given)
        self.waiting = Waiting(self)
        self.problems: dict[str, str] = {}
        """Why a pool gives nothing away, by its name."""
        self.on_kept: list[Callable[[str], None]] = []
        """Called with the name of each pool of which networks of the cluster changed something."""
        self._subscribe()

    def _subscribe(self) -> None:
        self.pools.subscribe(self._pool_changed)
        self.claims.subscribe(self._claim_changed)
        self.services.subscribe(self._service_changed)
        self.nodes.subscribe(self._node_changed)
        self.service_cidrs.subscribe(self._service_cidr_changed)

    def _index_claims(self) -> None:
        self.claims_by_uid = Index(self.claims, lambda claim: claim.uids)
        self.claims_by_key = Index(self.claims, _sharing_keys)
        self.claims_by_address = Index(self.claims, _address)
        self.claims_by_pool = Index(self.claims, lambda claim: (claim.pool,) if claim.pool else ())
        self.claims_by_seed = Index(self.claims, lambda claim: claim.seed_services)

    def _index_services(self) -> None:
        self.keys_by_uid = Index(self.services, lambda service: (service.subject.uid,))
        self.cluster_ips = Index(self.services, lambda service: service.cluster_ips)
        """Keys of Services by their addresses within the cluster."""
        self.services_by_address = Index(self.services, self._named_by_service)

    @property
    def prefix_length(self) -> int:
        """In names of claims of IPv4 addresses whose pool has no cidr."""
        return self._settings.prefix_length

    def service(self, key: str) -> Service | None:
        """A Service; what the first version wrote into its spec.externalIPs counts as ours."""
        service = self.services.get(key)
        if service is None or service.added or not service.external:
            return service
        if service.type != "LoadBalancer" and not service.auto:
            return service
        added = tuple(text for text in service.external if self._is_seeded(service, text))
        return replace(service, added=added) if added else service

    def _is_seeded(self, service: Service, text: str) -> bool:
        """Whether an address was put into a Service's spec by the first version."""
        address = parsed(text)
        if address is None:
            return False
        for key in self.claims_by_address.get(address):
            claim = self.claims.get(key)
            if claim is None:
                continue
            # Once it is adopted: of a LoadBalancer its status says the same.
            adopted = service.key == claim.made_for and service.type != "LoadBalancer"
            if adopted or service.key in claim.seed_services:
                return True
        specs = (view.spec for view in self.pools.values() if view.spec is not None)
        return any(text in spec.allocated for spec in specs)

    def wish(self, service: Service) -> Wish:
        """What a Service asks for."""
        wish = wish_of(service, self._manners)
        without = service.load_balancer_class is None and not service.auto
        if wish.mode is Mode.STATUS and without and self._is_served_by_others(service):
            return Wish(Mode.NONE)
        return wish

    def claims_of(self, uid: str) -> tuple[Claim, ...]:
        """Claims that a Service uses, in the order of their names."""
        found = (self.claims.get(key) for key in sorted(self.claims_by_uid.get(uid)))
        return tuple(claim for claim in found if claim is not None)

    def records_of(self, keys: Iterable[str]) -> tuple[Record, ...]:
        """The records of these names, in the order of their names."""
        found = (self.records.get(key) for key in sorted(keys))
        return tuple(record for record in found if record is not None)

    def reserved_for(self, uid: str) -> tuple[Record, ...]:
        """Records that wait for a claim of a Service; where the claim is there, it takes them."""
        found = self.records_of(self.records_by_request.get(uid))
        return tuple(one for one in found if one.owner and one.owner.name not in self.claims)

    def pool_of(self, address: Address) -> str:
        """Name of the first pool that has an address; ``""`` = none has."""
        names = (name for name, pool in self.given.items() if pool.has(address))
        return min(names, key=self.order, default="")

    def order(self, name: str) -> tuple[int, str]:
        """Pools are asked in this order."""
        view = self.pools.get(name)
        return (view.spec.priority if view and view.spec else 0), name

    def _allocated_by(self, text: str) -> str:
        views = ((name, view.spec) for name, view in self.pools.items())
        return next((name for name, spec in views if spec and text in spec.allocated), "")

    def is_ours(self, address: Address) -> bool:
        """Whether an address is one of our pools, or was given by one that has it no more."""
        if has_room_for(self.given, address):
            return True
        owners = (one.owner for one in self.records_of(self.records_by_address.get(address)))
        return any(owner is not None and owner.kind == CLAIM_KIND for owner in owners)

    def pool_of_claim(self, claim: Claim) -> tuple[str, Pool | None]:
        """The pool that a claim names, else the one that has its address; ``""`` = neither.

        The first version lost the name; which pool it was stands in that pool's ``allocated``.
        """
        name = claim.pool
        if not name and claim.address is not None:
            name = self._allocated_by(str(claim.address)) or self.pool_of(claim.address)
        return name, self.given.get(name)

    def _is_served_by_others(self, service: Service) -> bool:
        """Whether a Service without a class has addresses, and none of them is of our pools."""
        if not service.ingress or self.claims_by_uid.get(service.subject.uid):
            return False
        return not any(map(self.is_ours, service.addresses))

    def _pool_changed(self, change: Change[PoolView]) -> None:
        key, new = change.key, change.new
        if change.old is not None and new is not None and change.old.spec == new.spec:
            return
        self._put_pool(key, new)

    def _put_pool(self, key: str, view: PoolView | None) -> None:
        """What a pool gives away now; ``None`` = it is gone."""
        self.problems.pop(key, None)
        try:
            if view is None:
                self.given.remove(key)
                return
            spec = pool_spec(view, self.kept)
            # Before anything can be given: what others have of the network.
            self.named.add_network(spec.network)
            self.given.put(key, spec)
        except InvalidAddress as error:
            self.problems[key] = str(error)
            self.given.remove(key)

    def _claim_changed(self, change: Change[Claim]) -> None:
        address = change.new.address if change.new else None
        self.named.set(f"{CLAIM_KIND} {change.key}", (address,) if address else ())

    def _service_changed(self, change: Change[Service]) -> None:
        new = change.new
        there = new.addresses | new.cluster_ips if new else ()
        self.named.set(named_by_service(change.key), there)

    def _node_changed(self, change: Change[NodeView]) -> None:
        new = change.new
        self.named.set(f"Node {change.key}", new.addresses if new else ())
        self._keep(of_pods(change.key), networks(new.pod_cidrs) if new else ())

    def _service_cidr_changed(self, change: Change[tuple[AddressRange, ...]]) -> None:
        self._keep(of_services(change.key), change.new or ())

    def _keep(self, user: str, ranges: tuple[AddressRange, ...]) -> None:
        """Pools that have addresses of a network that came or went are made anew."""
        changed = self.kept.set(user, ranges)
        for key, view in self.pools.items() if changed else ():
            its = ranges_of(view)
            if any(overlap(one, other) for one in its for other in changed):
                self._put_pool(key, view)
                for listener in self.on_kept:
                    listener(key)

    def _named_by_service(self, service: Service) -> Iterator[Hashable]:
        """Addresses that a Service asks for, lists or has: it looks again when they change."""
        yield from service.addresses
        # By the object alone: an index finds what it put in by what it was told then.
        slots = wish_of(service, self._manners).slots
        yield from (slot.asked for slot in slots if slot.asked is not None)


def named_by_service(key: str) -> str:
    """Who uses an address that the status of a Service says."""
    return f"Service {key}"


def _sharing_keys(claim: Claim) -> Iterator[Hashable]:
    yield from (one.sharing_key for one in claim.uses if one.sharing_key)


def _address(claim: Claim) -> Iterable[Hashable]:
    return (claim.address,) if claim.address is not None else ()


def _request(record: Record) -> Iterable[Hashable]:
    """The Service that a record waits for a claim for."""
    owner = record.owner
    if owner is None or owner.kind != CLAIM_KIND or owner.reservation is None:
        return ()
    return (owner.reservation.request,)


def _owner(record: Record) -> Iterable[Hashable]:
    return ((record.owner.kind, record.owner.name),) if record.owner is not None else ()
