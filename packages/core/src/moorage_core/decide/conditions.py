"""The conditions of an allocation: what its addresses amount to, in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from moorage_core import reasons
from moorage_core.model import AddressRecord, Allocation, Phase
from moorage_domain.conditions import Condition, Status
from moorage_domain.reasons import Reason

MOVING = frozenset(
    {
        Phase.PENDING, Phase.PREPARING, Phase.DETACHING, Phase.ATTACHING, Phase.VERIFYING,
        Phase.COMPENSATING, Phase.RELEASING,
    }
)  # fmt: skip
_SHOWN = 3  # addresses named in one message


def serves(record: AddressRecord) -> bool:
    """Whether the address is on a node where its workload can use it."""
    return record.phase is Phase.BOUND or record.reason == reasons.WORKLOAD_RUNNING.name


def troubled(record: AddressRecord) -> bool:
    """Whether people should act."""
    reason = reasons.ALL.get(record.reason)
    return reason is not None and reason.warning


def conditions(
    allocation: Allocation, records: Sequence[AddressRecord], label_errors: Mapping[str, str]
) -> tuple[Condition, ...]:
    """Ready, Progressing, Degraded and Conflict."""
    conflicts = [r for r in records if r.reason == reasons.CONFLICT.name]
    degraded = [r for r in records if troubled(r)]
    moving = [r for r in records if r.phase in MOVING]
    return (
        _ready(allocation, records),
        _summary("Progressing", moving, "Settled", "no address is on its way"),
        _degraded(degraded, label_errors),
        _summary("Conflict", conflicts, "NoConflict", "no older allocation lists these addresses"),
    )


def rejected(reason: Reason, message: str) -> tuple[Condition, ...]:
    """The conditions of an allocation whose spec cannot be carried out."""
    return (
        Condition("Ready", "False", reason.name, message),
        Condition("Progressing", "False", "Settled", "no address is on its way"),
        Condition("Degraded", "True", reason.name, message),
        Condition("Conflict", "False", "NoConflict", "no older allocation lists these addresses"),
    )


def _ready(allocation: Allocation, records: Sequence[AddressRecord]) -> Condition:
    if allocation.deleting:
        return Condition(
            "Ready", "False", reasons.RELEASING.name, _messages(records) or "being deleted"
        )
    if not records:
        return Condition("Ready", "False", reasons.NO_ADDRESSES.name, "spec.reservedIPs is empty")
    missing = [record for record in records if not serves(record)]
    count = f"{len(records) - len(missing)} of {len(records)} addresses are on their nodes"
    if not missing:
        return Condition("Ready", "True", reasons.ALL_BOUND.name, count)
    unknown = any(record.phase is Phase.UNKNOWN for record in missing)
    worst = next((record for record in missing if troubled(record)), missing[0])
    status: Status = "Unknown" if unknown else "False"
    return Condition("Ready", status, worst.reason or "Pending", f"{count}: {_messages(missing)}")


def _degraded(records: Sequence[AddressRecord], label_errors: Mapping[str, str]) -> Condition:
    if not records and label_errors:
        message = "; ".join(f"{node}: {error}" for node, error in sorted(label_errors.items()))
        return Condition("Degraded", "True", reasons.NODE_NOT_LABELLED.name, message)
    return _summary("Degraded", records, "Healthy", "no address is in trouble")


def _summary(
    kind: str, records: Sequence[AddressRecord], calm: str, calm_message: str
) -> Condition:
    if not records:
        return Condition(kind, "False", calm, calm_message)
    return Condition(kind, "True", records[0].reason or "Pending", _messages(records))


def _messages(records: Sequence[AddressRecord]) -> str:
    messages = [f"{r.ip}: {r.message or 'not looked at yet'}" for r in records[:_SHOWN]]
    more = len(records) - _SHOWN
    return "; ".join(messages) + (f"; and {more} more" if more > 0 else "")
