"""The status of a dry run: an intention is none as long as nothing follows it."""

from __future__ import annotations

from dataclasses import replace

from moorage_core import reasons
from moorage_core.actions import Action, Mutate
from moorage_core.decide.conditions import conditions, count_bound, rejected
from moorage_core.decide.selection import selection_condition
from moorage_core.decide.workload_conditions import workload_conditions
from moorage_core.model import AddressRecord, Awaited, Observed, Unread
from moorage_core.status import AllocationStatus, node_names
from moorage_domain.conditions import Condition
from moorage_domain.lists import some_of
from moorage_domain.plans import Plan

# The reconciler says itself what would be done, unless one of these says why it does not know.
_NOT_LOOKED_AT = Condition("DryRun", "True", "NotLookedAt", "the cloud is not read yet")
_CANNOT_TELL = "CannotTell"
_SHOWN = 3  # changes, and addresses, named in one message


def for_dry_run(observed: Observed, plan: Plan[Action]) -> Plan[Action]:
    """The same plan with a status that says what was observed, and what would be done."""
    allocation = observed.allocation
    if plan.status is None and plan.finalizer is None:
        return plan  # the object is about to vanish
    mutations = {action.ip: action for action in plan.actions if isinstance(action, Mutate)}
    planned = plan.status.records if isinstance(plan.status, AllocationStatus) else observed.records
    records = _records(observed, planned, mutations)
    said = (
        rejected(reasons.INVALID_SPEC, allocation.problem)
        if allocation.problem
        else conditions(allocation, records, observed.label_errors, observed.selection)
    )
    said = (*said, *workload_conditions(observed), selection_condition(observed))
    if unknown := _unknown(observed, plan, records):
        said = (*said, unknown)
    return replace(
        plan,
        reason=reasons.DRY_RUN.name,
        status=AllocationStatus.of(observed, said, records, count_bound(records)),
        assumes=node_names(records),
    )


def _records(
    observed: Observed, planned: tuple[AddressRecord, ...], mutations: dict[str, Mutate]
) -> tuple[AddressRecord, ...]:
    """Where a mutation would begin, the record as it was with the words for what it would do."""
    before = {record.ip: record for record in observed.records}
    return tuple(
        replace(
            before.get(record.ip, AddressRecord(record.ip)),
            reason=reasons.DRY_RUN.name,
            message=f"would {mutations[record.ip]}",
        )
        if record.ip in mutations
        else record
        for record in planned
    )


def _unknown(
    observed: Observed, plan: Plan[Action], records: tuple[AddressRecord, ...]
) -> Condition | None:
    """Why it is unknown what would be done; ``None`` = it is known.

    Unknown is never nothing: what was not read may be anywhere.
    """
    asked = [ip for record in records if (ip := record.ip) in observed.cloud_states]
    states = {ip: observed.cloud_states[ip] for ip in asked}
    unread = [f"{ip}: {state.message}" for ip, state in states.items() if isinstance(state, Unread)]
    if not unread:
        awaited = any(isinstance(state, Awaited) for state in states.values())
        return _NOT_LOOKED_AT if awaited and not _changes(plan) else None
    message = f"cannot tell what would be done about {some_of(unread, _SHOWN)}"
    if changes := _changes(plan):
        message = f"would {some_of(changes, _SHOWN)}; {message}"
    return Condition("DryRun", "True", _CANNOT_TELL, message)


def _changes(plan: Plan[Action]) -> list[str]:
    """What the plan would change, in words."""
    return [str(action) for action in plan.actions if not getattr(action, "reads_only", False)]
