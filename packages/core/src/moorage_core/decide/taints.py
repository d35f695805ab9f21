"""Which nodes lose the taint that kept pods away until the address was there."""

from __future__ import annotations

from moorage_core.actions import RemoveTaint
from moorage_core.model import Observed, Phase, Present, Record
from moorage_provider.protocol import MachineHolder


def settled(world: Observed, records: tuple[Record, ...]) -> tuple[RemoveTaint, ...]:
    """The taints to be removed: where an address is bound, and a reading of now shows it."""
    key = world.allocation.settled_taint
    nodes = (
        world.nodes.get(record.place.node_name)
        for record in records
        if record.place and record.phase is Phase.BOUND and _is_shown(world, record)
    )
    return tuple(RemoveTaint(node, key) for node in nodes if node and key in node.taints)


def _is_shown(world: Observed, record: Record) -> bool:
    """Whether the cloud shows it there; while it is read again, the status alone proves nothing."""
    reading = world.readings.get(record.ip)
    holder = reading.address.holder if isinstance(reading, Present) else None
    if not isinstance(holder, MachineHolder) or record.place is None:
        return False
    return world.by_machine.get(holder.machine_id) == record.place.node_name
