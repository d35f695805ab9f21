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
    place_of,
    settle,
)
from moorage_core.model import ForeignPolicy, Mutation, Phase, Place, Present, Record
from moorage_domain.reasons import Reason
from moorage_provider.protocol import CloudAddress

_REQUESTS = UUID("6f0f3d0c-5d0e-4e0e-9b57-6d6f6f726167")
_PHASES = {
    Mutation.PREPARE: Phase.PREPARING,
    Mutation.ATTACH: Phase.ATTACHING,
    Mutation.MOVE: Phase.ATTACHING,
    Mutation.DETACH: Phase.DETACHING,
    Mutation.COMPENSATE: Phase.COMPENSATING,
}


def begin_detach(case: Case, reason: Reason) -> Step:
    """Let an address go that is no longer wanted; it gets no new place."""
    address, record = address_of(case), case.record
    place = _source(case) or record.place
    request_id = _request_id(case, Mutation.DETACH, place.node_uid if place else "")
    intent = changed(
        case, reason, f"taking {record.ip} off node {place.node_name if place else '?'}",
        phase=Phase.RELEASING, place=place, previous=None, next_attempt=0.0,
        operation=f"{Mutation.DETACH}/{request_id}",
    )  # fmt: skip
    return Step(
        intent,
        Mutate(
            mutation=Mutation.DETACH,
            allocation=case.world.allocation.name,
            ip=record.ip,
            address=address,
            place=place,
            machine_id="",
            request_id=request_id,
            handle=intent.handle,
        ),
    )


@dataclass(frozen=True, slots=True)
class Why:
    """What people are told of a mutation: the reason, and what there is to say beside it."""

    reason: Reason
    detail: str = ""


def begin(case: Case, mutation: Mutation, place: Place, why: Why) -> Step:
    """Write the intention down; the mutation is begun only once that is stored."""
    address = address_of(case)
    world, record = case.world, case.record
    previous = _source(case)
    request_id = _request_id(case, mutation, place.node_uid)
    # The failure that sent us on to this node must not vanish from the status unseen.
    after = f", after a failure: {record.message}" if record.attempts else ""
    detail = f": {why.detail}" if why.detail else ""
    origin = f" from node {previous.node_name}" if previous and previous != place else ""
    target = f"to node {place.node_name}"
    intent = changed(
        case, why.reason, f"{mutation} {record.ip}{origin} {target}{detail}{after}",
        phase=_PHASES[mutation], place=place, previous=previous, next_attempt=0.0,
        operation=f"{mutation}/{request_id}", cloud_ref=address.reference,
    )  # fmt: skip
    mutate = Mutate(
        mutation=mutation,
        allocation=world.allocation.name,
        ip=record.ip,
        address=address,
        place=place,
        machine_id=world.machine_of.get(place.provider_id, ""),
        request_id=request_id,
        may_strip=any(owed.node_uid == place.node_uid for owed in record.owed),
        handle=intent.handle,
        only_unmanaged=isinstance(case.holder, Foreign)
        and world.allocation.foreign is ForeignPolicy.IF_UNMANAGED,
    )
    return Step(intent, mutate=mutate)


def begin_compensation(case: Case, record: Record, place: Place) -> Step:
    """Give a node its own public address again; what is told of the reserved one stays."""
    request_id = _request_id(case, Mutation.COMPENSATE, place.node_uid)
    operation = f"{Mutation.COMPENSATE}/{request_id}"
    intent = settle(record, case.world.now, operation=operation)
    mutate = Mutate(
        mutation=Mutation.COMPENSATE,
        allocation=case.world.allocation.name,
        ip=record.ip,
        address=CloudAddress(record.ip, record.cloud_ref, None),
        place=place,
        machine_id=case.world.machine_of.get(place.provider_id, ""),
        request_id=request_id,
        handle=intent.handle,
    )
    return Step(intent, mutate=mutate)


def _request_id(case: Case, mutation: Mutation, node_uid: str) -> str:
    """The same for every repeat of one step, another for another step or attempt."""
    token = case.reading.address.token if isinstance(case.reading, Present) else ""
    seed = (case.world.allocation.uid, case.record.ip, mutation, node_uid, token)
    return str(uuid5(_REQUESTS, "/".join(seed) + f"/{case.record.attempts}"))


def _source(case: Case) -> Place | None:
    match case.holder:
        case OnNode(node):
            return place_of(node)
        case OnGone(place):
            return place
        case _:
            return case.record.previous


def address_of(case: Case) -> CloudAddress:
    """The reading that a mutation rests on."""
    if not isinstance(case.reading, Present):
        raise TypeError(f"{case.record.ip} was not read")
    return case.reading.address
