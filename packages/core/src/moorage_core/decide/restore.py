"""Restore: a node that gave up its own public address gets one again.

Clouds let a private address have one public address. A node that is to hold a reserved one gives up
its own, ephemeral one: before, or because the reserved one replaces it. The pending restore is
written down before that, and made when the reserved one has left: no node stays without an address
because of us. Some clouds lend one again by themselves, but not always; see the AWS provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from moorage_core import reasons
from moorage_core.decide.begin import Why, begin, begin_restore
from moorage_core.decide.case import Case, Step, settle
from moorage_core.model import AddressRecord, Mutation, NodeReference, Phase, Present
from moorage_domain.reasons import Reason
from moorage_provider.protocol import MachineHolder

# On one machine, what counts most comes last: an address that waits is beside the node's own there.
_ON = (Phase.WAITING, Phase.HOLDING, Phase.BOUND)
# When to look again at a node that holds another address; mostly its leaving is noticed before.
HELD_SECONDS = 60.0
MAY_STILL_COME_SECONDS = 30.0
"""A mutation whose answer was lost is not forgotten before the cloud must have shown it."""


def restore_refused_target(case: Case) -> Step | None:
    """A target that cannot have the address gets its own again before the next one is tried."""
    record, observed = case.record, case.observed
    node_ref = record.node_ref
    if (
        not node_ref
        or node_ref not in restorable_now(case, record)
        or not isinstance(case.cloud_state, Present)
    ):
        return None
    node = observed.nodes.get(node_ref.name)
    avoided = observed.avoided.get(record.ip, {}).get(node_ref.uid, 0.0) > observed.uptime
    given_up = avoided or (node and case.targets.has_better(record, node))
    if node and node.uid == node_ref.uid and case.targets.can_use(node) and not given_up:
        return None
    return begin(case, Mutation.RESTORE, node_ref, Why(reasons.COMPENSATING))


def restore(case: Case, step: Step) -> Step:
    """``step`` with the next restore begun, where the address itself needs nothing more."""
    if step.record is None or not pending_restores(case):
        return step
    if nodes := restorable_now(case, step.record):
        return begin_restore(case, step.record, nodes[0])
    next_restore = _until_next_restore(case, step.record)
    return replace(step, wait=min(filter(None, (step.wait, next_restore))))


def pending_restores(case: Case) -> tuple[NodeReference, ...]:
    """The nodes that the address has left and that have no public address of their own yet."""
    if not case.record.restore_pending:
        return ()
    holder = case.cloud_state.address.holder if isinstance(case.cloud_state, Present) else None
    machine = holder.machine_id if isinstance(holder, MachineHolder) else ""
    machine_of = case.observed.machine_of
    return tuple(
        node_ref
        for node_ref in case.record.restore_pending
        if machine_of.get(node_ref.provider_id, "") not in ("", machine)
    )


def bound_and_owed(case: Case) -> tuple[Reason, str]:
    """The reason of an address that is bound, and what its message says of nodes it has left."""
    if refused := refused_restores(case):
        return reasons.NODE_NOT_RESTORED, f"; {refused}"
    if not (pending := pending_restores(case)):
        return reasons.BOUND, ""
    names = ", ".join(node_ref.name for node_ref in pending)
    return reasons.BOUND, f"; still to get a public address of its own again: {names}"


def hand_over(records: Mapping[str, AddressRecord], now: float) -> dict[str, AddressRecord]:
    """These records; what a node is owed goes over to the address of theirs that it has now.

    Else it would be forgotten with the address that it was given up for, or hold that one back.
    """
    # What is about to leave counts least.
    on = {r.previous.provider_id: r.ip for r in records.values() if r.previous}
    for phase in _ON:
        there = (r for r in records.values() if r.node_ref and r.phase is phase)
        on |= {r.node_ref.provider_id: r.ip for r in there if r.node_ref}
    pending: dict[str, list[NodeReference]] = {ip: [] for ip in records}
    for ip, record in records.items():
        for node_ref in record.restore_pending:
            owner = on.get(node_ref.provider_id, ip) if node_ref in record.restorable else ip
            if node_ref not in pending[owner]:
                pending[owner].append(node_ref)
    return {
        ip: settle(record, now, restore_pending=tuple(pending[ip]))
        for ip, record in records.items()
    }


def restorable_now(case: Case, record: AddressRecord) -> tuple[NodeReference, ...]:
    """Nodes whose address can be restored now: not while a reserved one is, or may come, there."""
    if until_known(case, record):
        return ()
    later = case.observed.restore_after.get(record.ip, {})
    return tuple(
        node_ref
        for node_ref in pending_restores(case)
        if later.get(node_ref.uid, 0.0) <= case.observed.uptime
        and not case.targets.has_other(node_ref, record.ip)
    )


def refused_restores(case: Case) -> str:
    """Which nodes the cloud refuses a public address of their own, and why; ``""`` = none."""
    refused = case.observed.restore_refused.get(case.record.ip)
    if not refused:
        return ""
    return "; ".join(
        f"node {node_ref.name} has no public address of its own any more: {refused[node_ref.uid]}"
        for node_ref in pending_restores(case)
        if node_ref.uid in refused
    )


def _until_next_restore(case: Case, record: AddressRecord) -> float:
    """Seconds until the first restore may be tried again, while all of them must wait."""
    later = case.observed.restore_after.get(case.record.ip, {})
    pauses = (later.get(ref.uid, 0.0) - case.observed.uptime for ref in pending_restores(case))
    held = until_known(case, record) or HELD_SECONDS
    return min(pause if pause > 0 else held for pause in pauses)


def until_known(case: Case, record: AddressRecord) -> float | None:
    """Seconds in which a mutation of which nobody knows the end may still take effect.

    What failed in a process before this one may do so, too: only that one knew which failures are
    certain, and when they were.
    """
    observed = case.observed
    left = MAY_STILL_COME_SECONDS - observed.working_seconds
    if record.attempts and record.ip not in observed.outcomes and left > 0.0:
        return left
    return until_lost_answer_is_over(record, case.observed.now)


def until_lost_answer_is_over(record: AddressRecord, now: float) -> float | None:
    """Seconds in which a mutation of which nobody knows the end may still give it a holder."""
    begun = record.operation.startswith((Mutation.ATTACH, Mutation.MOVE))
    if not begun or record.attempts:
        return None
    left = record.since + MAY_STILL_COME_SECONDS - now
    return left if 0.0 < left <= MAY_STILL_COME_SECONDS else None
