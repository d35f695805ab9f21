"""The status of a dry run: an intention is none as long as nothing follows it."""

from __future__ import annotations

from dataclasses import replace

from moorage_core import reasons
from moorage_core.actions import Action, Mutate
from moorage_core.decide.conditions import conditions, rejected, serves
from moorage_core.model import AddressRecord, Observed, Phase
from moorage_core.status import AllocationStatus, node_names
from moorage_domain.conditions import Condition
from moorage_domain.plans import Plan

# The reconciler says itself what would be done, unless this condition says why it does not know.
_NOT_LOOKED_AT = Condition("DryRun", "True", "NotLookedAt", "the cloud is not read yet")


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
        else conditions(allocation, records, observed.label_errors)
    )
    if any(record.phase is Phase.PENDING and not record.reason for record in records):
        said = (*said, _NOT_LOOKED_AT)
    return replace(
        plan,
        reason=reasons.DRY_RUN.name,
        status=AllocationStatus.of(allocation, said, records, sum(map(serves, records))),
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
