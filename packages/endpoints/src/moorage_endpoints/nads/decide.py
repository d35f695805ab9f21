"""Whether a net-attach-def is held, let go, or created again; pure.

The first line that fits decides:

  | it is                 | pods use it | then                            | reason             |
  |-----------------------|-------------|---------------------------------|--------------------|
  | gone                  |             | see :data:`GONE_RULES`          |                    |
  | not protected         |             | what is ours is taken off       | NadNotProtected    |
  | in a namespace that   |             | what is ours is taken off       | ReleasedFor-       |
  |   is being deleted    |             |                                 |  NamespaceDeletion |
  | any                   | not known   | nothing                         | NadUsersUnknown    |
  | any                   | no          | what is ours is taken off       | NadNotInUse        |
  | being deleted, held   | yes         | nothing: the API server keeps it| HeldByPods         |
  | being deleted, free   | yes         | nothing: it takes no finalizer  | NadLeaving         |
  | there                 | yes         | finalizer and marker are put on | NadInUse           |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeAlias, TypeVar

from moorage_domain.plans import Plan
from moorage_domain.reasons import Reason
from moorage_endpoints.nads import reasons
from moorage_endpoints.nads.model import (
    Action,
    Gone,
    Mark,
    Observed,
    Place,
    Protection,
    Recreate,
    Unmark,
    Users,
)
from moorage_endpoints.nads.projections import Nad

RESURRECT_AFTER_SECONDS = 1.0
"""So long it may be gone: who deletes it to create another one at once is not in the way."""
MOST_RECREATED = 3
"""So often in ten minutes; whoever deletes it more often means it."""

NadPlan: TypeAlias = Plan[Action]
NadT = TypeVar("NadT", Nad, Gone)


def decide(observed: Observed) -> NadPlan:
    """What to do about one net-attach-def."""
    if isinstance(observed.nad, Gone):
        return _first(GONE_RULES, observed, observed.nad)
    return _first(THERE_RULES, observed, observed.nad)


def is_protected(nad: Nad, protection: Protection, place: Place) -> bool:
    """Whether it has to stay as long as pods use it."""
    return protection is Protection.FINALIZER and not (
        _may_vanish(nad) or place is Place.TERMINATING
    )


def let_go_what_is_not_protected(observed: Observed, nad: Nad) -> NadPlan | None:
    """It may vanish, whoever uses it."""
    if is_protected(nad, observed.protection, observed.place):
        return None
    if observed.protection is Protection.FINALIZER and not _may_vanish(nad):
        message = "its namespace is being deleted, so nothing of ours holds it"
        return _free(nad, reasons.RELEASED_FOR_NAMESPACE_DELETION, message)
    return _free(nad, reasons.NAD_NOT_PROTECTED, "nothing of ours holds it: it is not protected")


def wait_for_users(observed: Observed, nad: Nad | Gone) -> NadPlan | None:
    """What is unknown is never absent."""
    del nad
    if observed.users is not None:
        return None
    return _plan(reasons.NAD_USERS_UNKNOWN, "which pods use it is not known yet")


def let_go_without_users(observed: Observed, nad: Nad) -> NadPlan | None:
    """Nothing keeps it any more."""
    if _users(observed).count:
        return None
    return _free(nad, reasons.NAD_NOT_IN_USE, "no pod uses it")


def hold_while_deleted(observed: Observed, nad: Nad) -> NadPlan | None:
    """The API server keeps it as long as our finalizer is on it, and takes no new one."""
    if not nad.subject.deleting:
        return None
    users = _users(observed)
    if not nad.has_finalizer:
        return _plan(reasons.NAD_LEAVING, f"it goes although pods use it: {users}")
    message = f"it is being deleted, and stays until these are gone: {users}"
    return _plan(reasons.HELD_BY_PODS, message)


def hold_while_used(observed: Observed, nad: Nad) -> NadPlan | None:
    """Finalizer and marker are written when the first pod comes, and then no more."""
    marked = nad.has_finalizer and bool(nad.marker)
    actions = () if marked else (Mark(str(_users(observed))),)
    # No names and no count: what is logged would change with every pod.
    return _plan(reasons.NAD_IN_USE, "pods use it, so it is kept", *actions)


THERE_RULES: tuple[Callable[[Observed, Nad], NadPlan | None], ...] = (
    let_go_what_is_not_protected,
    wait_for_users,
    let_go_without_users,
    hold_while_deleted,
    hold_while_used,
)


def leave_gone_what_may_vanish(observed: Observed, gone: Gone) -> NadPlan | None:
    """Only ``resurrect`` brings one back, and none that its user lets go."""
    if observed.protection is not Protection.RESURRECT:
        return _stays_gone("it is not there")
    if _may_vanish(gone.nad):
        return _stays_gone("its label or annotation says that it may vanish")
    return None


def leave_gone_without_users(observed: Observed, gone: Gone) -> NadPlan | None:
    """Nobody misses it."""
    del gone
    return None if _users(observed).count else _stays_gone("no pod uses it")


def leave_gone_with_its_namespace(observed: Observed, gone: Gone) -> NadPlan | None:
    """Nothing can be created there."""
    del gone
    if observed.place is Place.THERE:
        return None
    return _stays_gone("its namespace is being deleted")


def leave_gone_with_its_owner(observed: Observed, gone: Gone) -> NadPlan | None:
    """Its owner makes it, or the garbage collector has deleted it and would do so again."""
    del observed
    return _stays_gone("it belonged to another object, which makes it") if gone.nad.owned else None


def leave_gone_after_so_often(observed: Observed, gone: Gone) -> NadPlan | None:
    """Who deletes it again and again means it."""
    del observed
    if gone.recreated < MOST_RECREATED:
        return None
    return _stays_gone(f"it was created again {gone.recreated} times within ten minutes")


def create_again(observed: Observed, gone: Gone) -> NadPlan | None:
    """After a moment in which its user may create another one."""
    del observed
    left = RESURRECT_AFTER_SECONDS - gone.seconds
    message = "it was deleted while pods use it"
    if left > 0:
        wait = timedelta(seconds=left)
        return Plan(reasons.RESURRECTING.name, message, wait=wait)
    return _plan(reasons.RESURRECTING, message, Recreate(gone.nad.content))


GONE_RULES: tuple[Callable[[Observed, Gone], NadPlan | None], ...] = (
    leave_gone_what_may_vanish,
    wait_for_users,
    leave_gone_without_users,
    leave_gone_with_its_namespace,
    leave_gone_with_its_owner,
    leave_gone_after_so_often,
    create_again,
)
"""Of one that is gone; the first that has an answer decides."""


def _first(
    rules: Sequence[Callable[[Observed, NadT], NadPlan | None]], observed: Observed, nad: NadT
) -> NadPlan:
    for rule in rules:
        if plan := rule(observed, nad):
            return plan
    raise LookupError(f"no rule decides about {observed!r}")


def _may_vanish(nad: Nad) -> bool:
    """Whether its label or its annotation says so."""
    return nad.may_vanish or not nad.protected


def _users(observed: Observed) -> Users:
    return observed.users or Users()


def _free(nad: Nad, reason: Reason, message: str) -> NadPlan:
    return _plan(reason, message, *((Unmark(),) if nad.is_held else ()))


def _stays_gone(why: str) -> NadPlan:
    return _plan(reasons.NOT_RESURRECTED, f"it stays gone: {why}")


def _plan(reason: Reason, message: str, *actions: Action) -> NadPlan:
    return Plan(reason.name, message, actions)
