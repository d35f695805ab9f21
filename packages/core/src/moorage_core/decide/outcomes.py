"""What the end of a mutation does to the record of its address."""

from __future__ import annotations

import math
from dataclasses import replace

from moorage_core import reasons
from moorage_core.decide.case import settle
from moorage_core.model import HAVE_A_CHOICE, AddressRecord, Mutation, Outcome, Phase
from moorage_domain.reasons import Reason
from moorage_provider import errors


class HolderLeftAlone(errors.Unsupported):
    """The machine that holds the address belongs to another cluster, and the policy spares it."""


# The first class that fits names the reason.
_REASONS: tuple[tuple[type[errors.CloudError], Reason], ...] = (
    (errors.Throttled, reasons.THROTTLED),
    (errors.Locked, reasons.LOCKED),
    (errors.Retry, reasons.UNAVAILABLE),
    (errors.Denied, reasons.DENIED),
    (errors.CredentialsRejected, reasons.CREDENTIALS),
    (errors.QuotaExceeded, reasons.QUOTA),
    (HolderLeftAlone, reasons.FOREIGN),
    (errors.Unsupported, reasons.UNSUPPORTED),
    (errors.InUse, reasons.UNFIT),
    (errors.MachineUnfit, reasons.UNFIT),
    (errors.MachineNotFound, reasons.UNFIT),
    (errors.AddressNotFound, reasons.NOT_FOUND),
    (errors.Stale, reasons.STALE),
    (errors.InvalidOptions, reasons.INVALID_SPEC),
    (errors.CloudError, reasons.FAILED),
)

# Nothing about the node will make these succeed; the account's owner has to act.
REFUSED = (errors.Denied, errors.CredentialsRejected, errors.QuotaExceeded, errors.Unsupported)

# A node with such an error cannot get an address of its own again.
_NEVER_RESTORED = (errors.MachineNotFound, errors.Unsupported)

# The same with every node: they are about the account, the address, or the whole cloud.
_OF_NO_TARGET = (
    errors.Throttled,
    errors.Denied,
    errors.CredentialsRejected,
    errors.QuotaExceeded,
    errors.InvalidOptions,
    errors.AddressNotFound,
    HolderLeftAlone,
)

# The node is the trouble: it is avoided for a while and the next one is tried at once.
NODE_AT_FAULT = (errors.MachineUnfit, errors.MachineNotFound, errors.InUse)


def reason_for(error: errors.CloudError) -> Reason:
    """The reason that stands for an error of the cloud."""
    return next(reason for kind, reason in _REASONS if isinstance(error, kind))


def node_at_fault(error: errors.CloudError) -> bool:
    """Whether another node may succeed; that is assumed of a late failure without a name, too."""
    return isinstance(error, NODE_AT_FAULT) or type(error) is errors.CloudError


def of_one_target(error: errors.CloudError) -> bool:
    """Whether an error may be about this target alone, such as a machine nobody understands."""
    return not isinstance(error, _OF_NO_TARGET)


def may_still_come_true(error: errors.CloudError, *, accepted: bool) -> bool:
    """Whether a cloud that answers so may do it all the same: it does not say that it refuses.

    ``accepted``: it had taken it on before; a failure is then how that ended.
    """
    unnamed = type(error) is errors.CloudError
    return isinstance(error, errors.Unavailable) or (unnamed and not accepted)


def record_outcome(record: AddressRecord, outcome: Outcome | None, now: float) -> AddressRecord:
    """The record with how its mutation ended."""
    if outcome is None:
        return record
    record = replace(record, handle="")
    if outcome.mutation is Mutation.RESTORE:
        return _restored(record, outcome, now)
    if outcome.error is not None:
        return _failed(record, outcome, outcome.error, now)
    if outcome.must_record_first:
        return _will_strip(record, outcome, now)
    match outcome.mutation:
        case Mutation.PREPARE:
            operation = f"prepared/{outcome.node_uid}"
            return settle(record, now, operation=operation, attempts=0, last_failure="")
        case _:
            message = "the cloud accepted the change; waiting until it shows it"
            shown = settle(
                record, now, phase=Phase.VERIFYING, message=message, attempts=0, last_failure=""
            )
            return replace(shown, reason=reasons.VERIFYING.name, since=float(int(now)))


def _will_strip(record: AddressRecord, outcome: Outcome, now: float) -> AddressRecord:
    """The target will give up an address of its own, unless another one was chosen since."""
    node_ref = record.node_ref
    if node_ref is None or node_ref.uid != outcome.node_uid:
        return record
    return settle(record, now, operation="", restore_pending=(*record.restore_pending, node_ref))


def _restored(record: AddressRecord, outcome: Outcome, now: float) -> AddressRecord:
    """The node has a public address of its own again, or can never have one, or not yet."""
    restored = outcome.error is None or isinstance(outcome.error, _NEVER_RESTORED)
    told = record.reason == reasons.NODE_NOT_RESTORED.name
    if record.phase is Phase.RELEASING and told and isinstance(outcome.error, REFUSED):
        # Only people can mend it, and nothing else keeps the address from being let go.
        restored = True
    restore_pending = tuple(
        ref for ref in record.restore_pending if not restored or ref.uid != outcome.node_uid
    )
    record = settle(record, now, operation="", restore_pending=restore_pending)
    if record.node_ref and record.node_ref.uid == outcome.node_uid:
        return settle(record, now, node_ref=record.previous, previous=None)
    return record


def _failed(
    record: AddressRecord, outcome: Outcome, error: errors.CloudError, now: float
) -> AddressRecord:
    # Another node can be tried at once; what concerns one node only has to wait for it.
    elsewhere = node_at_fault(error) and outcome.mutation in HAVE_A_CHOICE
    next_attempt = 0.0 if elsewhere else float(math.ceil(now + outcome.retry_in))
    return settle(
        record,
        now,
        phase=Phase.BLOCKED if isinstance(error, REFUSED) else record.phase,
        reason=reason_for(error).name,
        message=error.message,
        attempts=record.attempts + 1,
        last_failure=error.message,
        next_attempt=next_attempt,
    )
