"""Every reason that is given for what is done, or not, about an endpoint, a network or a node."""

from __future__ import annotations

from moorage_domain.reasons import Reason

# Of endpoints.
IN_USE = Reason("InUse", "The pod may run: its addresses are its own.")
RECLAIMING = Reason(
    "Reclaiming",
    "It is proved that the pod cannot run any more, or the policy takes it for granted: the"
    " addresses are taken from the endpoint and then freed. A Warning where it is not proved.",
)
FREEING = Reason("Freeing", "The addresses are taken from the endpoint; their bits come next.")
RECLAIMED = Reason("Reclaimed", "The addresses are free; the endpoint goes.")
LEFT_BLANK = Reason(
    "LeftBlank",
    "The addresses are free. The endpoint stays without them for as long as its host may need it"
    " to remove the pod's interface.",
)
NODE_UNCERTAIN = Reason(
    "NodeUncertain",
    "The node is not there or not ready, and nothing proves yet that its pods do not run.",
)
LEASE_RENEWED = Reason(
    "LeaseRenewed",
    "The Node object is gone, but its Lease is still renewed: the kubelet lives, so its pods may"
    " run. Nothing is freed; delete the machine, or let the kubelet register again.",
    warning=True,
)
POD_TERMINATING = Reason("PodTerminating", "The pod's deletion is not over yet.")
NOT_DELETED = Reason(
    "NotDeleted",
    "The node is unreachable, and nobody has deleted the pod: it may run there. Delete it, or fence"
    " the node.",
)
POLICY_HOLDS = Reason("PolicyHolds", "The policy frees nothing here before the node is fenced.")
ORPHAN = Reason("Orphan", "The pod is gone; the kubelet of its node may still remove the endpoint.")
POD_ELSEWHERE = Reason(
    "PodElsewhere",
    "The endpoint names another host than the node on which its pod runs. Nothing is freed; find"
    " out which of them is right.",
    warning=True,
)
POD_UNKNOWN = Reason(
    "PodUnknown",
    "The endpoint has no uid of its pod, and the pod of that name may be another one. Nothing is"
    " freed while it is there.",
)
NETWORK_UNREADABLE = Reason(
    "NetworkUnreadable",
    "The network's bits, or its ranges, make no sense; nothing of it is freed until they do.",
    warning=True,
)
NETWORK_UNNAMED = Reason(
    "NetworkUnnamed", "The endpoint names no network. Nothing is freed.", warning=True
)
SUSPENDED = Reason(
    "Suspended",
    "Too many nodes are not ready at once, or what is known of them may be old: nothing is freed"
    " from nodes that are not gone or fenced.",
    warning=True,
)
NO_DEMAND = Reason("NoDemand", "The addresses may be freed once a pod that waits asks for one.")
RATE_LIMITED = Reason("RateLimited", "Others are freed first: only so many a minute are.")
DELETING = Reason("Deleting", "Somebody has deleted the endpoint, and another finalizer holds it.")
LATE_RETURN = Reason(
    "LateReturn",
    "The node is back after addresses of its pod were freed: two pods may have one address until"
    " the old one has ended.",
    warning=True,
)

# Of networks.
BITS_CLEARED = Reason("BitsCleared", "Addresses are free again in the network's bits.")
BITS_WAIT = Reason("BitsWait", "Addresses are about to be freed.")
NOTHING_TO_FREE = Reason("NothingToFree", "No address of the network is being freed.")
NETWORK_MISSING = Reason(
    "NetworkMissing",
    "The network is gone, and its bits with it; its endpoints are removed.",
    warning=True,
)
LEAKED = Reason(
    "Leaked",
    "Addresses are in use by the network's bits, and no endpoint has them. With --audit free they"
    " are freed.",
    warning=True,
)
NOT_LEAKED = Reason("NotLeaked", "Every address that is in use has an endpoint.")

# Of nodes and pods.
FENCE_MARK_STALE = Reason(
    "FenceMarkStale",
    "A mark says that the node is fenced, but it cannot be shown to be newer than the node's last"
    " life: it proves nothing until it is removed and set again.",
    warning=True,
)
STOLEN = Reason(
    "Stolen",
    "A pod that asked for any address was given one that was freed for another pod. Keep static"
    " addresses out of the network's allocation pool.",
    warning=True,
)
CLEANER_PRESENT = Reason(
    "CleanerPresent",
    "A danm-cleaner runs. It frees by the pod's name, perhaps a second time; beside it nothing is"
    " freed before a pod asks. Remove it, or give --beside-cleaner.",
    warning=True,
)

ALL: tuple[Reason, ...] = tuple(one for one in list(globals().values()) if isinstance(one, Reason))
"""All of them."""
WARNINGS = frozenset(one.name for one in ALL if one.warning)
"""The names of those that a person should look at."""
