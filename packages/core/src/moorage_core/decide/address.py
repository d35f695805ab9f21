"""What happens to an address that is wanted.

the cloud says           the node is                     then                 reason
-----------------------  ------------------------------  -------------------  ---------------
an older one claims it   -                               make no call at all  Conflict
under way, or being read -                               wait
cannot be read           -                               freeze               Throttled, ...
no such address          -                               wait for people      NotFound
something foreign has it -                               leave it alone       InUseByForeign
on a node                fit                             settle               Bound
on a node                NotReady, not yet for long      stay                 Bound
on a node                NotReady with most of the pool  stay                 MassNotReady
on a node                cordoned, workload still there  stay                 WorkloadRunning
on a node                cordoned, pods not counted yet  count them
on a node                cordoned and drained            move to a free node  Drained
on a node                NotReady for too long           move to a free node  NodeNotReady
on a node                about to vanish, says a taint   move to a free node  NodeLeaving
on a vanished node       gone for less than the grace    stay                 NodeGone
on a vanished node       gone for longer                 move to a free node  NodeGone
nobody has it            the one it was taken off, fit   put it back          Repairing
nobody has it            -                               give to a free node  Attaching
must move, or nobody     no node of the pool is free     stay                 NoEligibleNode
"""

from __future__ import annotations

from moorage_core import reasons
from moorage_core.actions import Reread
from moorage_core.decide.begin import Why, address_of, begin
from moorage_core.decide.case import (
    Case,
    Foreign,
    Nobody,
    OnGone,
    OnNode,
    Step,
    changed,
    reference_to,
    settle,
)
from moorage_core.decide.restore import pending_restores, restore, restore_refused_target
from moorage_core.decide.targets import Leave, patience, why_leave
from moorage_core.model import (
    Absent,
    AddressRecord,
    Awaited,
    DrainMode,
    ForeignPolicy,
    Mutation,
    Phase,
    Unread,
)
from moorage_domain.nodes import Node
from moorage_domain.plans import first_match
from moorage_domain.reasons import Reason
from moorage_provider.protocol import MachineHolder

# EC2 shows an association within seconds; after this long the cloud is believed over our memory.
VERIFY_SECONDS = 30.0
# The time until the next pass where a node has pods that the watch has not reported yet.
BEHIND_SECONDS = 1.0
# A freeze ends by time alone where the lost nodes stay lost.
LOOK_AGAIN_SECONDS = 60.0
# The longest wait after a failure, whatever a clock says.
LONGEST_BACKOFF_SECONDS = 600.0


def decide_address(case: Case) -> Step:
    """The step for one wanted address: the first rule that has an opinion decides."""
    return first_match(RULES, case)


def yield_to_older(case: Case) -> Step | None:
    """Two allocations list the address; the younger one makes no call at all."""
    owner = case.observed.conflicts.get(case.record.ip)
    if owner is None:
        return None
    message = f"NetIPAllocation {owner} is older and lists the same address"
    return Step(_nowhere(case, reasons.CONFLICT, message))


def wait_for_mutation(case: Case) -> Step | None:
    """One mutation at a time for an address."""
    record = case.record
    if record.ip not in case.observed.in_flight:
        return None
    handle = case.observed.handles.get(record.ip, record.handle)
    return Step(settle(record, case.observed.now, handle=handle))


def wait_for_reading(case: Case) -> Step | None:
    """Nothing is decided on an old cloud state while the address is being read."""
    return Step(case.record) if isinstance(case.cloud_state, Awaited) else None


def freeze_unread(case: Case) -> Step | None:
    """Unknown is never absent: keep all that is, change nothing."""
    if not isinstance(case.cloud_state, Unread):
        return None
    phase = Phase.UNKNOWN if case.record.node_ref else Phase.BLOCKED
    return Step(changed(case, case.cloud_state.reason, case.cloud_state.message, phase=phase))


def block_absent(case: Case) -> Step | None:
    """The cloud positively has no such address."""
    if not isinstance(case.cloud_state, Absent):
        return None
    where = f" in region {region}" if (region := case.observed.allocation.region) else ""
    message = f"{case.record.ip} is not reserved in this account{where}"
    return restore(case, Step(_nowhere(case, reasons.NOT_FOUND, message)))


def leave_foreign_alone(case: Case) -> Step | None:
    """What others hold is theirs."""
    match case.holder:
        case Foreign(owner, machine):
            policy = case.observed.allocation.foreign
            if machine and policy is not ForeignPolicy.NEVER:
                return None
            message = f"{owner} holds {case.record.ip} and is no node of this cluster"
            return restore(case, Step(_nowhere(case, reasons.FOREIGN, message)))
        case _:
            return None


def wait_until_shown(case: Case) -> Step | None:
    """The cloud said done but does not show it yet: read again before doing anything twice."""
    record, now = case.record, case.observed.now
    if record.phase is not Phase.VERIFYING or _shown(case):
        return None
    age = now - record.since
    # A time in the future was written by a clock that was ahead: it proves nothing.
    if not -1.0 <= age < VERIFY_SECONDS:
        return None
    pause = min(2.0, 0.2 + max(0.0, age) / 2)
    return Step(record, reread=Reread(record.ip, pause), wait=pause)


def settle_on_fit_node(case: Case) -> Step | None:
    """The cloud shows it on a node that may keep it."""
    match case.holder:
        case OnNode(node) if why_leave(node, case.observed) is None:
            wait = patience(node, case.observed) or None
            message = f"on node {node.name}{_owing(case)}"
            record = _on(case, node, Phase.BOUND, reasons.BOUND, message)
            return restore(case, Step(record, wait=wait))
        case _:
            return None


def freeze_when_most_of_the_pool_is_down(case: Case) -> Step | None:
    """Then the fault is ours or the network's, and every move would be wrong."""
    match case.holder:
        case OnNode(node):
            leave = why_leave(node, case.observed)
            node_ref = reference_to(node)
            if leave is None or leave.reason is not reasons.NODE_NOT_READY:
                return None
        case OnGone(node_ref):
            pass
        case _:
            return None
    message = case.targets.mass_not_ready
    if not message:
        return None
    record = changed(case, reasons.MASS_NOT_READY, message, phase=Phase.HOLDING, node_ref=node_ref)
    return restore(case, Step(record, wait=LOOK_AGAIN_SECONDS))


def hold_while_workload_runs(case: Case) -> Step | None:
    """A drain is over when the pods that need the address are gone."""
    if (draining := _draining(case)) is None:
        return None
    node, leave = draining
    if not (pods := _pods_left(case, node)):
        return None
    return _hold(
        case, node, f"{leave.message}; {pods} still run there", patience(node, case.observed)
    )


def count_pods_of_drained_node(case: Case) -> Step | None:
    """The watch may be behind: the node's pods are counted before the address leaves."""
    if (draining := _draining(case)) is None:
        return None
    node, leave = draining
    match case.observed.counted.get(node.name):
        case None:
            return Step(case.record, count=node.name, wait=0.0)
        case False:
            message = f"{leave.message}; pods run there that the watch has not told of yet"
            return _hold(case, node, message, BEHIND_SECONDS)
        case True:
            return None


def wait_for_gone_node(case: Case) -> Step | None:
    """A kubelet that registers again is no failover."""
    match case.holder:
        case OnGone(node_ref):
            since = case.observed.gone_since.get(node_ref.uid, case.observed.uptime)
            left = since + case.observed.allocation.gone_after - case.observed.uptime
        case _:
            return None
    if left <= 0:
        return None
    message = f"the Node object {node_ref.name} is gone, its machine still holds the address"
    record = changed(case, reasons.NODE_GONE, message, phase=Phase.HOLDING, node_ref=node_ref)
    return restore(case, Step(record, wait=left))


def back_off(case: Case) -> Step | None:
    """After a failure, not again before its time."""
    left = min(case.record.next_attempt - case.observed.now, LONGEST_BACKOFF_SECONDS)
    return Step(case.record, wait=left) if left > 0 else None


def go_on(case: Case) -> Step:
    """Give the address to its node, or take it from where it must not stay to a free one."""
    target = case.targets.pick(case.record)
    if target is None:
        return _stay_without_target(case)
    capabilities, why = case.observed.capabilities, _why(case, target)
    if capabilities.clears_target_first and not _prepared(case.record, target):
        return begin(case, Mutation.PREPARE, reference_to(target), why)
    if isinstance(case.holder, Nobody):
        return begin(case, Mutation.ATTACH, reference_to(target), why)
    if capabilities.moves_in_one_call:
        return begin(case, Mutation.MOVE, reference_to(target), why)
    return begin(case, Mutation.DETACH, reference_to(target), why)


RULES = (
    yield_to_older,
    wait_for_mutation,
    wait_for_reading,
    freeze_unread,
    block_absent,
    leave_foreign_alone,
    wait_until_shown,
    restore_refused_target,
    settle_on_fit_node,
    freeze_when_most_of_the_pool_is_down,
    hold_while_workload_runs,
    count_pods_of_drained_node,
    wait_for_gone_node,
    back_off,
    go_on,
)


def _why(case: Case, target: Node) -> Why:
    """Reason and message of a binding or a move that begins."""
    record = case.record
    match case.holder:
        case OnNode(node):
            leave = why_leave(node, case.observed)
            return Why(leave.reason, leave.message) if leave else Why(reasons.MOVING)
        case OnGone(node_ref):
            return Why(reasons.NODE_GONE, f"the Node object {node_ref.name} is gone")
        case Nobody() if record.phase is Phase.BOUND and record.node_ref == reference_to(target):
            return Why(reasons.REPAIRING, "somebody took it off the node")
        case Nobody():
            return Why(reasons.ATTACHING)
        case Foreign(owner, _):
            return Why(reasons.MOVING, f"spec.foreignPolicy lets it be taken from {owner}")


def _prepared(record: AddressRecord, target: Node) -> bool:
    """Whether the target's interface is free already; attach and detach come only after that."""
    done = record.operation.startswith(("prepared/", "detach/", "attach/"))
    return done and record.node_ref is not None and record.node_ref.uid == target.uid


def _stay_without_target(case: Case) -> Step:
    record, reason = case.record, reasons.NO_ELIGIBLE_NODE
    failed = f"; last failure: {record.message}" if record.attempts else ""
    message = f"no free node in the pool can take {record.ip}{failed}"
    if record.reason == reason.name:
        message = record.message
    match case.holder:
        case OnNode(node):
            stay = changed(case, reason, message, phase=Phase.HOLDING, node_ref=reference_to(node))
        case OnGone(node_ref):
            stay = changed(case, reason, message, phase=Phase.HOLDING, node_ref=node_ref)
        case _:
            stay = changed(case, reason, message, phase=Phase.WAITING, node_ref=None)
    return restore(case, Step(stay, wait=_until_avoided_is_over(case)))


def _owing(case: Case) -> str:
    """Which nodes still need a public address of their own, for people."""
    names = ", ".join(node_ref.name for node_ref in pending_restores(case))
    return f"; still to get a public address of its own again: {names}" if names else ""


def _until_avoided_is_over(case: Case) -> float | None:
    now = case.observed.uptime
    avoided = case.observed.avoided.get(case.record.ip, {}).values()
    return min((until - now for until in avoided if until > now), default=None)


def _on(case: Case, node: Node, phase: Phase, reason: Reason, message: str) -> AddressRecord:
    """The record of an address that the cloud shows on a node of ours."""
    return changed(
        case, reason, message,
        phase=phase, node_ref=reference_to(node), previous=None, operation="",
        attempts=0, next_attempt=0.0, cloud_ref=address_of(case).reference,
    )  # fmt: skip


def _nowhere(case: Case, reason: Reason, message: str) -> AddressRecord:
    """The record of an address that no node of ours can have now."""
    return changed(
        case, reason, message,
        phase=Phase.BLOCKED, node_ref=None, previous=None, operation="",
        attempts=0, next_attempt=0.0,
    )  # fmt: skip


def _draining(case: Case) -> tuple[Node, Leave] | None:
    """The node that the address is to leave once its pods are gone; ``None`` = none, or at once."""
    match case.holder:
        case OnNode(node):
            leave = why_leave(node, case.observed)
        case _:
            return None
    begun = case.observed.capabilities.clears_target_first and case.record.operation
    at_once = case.observed.allocation.drain is DrainMode.IMMEDIATE
    return None if leave is None or not leave.gentle or begun or at_once else (node, leave)


def _hold(case: Case, node: Node, message: str, wait: float) -> Step:
    record = _on(case, node, Phase.HOLDING, reasons.WORKLOAD_RUNNING, message)
    return restore(case, Step(record, wait=wait or None))


def _pods_left(case: Case, node: Node) -> str:
    """Which pods hold the address back, in plain words; ``""`` = none."""
    observed = case.observed
    if observed.allocation.drain is DrainMode.ALL_PODS_GONE:
        return "pods" if node.name in observed.crowded else ""
    if node.name not in observed.busy:
        return ""
    workload = observed.allocation.workload
    if observed.workload_missing:
        return f"there is no {workload}, so all count that are of no DaemonSet: pods"
    return f"pods of {workload}" if workload else "pods"


def _shown(case: Case) -> bool:
    """Whether the cloud shows what the finished mutation did."""
    if case.record.operation.startswith(Mutation.DETACH):
        return isinstance(case.holder, Nobody)
    holder = address_of(case).holder
    node_ref = case.record.node_ref
    return (
        node_ref is not None
        and isinstance(holder, MachineHolder)
        and case.observed.machine_of.get(node_ref.provider_id) == holder.machine_id
    )
