"""What happens to an address that is no longer wanted: none is forgotten before it is released."""

from __future__ import annotations

from moorage_core import reasons
from moorage_core.actions import Reread
from moorage_core.decide.address import (
    VERIFY_SECONDS,
    back_off,
    wait_for_mutation,
    wait_for_reading,
    wait_until_shown,
)
from moorage_core.decide.begin import begin_detach
from moorage_core.decide.case import Case, Foreign, Nobody, Step, changed
from moorage_core.decide.restore import pending_restores, refused_restores, restore
from moorage_core.model import Absent, Mutation, Phase, Unread
from moorage_domain.plans import first_match


def decide_release(case: Case) -> Step:
    """The step for one address that must be released."""
    return first_match(RULES, case)


def forget_what_is_not_ours(case: Case) -> Step | None:
    """An older allocation has it, or it never had a place: no call is needed."""
    record = case.record
    return Step(None) if record.ip in case.observed.conflicts or not record.ours else None


def retain(case: Case) -> Step | None:
    """Asked to leave it where it is."""
    return (
        Step(None) if case.observed.allocation.retain and not case.record.restore_pending else None
    )


def wait_while_unread(case: Case) -> Step | None:
    """Whether it is still there is unknown; to release it now could lose it."""
    if not isinstance(case.cloud_state, Unread):
        return None
    message = (
        f"cannot release yet: {case.cloud_state.message}; to leave it where it is and let the"
        " object go: kubectl annotate netipallocation"
        f" {case.observed.allocation.name} moorage.dev/force-release=true"
    )
    return Step(changed(case, case.cloud_state.reason, message, phase=Phase.RELEASING))


def forget_what_is_gone(case: Case) -> Step | None:
    """The cloud shows it on no machine of ours."""
    gone = isinstance(case.cloud_state, Absent) or isinstance(case.holder, Nobody | Foreign)
    return Step(None) if gone else None


def wait_for_what_may_still_come(case: Case) -> Step | None:
    """A mutation whose answer was lost may still give it a holder; then it would be leaked."""
    record, observed = case.record, case.observed
    begun = record.operation.startswith((Mutation.ATTACH, Mutation.MOVE))
    if not begun or not isinstance(case.holder, Nobody):
        return None
    # It may have been asked for long after it was written down: at the latest when its failure was
    # recorded, or just before the process died that this one follows.
    age = observed.now - max(record.since, record.observed_at)
    if not -1.0 <= age < VERIFY_SECONDS and observed.working_seconds >= VERIFY_SECONDS:
        return None
    return Step(record, reread=Reread(record.ip, 2.0), wait=2.0)


def restore_first(case: Case) -> Step | None:
    """Nodes that the address has left get a public address of their own before it is forgotten."""
    stays = case.observed.allocation.retain or isinstance(case.holder, Nobody | Foreign)
    # A node that has been given another address is not waited for.
    pending = [
        node_ref
        for node_ref in pending_restores(case)
        if not case.targets.keeps_other(node_ref, case.record.ip)
    ]
    if not stays or not pending:
        return None
    names = ", ".join(node_ref.name for node_ref in pending)
    message = f"still to get a public address of its own again: {names}"
    refused = refused_restores(case)
    # What may still come was waited for, so nothing of an older operation counts any more.
    record = changed(
        case,
        reasons.NODE_NOT_RESTORED if refused else reasons.COMPENSATING,
        refused or message,
        phase=Phase.RELEASING,
        operation="",
    )
    return restore(case, Step(record))


def retain_when_all_restored(case: Case) -> Step | None:
    """Asked to leave it where it is, and only its own node has nothing else."""
    return Step(None) if case.observed.allocation.retain else None


def take_off(case: Case) -> Step:
    """Take it off the node that has it."""
    return begin_detach(case, reasons.RELEASING)


RULES = (
    wait_for_mutation,
    forget_what_is_not_ours,
    retain,
    wait_for_reading,
    wait_while_unread,
    wait_until_shown,
    wait_for_what_may_still_come,
    restore_first,
    retain_when_all_restored,
    forget_what_is_gone,
    back_off,
    take_off,
)
