"""A dry run: the plan as people read it, with nothing in it but the status that tells it."""

from __future__ import annotations

from dataclasses import replace

from moorage_core import reasons
from moorage_core.actions import Action, AddFinalizer, CountPods, Mutate, Reread, WriteStatus
from moorage_core.decide.conditions import conditions, rejected, serves
from moorage_core.decide.merging import merged
from moorage_core.model import AddressRecord, Observed, Phase
from moorage_domain.conditions import Condition
from moorage_domain.plans import Plan

CONDITION = "DryRun"
OFF = Condition(CONDITION, "False", "Off", "changes are made")
_SHOWN = 5  # changes named in one message


def dry_run_of(observed: Observed, plan: Plan[Action]) -> Plan[Action]:
    """The same plan with the status only: what was seen, and what would be done."""
    mutations = {action.ip: action for action in plan.actions if isinstance(action, Mutate)}
    held_back = [
        str(action)
        for action in plan.actions
        if not isinstance(action, WriteStatus | Reread | AddFinalizer | CountPods)
    ]
    records = _records(observed, plan, mutations)
    problem = observed.allocation.problem
    usual = (
        rejected(reasons.INVALID_SPEC, problem)
        if problem
        else conditions(observed.allocation, records, observed.label_errors)
    )
    told = (*usual, _told(held_back, records))
    all_conditions = merged(observed, told)
    seen = observed.seen_generation == observed.allocation.generation
    # To count changes nothing, and what would be done depends on it.
    actions: list[Action] = [one for one in plan.actions if isinstance(one, CountPods)]
    if records != observed.records or all_conditions is not observed.conditions or not seen:
        actions.append(WriteStatus(records, all_conditions, sum(map(serves, records))))
    message = f"dry run: {_told(held_back, records).message}"
    return Plan(reasons.DRY_RUN.name, message, tuple(actions), plan.wait)


def _records(
    observed: Observed, plan: Plan[Action], mutations: dict[str, Mutate]
) -> tuple[AddressRecord, ...]:
    """What was seen is kept; an intention is not one as long as nothing follows it."""
    planned = next(
        (a.records for a in plan.actions if isinstance(a, WriteStatus)), observed.records
    )
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


def _told(held_back: list[str], records: tuple[AddressRecord, ...]) -> Condition:
    if any(record.phase is Phase.PENDING and not record.reason for record in records):
        return Condition(CONDITION, "True", "NotLookedAt", "the cloud is not read yet")
    if not held_back:
        return Condition(CONDITION, "True", "NothingToDo", "nothing would be changed")
    more = len(held_back) - _SHOWN
    message = "would " + "; ".join(held_back[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
    return Condition(CONDITION, "True", "WouldChange", message)
