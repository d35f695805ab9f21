"""Every reason a claim or a pool can give for its state."""

from __future__ import annotations

from moorage_domain.reasons import Reason
from moorage_ipam import pool_reasons

# Of claims.
ALLOCATED = Reason("Allocated", "The claim has an address, and its IPAddress says which.")
ALLOCATING = Reason("Allocating", "An address is being bound to the claim.")
RELEASING = Reason("Releasing", "The claim is deleted; its address is being released.")
RELEASED = Reason("Released", "The claim is deleted, and has no address any more.")
CLAIM_IN_USE = Reason(
    "InUse",
    "The claim is deleted, but somebody else's finalizer holds it: its machine may still run.",
)
PAUSED = Reason("Paused", "The claim or its Cluster is paused; nothing is changed.")
CLUSTER_MISSING = Reason(
    "ClusterMissing",
    "The claim names a Cluster that is not there. Nothing is allocated before it is.",
)
POOL_NOT_READY = Reason(
    "PoolNotReady",
    "The pool is not there, is being deleted, or its spec makes no sense. Its own condition Ready"
    " says more.",
    warning=True,
)
POOL_EXHAUSTED = Reason(
    "PoolExhausted",
    "No address of the pool is free. The oldest claim gets the next one; make the pool larger, or"
    " release addresses.",
    warning=True,
)
ALLOCATION_FAILED = Reason(
    "AllocationFailed",
    "The address that the claim asks for is none, is not one of the pool, or is in use. No other"
    " one is given.",
    warning=True,
)
ADDRESS_CONFLICT = Reason(
    "AddressConflict",
    "The claim's IPAddress, and the records of who has which address, contradict each other."
    " Nothing is allocated before a person has decided which of them is right.",
    warning=True,
)
ADDRESS_LEAVING = Reason(
    "AddressLeaving",
    "An IPAddress of the claim's name is being deleted, and somebody's finalizer keeps it; the"
    " claim's own is written once that is gone.",
)
MOVING = Reason("Moving", "The claim lives on in another cluster; its address is kept here.")
RESTORING = Reason(
    "Restoring",
    "The claim or its pool comes from a backup, or the claim replaces one of its name; its"
    " IPAddress may follow, so nothing is allocated yet.",
)

# Of Machines. ALLOCATING and POOL_EXHAUSTED are those of claims.
ADDRESSES_WRITTEN = Reason(
    "AddressesWritten", "The Machine's devices have their addresses, and it may get its VM."
)
LEAVING = Reason(
    "Leaving",
    "The Machine is being deleted. Our hooks are off; its addresses are released once it is gone.",
)
MACHINE_GONE = Reason("MachineGone", "The Machine is gone, and its addresses are released.")
MACHINE_SETTLED = Reason("MachineSettled", "The Machine waits for nothing of ours.")
RESERVATION_TAKEN = Reason(
    "ReservationTaken",
    "The Machine has come for which addresses were reserved; they are bound to it.",
)
REPLACING = Reason(
    "Replacing",
    "The Machine has the name of one that had addresses: it keeps those that it names, and the"
    " others are released.",
)
OTHER_AUTHORITY = Reason(
    "OtherAuthority",
    "Cluster API has the Machine, or is about to: nothing is written to it here.",
)
TOO_LATE = Reason(
    "TooLate",
    "Our start hook is on a Machine that has a VM already, or failed: addresses would reach"
    " nobody. Remove the hook, or replace the Machine.",
    warning=True,
)
HOOK_UNSERVED = Reason(
    "HookUnserved",
    "The Machine waits by a start hook that the file named before, or in another list than the"
    " file's. Nobody serves it: correct the hook or the file, and replace the Machine.",
    warning=True,
)
MACHINE_UNUSABLE = Reason(
    "MachineUnusable",
    "The Machine has no place for addresses; the message says what to change. It waits until then.",
    warning=True,
)
MACHINE_CONFLICT = Reason(
    "MachineConflict",
    "The Machine names an address that somebody else has. Give one of the two another address.",
    warning=True,
)

_OWN = tuple(one for one in list(globals().values()) if isinstance(one, Reason))
ALL: tuple[Reason, ...] = (*_OWN, *pool_reasons.ALL)
"""All of them."""
WARNINGS = frozenset(one.name for one in ALL if one.warning)
"""The names of those that a person should look at."""
CLAIM_WARNINGS = WARNINGS - {pool_reasons.IN_USE.name}
"""Of a claim it means less: its machine may still run."""
