"""The plan for one allocation: every address decided, folded into ordered actions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from moorage_core import reasons
from moorage_core.actions import (
    Action,
    AddFinalizer,
    CountPods,
    MarkNode,
    RemoveFinalizer,
    UnmarkNode,
    WriteStatus,
)
from moorage_core.decide import dry_run as rehearsal
from moorage_core.decide.address import decide_address
from moorage_core.decide.case import Case, Step, locate, settle
from moorage_core.decide.conditions import conditions, rejected, serves
from moorage_core.decide.dry_run import rehearse
from moorage_core.decide.evictions import evictions, until_next
from moorage_core.decide.merging import merged
from moorage_core.decide.node_labels import marks
from moorage_core.decide.outcomes import record_outcome
from moorage_core.decide.release import decide_release
from moorage_core.decide.taints import settled
from moorage_core.decide.targets import Targets
from moorage_core.model import Awaited, Observed, Phase, Present, Record
from moorage_domain.conditions import Condition
from moorage_domain.plans import Plan
from moorage_provider.protocol import MachineHolder

# A refusal is mended by people, elsewhere, and nobody tells us.
LABEL_RETRY_SECONDS = 60.0


def decide(world: Observed) -> Plan[Action]:
    """What to do now about one allocation; in a dry run, only what to tell."""
    plan = _decide(world)
    return rehearse(world, plan) if world.allocation.dry_run else plan


def _decide(world: Observed) -> Plan[Action]:
    allocation = world.allocation
    if allocation.deleting and not allocation.finalizer:
        return Plan("Gone", "the object is being deleted and nothing is left to release")
    if allocation.force_release and allocation.deleting:
        return _let_go(world)
    if allocation.problem and not allocation.deleting:
        rejection = rejected(reasons.INVALID_SPEC, allocation.problem)
        return _plan(world, [Step(record) for record in world.records], rejection)
    steps = _steps(world)
    records = tuple(step.record for step in steps if step.record is not None)
    if allocation.deleting and not records:
        return _let_go(world)
    return _plan(world, steps, conditions(allocation, records, world.label_errors))


def _steps(world: Observed) -> list[Step]:
    """One step for every address that is wanted, then for those that are not any more."""
    allocation = world.allocation
    known = {
        record.ip: record_outcome(record, world.outcomes.get(record.ip), world.now)
        for record in world.records
    }
    wanted = () if allocation.deleting else allocation.addresses
    targets = Targets(world)
    _promise(targets, world, known.values())
    steps = [decide_address(_case(known.get(ip) or Record(ip), world, targets)) for ip in wanted]
    invalid = dict(allocation.invalid)
    for text, message in () if allocation.deleting else invalid.items():
        record = known.get(text) or Record(text)
        fields = {"reason": reasons.INVALID_ADDRESS.name, "message": message}
        steps.append(Step(settle(record, world.now, phase=Phase.BLOCKED, **fields)))
    for ip, record in known.items():
        if ip not in wanted and ip not in invalid:
            steps.append(decide_release(_case(record, world, targets)))
    return steps


def _case(record: Record, world: Observed, targets: Targets) -> Case:
    reading = world.readings.get(record.ip, Awaited())
    return Case(record, reading, locate(record, reading, world), world, targets)


def _promise(targets: Targets, world: Observed, records: Iterable[Record]) -> None:
    """No node gets a second address: those that hold one, then those that are promised one."""
    records = list(records)
    for ip, reading in world.readings.items():
        holder = reading.address.holder if isinstance(reading, Present) else None
        if isinstance(holder, MachineHolder) and holder.machine_id in world.by_machine:
            targets.promise(world.by_machine[holder.machine_id], ip)
    for record in records:
        place = record.place
        node = world.nodes.get(place.node_name) if place else None
        if place and node and node.uid == place.node_uid:
            targets.promise(node.name, record.ip)


def _plan(world: Observed, steps: list[Step], told: tuple[Condition, ...]) -> Plan[Action]:
    allocation = world.allocation
    records = tuple(step.record for step in steps if step.record is not None)
    actions: list[Action] = []
    if not allocation.finalizer and not allocation.deleting:
        actions.append(AddFinalizer())
    changes = marks(world, records)
    # A label that lies comes off before the address leaves; one that promises comes last, so that
    # a node that refuses it holds nothing up.
    actions.extend(change for change in changes if isinstance(change, UnmarkNode))
    if any(one.type == rehearsal.CONDITION and one.status == "True" for one in world.conditions):
        told = (*told, rehearsal.OFF)
    conditions_now = merged(world, told)
    seen = world.seen_generation == allocation.generation
    if records != world.records or conditions_now is not world.conditions or not seen:
        actions.append(WriteStatus(records, conditions_now, sum(map(serves, records))))
    actions.extend(step.mutate for step in steps if step.mutate is not None)
    actions.extend(step.reread for step in steps if step.reread is not None)
    actions.extend(change for change in changes if isinstance(change, MarkNode))
    actions.extend(settled(world, records))
    actions.extend(evictions(world, steps))
    if uncounted := tuple(sorted({step.count for step in steps if step.count})):
        actions.append(CountPods(uncounted))
    ready = told[0]
    return Plan(ready.reason, ready.message, tuple(actions), _wait(world, steps))


def _wait(world: Observed, steps: Iterable[Step]) -> timedelta | None:
    """When to look again although nothing happens; ``None`` = not before something does."""
    waits = [step.wait for step in steps]
    waits.append(LABEL_RETRY_SECONDS if world.label_errors else None)
    waits.append(until_next(world))
    seconds = min((wait for wait in waits if wait is not None), default=None)
    return None if seconds is None else timedelta(seconds=seconds)


def _let_go(world: Observed) -> Plan[Action]:
    """Nothing is held any more: labels off, then the finalizer, last of all."""
    unmark = [UnmarkNode(world.nodes[name]) for name in world.owned if name in world.nodes]
    return Plan(reasons.RELEASING.name, "every address is released", (*unmark, RemoveFinalizer()))
