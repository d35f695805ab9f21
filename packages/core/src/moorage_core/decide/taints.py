"""Which nodes lose the taint that kept pods away until the address was there."""

from __future__ import annotations

from moorage_core.actions import RemoveTaint
from moorage_core.model import AddressRecord, Observed, Phase, Present
from moorage_provider.protocol import MachineHolder


def settled(observed: Observed, records: tuple[AddressRecord, ...]) -> tuple[RemoveTaint, ...]:
    """The taints to be removed: where an address is bound, and the cloud shows it there now."""
    key = observed.allocation.settled_taint
    if not key:
        return ()
    nodes = (
        observed.nodes.get(record.node_ref.name)
        for record in records
        if record.node_ref and record.phase is Phase.BOUND and _is_shown(observed, record)
    )
    return tuple(RemoveTaint(node, key) for node in nodes if node and key in node.taint_keys)


def _is_shown(observed: Observed, record: AddressRecord) -> bool:
    """Whether the cloud shows it there; while it is read again, the status alone proves nothing."""
    cloud_state = observed.cloud_states.get(record.ip)
    holder = cloud_state.address.holder if isinstance(cloud_state, Present) else None
    if not isinstance(holder, MachineHolder) or record.node_ref is None:
        return False
    return observed.by_machine.get(holder.machine_id) == record.node_ref.name
