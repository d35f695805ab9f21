"""A dry run: a plan of which nothing is left but the status that says what would be done; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from moorage_domain.conditions import Condition
from moorage_domain.lists import some_of
from moorage_domain.plans import Finalizer, PlainStatus, Plan, Status
from moorage_domain.subject import Subject

CONDITION = "DryRun"
OFF = Condition(CONDITION, "False", "Off", "changes are made")
_SHOWN = 5  # changes named in one message


def dry_run_of(plan: Plan[Any], type_: str = CONDITION) -> Plan[Any]:
    """The plan with its status and the actions that only read; its message says what would be done.

    A controller that has more to say puts the condition into its status itself. A plan that leaves
    the status to a later pass has none to wait for in a dry run: it says there what it would do.
    ``type_``: of the condition; ``""`` = the status of the object is another's.
    """
    changes = held_back(plan)
    status = plan.status or (PlainStatus() if changes and type_ else None)
    condition = next(
        (one for one in (status.conditions if status else ()) if one.type == type_),
        replace(would(changes), type=type_),
    )
    return replace(
        plan,
        message=f"dry run: {condition.message}",
        actions=tuple(action for action in plan.actions if reads_only(action)),
        status=_with(status, condition) if status else None,
        finalizer=None,
        # It takes nothing, so it keeps nothing from others.
        assumes=frozenset(),
    )


def real_run_of(plan: Plan[Any], subject: Subject, type_: str = CONDITION) -> Plan[Any]:
    """The plan; where the last one was a dry run its status says that this is none."""
    known = subject.status.get("conditions") or ()
    was_on = any(one.get("type") == type_ and one.get("status") == "True" for one in known)
    if plan.status is None or not was_on:
        return plan
    return replace(plan, status=_with(plan.status, replace(OFF, type=type_)))


def reads_only(action: object) -> bool:
    """Whether an action changes nothing, so that it is carried out in a dry run as well."""
    return bool(getattr(action, "reads_only", False))


def held_back(plan: Plan[Any]) -> tuple[str, ...]:
    """What a dry run does not do, in words."""
    actions = tuple(str(action) for action in plan.actions if not reads_only(action))
    return (*actions, *(("remove the finalizer",) if plan.finalizer is Finalizer.ABSENT else ()))


def would(changes: Sequence[str]) -> Condition:
    """The condition that names what would be done."""
    if not changes:
        return Condition(CONDITION, "True", "NothingToDo", "nothing would be changed")
    return Condition(CONDITION, "True", "WouldChange", f"would {some_of(changes, _SHOWN)}")


def _with(status: Status, condition: Condition) -> Status:
    if any(one.type == condition.type for one in status.conditions):
        return status
    return status.with_condition(condition)
