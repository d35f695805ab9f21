"""Every reason that a claim can give for where its address is."""

from __future__ import annotations

from moorage_domain.reasons import Reason

# Of the condition Ready of claims; kubectl shows it as the phase.
ANNOUNCED = Reason("Announced", "The node has the address and answers for it.")
ASSIGNED = Reason("Assigned", "A node was chosen; its agent has not said anything of it yet.")
PROBING = Reason("Probing", "The node asks whether another machine has the address.")
CONFLICT = Reason(
    "Conflict",
    "Another machine has the address; the message names it. The node does not take it, and asks"
    " again from time to time.",
    warning=True,
)
WAITING_FOR_PROXY = Reason(
    "WaitingForProxy", "The service proxy of the node is not healthy yet; the node waits for it."
)
NO_LINK = Reason(
    "NoLink", "The node has no link that fits the pool or the address any more.", warning=True
)
REFUSED = Reason("Refused", "The kernel of the node refused the address.", warning=True)
YIELDED = Reason(
    "Yielded", "Another machine announced the address, so the node let go.", warning=True
)
NO_ELIGIBLE_NODE = Reason(
    "NoEligibleNode",
    "No node can have the address; the message says which rule removed how many.",
    warning=True,
)
NO_ENDPOINTS = Reason(
    "NoEndpoints",
    "All its Services have external traffic policy Local, and none has an endpoint on any node, so"
    " no node has the address.",
)
NODE_LOST = Reason(
    "NodeLost",
    "The lease of its node has ended, and no other node can have the address.",
    warning=True,
)
MOVES_HELD = Reason(
    "MovesHeld",
    "More than half of all leases ended at once. That is rather the API than the nodes, so nothing"
    " is moved before renewals have come in for a whole lease.",
    warning=True,
)
LEASE_MISSING = Reason(
    "LeaseMissing",
    "Its node had no Lease when this process began. Whoever deleted it may have done so while the"
    " agent held the address for a restart, so it is moved once the longest hold is over.",
)
INVALID_ADDRESS = Reason("InvalidAddress", "spec.cidr is no address with its length.", warning=True)
NOT_ALLOCATED = Reason(
    "NotAllocated",
    "The address is not the claim's own, so no node has it; its condition Allocated says why.",
)
DELETING = Reason("Deleting", "The claim is being deleted.")

# Of what is done.
STARTING = Reason("Starting", "Leases are watched for one lease before any node is judged.")
PLACED = Reason("Placed", "A node was chosen for the address.")
MOVED = Reason("Moved", "The address moves to another node; the message says why.")
WITHDRAWN = Reason("Withdrawn", "No node shall have the address any more.")
LABELED = Reason("Labeled", "The label ipnode is brought in line with the spec.")
SPREAD = Reason("Spread", "The list of nodes that have the address changes.")

# Of other conditions.
SCHEDULED = Reason("Scheduled", "A node was chosen for the address.")
KEPT = Reason(
    "KeptForLackOfNodes",
    "The address should leave its node, and no other node can have it; it stays.",
    warning=True,
)
NOT_SCHEDULED = Reason("NotScheduled", "No node shall have the address.")
NO_CONFLICT = Reason("NoConflict", "No node says that another machine has the address.")
REJECTED = Reason(
    "RejectedByNodes",
    "Nodes that should have the address said that they cannot; the message says what each said."
    " Each is tried once in ten minutes, and no third one where two hear the same other machine.",
    warning=True,
)
NOT_REJECTED = Reason("NotRejected", "No node says that it cannot have the address.")
ENDPOINTS_FOUND = Reason(
    "EndpointsFound", "The node has an endpoint of every Service with policy Local."
)
NO_COMMON_NODE = Reason(
    "NoCommonNode",
    "No node has endpoints of all Services with policy Local that share the address; the newest"
    " that makes it impossible waits.",
    warning=True,
)
ENDPOINTS_OUT_OF_REACH = Reason(
    "EndpointsOutOfReach",
    "Services with policy Local have endpoints only on nodes that cannot have the address.",
    warning=True,
)
ENDPOINTS_WITHOUT_NODE = Reason(
    "EndpointsWithoutNode",
    "Endpoints of a Service with policy Local name no node. The address is placed as with policy"
    " Cluster, and the service proxy may drop what arrives.",
    warning=True,
)

PHASES = {
    one.name: one
    for one in (
        ANNOUNCED, PROBING, CONFLICT, WAITING_FOR_PROXY, NO_LINK, REFUSED, YIELDED,
    )
}  # fmt: skip
"""The reason of the condition Ready, by the state that an agent says."""

ALL: tuple[Reason, ...] = (
    ANNOUNCED, ASSIGNED, PROBING, CONFLICT, WAITING_FOR_PROXY, NO_LINK, REFUSED, YIELDED,
    NO_ELIGIBLE_NODE, NO_ENDPOINTS, NODE_LOST, MOVES_HELD, LEASE_MISSING, INVALID_ADDRESS,
    NOT_ALLOCATED, DELETING, STARTING,
    PLACED, MOVED, WITHDRAWN, LABELED, SPREAD, SCHEDULED, KEPT,
    NOT_SCHEDULED, NO_CONFLICT, REJECTED, NOT_REJECTED, ENDPOINTS_FOUND, NO_COMMON_NODE,
    ENDPOINTS_OUT_OF_REACH, ENDPOINTS_WITHOUT_NODE,
)  # fmt: skip
WARNINGS = frozenset(one.name for one in ALL if one.warning)
