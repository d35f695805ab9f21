"""Every reason an address or an allocation can give for its state."""

from __future__ import annotations

from moorage_domain.reasons import Reason

BOUND = Reason("Bound", "The cloud shows the address on its node, and the node is labelled.")
ALL_BOUND = Reason("AllBound", "Every listed address is on a healthy node.")
NO_ADDRESSES = Reason("NoAddresses", "The list of reserved addresses is empty.")
ATTACHING = Reason("Attaching", "The address is being given to a node.")
MOVING = Reason("Moving", "The address is being taken from one node to another.")
VERIFYING = Reason("Verifying", "The cloud accepted the change; waiting until it shows it.")
WORKLOAD_RUNNING = Reason(
    "WorkloadRunning",
    "The node must give the address up, but pods that need it still run there. It moves when they"
    " are gone.",
)
DRAINED = Reason("Drained", "The node is cordoned or left the pool, and nothing holds it back.")
NODE_NOT_READY = Reason("NodeNotReady", "The node has been NotReady for too long.", warning=True)
NODE_LEAVING = Reason("NodeLeaving", "A taint says that the node is about to vanish.")
NODE_GONE = Reason(
    "NodeGone", "The Node object is gone; the address moves after a grace period.", warning=True
)
NO_ELIGIBLE_NODE = Reason(
    "NoEligibleNode",
    "No node of the pool is free: each is unready, cordoned, leaving, or holds another address."
    " Add a node, or list fewer addresses.",
)
MASS_NOT_READY = Reason(
    "MassNotReady",
    "More than half of the pool is NotReady at once, which points at the network or the control"
    " plane rather than the nodes. Nothing moves until it is over.",
    warning=True,
)
REPAIRING = Reason(
    "Repairing", "Somebody took the address off its node; it is being put back.", warning=True
)
NOT_FOUND = Reason(
    "NotFound",
    "The cloud has no such reserved address in this account and region. Reserve it, or correct the"
    " list or spec.cloud.region.",
    warning=True,
)
FOREIGN = Reason(
    "InUseByForeign",
    "Something that is no node of this cluster holds the address. Release it there; from a machine"
    " it is also taken where spec.foreignPolicy says so, from a load balancer or the like never.",
    warning=True,
)
CONFLICT = Reason(
    "Conflict", "An older allocation lists the same address, and the oldest wins.", warning=True
)
INVALID_ADDRESS = Reason("InvalidAddress", "The text is no public IP address.", warning=True)
INVALID_SPEC = Reason("InvalidSpec", "The spec cannot be carried out as it is.", warning=True)
PROVIDER_MISSING = Reason(
    "ProviderMissing",
    "The cloud plug-in that spec.cloud.provider names is absent or unfit.",
    warning=True,
)
THROTTLED = Reason("Throttled", "The cloud asks for fewer calls; tried again later.", warning=True)
LOCKED = Reason("Locked", "Another operation holds this resource; tried again later.")
UNAVAILABLE = Reason(
    "CloudUnavailable", "The cloud gives no usable answer; tried again later.", warning=True
)
DENIED = Reason(
    "PermissionDenied", "The credentials lack a permission, named in the message.", warning=True
)
CREDENTIALS = Reason(
    "CredentialsRejected", "There are no credentials, or the cloud refuses them.", warning=True
)
QUOTA = Reason("QuotaExceeded", "A limit of the cloud account is reached.", warning=True)
UNSUPPORTED = Reason("Unsupported", "This cloud can never do this here.", warning=True)
UNFIT = Reason("MachineUnfit", "The node's machine cannot hold the address.", warning=True)
COMPENSATING = Reason("Compensating", "A node that gave up its own public address gets one again.")
NODE_NOT_LABELLED = Reason(
    "NodeNotLabelled",
    "The API server refuses the labels, or one taint less, of a node that holds, or held, an"
    " address; the message says why. The address itself is where it should be.",
    warning=True,
)
EVICTED = Reason(
    "Evicted", "A pod that asks for an address ran on a node without one, and was asked to leave."
)
EVICTION_REFUSED = Reason(
    "EvictionRefused",
    "A pod that runs on a node without an address must stay for now: a PodDisruptionBudget, or what"
    " the message says, forbids its eviction. Tried again after 15 s.",
    warning=True,
)
RELEASING = Reason("Releasing", "The address is no longer wanted and is being taken off its node.")
RELEASED = Reason("Released", "The address is no longer held for this allocation.")
STALE = Reason("ChangedMeanwhile", "The cloud changed since it was read; it is read again.")
FAILED = Reason("OperationFailed", "The cloud accepted the change, then failed it.", warning=True)
DRY_RUN = Reason(
    "DryRun",
    "Only told what would be done: the annotation moorage.dev/dry-run, or --dry-run, holds it"
    " back.",
)

ALL: dict[str, Reason] = {
    value.name: value for value in list(globals().values()) if isinstance(value, Reason)
}
