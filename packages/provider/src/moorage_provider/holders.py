"""What is said of whoever holds an address."""

from __future__ import annotations

from moorage_provider.errors import InUse
from moorage_provider.protocol import CloudAddress, MachineHolder


def held(address: CloudAddress, code: str = "") -> InUse:
    """The error for an address that somebody else holds; ``code`` is the cloud's own for that."""
    holder = address.holder
    if isinstance(holder, MachineHolder):
        owner = holder.machine_id
    else:
        owner = holder.description if holder else "somebody"
    return InUse(f"{address.ip} is held by {owner}", code, owner)
