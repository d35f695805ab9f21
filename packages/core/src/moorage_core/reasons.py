"""Every reason an address or an allocation can give for its state."""

from __future__ import annotations

from moorage_domain.reasons import Reason

BOUND = Reason("Bound", "The cloud shows the address on its node.")
LABELLING = Reason("Labelling", "The address is on its node, whose labels are being written.")
ALL_BOUND = Reason("AllBound", "Every listed address is on a healthy node, and all are labelled.")
NO_ADDRESSES = Reason("NoAddresses", "The list of reserved addresses is empty.")
ATTACHING = Reason("Attaching", "The address is being given to a node.")
MOVING = Reason("Moving", "The address is being taken from one node to another.")
VERIFYING = Reason("Verifying", "The cloud accepted the change; waiting until it shows it.")
WORKLOAD_RUNNING = Reason(
    "WorkloadRunning",
    "The node must give the address up, but pods that need it still run there. It moves when they"
    " are gone.",
)
LABEL_SHARED = Reason(
    "LabelShared",
    "The workload's pods ask for ip.ready only, which nodes of other allocations have, too, so they"
    " may run where none of these addresses is. The message names the selector that helps.",
    warning=True,
)
WORKLOAD_MISSING = Reason(
    "WorkloadMissing",
    "spec.workloadRef names nothing that exists. In a drain all pods count that are of no"
    " DaemonSet.",
    warning=True,
)
DUPLICATE_PROVIDER_ID = Reason(
    "DuplicateProviderID",
    "Two Node objects name one machine: one is false, or was left behind when a node came back"
    " under another name. No address comes to either; what is on the machine stays with the node"
    " that had it first. Delete the Node object that is not this machine.",
    warning=True,
)
FALSE_LABELS = Reason(
    "FalseLabels",
    "A node says that it holds an address, which it verifiably does not: its labels are taken off."
    " Said at the node, as an Event. Find out who set them.",
    warning=True,
)
DOUBTFUL_LABELS = Reason(
    "DoubtfulLabels",
    "A node says that it holds an address, and no allocation has recorded one there. Its labels"
    " stay until it is certain that none is there. Only a log line says so.",
)
DRAINED = Reason(
    "Drained",
    "The node is cordoned, being deleted, tainted by a scale-down, excluded by its label, or left"
    " the pool, and nothing holds the address back.",
)
DRAIN_TIMED_OUT = Reason(
    "DrainTimedOut",
    "The node must give the address up, and pods have held it there as long as they may"
    " (failover.drainTimeoutSeconds, or --drain-timeout where no workload is named). It moves"
    " although they still run there; the message names them.",
    warning=True,
)
NODE_NOT_READY = Reason(
    "NodeNotReady",
    "The node is NotReady. It may recover; once that has lasted failover.notReadySeconds, without a"
    " break, the address moves. While it waits the message says since when, and when it moves.",
    warning=True,
)
NODE_LEAVING = Reason("NodeLeaving", "A taint says that the node is about to vanish.")
NODE_GONE = Reason(
    "NodeGone", "The Node object is gone; the address moves after a grace period.", warning=True
)
NO_ELIGIBLE_NODE = Reason(
    "NoEligibleNode",
    "No node of the pool is free; the message counts what keeps each one from being used. Add a"
    " node, correct nodeSelector, let the workload tolerate the taint, or list fewer addresses. A"
    " Warning where the address sits on a node that it should leave.",
)
MASS_NOT_READY = Reason(
    "MassNotReady",
    "More than half of the pool is NotReady at once, and of several zones none is healthy, which"
    " points at the network or the control plane rather than the nodes. Nothing moves until it is"
    " over.",
    warning=True,
)
REPAIRING = Reason(
    "Repairing", "Somebody took the address off its node; it is being put back.", warning=True
)
MOVED_BY_OTHERS = Reason(
    "MovedByOthers",
    "Somebody else moved the address from one node of the pool to another, where it stays. Only an"
    " Event and a log line say so.",
    warning=True,
)
MISPLACED = Reason(
    "Misplaced",
    "The address is on its node's machine, but on another interface or private address than the"
    " node's own, such as a CNI's: it does not lead to the node. It is put in its place.",
    warning=True,
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
INVALID_SPEC = Reason(
    "InvalidSpec",
    "The spec cannot be carried out as it is, or asks for more than the administrator allows: the"
    " message names the field, its value and the setting. Until it is corrected, its addresses stay"
    " where they are, and no cloud is called for them.",
    warning=True,
)
PROVIDER_MISSING = Reason(
    "ProviderMissing",
    "The cloud plug-in that spec.cloud.provider names is absent or unfit. Correct the name, or add"
    " the plug-in to the image.",
    warning=True,
)
TOO_MANY_REGIONS = Reason(
    "TooManyRegions",
    "As many regions of clouds are in use as --cloud-regions allows, and older allocations come"
    " first: nothing is asked of this one. Delete allocations of other regions, or set the flag"
    " higher.",
    warning=True,
)
THROTTLED = Reason("Throttled", "The cloud asks for fewer calls; tried again later.", warning=True)
LOCKED = Reason("Locked", "Another operation holds this resource; tried again later.")
UNAVAILABLE = Reason(
    "CloudUnavailable", "The cloud gives no usable answer; tried again later.", warning=True
)
UNREADABLE = Reason(
    "Unreadable",
    "The cloud describes this address in a way that is not understood, so nothing is done about it;"
    " no other address is concerned. Compare it with the others in the cloud's console.",
    warning=True,
)
DENIED = Reason(
    "PermissionDenied",
    "The credentials lack a permission, or a policy of the organisation forbids the change: the"
    " message names it.",
    warning=True,
)
CREDENTIALS = Reason(
    "CredentialsRejected", "There are no credentials, or the cloud refuses them.", warning=True
)
QUOTA = Reason("QuotaExceeded", "A limit of the cloud account is reached.", warning=True)
UNSUPPORTED = Reason("Unsupported", "This cloud can never do this here.", warning=True)
UNFIT = Reason("MachineUnfit", "The node's machine cannot hold the address.", warning=True)
COMPENSATING = Reason("Compensating", "A node that gave up its own public address gets one again.")
NODE_NOT_RESTORED = Reason(
    "NodeNotRestored",
    "A node that the address has left had a public address of its own before, and the cloud refuses"
    " to give it one again: the message says which node, and which right is missing. It is tried"
    " again; where the address is released, a second refusal ends it.",
    warning=True,
)
NODE_NOT_LABELLED = Reason(
    "NodeNotLabelled",
    "The API server refuses the labels, or one taint less, of a node that holds, or held, an"
    " address; the message says why. The address itself is where it should be; Ready waits for the"
    " label.",
    warning=True,
)
EVICTED = Reason(
    "Evicted", "A pod that asks for an address ran on a node without one, and was asked to leave."
)
EVICTION_REFUSED = Reason(
    "EvictionRefused",
    "A pod that runs on a node without an address must stay for now: a PodDisruptionBudget, or what"
    " else the message names, forbids its eviction. Tried again after 15 s. Said at the pod, too.",
    warning=True,
)
STATUS_NOT_BELIEVED = Reason(
    "StatusNotBelieved",
    "Somebody else than this controller wrote into the status, or it cannot be what it says."
    " Nothing is done on the strength of that, and it is written anew. The message says what it"
    " was; look who may edit netipallocations/status. Only an Event and a log line say so.",
    warning=True,
)
RELEASING = Reason("Releasing", "The address is no longer wanted and is being taken off its node.")
FORCE_RELEASED = Reason(
    "ForceReleased",
    "The annotation moorage.dev/force-release let the object go without the cloud. The message"
    " names each address that was left, and the machine it was left on: take it off there.",
    warning=True,
)
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
