"""The status of an allocation as a decision leaves it, and as it stands on the wire; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self, TypeAlias

from moorage_core.json_text import KEPT_BYTES
from moorage_core.model import AddressRecord, Mutation, NodeReference, Observed, Phase, Sealing
from moorage_domain.bounded_cache import BoundedCache
from moorage_domain.conditions import MESSAGE_LENGTH, Condition

_THERE = frozenset({Phase.BOUND, Phase.HOLDING, Phase.UNKNOWN, Phase.VERIFYING, Phase.RELEASING})
_ON_ITS_WAY = frozenset({Phase.PREPARING, Phase.DETACHING, Phase.ATTACHING, Phase.BLOCKED})
_Sealable: TypeAlias = tuple[AddressRecord, str, Sealing | None]
_PLACED = 10
"""Addresses that one line of kubectl names."""


@dataclass(frozen=True, slots=True)
class AllocationStatus:
    """What ``status`` is to say; see :class:`moorage_domain.plans.Status`.

    Attributes:
        records: ``status.addresses``.
        reserved: how many addresses are listed, good or bad.
        bound: how many addresses are where their workload can use them.
        uid: of the allocation.
        seal: goes on every entry; ``None`` = none does.
    """

    conditions: tuple[Condition, ...]
    records: tuple[AddressRecord, ...]
    reserved: int = 0
    bound: int = 0
    uid: str = ""
    seal: Sealing | None = None

    @classmethod
    def of(
        cls,
        observed: Observed,
        conditions: tuple[Condition, ...],
        records: tuple[AddressRecord, ...],
        bound: int,
    ) -> Self:
        """The status of an allocation."""
        allocation = observed.allocation
        reserved = len(allocation.addresses) + len(allocation.invalid)
        return cls(conditions, records, reserved, bound, allocation.uid, observed.seal)

    @property
    def fields(self) -> Mapping[str, Any]:
        """All but the conditions, by their names on the wire."""
        return {
            "reserved": self.reserved,
            "bound": self.bound,
            "placement": placement(self.records),
            "addresses": [sealed_entry((record, self.uid, self.seal)) for record in self.records],
        }

    def with_condition(self, condition: Condition) -> Self:
        """The same with one more condition."""
        return replace(self, conditions=(*self.conditions, condition))


def placement(records: Sequence[AddressRecord]) -> str:
    """Which node has which address, as in "203.0.113.10=n1, 203.0.113.11=-"; ``-`` = none."""
    placed = [f"{r.ip}={_holder(r)}" for r in records[:_PLACED]]
    more = len(records) - _PLACED
    return ", ".join(placed) + (f", and {more} more" if more > 0 else "")


def _holder(record: AddressRecord) -> str:
    """The node that has an address, as far as its record knows."""
    node_ref = record.node_ref if record.phase in _THERE else None
    if record.phase in _ON_ITS_WAY and not record.operation.startswith(Mutation.ATTACH):
        node_ref = record.previous
    return node_ref.name if node_ref else "-"


def node_names(records: Iterable[AddressRecord]) -> frozenset[str]:
    """The nodes that hold these addresses, or will."""
    return frozenset(record.node_ref.name for record in records if record.node_ref)


def record_to_wire(record: AddressRecord) -> dict[str, Any]:
    """A record's entry in the status, without the fields that are unset."""
    entry = {
        "ip": record.ip,
        "phase": str(record.phase),
        "reason": record.reason,
        "message": record.message[:MESSAGE_LENGTH],
        **_node("", record.node_ref),
        **_node("previous", record.previous),
        "cloudRef": record.cloud_ref or None,
        "operation": record.operation or None,
        "handle": record.handle or None,
        "owed": [_owed(ref, record.node_ref) for ref in record.restore_pending] or None,
        "attempts": record.attempts or None,
        "lastFailure": record.last_failure[:MESSAGE_LENGTH] or None,
        "nextAttempt": _time(record.next_attempt),
        "observedAt": _time(record.observed_at),
        "heldSince": _time(record.held_since),
        "selected": record.selected or None,
        "since": _time(record.since) or "",
    }
    return {name: value for name, value in entry.items() if value is not None}


def _sealed(what: _Sealable) -> dict[str, Any]:
    record, uid, seal = what
    entry = record_to_wire(record)
    return entry if seal is None else seal.on(uid, entry)


def _wire_bytes(what: _Sealable) -> int:
    """About what the entry takes as JSON."""
    record, _, _ = what
    texts = len(record.message) + len(record.last_failure) + len(record.handle)
    return 500 + texts + 200 * len(record.restore_pending)


sealed_entry = BoundedCache(_sealed, KEPT_BYTES, _wire_bytes)
"""A record's entry in the status of the allocation with this uid; not to be changed."""


def _node(role: str, ref: NodeReference | None) -> dict[str, str]:
    if ref is None:
        return {}
    if role:
        return {
            f"{role}Node": ref.name,
            f"{role}NodeUID": ref.uid,
            f"{role}ProviderID": ref.provider_id,
        }
    return {"nodeName": ref.name, "nodeUID": ref.uid, "providerID": ref.provider_id}


def _owed(ref: NodeReference, on: NodeReference | None) -> dict[str, str]:
    """In short for the node that has the address: hundreds say so, and each write says them all."""
    return {"nodeName": ref.name} if ref == on else _node("", ref)


def _time(seconds: float) -> str | None:
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
