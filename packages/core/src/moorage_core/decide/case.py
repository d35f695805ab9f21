"""One address under decision, and the step that comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from moorage_core.actions import Mutate, Reread
from moorage_core.decide.targets import Targets
from moorage_core.model import Observed, Place, Present, Reading, Record
from moorage_domain.nodes import Node
from moorage_domain.reasons import Reason
from moorage_provider.protocol import MachineHolder


@dataclass(frozen=True, slots=True)
class Nobody:
    """The cloud positively shows no holder."""


@dataclass(frozen=True, slots=True)
class OnNode:
    """A node of this cluster holds the address."""

    node: Node


@dataclass(frozen=True, slots=True)
class OnGone:
    """A machine holds it that was our node; the Node object is gone."""

    place: Place


@dataclass(frozen=True, slots=True)
class Foreign:
    """Something else holds it.

    Attributes:
        owner: who, for people.
        machine: it is a machine, not a load balancer or another service.
    """

    owner: str
    machine: bool


Holder: TypeAlias = Nobody | OnNode | OnGone | Foreign


@dataclass(frozen=True, slots=True)
class Case:
    """One address, with the world around it; ``holder`` means nothing unless it was read."""

    record: Record
    reading: Reading
    holder: Holder
    world: Observed
    targets: Targets


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one address now.

    Attributes:
        record: how it is remembered, ``None`` = forgotten.
        mutate: the mutation to begin.
        reread: read it again soon.
        count: name of the node whose pods must be counted first.
        wait: seconds until it must be looked at again, ``None`` = only on a change.
    """

    record: Record | None
    mutate: Mutate | None = None
    reread: Reread | None = None
    count: str = ""
    wait: float | None = None


def place_of(node: Node) -> Place:
    """The node as a record remembers it."""
    return Place(node.name, node.uid, node.provider_id)


def locate(record: Record, reading: Reading, world: Observed) -> Holder:
    """Who holds the address, in the terms of this cluster."""
    holder = reading.address.holder if isinstance(reading, Present) else None
    if holder is None:
        return Nobody()
    if not isinstance(holder, MachineHolder):
        return Foreign(holder.description, machine=False)
    if (name := world.by_machine.get(holder.machine_id)) is not None:
        return OnNode(world.nodes[name])
    for place in (record.place, record.previous):
        if place and world.machine_of.get(place.provider_id) == holder.machine_id:
            return OnGone(place)
    return Foreign(f"machine {holder.machine_id}", machine=True)


def changed(case: Case, reason: Reason, message: str, **fields: Any) -> Record:  # noqa: ANN401  # fields of Record, checked by replace
    """The record with a new reason; the very same record when nothing is new."""
    return settle(case.record, case.world.now, reason=reason.name, message=message, **fields)


def settle(record: Record, now: float, **fields: Any) -> Record:  # noqa: ANN401  # fields of Record, checked by replace
    """``record`` with other fields, and its times kept true; whole seconds, as they are written."""
    # Looked at before it is made: of hundreds of addresses, one or two change.
    if all(getattr(record, name) == value for name, value in fields.items()):
        return record
    if fields.get("operation", record.operation) != record.operation:
        fields.setdefault("handle", "")
    second = float(int(now))
    since = second if fields.get("phase", record.phase) != record.phase else record.since
    return replace(record, **(fields | {"since": since, "observed_at": second}))
