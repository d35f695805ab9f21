"""Every reason a Service, a claim or a pool can give for its state."""

from __future__ import annotations

from moorage_domain.reasons import Reason
from moorage_ipam import pool_reasons

# Of Services.
ASSIGNED = Reason("Assigned", "The Service has the addresses that it asks for.")
ASSIGNING = Reason("Assigning", "An address is being bound to the Service.")
RELEASING = Reason("Releasing", "The Service gives addresses back.")
NOT_OURS = Reason("NotOurs", "The Service asks for nothing of ours; nothing is written to it.")
NO_POOL = Reason(
    "NoPool",
    "No pool may give the Service an address: there is none of the family, or none is for its"
    " namespace and labels, or none gives addresses by itself. The message says which; make a pool,"
    " or name one with moorage.dev/pools.",
    warning=True,
)
POOL_EXHAUSTED = Reason(
    "PoolExhausted",
    "No address is free in any pool that may give the Service one. The oldest Service gets the next"
    " one; make a pool larger, or release addresses.",
    warning=True,
)
REQUEST_REFUSED = Reason(
    "RequestRefused",
    "The address that the Service asks for is none, is in no pool that may give it, or belongs to"
    " a node, to pods or to the cluster. No other one is given.",
    warning=True,
)
ADDRESS_IN_USE = Reason(
    "AddressInUse",
    "The address that the Service asks for is in use, and cannot be shared; the message says why:"
    " the sharing keys differ, a port is used twice, or the namespaces differ.",
    warning=True,
)
KEPT_FORMER = Reason(
    "KeptFormer",
    "What the Service asks for now cannot be had; its former address goes on serving.",
    warning=True,
)
CONTESTED = Reason(
    "Contested",
    "Another writer keeps changing status.loadBalancer of the Service. Ours is written less and"
    " less often; the message names the other one. Stop one of the two.",
    warning=True,
)
SHARING_CONFLICT = Reason(
    "SharingConflict",
    "Services that share an address were edited so that they may not share it any more. Nothing is"
    " taken from any; give one of them another address, or mend its ports or key.",
    warning=True,
)

# Of claims.
IN_POOL = Reason("InPool", "The address is one that its pool gives.")
OUT_OF_POOL = Reason(
    "OutOfPool",
    "The address is in use, but no pool gives it any more. It stays as it is, and is given to"
    " nobody else; let its Services ask for another one, or put it back into a pool.",
    warning=True,
)
BY_HAND = Reason("ByHand", "A person has made the claim; it stays until that person deletes it.")
ADDRESS_CONFLICT = Reason(
    "AddressConflict",
    "The record of the address says that somebody else has it. Delete the claim or that record.",
    warning=True,
)
UNREADABLE = Reason("Unreadable", "The claim's cidr is no address.", warning=True)
BINDING = Reason("Binding", "The record of the address is being bound to the claim.")
RETIRING = Reason("Retiring", "No Service uses the claim any more; it is being deleted.")
ADOPTING = Reason("Adopting", "A claim of the first version is being taken over.")

_OWN = tuple(one for one in list(globals().values()) if isinstance(one, Reason))
ALL: tuple[Reason, ...] = (*_OWN, *pool_reasons.ALL)
"""All of them."""
WARNINGS = frozenset(one.name for one in ALL if one.warning)
"""The names of those that a person should look at."""
