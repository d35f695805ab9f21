"""Every reason that a pool can give for its state; pure."""

from __future__ import annotations

from moorage_domain.reasons import Reason

POOL_READY = Reason("Ready", "Addresses of the pool can be given away.")
INVALID = Reason(
    "Invalid", "The spec of the pool makes no sense; the message says why.", warning=True
)
IN_USE = Reason(
    "InUse",
    "The pool is deleted, but addresses of it are in use; the message names who has them.",
    warning=True,
)
ABOVE_THRESHOLD = Reason(
    "AboveThreshold",
    "So much of the pool is in use as its spec calls nearly full: make it larger soon.",
    warning=True,
)
BELOW_THRESHOLD = Reason("BelowThreshold", "Less of the pool is in use than that.")
NONE_FREE = Reason(
    "NoneFree",
    "No address of the pool is free: make it larger, or release addresses.",
    warning=True,
)
SOME_FREE = Reason("SomeFree", "Addresses of the pool are free.")
SHARED_ADDRESSES = Reason(
    "SharedAddresses",
    "Other pools of its network have addresses of it, too. Each address is given once, and counts"
    " as used in all of them; where that is not meant, edit one of the pools or name another"
    " network.",
    warning=True,
)
ALONE = Reason("Alone", "No other pool of its network has addresses of it.")
OUTSIDE = Reason(
    "AddressesOutside",
    "The pool was edited under addresses in use. They stay with their owners, and are not given"
    " out again; put them into the ranges again, or replace what has them.",
    warning=True,
)
INSIDE = Reason("AllInside", "Every address of the pool in use is in its ranges.")

ALL: tuple[Reason, ...] = tuple(one for one in list(globals().values()) if isinstance(one, Reason))
"""All of them."""
WARNINGS = frozenset(one.name for one in ALL if one.warning)
"""The names of those that a person should look at."""
POOL_STATES = frozenset({"NearlyFull", "Exhausted", "Overlapping", "OutOfRange"})
"""Conditions of pools that a person should look at while they are True."""
