"""Restore: a node that gave up its own public address gets one again.

Some clouds let an interface have one public address. There a node that is to hold a reserved one
must give up its own, ephemeral one first. The pending restore is written down before that address
is taken, and made when the reserved one has left: no node stays without an address because of us.
"""

from __future__ import annotations

from dataclasses import replace

from moorage_core import reasons
from moorage_core.decide.begin import Why, begin, begin_restore
from moorage_core.decide.case import Case, Step
from moorage_core.model import Mutation, NodeReference, Present
from moorage_provider.protocol import MachineHolder


def restore_refused_target(case: Case) -> Step | None:
    """A target that cannot have the address gets its own again before the next one is tried."""
    record, observed = case.record, case.observed
    node_ref = record.node_ref
    if (
        not node_ref
        or node_ref not in restorable_now(case)
        or not isinstance(case.cloud_state, Present)
    ):
        return None
    node = observed.nodes.get(node_ref.name)
    avoided = observed.avoided.get(record.ip, {}).get(node_ref.uid, 0.0) > observed.uptime
    if node and node.uid == node_ref.uid and case.targets.can_use(node) and not avoided:
        return None
    return begin(case, Mutation.RESTORE, node_ref, Why(reasons.COMPENSATING))


def restore(case: Case, step: Step) -> Step:
    """``step`` with the next restore begun, where the address itself needs nothing more."""
    if step.record is None or not pending_restores(case):
        return step
    if nodes := restorable_now(case):
        return begin_restore(case, step.record, nodes[0])
    return replace(step, wait=min(filter(None, (step.wait, _until_next_restore(case)))))


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


def restorable_now(case: Case) -> tuple[NodeReference, ...]:
    """Nodes whose address can be restored now."""
    later = case.observed.restore_after.get(case.record.ip, {})
    return tuple(
        node_ref
        for node_ref in pending_restores(case)
        if later.get(node_ref.uid, 0.0) <= case.observed.uptime
    )


def _until_next_restore(case: Case) -> float:
    """Seconds until the first restore may be tried again, while all of them must wait."""
    later = case.observed.restore_after[case.record.ip]
    return min(later[node_ref.uid] - case.observed.uptime for node_ref in pending_restores(case))
