"""Which pods are asked to leave a node: those that select an address and run where none is.

All of this must hold, for an eviction cannot be undone:

the spec        asks for it, names a workload that exists, can be carried out, is not being deleted
the cloud       was read for every address; what cannot be read is unknown, which is never absent
the addresses   none is on its way, and one is on a labelled node, where the pods can go
the pod's node  no address of any allocation is there, came from there or is to come to it
the pod         was not evicted, or refused to be, within 15 s
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from moorage_core.decide.case import Step
from moorage_core.decide.conditions import MOVING
from moorage_core.decide.node_labels import label_ready
from moorage_core.model import Absent, AddressRecord, Observed, Phase, Present
from moorage_core.pods import EvictPod

RETRY_SECONDS = 15.0


def evictions(observed: Observed, steps: Sequence[Step]) -> tuple[EvictPod, ...]:
    """The pods to be evicted now."""
    records = [step.record for step in steps if step.record is not None]
    safe = (
        _is_asked_for(observed)
        and _is_all_read(observed)
        and not any(step.mutate for step in steps)
        and not any(_is_on_its_way(record, observed) for record in records)
        and any(_is_served(record, observed) for record in records)
    )
    if not safe:
        return ()
    spoken_for = {*observed.spoken_for, *_named(records)}
    return tuple(
        EvictPod(pod)
        for pod in observed.misplaced
        if pod.node_name not in spoken_for
        and pod.node_name not in observed.taken
        and observed.evict_after.get(pod.uid, 0.0) <= observed.uptime
    )


def until_next(observed: Observed) -> float | None:
    """Seconds until the next pass for misplaced pods; ``None`` = there are none."""
    after = (observed.evict_after.get(pod.uid, 0.0) - observed.uptime for pod in observed.misplaced)
    return min((seconds if seconds > 0 else RETRY_SECONDS for seconds in after), default=None)


def _is_asked_for(observed: Observed) -> bool:
    allocation = observed.allocation
    return (
        allocation.evict_misplaced
        and not allocation.deleting
        and not allocation.problem
        and allocation.workload is not None
        and not observed.workload_missing
    )


def _is_all_read(observed: Observed) -> bool:
    """An address that an older allocation has is not read for this one: that is unknown, too."""
    wanted = {*observed.allocation.addresses, *observed.cloud_states}
    return all(isinstance(observed.cloud_states.get(ip), Present | Absent) for ip in wanted)


def _is_on_its_way(record: AddressRecord, observed: Observed) -> bool:
    moving = record.phase in MOVING or record.phase is Phase.UNKNOWN
    return moving or record.ip in observed.in_flight


def _is_served(record: AddressRecord, observed: Observed) -> bool:
    """Whether pods that select the address can be scheduled to it."""
    node = observed.nodes.get(record.node_ref.name) if record.node_ref else None
    return record.phase is Phase.BOUND and node is not None and label_ready(node)


def _named(records: Iterable[AddressRecord]) -> set[str]:
    return {node_ref.name for record in records for node_ref in record.places}
