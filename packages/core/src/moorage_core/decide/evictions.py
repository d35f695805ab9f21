"""Which pods are asked to leave a node: those that select an address and run where none is.

All of this must hold, for an eviction cannot be undone:

the spec        asks for it, names a workload that exists, can be carried out, is not being deleted
the cloud       was read for every address; what cannot be read is unknown, which is never absent
the addresses   none is on its way, and one is on a labelled node, where the pods can go
the pod's node  no address of any allocation is there, came from there or is promised to it
the pod         was not evicted, or refused to be, within 15 s
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from moorage_core.decide.case import Step
from moorage_core.decide.conditions import MOVING
from moorage_core.decide.node_labels import label_ready
from moorage_core.model import Absent, Observed, Phase, Present, Record
from moorage_core.pods import EvictPod

RETRY_SECONDS = 15.0


def evictions(world: Observed, steps: Sequence[Step]) -> tuple[EvictPod, ...]:
    """The pods to be evicted now."""
    records = [step.record for step in steps if step.record is not None]
    safe = (
        _is_asked_for(world)
        and _is_all_read(world)
        and not any(step.mutate for step in steps)
        and not any(_is_on_its_way(record, world) for record in records)
        and any(_is_served(record, world) for record in records)
    )
    if not safe:
        return ()
    spoken_for = {*world.spoken_for, *world.taken, *_named(records)}
    return tuple(
        EvictPod(pod)
        for pod in world.misplaced
        if pod.node_name not in spoken_for and world.evict_after.get(pod.uid, 0.0) <= world.uptime
    )


def until_next(world: Observed) -> float | None:
    """Seconds until misplaced pods are looked at again; ``None`` = there are none."""
    after = (world.evict_after.get(pod.uid, 0.0) - world.uptime for pod in world.misplaced)
    return min((seconds if seconds > 0 else RETRY_SECONDS for seconds in after), default=None)


def _is_asked_for(world: Observed) -> bool:
    allocation = world.allocation
    return (
        allocation.evict_misplaced
        and not allocation.deleting
        and not allocation.problem
        and allocation.workload is not None
        and not world.workload_missing
    )


def _is_all_read(world: Observed) -> bool:
    """An address that an older allocation has is not read for this one: that is unknown, too."""
    wanted = {*world.allocation.addresses, *world.readings}
    return all(isinstance(world.readings.get(ip), Present | Absent) for ip in wanted)


def _is_on_its_way(record: Record, world: Observed) -> bool:
    moving = record.phase in MOVING or record.phase is Phase.UNKNOWN
    return moving or record.ip in world.in_flight


def _is_served(record: Record, world: Observed) -> bool:
    """Whether pods that select the address can be scheduled to it."""
    node = world.nodes.get(record.place.node_name) if record.place else None
    return record.phase is Phase.BOUND and node is not None and label_ready(node)


def _named(records: Iterable[Record]) -> set[str]:
    places = (place for record in records for place in (record.place, record.previous))
    return {place.node_name for place in places if place}
