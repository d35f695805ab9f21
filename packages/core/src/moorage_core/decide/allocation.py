"""The plan for one allocation: every address decided, folded into ordered actions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from moorage_core import reasons
from moorage_core.actions import (
    Action,
    CountPods,
    LabelNode,
    Probe,
    UnlabelNode,
)
from moorage_core.decide.address import decide_address
from moorage_core.decide.case import Case, Step, locate, settle
from moorage_core.decide.conditions import as_reported, conditions, count_bound, rejected
from moorage_core.decide.dry_run import for_dry_run
from moorage_core.decide.evictions import evictions, until_next
from moorage_core.decide.let_go import let_go
from moorage_core.decide.node_labels import label_changes
from moorage_core.decide.one_machine import duplicate_condition
from moorage_core.decide.outcomes import record_outcome
from moorage_core.decide.release import decide_release
from moorage_core.decide.restore import hand_over
from moorage_core.decide.selection import selection_condition
from moorage_core.decide.taints import settled
from moorage_core.decide.targets import Targets
from moorage_core.decide.workload_conditions import workload_conditions
from moorage_core.model import AddressRecord, Allocation, Awaited, Observed, Phase, Present
from moorage_core.status import AllocationStatus, node_names
from moorage_domain.conditions import Condition
from moorage_domain.plans import Finalizer, Plan
from moorage_provider.protocol import MachineHolder

# People have to end a refusal; no event of the cluster shows that they did.
LABEL_RETRY_SECONDS = 60.0


def decide(observed: Observed) -> Plan[Action]:
    """What to do now about one allocation; in a dry run, with the status that only says so."""
    plan = _decide(observed)
    return for_dry_run(observed, plan) if observed.allocation.dry_run else plan


def _decide(observed: Observed) -> Plan[Action]:
    allocation = observed.allocation
    if allocation.deleting and not allocation.finalizer:
        return Plan("Gone", "the object is being deleted and nothing is left to release")
    if allocation.force_release and allocation.deleting:
        return let_go(observed)
    if allocation.problem and not allocation.deleting:
        rejection = rejected(reasons.INVALID_SPEC, allocation.problem)
        reported = as_reported(observed, observed.records)
        return _plan(observed, [Step(one) for one in observed.records], reported, rejection)
    steps = _steps(observed)
    records = tuple(step.record for step in steps if step.record is not None)
    if allocation.deleting and not records:
        return let_go(observed)
    reported = as_reported(observed, records)
    conditions_now = conditions(allocation, reported, observed.label_errors, observed.selection)
    return _plan(observed, steps, reported, conditions_now)


def _steps(observed: Observed) -> list[Step]:
    """One step for every address that is wanted, then for those that are not any more."""
    allocation = observed.allocation
    now = observed.now
    ended = {r.ip: record_outcome(r, observed.outcomes.get(r.ip), now) for r in observed.records}
    known = hand_over(ended, now)
    wanted = () if allocation.deleting else allocation.addresses
    targets = Targets(observed)
    _assume(targets, observed, known.values())
    steps = [
        decide_address(_case(known.get(ip) or AddressRecord(ip), observed, targets))
        for ip in wanted
    ]
    steps = [_with_source(step, allocation) for step in steps]
    invalid = dict(allocation.invalid)
    for text, message in () if allocation.deleting else invalid.items():
        record = known.get(text) or AddressRecord(text)
        fields = {"reason": reasons.INVALID_ADDRESS.name, "message": message}
        steps.append(Step(settle(record, observed.now, phase=Phase.BLOCKED, **fields)))
    for ip, record in known.items():
        if ip not in wanted and ip not in invalid:
            steps.append(decide_release(_case(record, observed, targets)))
    return steps


def _with_source(step: Step, allocation: Allocation) -> Step:
    """The step with a record that says whether its address was listed or selected."""
    if step.record is None or step.record.selected == (step.record.ip in allocation.selected):
        return step
    return replace(step, record=replace(step.record, selected=not step.record.selected))


def _case(record: AddressRecord, observed: Observed, targets: Targets) -> Case:
    cloud_state = observed.cloud_states.get(record.ip, Awaited())
    return Case(record, cloud_state, locate(record, cloud_state, observed), observed, targets)


def _assume(targets: Targets, observed: Observed, records: Iterable[AddressRecord]) -> None:
    """No node gets a second address: first those that hold one, then those that are to get one."""
    records = list(records)
    beside: dict[str, str] = {}
    for ip, cloud_state in observed.cloud_states.items():
        holder = cloud_state.address.holder if isinstance(cloud_state, Present) else None
        if isinstance(holder, MachineHolder) and holder.machine_id in observed.by_machine:
            node_name = observed.by_machine[holder.machine_id]
            if holder.misplaced:
                beside[node_name] = ip
            else:
                targets.assume(node_name, ip)
    for record in records:
        node_ref = record.node_ref
        node = observed.nodes.get(node_ref.name) if node_ref else None
        if node_ref and node and node.uid == node_ref.uid:
            targets.assume(node.name, record.ip)
    # The place that an address should have is left to it where nobody else has it.
    for node_name, ip in beside.items():
        targets.assume(node_name, ip)


def _plan(
    observed: Observed,
    steps: list[Step],
    reported: tuple[AddressRecord, ...],
    conditions_now: tuple[Condition, ...],
) -> Plan[Action]:
    allocation = observed.allocation
    records = tuple(step.record for step in steps if step.record is not None)
    changes = label_changes(observed, records)
    # A wrong label is removed before the address leaves. A new label comes last: a node that
    # refuses it delays nothing else.
    actions: list[Action] = [one for one in changes if isinstance(one, UnlabelNode)]
    actions.extend(step.mutate for step in steps if step.mutate is not None)
    actions.extend(step.reread for step in steps if step.reread is not None)
    if any(step.probe for step in steps):
        actions.append(Probe())
    actions.extend(change for change in changes if isinstance(change, LabelNode))
    actions.extend(settled(observed, records))
    actions.extend(evictions(observed, steps))
    if uncounted := tuple(sorted({step.count for step in steps if step.count})):
        actions.append(CountPods(uncounted))
    conditions_now = (
        *conditions_now,
        *workload_conditions(observed),
        duplicate_condition(observed),
        selection_condition(observed),
    )
    ready, bound = conditions_now[0], count_bound(reported)
    return Plan(
        reason=ready.reason,
        message=ready.message,
        actions=tuple(actions),
        wait=_wait(observed, steps),
        status=AllocationStatus.of(observed, conditions_now, records, bound),
        finalizer=None if allocation.deleting else Finalizer.PRESENT,
        assumes=node_names(records),
    )


def _wait(observed: Observed, steps: Iterable[Step]) -> timedelta | None:
    """When the next pass is due although nothing changes; ``None`` = only on a change."""
    waits = [step.wait for step in steps]
    waits.append(LABEL_RETRY_SECONDS if observed.label_errors else None)
    waits.append(until_next(observed))
    seconds = min((wait for wait in waits if wait is not None), default=None)
    # Up to a whole millisecond: a wait cut down to nothing would be no wait.
    return None if seconds is None else timedelta(milliseconds=math.ceil(seconds * 1000))
