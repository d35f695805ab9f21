"""What happens to an address that is wanted.

the cloud says           the node is                     then                 reason
-----------------------  ------------------------------  -------------------  ---------------
an older one claims it   -                               make no call at all  Conflict
under way, or being read -                               wait
cannot be read           -                               freeze               Throttled, ...
no such address          -                               wait for people      NotFound
something foreign has it -                               leave it alone       InUseByForeign
on a node                fit                             settle               Bound
on a node, beside it     fit                             put in its place     Misplaced
on a node                NotReady, not yet for long      stay                 NodeNotReady
on a node                NotReady with most of the pool  stay                 MassNotReady
on a node                emptied*, workload still there  stay                 WorkloadRunning
on a node                emptied*, held too long by pods move to a free node  DrainTimedOut
on a node                emptied*, pods not counted yet  count them
on a node                emptied* and drained            move to a free node  Drained
on a node                NotReady for too long           move to a free node  NodeNotReady
on a node                about to vanish, says a taint   move to a free node  NodeLeaving
on a vanished node       gone for less than the grace    stay                 NodeGone
on a vanished node       gone for longer                 move to a free node  NodeGone
nobody has it            the one it was taken off, fit   put it back          Repairing
nobody has it            -                               give to a free node  Attaching
must move, or nobody     no fit node of the pool is free stay                 NoEligibleNode

* to be emptied: cordoned, being deleted, tainted by a scale-down, excluded from load balancers by
  its label, or no longer in the pool
"""

from __future__ import annotations

from dataclasses import replace

from moorage_core import reasons
from moorage_core.actions import Reread
from moorage_core.decide.at_rest import stay_at_rest
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
from moorage_core.decide.drain_timeout import held_since, moves_at, timed_out, until_timeout
from moorage_core.decide.gone_node import wait_for_gone_node
from moorage_core.decide.moments import clock, epoch, steady
from moorage_core.decide.no_target import stay_without_target
from moorage_core.decide.pods_left import pods_left
from moorage_core.decide.restore import bound_and_owed, restore, restore_refused_target
from moorage_core.decide.targets import Leave, patience, until_due, why_leave
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

_UNDER_WAY = frozenset({Phase.PREPARING, Phase.DETACHING, Phase.ATTACHING, Phase.VERIFYING})
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
    if (under_way := case.observed.in_flight.get(record.ip)) is None:
        return None
    if under_way.mutation is Mutation.ATTACH and record.operation.startswith(Mutation.MOVE):
        fields = {"operation": under_way.operation, "phase": Phase.ATTACHING}
        record = settle(record, case.observed.now, **fields)
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
    record = changed(case, case.cloud_state.reason, case.cloud_state.message, phase=phase)
    # What it rests on is what was read before, whenever that was.
    read_at = float(int(case.cloud_state.read_at)) or case.record.observed_at
    record = record if record.observed_at == read_at else replace(record, observed_at=read_at)
    left = until_due(case.record, case.observed)
    return Step(record, probe=left == 0, wait=left or None)


def block_absent(case: Case) -> Step | None:
    """The cloud positively has no such address."""
    if not isinstance(case.cloud_state, Absent):
        return None
    where = f" in region {region}" if (region := case.observed.allocation.region) else ""
    message = f"not reserved in this account{where}"
    return restore(case, Step(_nowhere(case, reasons.NOT_FOUND, message)))


def leave_foreign_alone(case: Case) -> Step | None:
    """What others hold is theirs."""
    match case.holder:
        case Foreign(owner, machine, why):
            policy = case.observed.allocation.foreign
            if machine and policy is not ForeignPolicy.NEVER:
                return None
            message = f"{owner} has it, and {why}"
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
            if patience(node, case.observed):
                return _wait_for_recovery(case, node, f"node {node.name} is")
            reason, owed = bound_and_owed(case)
            message = f"on node {node.name}{owed}"
            return restore(case, Step(_on(case, node, Phase.BOUND, reason, message)))
        case _:
            return None


def put_in_its_place(case: Case) -> Step | None:
    """On a fit node, but not on its own private address: there it is of no use."""
    match case.holder:
        case OnNode(node, misplaced) if misplaced and why_leave(node, case.observed) is None:
            if patience(node, case.observed):
                return None
        case _:
            return None
    if waiting := back_off(case):
        return waiting
    # A way to another node that has begun is gone to its end.
    record = case.record
    begun = record.phase in _UNDER_WAY and record.node_ref
    own = record if begun else replace(record, node_ref=reference_to(node))
    target = case.targets.pick(own)
    return _give(case, target) if target else stay_without_target(case)


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
    if not (pods := pods_left(case.observed, node)) or until_timeout(case, node) == 0:
        return None
    message = f"{leave.message}; {pods}{moves_at(case, node)}"
    if patience(node, case.observed):
        return _wait_for_recovery(case, node, f"{message}; it is")
    return _hold(case, node, message)


def count_pods_of_drained_node(case: Case) -> Step | None:
    """The watch may be behind: the node's pods are counted before the address leaves."""
    if (draining := _draining(case)) is None:
        return None
    node, leave = draining
    if until_timeout(case, node) == 0:
        return None  # whatever runs there
    match case.observed.counted.get(node.name):
        case None:
            return Step(case.record, count=node.name, wait=0.0)
        case False:
            message = f"{leave.message}; pods run there that the watch has not told of yet"
            return _hold(case, node, f"{message}{moves_at(case, node)}", BEHIND_SECONDS)
        case True:
            return None


def back_off(case: Case) -> Step | None:
    """After a failure, not again before its time."""
    left = min(case.record.next_attempt - case.observed.now, LONGEST_BACKOFF_SECONDS)
    return Step(case.record, wait=left) if left > 0 else None


def go_on(case: Case) -> Step:
    """Give the address to its node, or take it from where it must not stay to a free one."""
    target = case.targets.pick(case.record)
    return _give(case, target) if target else stay_without_target(case)


def _give(case: Case, target: Node) -> Step:
    """Begin what brings the address to this node."""
    capabilities, why = case.observed.capabilities, _why(case, target)
    if capabilities.clears_target_first and not _prepared(case.record, target):
        return begin(case, Mutation.PREPARE, reference_to(target), why)
    mutation = Mutation.ATTACH if isinstance(case.holder, Nobody) else Mutation.MOVE
    return begin(case, mutation, reference_to(target), why)


RULES = (
    stay_at_rest,
    yield_to_older,
    wait_for_mutation,
    wait_for_reading,
    freeze_unread,
    block_absent,
    leave_foreign_alone,
    wait_until_shown,
    restore_refused_target,
    put_in_its_place,
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
        case OnNode(node, misplaced):
            return _why_off_node(case, node, misplaced)
        case OnGone(node_ref):
            return Why(reasons.NODE_GONE, f"the Node object {node_ref.name} is gone")
        case Nobody() if record.phase is Phase.BOUND and record.node_ref == reference_to(target):
            return Why(reasons.REPAIRING, "somebody took it off the node")
        case Nobody():
            return Why(reasons.ATTACHING)
        case Foreign(owner, _) if record.reason == reasons.FOREIGN.name and record.attempts:
            # It was spared, and may be again: until it is not, nothing new is to be told.
            return Why(reasons.FOREIGN, f"asking again whether {owner} belongs to a cluster")
        case Foreign(owner, _):
            return Why(reasons.MOVING, f"spec.foreignPolicy lets it be taken from {owner}")


def _why_off_node(case: Case, node: Node, misplaced: str) -> Why:
    """The same for an address that is on a node, perhaps beside its own private address."""
    text = f"it is on {misplaced} of node {node.name}, not on the node's own address"
    leave = why_leave(node, case.observed) or Leave(reasons.MISPLACED, text, gentle=False)
    if leave.gentle and (held := timed_out(case, node)):
        return Why(reasons.DRAIN_TIMED_OUT, f"{leave.message}; {held}")
    return Why(leave.reason, leave.message)


def _prepared(record: AddressRecord, target: Node) -> bool:
    """Whether the target's interface is free already; attach and detach come only after that."""
    done = record.operation.startswith(("prepared/", "detach/", "move/", "attach/"))
    return done and record.node_ref is not None and record.node_ref.uid == target.uid


def _on(case: Case, node: Node, phase: Phase, reason: Reason, message: str) -> AddressRecord:
    """The record of an address that the cloud shows on a node of ours."""
    return changed(
        case, reason, message,
        phase=phase, node_ref=reference_to(node), previous=None, operation="",
        attempts=0, last_failure="", next_attempt=0.0, cloud_ref=address_of(case).reference,
        held_since=case.record.held_since if phase is Phase.HOLDING else 0.0,
    )  # fmt: skip


def _nowhere(case: Case, reason: Reason, message: str) -> AddressRecord:
    """The record of an address that no node of ours can have now."""
    return changed(
        case, reason, message,
        phase=Phase.BLOCKED, node_ref=None, previous=None, operation="",
        attempts=0, last_failure="", next_attempt=0.0, held_since=0.0,
    )  # fmt: skip


def _draining(case: Case) -> tuple[Node, Leave] | None:
    """The node that the address is to leave once its pods are gone; ``None`` = none, or at once."""
    match case.holder:
        case OnNode(node, ""):
            leave = why_leave(node, case.observed)
        case _:
            return None
    begun = case.observed.capabilities.clears_target_first and case.record.operation
    at_once = case.observed.allocation.drain is DrainMode.IMMEDIATE
    return None if leave is None or not leave.gentle or begun or at_once else (node, leave)


def _hold(case: Case, node: Node, message: str, wait: float | None = None) -> Step:
    record = _on(case, node, Phase.HOLDING, reasons.WORKLOAD_RUNNING, message)
    record = replace(record, held_since=held_since(case, node))
    waits = (one for one in (wait, until_timeout(case, node)) if one is not None)
    return restore(case, Step(record, wait=min(waits, default=None)))


def _wait_for_recovery(case: Case, node: Node, subject: str) -> Step:
    """A node that is NotReady may recover; until its time is over people read when that is."""
    observed = case.observed
    wait = patience(node, observed)
    if message := case.targets.mass_not_ready:
        record = _on(case, node, Phase.HOLDING, reasons.MASS_NOT_READY, message)
        return restore(case, Step(record, wait=min(wait, LOOK_AGAIN_SECONDS)))
    after = observed.allocation.not_ready_after

    def until(due: float) -> str:
        moves = f"the address moves at {clock(due)} UTC unless it recovers"
        return f"{subject} NotReady since {clock(due - after)}, {moves}"

    message = steady(case.record, epoch(observed, observed.uptime + wait), until)
    record = _on(case, node, Phase.HOLDING, reasons.NODE_NOT_READY, message)
    return restore(case, Step(record, wait=wait))


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
        and not holder.misplaced
    )
