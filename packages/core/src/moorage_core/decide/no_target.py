"""What an address does that no node can have: it stays where it is, and its message says why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from moorage_core import reasons
from moorage_core.decide.case import (
    Case,
    Foreign,
    Nobody,
    OnGone,
    OnNode,
    Step,
    changed,
    is_misplaced,
    node_that_has_it,
)
from moorage_core.decide.restore import restore, until_lost_answer_is_over
from moorage_core.decide.targets import HOLDS, why_leave
from moorage_core.model import Phase
from moorage_core.words import nodes_that, pool_of

_REASONS_SHOWN = 8
"""In one message: each node may bear a taint of its own."""


def stay_without_target(case: Case) -> Step:
    """Keep the address where it is, until a node of the pool is free."""
    record = case.record
    failed = f"; the last try failed: {record.last_failure}" if record.last_failure else ""
    message = f"{_where(case)}{why_none_is_free(case)}{failed}"
    node_ref = node_that_has_it(case)
    still_open = until_lost_answer_is_over(record, case.observed.now)
    stay = changed(
        case, reasons.NO_ELIGIBLE_NODE, message,
        phase=Phase.HOLDING if node_ref and not is_misplaced(case) else Phase.WAITING,
        node_ref=node_ref,
        operation=record.operation if still_open else "",
    )  # fmt: skip
    waits = (_until_avoided_is_over(case), still_open)
    wait = min((one for one in waits if one is not None), default=None)
    return restore(case, Step(stay, wait=wait))


def why_none_is_free(case: Case) -> str:
    """The nodes of the pool, counted as a scheduler would, each by what keeps it from being used.

    As in "4 nodes match pool=edge, 0 free: 2 hold an address, n2 NotReady, n5 cordoned".
    """
    pool = pool_of(case.observed.allocation)
    matching = case.targets.pool
    if not matching:
        return f"no node matches {pool}" if pool else "the cluster has no node"
    matches = "matches" if len(matching) == 1 else "match"
    counted = f"{len(matching)} node{'' if len(matching) == 1 else 's'}"
    groups = case.targets.why_none(case.record)
    holding = len(groups.get(HOLDS, ()))
    held = [f"{holding} {'holds' if holding == 1 else 'hold'} an address"] if holding else []
    others = {why: names for why, names in groups.items() if why not in (HOLDS, "")}
    found = ", ".join([*held, *_shown(others)])
    return f"{counted} {matches} {pool}, 0 free: {found}" if pool else f"{counted}, 0 free: {found}"


def _shown(groups: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """As in "n2 NotReady", "n5 cordoned"; of very many reasons only the first."""
    for why, names in islice(groups.items(), _REASONS_SHOWN):
        yield nodes_that(names, why)
    if more := sum(map(len, islice(groups.values(), _REASONS_SHOWN, None))):
        yield f"{more} for other reasons"


def _where(case: Case) -> str:
    """Who has it, and why that must change; ``""`` = nobody."""
    match case.holder:
        case OnNode(node, misplaced):
            leave = why_leave(node, case.observed)
            if misplaced:
                return f"it stays on {misplaced} of node {node.name}, where it is of no use: "
            why = leave.message if leave else f"node {node.name} should give it up"
            return f"{why}, and it stays there: "
        case OnGone(node_ref):
            return f"the Node object {node_ref.name} is gone, and it stays on its machine: "
        case Foreign(owner, _):
            return f"{owner} has it, and keeps it: "
        case Nobody():
            return ""


def _until_avoided_is_over(case: Case) -> float | None:
    now = case.observed.uptime
    avoided = case.observed.avoided.get(case.record.ip, {}).values()
    return min((until - now for until in avoided if until > now), default=None)
