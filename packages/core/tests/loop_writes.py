"""What the reconciler makes of a plan, as a list in its order: finalizer, status, actions."""

from __future__ import annotations

from dataclasses import dataclass

from moorage_core.actions import Action
from moorage_core.model import AddressRecord, Observed
from moorage_core.projections import FINALIZER
from moorage_core.status import AllocationStatus, record_to_wire
from moorage_domain.conditions import Condition, from_wire, to_wire
from moorage_domain.plans import Finalizer, Plan
from moorage_domain.subject import Subject
from moorage_kube.reconcile.dry_run import dry_run_of, real_run_of
from moorage_kube.writes.finalizers import finalizer_patch
from moorage_kube.writes.status import status_patch


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """The reconciler puts our finalizer on."""


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """The reconciler takes our finalizer off."""


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """The reconciler writes a status that differs from the one before."""

    records: tuple[AddressRecord, ...]
    conditions: tuple[Condition, ...]
    bound: int = 0


Write = Action | AddFinalizer | RemoveFinalizer | WriteStatus


def subject_of(observed: Observed, conditions: tuple[Condition, ...] = ()) -> Subject:
    """The object as the reconciler's writer sees it."""
    allocation = observed.allocation
    status = AllocationStatus.of(observed, (), observed.records, 0).fields
    return Subject(
        name=allocation.name,
        namespace=None,
        uid=allocation.uid,
        resource_version="1",
        generation=allocation.generation,
        finalizers=(FINALIZER,) if allocation.finalizer else (),
        deleting=allocation.deleting,
        dry_run=allocation.dry_run,
        status={
            **status,
            "addresses": [record_to_wire(record) for record in observed.records],
            "observedGeneration": observed.observed_generation,
            "conditions": to_wire(conditions),
        },
    )


def carried_out(
    plan: Plan[Action], observed: Observed, conditions: tuple[Condition, ...] = ()
) -> Plan[Action]:
    """The plan as the reconciler carries it out, where the status had these conditions."""
    if observed.allocation.dry_run:
        return dry_run_of(plan)
    return real_run_of(plan, subject_of(observed, conditions))


def in_order(
    plan: Plan[Action], observed: Observed, conditions: tuple[Condition, ...] = ()
) -> tuple[Write, ...]:
    """All that is written and done, in order."""
    plan = carried_out(plan, observed, conditions)
    subject = subject_of(observed, conditions)
    writes: list[Write] = []
    if plan.finalizer is Finalizer.PRESENT and finalizer_patch(subject, FINALIZER, present=True):
        writes.append(AddFinalizer())
    if isinstance(status := plan.status, AllocationStatus):
        patch = status_patch(subject, status, lambda: "2026-01-01T00:00:00Z") or {"status": {}}
        if patch["status"].keys() - {"bound", "reserved"}:
            stored = patch["status"].get("conditions")
            merged = conditions if stored is None else from_wire(stored)
            writes.append(WriteStatus(status.records, merged, status.bound))
    writes.extend(plan.actions)
    if plan.finalizer is Finalizer.ABSENT and finalizer_patch(subject, FINALIZER, present=False):
        writes.append(RemoveFinalizer())
    return tuple(writes)
