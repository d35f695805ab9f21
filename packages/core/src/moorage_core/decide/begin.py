"""How a mutation is begun: the intention for the status, and the call that follows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID, uuid5

from moorage_core.actions import Mutate
from moorage_core.decide.case import (
    Case,
    Foreign,
    Step,
    changed,
    node_that_has_it,
    settle,
)
from moorage_core.model import AddressRecord, ForeignPolicy, Mutation, NodeReference, Phase, Present
from moorage_core.words import doing
from moorage_domain.reasons import Reason
from moorage_provider.protocol import CloudAddress

_REQUESTS = UUID("6f0f3d0c-5d0e-4e0e-9b57-6d6f6f726167")
_PHASES = {
    Mutation.PREPARE: Phase.PREPARING,
    Mutation.ATTACH: Phase.ATTACHING,
    Mutation.MOVE: Phase.ATTACHING,
    Mutation.RESTORE: Phase.COMPENSATING,
}


def begin_detach(case: Case, reason: Reason) -> Step:
    """Release an address that is no longer wanted."""
    address, record = address_of(case), case.record
    node_ref = _source(case) or record.node_ref
    request_id = _request_id_for(case, Mutation.DETACH, node_ref.uid if node_ref else "")
    intent = changed(
        case, reason, f"taking it off node {node_ref.name if node_ref else '?'}",
        phase=Phase.RELEASING, node_ref=node_ref, previous=None, next_attempt=0.0,
        operation=f"{Mutation.DETACH}/{request_id}",
    )  # fmt: skip
    return Step(
        intent,
        Mutate(
            mutation=Mutation.DETACH,
            allocation=case.observed.allocation.name,
            ip=record.ip,
            address=address,
            node_ref=node_ref,
            machine_id="",
            request_id=request_id,
            handle=intent.handle,
        ),
    )


@dataclass(frozen=True, slots=True)
class Why:
    """Reason and message of a mutation."""

    reason: Reason
    detail: str = ""


def begin(case: Case, mutation: Mutation, node_ref: NodeReference, why: Why) -> Step:
    """Write the intention down; the mutation is begun only once that is stored."""
    address = address_of(case)
    observed, record = case.observed, case.record
    previous = _source(case)
    request_id = _request_id_for(case, mutation, node_ref.uid)
    # The failure that sent us on to this node must not vanish from the status unseen.
    after = f"; the last try failed: {record.last_failure}" if record.last_failure else ""
    detail = f": {why.detail}" if why.detail else ""
    owed = _owed(case, node_ref)
    what = doing(mutation, node_ref.name, previous.name if previous else "")
    intent = changed(
        case, why.reason, f"{what}{detail}{after}",
        phase=_phase(case, mutation), node_ref=node_ref, previous=previous, next_attempt=0.0,
        operation=f"{mutation}/{request_id}", cloud_ref=address.reference, restore_pending=owed,
    )  # fmt: skip
    mutate = Mutate(
        mutation=mutation,
        allocation=observed.allocation.name,
        ip=record.ip,
        address=address,
        node_ref=node_ref,
        machine_id=observed.machine_of.get(node_ref.provider_id, ""),
        request_id=request_id,
        may_strip=any(ref.uid == node_ref.uid for ref in owed),
        handle=intent.handle,
        previous=previous if mutation is Mutation.MOVE else None,
        allocation_uid=observed.allocation.uid,
        attempts=record.attempts,
        only_unmanaged=isinstance(case.holder, Foreign)
        and observed.allocation.foreign is ForeignPolicy.IF_UNMANAGED,
    )
    return Step(intent, mutate=mutate)


def _owed(case: Case, target: NodeReference) -> tuple[NodeReference, ...]:
    """The nodes to be restored, with the target where it was seen with an address of its own."""
    owed, seen = case.record.restore_pending, case.observed.own_addresses.get(case.record.ip)
    is_new = seen == target.uid and all(ref.uid != target.uid for ref in owed)
    return (*owed, target) if is_new else owed


def begin_restore(case: Case, record: AddressRecord, node_ref: NodeReference) -> Step:
    """Give a node its own public address again; what the record says of the reserved one stays."""
    request_id = _request_id_for(case, Mutation.RESTORE, node_ref.uid)
    operation = f"{Mutation.RESTORE}/{request_id}"
    intent = settle(record, case.observed.now, operation=operation)
    mutate = Mutate(
        mutation=Mutation.RESTORE,
        allocation=case.observed.allocation.name,
        ip=record.ip,
        address=CloudAddress(record.ip, record.cloud_ref, None),
        node_ref=node_ref,
        machine_id=case.observed.machine_of.get(node_ref.provider_id, ""),
        request_id=request_id,
        handle=intent.handle,
    )
    return Step(intent, mutate=mutate)


def attach_next(mutate: Mutate, address: CloudAddress) -> Mutate:
    """The second half of a move: the address, which nobody holds now, comes to its new node.

    It is the very mutation that a successor would begin from the same state.
    """
    node_uid = mutate.node_ref.uid if mutate.node_ref else ""
    attempt = (mutate.allocation_uid, mutate.ip, mutate.attempts)
    return replace(
        mutate,
        mutation=Mutation.ATTACH,
        address=address,
        request_id=_request_id(attempt, Mutation.ATTACH, node_uid, address.token),
        handle="",
        previous=None,
        only_unmanaged=False,
    )


def _request_id(
    attempt: tuple[str, str, int], mutation: Mutation, node_uid: str, token: str
) -> str:
    """The same for every repeat of one step, another for another step or attempt.

    ``attempt`` is the allocation's uid, the address, and how often it failed before.
    """
    allocation_uid, ip, attempts = attempt
    seed = (allocation_uid, ip, mutation, node_uid, token)
    return str(uuid5(_REQUESTS, "/".join(seed) + f"/{attempts}"))


def _request_id_for(case: Case, mutation: Mutation, node_uid: str) -> str:
    token = case.cloud_state.address.token if isinstance(case.cloud_state, Present) else ""
    attempt = (case.observed.allocation.uid, case.record.ip, case.record.attempts)
    return _request_id(attempt, mutation, node_uid, token)


def _phase(case: Case, mutation: Mutation) -> Phase:
    """A move of two steps begins with taking the address off."""
    two_steps = not case.observed.capabilities.moves_in_one_call
    return Phase.DETACHING if mutation is Mutation.MOVE and two_steps else _PHASES[mutation]


def _source(case: Case) -> NodeReference | None:
    return node_that_has_it(case) or case.record.previous


def address_of(case: Case) -> CloudAddress:
    """The cloud state that a mutation rests on."""
    if not isinstance(case.cloud_state, Present):
        raise TypeError(f"{case.record.ip} was not read")
    return case.cloud_state.address
