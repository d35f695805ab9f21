"""One address under decision, and the step that comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from moorage_core.actions import Mutate, Reread
from moorage_core.decide.targets import Targets
from moorage_core.model import AddressRecord, CloudState, NodeReference, Observed, Present
from moorage_domain.nodes import Node
from moorage_domain.reasons import Reason
from moorage_provider.protocol import MachineHolder

# What people look at: ``since`` says when any of it last changed.
_SEEN = frozenset({"phase", "reason", "node_ref", "message"})


@dataclass(frozen=True, slots=True)
class Nobody:
    """The cloud positively shows no holder."""


@dataclass(frozen=True, slots=True)
class OnNode:
    """A node of this cluster holds the address.

    Attributes:
        node: the node.
        misplaced: where on its machine, for people, if not on the node's own private address.
    """

    node: Node
    misplaced: str = ""


@dataclass(frozen=True, slots=True)
class OnGone:
    """A machine holds it that was our node; the Node object is gone."""

    node_ref: NodeReference


@dataclass(frozen=True, slots=True)
class Foreign:
    """Something else holds it.

    Attributes:
        owner: who, for people.
        machine: it is a machine from which it may be taken, where the spec asks for that.
        why: why it is left alone, for people.
    """

    owner: str
    machine: bool
    why: str = "is no node of this cluster"


Holder: TypeAlias = Nobody | OnNode | OnGone | Foreign


@dataclass(frozen=True, slots=True)
class Case:
    """One address, with all that was observed; ``holder`` means nothing unless it was read."""

    record: AddressRecord
    cloud_state: CloudState
    holder: Holder
    observed: Observed
    targets: Targets


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one address now.

    Attributes:
        record: the new record, ``None`` = none any more.
        mutate: the mutation to begin.
        reread: read it again soon.
        probe: it has to move: ask the cloud, which cannot be read, again soon.
        count: name of the node whose pods must be counted first.
        wait: seconds until the next pass, ``None`` = only on a change.
    """

    record: AddressRecord | None
    mutate: Mutate | None = None
    reread: Reread | None = None
    probe: bool = False
    count: str = ""
    wait: float | None = None


def is_misplaced(case: Case) -> bool:
    """Whether the address is on a node's machine, but not on the node's own private address."""
    return isinstance(case.holder, OnNode) and bool(case.holder.misplaced)


def node_that_has_it(case: Case) -> NodeReference | None:
    """The node of ours that holds the address, there or gone; ``None`` = none does."""
    match case.holder:
        case OnNode(node):
            return reference_to(node)
        case OnGone(node_ref):
            return node_ref
        case _:
            return None


def reference_to(node: Node) -> NodeReference:
    """The node as a record remembers it."""
    return NodeReference(node.name, node.uid, node.provider_id)


def locate(record: AddressRecord, cloud_state: CloudState, observed: Observed) -> Holder:
    """Who holds the address, in the terms of this cluster."""
    holder = cloud_state.address.holder if isinstance(cloud_state, Present) else None
    if holder is None:
        return Nobody()
    if not isinstance(holder, MachineHolder):
        return Foreign(holder.description, machine=False)
    if (name := observed.by_machine.get(holder.machine_id)) is not None:
        node, allowed = observed.nodes[name], observed.allocation.allowed_nodes
        if allowed.fits(node.labels) or _is_recorded(node, record):
            return OnNode(node, holder.misplaced)
        # What we have not put there is somebody else's.
        return Foreign(f"node {name}", machine=False, why=f"does not match --allow-nodes {allowed}")
    for node_ref in record.places:
        if observed.machine_of.get(node_ref.provider_id) == holder.machine_id:
            return OnGone(node_ref)
    return Foreign(f"machine {holder.machine_id}", machine=True)


def _is_recorded(node: Node, record: AddressRecord) -> bool:
    """Whether the record says that the address was brought to this node, or is."""
    return any(ref.uid == node.uid for ref in record.places)


def changed(case: Case, reason: Reason, message: str, **fields: Any) -> AddressRecord:  # noqa: ANN401  # fields of Record, checked by replace
    """The record with a new reason; the very same record when nothing is new."""
    return settle(case.record, case.observed.now, reason=reason.name, message=message, **fields)


def settle(record: AddressRecord, now: float, **fields: Any) -> AddressRecord:  # noqa: ANN401  # fields of Record, checked by replace
    """``record`` with other fields, and its times kept true; whole seconds, as they are written."""
    # Compared before a copy is made: of hundreds of addresses, one or two change.
    if all(getattr(record, name) == value for name, value in fields.items()):
        return record
    if fields.get("operation", record.operation) != record.operation:
        fields.setdefault("handle", "")
    second = float(int(now))
    seen = any(getattr(record, name) != fields.get(name, ...) for name in _SEEN & fields.keys())
    since = second if seen else record.since
    return replace(record, **(fields | {"since": since, "observed_at": second}))
