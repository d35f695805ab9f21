"""How a mutation is begun: the intention for the status, and the call that follows it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid5

from moorage_core.actions import Mutate
from moorage_core.decide.case import (
    Case,
    Foreign,
    OnGone,
    OnNode,
    Step,
    changed,
    reference_to,
    settle,
)
from moorage_core.model import AddressRecord, ForeignPolicy, Mutation, NodeReference, Phase, Present
from moorage_domain.reasons import Reason
from moorage_provider.protocol import CloudAddress

_REQUESTS = UUID("6f0f3d0c-5d0e-4e0e-9b57-6d6f6f726167")
_PHASES = {
    Mutation.PREPARE: Phase.PREPARING,
    Mutation.ATTACH: Phase.ATTACHING,
    Mutation.MOVE: Phase.ATTACHING,
    Mutation.DETACH: Phase.DETACHING,
    Mutation.RESTORE: Phase.COMPENSATING,
}


def begin_detach(case: Case, reason: Reason) -> Step:
    """Release an address that is no longer wanted."""
    address, record = address_of(case), case.record
    node_ref = _source(case) or record.node_ref
    request_id = _request_id(case, Mutation.DETACH, node_ref.uid if node_ref else "")
    intent = changed(
        case, reason, f"taking {record.ip} off node {node_ref.name if node_ref else '?'}",
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
    request_id = _request_id(case, mutation, node_ref.uid)
    # The failure that sent us on to this node must not vanish from the status unseen.
    after = f", after a failure: {record.message}" if record.attempts else ""
    detail = f": {why.detail}" if why.detail else ""
    origin = f" from node {previous.name}" if previous and previous != node_ref else ""
    target = f"to node {node_ref.name}"
    intent = changed(
        case, why.reason, f"{mutation} {record.ip}{origin} {target}{detail}{after}",
        phase=_PHASES[mutation], node_ref=node_ref, previous=previous, next_attempt=0.0,
        operation=f"{mutation}/{request_id}", cloud_ref=address.reference,
    )  # fmt: skip
    mutate = Mutate(
        mutation=mutation,
        allocation=observed.allocation.name,
        ip=record.ip,
        address=address,
        node_ref=node_ref,
        machine_id=observed.machine_of.get(node_ref.provider_id, ""),
        request_id=request_id,
        may_strip=any(
            restore_pending.uid == node_ref.uid for restore_pending in record.restore_pending
        ),
        handle=intent.handle,
        only_unmanaged=isinstance(case.holder, Foreign)
        and observed.allocation.foreign is ForeignPolicy.IF_UNMANAGED,
    )
    return Step(intent, mutate=mutate)


def begin_restore(case: Case, record: AddressRecord, node_ref: NodeReference) -> Step:
    """Give a node its own public address again; what the record says of the reserved one stays."""
    request_id = _request_id(case, Mutation.RESTORE, node_ref.uid)
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


def _request_id(case: Case, mutation: Mutation, node_uid: str) -> str:
    """The same for every repeat of one step, another for another step or attempt."""
    token = case.cloud_state.address.token if isinstance(case.cloud_state, Present) else ""
    seed = (case.observed.allocation.uid, case.record.ip, mutation, node_uid, token)
    return str(uuid5(_REQUESTS, "/".join(seed) + f"/{case.record.attempts}"))


def _source(case: Case) -> NodeReference | None:
    match case.holder:
        case OnNode(node):
            return reference_to(node)
        case OnGone(node_ref):
            return node_ref
        case _:
            return case.record.previous


def address_of(case: Case) -> CloudAddress:
    """The cloud state that a mutation rests on."""
    if not isinstance(case.cloud_state, Present):
        raise TypeError(f"{case.record.ip} was not read")
    return case.cloud_state.address
