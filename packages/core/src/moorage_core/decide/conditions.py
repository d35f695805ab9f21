"""The conditions of an allocation: what its addresses amount to, in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from moorage_core import reasons
from moorage_core.decide.moments import clock
from moorage_core.decide.node_labels import is_labelled
from moorage_core.decide.selection import why_no_address
from moorage_core.model import (
    AddressRecord,
    Allocation,
    Mutation,
    Observed,
    Phase,
    Selection,
)
from moorage_core.words import first_of
from moorage_domain.conditions import Condition, Status
from moorage_domain.reasons import Reason

MOVING = frozenset(
    {
        Phase.PENDING, Phase.PREPARING, Phase.DETACHING, Phase.ATTACHING, Phase.VERIFYING,
        Phase.COMPENSATING, Phase.RELEASING,
    }
)  # fmt: skip
_NOT_LABELLED = (reasons.LABELLING.name, reasons.NODE_NOT_LABELLED.name)
_SHOWN = 3  # messages in one condition


def serves(record: AddressRecord) -> bool:
    """Whether the address is on a node where its workload can use it; of :func:`as_reported`."""
    if record.reason in _NOT_LABELLED:
        return False
    return record.phase is Phase.BOUND or record.reason == reasons.WORKLOAD_RUNNING.name


def count_bound(records: Iterable[AddressRecord]) -> int:
    """How many addresses serve, or did when the cloud was last read; of :func:`as_reported`."""
    return sum(serves(record) or _was_there(record) for record in records)


def _was_there(record: AddressRecord) -> bool:
    """Whether it cannot be read, and was at rest on its node when it was read last."""
    on_its_way = record.operation and not record.operation.startswith(Mutation.RESTORE)
    return record.phase is Phase.UNKNOWN and not on_its_way


def as_reported(observed: Observed, records: Sequence[AddressRecord]) -> tuple[AddressRecord, ...]:
    """The records as conditions report them: of no use before the node has its labels."""
    return tuple(
        _without_label(record, observed.label_errors)
        if serves(record) and not is_labelled(observed, record)
        else record
        for record in records
    )


def _without_label(record: AddressRecord, label_errors: Mapping[str, str]) -> AddressRecord:
    name = record.node_ref.name if record.node_ref else ""
    if error := label_errors.get(name):
        message = f"on node {name}, whose labels cannot be written: {error}"
        return replace(record, reason=reasons.NODE_NOT_LABELLED.name, message=message)
    message = f"on node {name}, whose labels are being written"
    return replace(record, reason=reasons.LABELLING.name, message=message)


def troubled(record: AddressRecord) -> bool:
    """Whether people should act."""
    reason = reasons.ALL.get(record.reason)
    if reason is reasons.NO_ELIGIBLE_NODE:
        # A spare address may wait for a node; one that sits where it must not stay may not.
        return record.phase is Phase.HOLDING
    return reason is not None and reason.warning


def conditions(
    allocation: Allocation,
    records: Sequence[AddressRecord],
    label_errors: Mapping[str, str],
    selection: Selection | None = None,
) -> tuple[Condition, ...]:
    """Ready, Progressing, Degraded and Conflict."""
    conflicts = [r for r in records if r.reason == reasons.CONFLICT.name]
    degraded = [r for r in records if troubled(r)]
    moving = [r for r in records if r.phase in MOVING]
    return (
        _ready(allocation, records, selection),
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


def _ready(
    allocation: Allocation, records: Sequence[AddressRecord], selection: Selection | None
) -> Condition:
    if allocation.deleting:
        return Condition(
            "Ready", "False", reasons.RELEASING.name, _messages(records) or "being deleted"
        )
    if not records:
        return why_no_address(allocation, selection)
    missing = [record for record in records if not serves(record)]
    unknown = any(record.phase is Phase.UNKNOWN for record in missing)
    count = _count(len(records) - len(missing), list(filter(_was_there, missing)), len(records))
    if not missing:
        return Condition("Ready", "True", reasons.ALL_BOUND.name, count)
    worst = next((record for record in missing if troubled(record)), missing[0])
    status: Status = "Unknown" if unknown else "False"
    return Condition("Ready", status, worst.reason or "Pending", f"{count}: {_messages(missing)}")


def _count(serving: int, were: Sequence[AddressRecord], number: int) -> str:
    """What cannot be read is not absent; ``were``: what of that was on its node."""
    if not were:
        return f"{serving} of {number} addresses are on their nodes"
    moments = [record.observed_at for record in were if record.observed_at]
    read = f"when last read at {clock(min(moments))}" if moments else "when last read"
    if not serving:
        return f"{len(were)} of {number} addresses were on their nodes {read}"
    more = "1 more was" if len(were) == 1 else f"{len(were)} more were"
    return f"{serving} of {number} addresses are on their nodes, {more} {read}"


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
    """What is the same of several addresses is said once."""
    ips_by_message: dict[str, list[str]] = {}
    for record in records:
        ips_by_message.setdefault(record.message or "not looked at yet", []).append(record.ip)
    groups = list(ips_by_message.items())
    texts = [f"{first_of(ips)}: {message}" for message, ips in groups[:_SHOWN]]
    more = sum(len(ips) for _, ips in groups[_SHOWN:])
    return "; ".join(texts) + (f"; and {more} more" if more > 0 else "")
