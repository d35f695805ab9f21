"""What decisions about Services and claims rest on: the usual case, a test states what differs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from moorage_domain.families import Address, parse_address
from moorage_external_ip.claim.model import ClaimObserved
from moorage_external_ip.names import claim_name
from moorage_external_ip.projections import CLAIM_KIND, MADE_FOR, Claim, claim_of
from moorage_external_ip.service.model import Observed, PoolState, SlotState, Wanted
from moorage_external_ip.service.wish import Manners, Service, service_of, wish_of
from moorage_ipam.records import Owner, Phase, Record, Reservation, record_name

NS = "shop"
CLASS = "moorage.dev/external-ip"
MANNERS = Manners(CLASS, without_class=True)
UID = "u-web"


def address(text: str) -> Address:
    return parse_address(text)


def service(name: str = "web", uid: str = UID, **fields: Any) -> Service:
    """A Service of type LoadBalancer and of our class; ``notes`` are its annotations."""
    meta = {"name": name, "namespace": NS, "uid": uid} | fields.pop("meta", {})
    meta["annotations"] = fields.pop("notes", {})
    status = fields.pop("status", {})
    spec = {"type": "LoadBalancer", "loadBalancerClass": CLASS, "ipFamilies": ["IPv4"]}
    spec |= {"ports": [{"port": 80}]} | fields
    return service_of({"metadata": meta, "spec": spec, "status": status})


def claim(text: str = "10.0.0.1", *users: Service, ready: bool = False, **changes: Any) -> Claim:
    """A claim that these Services use."""
    conditions = [{"type": "Ready", "status": "True"}] if ready else []
    name = claim_name(address(text), 24)
    meta = {"name": name, "uid": f"u-{name}", "labels": {"ip-pool-name": "pool"}}
    meta["annotations"] = {MADE_FOR: f"{NS}/web"}
    spec = {"cidr": f"{text}/24", "services": [one.use.to_wire() for one in users]}
    found = claim_of({"metadata": meta, "spec": spec, "status": {"conditions": conditions}})
    return replace(found, **changes)


def record(text: str = "10.0.0.1", **changes: Any) -> Record:
    """The record of a claim's address."""
    name = claim_name(address(text), 24)
    owner = Owner("ipcontroller.ext/v1", CLAIM_KIND, "", name, f"u-{name}")
    parsed = address(text)
    usual = Record(
        name=record_name("default", parsed),
        uid=f"u-{text}",
        resource_version="7",
        network="default",
        address=parsed,
        owner=owner,
        pool=None,
        phase=Phase.BOUND,
        since="",
    )
    return replace(usual, **changes)


def reserved(text: str = "10.0.0.1", request: str = UID) -> Record:
    """The record of an address whose claim is about to be made."""
    usual = record(text)
    assert usual.owner is not None
    owner = replace(usual.owner, uid="", reservation=Reservation("", request))
    return replace(usual, owner=owner, phase=Phase.RESERVED)


def observed(of: Service | None = None, *slots: SlotState, **changes: Any) -> Observed:
    """A Service with one slot, for which a pool has an address."""
    one = of or service()
    wish = wish_of(one, MANNERS)
    states = slots or tuple(SlotState(slot, pools=(pool(),)) for slot in wish.slots)
    usual = Observed(
        service=one,
        wish=wish,
        slots=states,
        claims=(),
        reserved=(),
        unsure=False,
        stale=frozenset(),
        unshareable="",
        now=0.0,
    )
    return replace(usual, **changes)


def pool(name: str = "pool", why_not: str = "", free: int = 5, ahead: int = 0) -> PoolState:
    return PoolState(name, why_not, free, ahead)


def wanted(text: str = "10.0.0.9", **changes: Any) -> Wanted:
    """An address that a pool has for the Service."""
    return replace(Wanted(address(text), "pool"), **changes)


def claim_observed(of: Claim, *records: Record, **changes: Any) -> ClaimObserved:
    """A claim whose address is its own, in its pool."""
    usual = ClaimObserved(
        claim=of, records=records, pool="pool", in_pool=True, gone=(), heirs=(), fields={}
    )
    return replace(usual, **changes)
