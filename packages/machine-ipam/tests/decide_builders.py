"""What decisions rest on: the usual case, and a test states what differs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from moorage_api.ippool import IPPOOLS
from moorage_domain.families import Family, parse_address
from moorage_ipam.records import Owner, Phase, Record, record_name
from moorage_machine_ipam.kinds import MACHINES, claims
from moorage_machine_ipam.model import Observed, PoolState
from moorage_machine_ipam.projections import Claim, IpAddress, claim_of, ip_address_of

NS = "shop"
POOL_UID = "u-pool"
REF = {"apiGroup": IPPOOLS.group, "kind": "IPPool", "name": "lab"}
CLAIM_OWNER = Owner(claims("v1beta1").api_version, "IPAddressClaim", NS, "web", "u-1")
MACHINE_OWNER = Owner(MACHINES.api_version, "Machine", NS, "web", "u-1", "device-0-ipv4")
FINALIZER = "moorage.dev/release-address"


def record(address: str = "10.0.0.5", owner: Owner | None = CLAIM_OWNER, **changes: Any) -> Record:
    """A bound record of the claim ``web``."""
    parsed = parse_address(address)
    usual = Record(
        name=record_name("default", parsed),
        uid=f"u-{address}",
        resource_version="7",
        network="default",
        address=parsed,
        owner=owner,
        pool=None,
        phase=Phase.BOUND,
        since="",
    )
    return replace(usual, **changes)


def claim(**meta: Any) -> Claim:
    """The claim ``web`` on the pool ``lab``; ``spec`` beside its metadata."""
    spec = {"poolRef": REF} | meta.pop("spec", {})
    found = claim_of(
        {"metadata": {"name": "web", "namespace": NS, "uid": "u-1"} | meta, "spec": spec}, {}
    )
    assert found is not None
    return found


def ip_address(address: str = "10.0.0.5", uid: str = "u-1", **changes: Any) -> IpAddress:
    """The IPAddress of the claim ``web``, as we write it."""
    owners = [{"uid": uid, "controller": True}, {"uid": POOL_UID}]
    meta = {
        "name": "web",
        "namespace": NS,
        "uid": "u-address",
        "ownerReferences": owners,
        "annotations": {"moorage.dev/claim-uid": uid},
    }
    spec = {"address": address, "claimRef": {"name": "web"}, "poolRef": REF}
    raw = {"metadata": meta | changes.pop("meta", {}), "spec": spec | changes.pop("spec", {})}
    return replace(ip_address_of(raw, {}), **changes)


def pool(**changes: Any) -> PoolState:
    """A pool with ten free addresses."""
    return replace(PoolState(POOL_UID, "", free=10, family=Family.IPV4), **changes)


def observed(**changes: Any) -> Observed:
    """The claim ``web``, which has nothing yet."""
    usual = Observed(
        claim=claim(),
        pool=pool(),
        paused=False,
        cluster_missing=False,
        records=(),
        former=(),
        meant=(),
        address=None,
        holders=(),
        requested=None,
        requested_by="",
        requested_fits=False,
        requested_former=None,
        moves=False,
        unsure=False,
        now=1_800_000_000.0,
        age=1e6,
    )
    return replace(usual, **changes)
