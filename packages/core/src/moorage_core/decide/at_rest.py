"""An address that is where it shall be, as its record says: in each pass, that is most of them.

What all the rules together would find is found at once, so that a pass costs what has changed.
"""

from __future__ import annotations

from moorage_core import reasons
from moorage_core.decide.begin import address_of
from moorage_core.decide.case import Case, OnNode, Step, reference_to
from moorage_core.decide.targets import why_leave
from moorage_core.model import AddressRecord, Phase
from moorage_domain.nodes import Node


def stay_at_rest(case: Case) -> Step | None:
    """It is bound on a fit node, nothing is under way, and no other node is owed anything."""
    record, observed, holder = case.record, case.observed, case.holder
    if record.phase is not Phase.BOUND or not isinstance(holder, OnNode) or holder.misplaced:
        return None
    if record.ip in observed.conflicts or record.ip in observed.in_flight:
        return None
    node = holder.node
    if not node.ready or why_leave(node, observed) is not None:
        return None
    rests = _says_so(record, node) and record.cloud_ref == address_of(case).reference
    return Step(record) if rests else None


def _says_so(record: AddressRecord, node: Node) -> bool:
    """Whether this is the record of an address on the node, and tells of nothing else."""
    return (
        record.node_ref == reference_to(node)
        and (record.reason, record.message) == (reasons.BOUND.name, f"on node {node.name}")
        and not (record.previous or record.operation or record.attempts or record.last_failure)
        and not (record.next_attempt or record.held_since)
        and all(owed.provider_id == node.provider_id for owed in record.restore_pending)
    )
