"""Records: an IPAllocation as it is kept, and as it is written; pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moorage_api.ipallocation import DEFAULT_NETWORK, IPALLOCATIONS
from moorage_domain.addresses import InvalidAddress
from moorage_domain.families import Address, Family, parse_address

_DIGITS = frozenset("0123456789abcdef")
RESTORE_LABEL = "velero.io/restore-name"
"""A backup tool puts it on what it creates from a backup."""
CLUSTER_ANNOTATION = "moorage.dev/owner-cluster"
"""On a record: the Cluster of its owner. Where both are gone, both may live on elsewhere."""
MOVED_ANNOTATION = "moorage.dev/moved-owner"
"""On a record that moved away: whose it was, since it has no owner any more."""


class Phase(enum.Enum):
    """How far an address is."""

    BOUND = "Bound"
    """Its owner has it, or a person has reserved it."""
    RESERVED = "Reserved"
    """Its owner is about to be created; if it does not come in time, the address is free again."""
    QUARANTINED = "Quarantined"
    """Released, and not given out before the pool's reuse delay has passed."""
    MOVED = "Moved"
    """Its owner went to another cluster and took it along; a person deletes the record."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """For how long an address waits for its owner.

    Attributes:
        until: RFC 3339.
        request: what reserved it, or used the reservation last. Each use is a write, so whoever
            gives back what it reserved itself takes it from nobody who uses it, too.
    """

    until: str
    request: str


@dataclass(frozen=True, slots=True)
class Owner:
    """The object an address belongs to.

    Attributes:
        namespace: ``""`` = it is in none.
        uid: ``""`` = any object of this name: it was not there yet when the address was adopted.
        slot: which of its addresses is meant; ``""`` = it has no more than one.
        cluster: name of its Cluster, in its namespace; ``""`` = it is of none.
        reservation: it is about to be created; ``None`` = it is there, or may come at any time.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    slot: str = ""
    cluster: str = ""
    reservation: Reservation | None = None

    @property
    def key(self) -> str:
        """``namespace/name``, or ``name`` of what is in no namespace."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def identity(self) -> str:
        """Its uid; where it has none, whoever has its name."""
        return self.uid or str(self)

    @property
    def cluster_key(self) -> str:
        """``namespace/name`` of its Cluster; ``""`` = it is of none."""
        return f"{self.namespace}/{self.cluster}" if self.cluster else ""

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


@dataclass(frozen=True, slots=True)
class PoolRef:
    """The pool an address was taken from."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class Record:
    """One IPAllocation.

    Attributes:
        owner: ``None`` = a person has reserved the address.
        pool: ``None`` = it says none.
        since: RFC 3339, when it came into its phase; ``""`` = it does not say.
        restored: it was created from a backup, and its owner may follow.
        owner_deleting: its owner was seen being deleted: once it is gone, that was meant.
        moved_owner: kind and key of the owner that took it along; ``""`` = it did not move.
    """

    name: str
    uid: str
    resource_version: str
    network: str
    address: Address
    owner: Owner | None
    pool: PoolRef | None
    phase: Phase
    since: str
    restored: bool = False
    owner_deleting: bool = False
    moved_owner: str = ""

    @property
    def addresses(self) -> frozenset[Address]:
        """What it keeps others from: its address, and the one that its name means."""
        named = named_address(self.name, self.network)
        return frozenset((self.address, named or self.address))

    def is_of(self, owner: str) -> bool:
        """Whether it belongs, or belonged before it moved, to an object of this kind and key."""
        return owner == (str(self.owner) if self.owner is not None else self.moved_owner)

    def __str__(self) -> str:
        return f"IPAllocation {self.name} ({self.address})"


def record_name(network: str, address: Address) -> str:
    """The only name of an address's record: the network, and the address in hexadecimal digits."""
    return f"{network}-{address.number:0{address.family.value // 4}x}"


def named_address(name: str, network: str) -> Address | None:
    """The address that a record of this name keeps others from; ``None``: of none.

    A record that a person has made may have a name that is not its address's: it uses both.
    """
    digits = name.removeprefix(f"{network}-")
    family = next((one for one in Family if one.value == 4 * len(digits)), None)
    if family is None or digits == name or not set(digits) <= _DIGITS:
        return None
    return Address(family, int(digits, 16))


def record_of(raw: Mapping[str, Any]) -> Record | None:
    """The record in an IPAllocation; ``None``: it means no address, so it holds none."""
    meta, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    network = spec.get("network") or DEFAULT_NETWORK
    address = _address(spec.get("address")) or named_address(meta["name"], network)
    if address is None:
        return None
    annotations = meta.get("annotations") or {}
    owner = _owner(spec.get("owner"), spec, annotations.get(CLUSTER_ANNOTATION, ""))
    return Record(
        name=meta["name"],
        uid=meta.get("uid", ""),
        resource_version=meta.get("resourceVersion", ""),
        network=network,
        address=address,
        owner=owner,
        pool=_pool(spec.get("poolRef")),
        phase=_phase(status.get("phase"), owner),
        since=status.get("since") or meta.get("creationTimestamp", ""),
        restored=RESTORE_LABEL in (meta.get("labels") or {}),
        owner_deleting=status.get("ownerDeleting") is True,
        moved_owner=annotations.get(MOVED_ANNOTATION, ""),
    )


def body_of(
    network: str, address: Address, owner: Owner, pool: PoolRef | None, now: str
) -> dict[str, Any]:
    """The IPAllocation that binds an address to its owner."""
    spec: dict[str, Any] = {
        "address": str(address),
        "network": network,
        "owner": owner_to_wire(owner),
    }
    if owner.slot:
        spec["slot"] = owner.slot
    if owner.reservation is not None:
        spec["reservation"] = reservation_to_wire(owner.reservation)
    if pool is not None:
        spec["poolRef"] = pool_to_wire(pool)
    meta: dict[str, Any] = {"name": record_name(network, address)}
    if owner.cluster:
        meta["annotations"] = {CLUSTER_ANNOTATION: owner.cluster}
    return {
        "apiVersion": IPALLOCATIONS.api_version,
        "kind": IPALLOCATIONS.name,
        "metadata": meta,
        "spec": spec,
        "status": {"phase": _phase_of(owner).value, "since": now},
    }


def owner_to_wire(owner: Owner) -> dict[str, str]:
    """``spec.owner`` of an IPAllocation."""
    return {
        "apiVersion": owner.api_version,
        "kind": owner.kind,
        "namespace": owner.namespace,
        "name": owner.name,
        "uid": owner.uid,
    }


def reservation_to_wire(reservation: Reservation) -> dict[str, str]:
    """``spec.reservation`` of an IPAllocation."""
    return {"until": reservation.until, "request": reservation.request}


def pool_to_wire(pool: PoolRef) -> dict[str, str]:
    """``spec.poolRef`` of an IPAllocation."""
    return {
        "apiGroup": pool.group,
        "kind": pool.kind,
        "namespace": pool.namespace,
        "name": pool.name,
    }


def phase_patch(record: Record, phase: Phase, now: str) -> dict[str, Any]:
    """The merge patch for another phase; it fits only what was read.

    What moved away has no owner here any more: so it is kept also where its status is lost.
    """
    status: dict[str, Any] = {"phase": phase.value, "since": now}
    if record.owner_deleting:
        status["ownerDeleting"] = None
    patch: dict[str, Any] = {"metadata": _same(record), "status": status}
    if phase is Phase.MOVED and record.owner is not None:
        whose = str(record.owner)
        if record.owner.cluster:
            whose += f" of Cluster {record.owner.cluster_key}"
        status["message"] = f"{whose} took it along: delete this once nothing uses {record.address}"
        patch["metadata"]["annotations"] = {MOVED_ANNOTATION: str(record.owner)}
        patch["spec"] = {"owner": None}
    return patch


def owner_patch(record: Record, owner: Owner, pool: PoolRef | None, now: str) -> dict[str, Any]:
    """The merge patch that binds a record to another owner; it fits only what was read."""
    patch = phase_patch(record, _phase_of(owner), now)
    patch["spec"] = {"owner": owner_to_wire(owner)}
    if owner.reservation is not None:
        patch["spec"]["reservation"] = reservation_to_wire(owner.reservation)
    elif record.owner is not None and record.owner.reservation is not None:
        patch["spec"]["reservation"] = None
    annotations: dict[str, str | None] = {}
    if owner.cluster != (record.owner.cluster if record.owner else ""):
        annotations[CLUSTER_ANNOTATION] = owner.cluster or None
    if record.moved_owner:
        annotations[MOVED_ANNOTATION] = None
        patch["status"]["message"] = None
    if annotations:
        patch["metadata"]["annotations"] = annotations
    if owner.slot != (record.owner.slot if record.owner else ""):
        patch["spec"]["slot"] = owner.slot or None
    if pool is not None:
        patch["spec"]["poolRef"] = pool_to_wire(pool)
    return patch


def owner_deleting_patch(record: Record) -> dict[str, Any]:
    """The merge patch that notes that the owner is being deleted; it fits only what was read."""
    return {"metadata": _same(record), "status": {"ownerDeleting": True}}


def _same(record: Record) -> dict[str, str]:
    return {"uid": record.uid, "resourceVersion": record.resource_version}


def _owner(raw: Any, spec: Mapping[str, Any], cluster: str) -> Owner | None:  # noqa: ANN401 - any JSON value
    if not isinstance(raw, Mapping) or not raw.get("name"):
        return None
    fields = ("apiVersion", "kind", "namespace", "name", "uid")
    api_version, kind, namespace, name, uid = (str(raw.get(field) or "") for field in fields)
    # Who has a uid is there: nothing waits for it any more.
    reservation = None if uid else _reservation(spec.get("reservation"))
    slot = str(spec.get("slot") or "")
    return Owner(api_version, kind, namespace, name, uid, slot, cluster, reservation)


def _reservation(raw: Any) -> Reservation | None:  # noqa: ANN401 - any JSON value
    if not isinstance(raw, Mapping):
        return None
    return Reservation(str(raw.get("until") or ""), str(raw.get("request") or ""))


def _pool(raw: Any) -> PoolRef | None:  # noqa: ANN401 - any JSON value
    if not isinstance(raw, Mapping) or not raw.get("name"):
        return None
    return PoolRef(
        *(str(raw.get(field) or "") for field in ("apiGroup", "kind", "namespace", "name"))
    )


def _phase(raw: Any, owner: Owner | None) -> Phase:  # noqa: ANN401 - any JSON value
    # What a backup left out was bound: that keeps the address, whatever it was.
    phase = Phase(raw) if raw in {one.value for one in Phase} else Phase.BOUND
    if phase in (Phase.BOUND, Phase.RESERVED):
        return _phase_of(owner)
    # Without an owner it is a person's reservation, also where it was released before.
    return Phase.BOUND if owner is None and phase is Phase.QUARANTINED else phase


def _phase_of(owner: Owner | None) -> Phase:
    """Of what is not released."""
    return Phase.RESERVED if owner is not None and owner.reservation is not None else Phase.BOUND


def _address(text: Any) -> Address | None:  # noqa: ANN401 - any JSON value
    try:
        return parse_address(str(text or ""))
    except InvalidAddress:
        return None
