"""The end of an allocation: what is said of its addresses when the finalizer comes off."""

from __future__ import annotations

from moorage_core import reasons
from moorage_core.actions import Action, UnlabelNode
from moorage_core.decide.case import Foreign, Nobody, OnGone, OnNode, locate
from moorage_core.model import Absent, AddressRecord, Awaited, NodeReference, Observed, Present
from moorage_domain.plans import Finalizer, Plan
from moorage_provider.protocol import MachineHolder


def let_go(observed: Observed) -> Plan[Action]:
    """Nothing is held any more, or by force: labels off, then the finalizer, last of all."""
    labelled = (observed.nodes[name] for name in observed.owned if name in observed.nodes)
    forced = observed.allocation.force_release and _left(observed)
    return Plan(
        reason=(reasons.FORCE_RELEASED if forced else reasons.RELEASING).name,
        message=forced or _released(observed),
        actions=tuple(UnlabelNode(node) for node in labelled),
        finalizer=Finalizer.ABSENT,
    )


def _released(observed: Observed) -> str:
    if observed.allocation.retain:
        return "no address is held any more; each stays where it is, as spec.releasePolicy says"
    return "every address is released"


def _left(observed: Observed) -> str:
    """Which addresses are left where, and what may still come; ``""`` = nothing is."""
    texts = [text for record in observed.records if (text := _left_of(record, observed))]
    if not texts:
        return ""
    return (
        f"let go without the cloud, as its annotation asks: {'; '.join(texts)}."
        " Nobody takes them off any more: do it in the cloud where they must not stay"
    )


def _left_of(record: AddressRecord, observed: Observed) -> str:
    """What becomes of one address; ``""`` = no node of ours has it, or may get it."""
    if not record.ours or record.ip in observed.conflicts:
        return ""
    parts = [_where(record, observed)]
    if record.ip in observed.in_flight:
        parts.append("the cloud is still changing that")
    others = (ref for ref in record.restorable if ref not in record.places)
    if names := ", ".join(ref.name for ref in others):
        parts.append(f"without a public address of its own: node {names}")
    if text := ", ".join(part for part in parts if part):
        return f"{record.ip} {text}"
    return ""


def _where(record: AddressRecord, observed: Observed) -> str:
    state = observed.cloud_states.get(record.ip, Awaited())
    if isinstance(state, Absent):
        return ""
    if not isinstance(state, Present):
        # Before a move ends, either of the two may have it.
        nodes = [*map(_named, reversed(record.places))]
        return f"was last on {' or '.join(nodes)}" if nodes else ""
    match locate(record, state, observed):
        case OnNode(node):
            holder = state.address.holder
            machine = holder.machine_id if isinstance(holder, MachineHolder) else node.provider_id
            return f"stays on machine {machine} (node {node.name})"
        case OnGone(node_ref):
            return f"stays on {_named(node_ref)}"
        case Nobody() | Foreign():
            return ""


def _named(node_ref: NodeReference) -> str:
    return f"machine {node_ref.provider_id} (node {node_ref.name})"
