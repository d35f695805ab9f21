"""NetIPAllocation: reserved cloud addresses that healthy nodes of a pool must hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, JsonValue

from moorage_api.bounds import (
    LABEL_KEY_LENGTH,
    Handle,
    Identifier,
    Label,
    Message,
    Name,
    NodeName,
    Timestamp,
    Word,
)
from moorage_api.conditions import Conditions
from moorage_api.crds import Column, Definition
from moorage_api.reserved_address import ReservedAddress
from moorage_api.wire import Wire, rule
from moorage_domain.kinds import Kind

NETIPALLOCATIONS = Kind(
    "netinfra.darkbrains.com", "v1alpha1", "netipallocations", "NetIPAllocation", namespaced=False
)

# A status entry takes about 600 bytes, and etcd takes no object over 1.5 MiB.
MAX_ADDRESSES = 512
# Those that are no longer listed stay until they are released.
MAX_RECORDS = 4 * MAX_ADDRESSES
_MAX_SELECTOR = 64
_MAX_LABELS = 16
# Those of Azure's tags are the longest.
_TAG_NAME_LENGTH, _TAG_VALUE_LENGTH = 512, 256
MAX_DRAIN_SECONDS = 30 * 86400
_MAX_PREFERENCES = 32
_MAX_PREFERRED_LABELS = 128
"""In all preferences together: an object whose spec is as large as it can be is still small."""

# The address is held where it was bound: to read it elsewhere would lose it.
_CLOUD_RULES: list[JsonValue] = [
    rule(
        "!has(oldSelf.provider) || oldSelf.provider == '' || (has(self.provider)"
        " && self.provider == oldSelf.provider"
        " && (has(self.region) ? self.region : '') == (has(oldSelf.region) ? oldSelf.region : ''))",
        "provider and region cannot be changed, since the addresses are held there; delete the"
        " allocation and create it anew (releasePolicy Retain leaves the addresses where they are)",
    ),
]
_DNS_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_TAINT_KEY_RULES: list[JsonValue] = [
    rule(
        "self == '' || (self.indexOf('/') <= 253 && self.matches("
        f"'^({_DNS_LABEL}([.]{_DNS_LABEL})*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?$'))",
        "is no taint key; write one like example.com/address-pending, without value and effect",
    ),
]
# The schema has no bound for keys.
_SELECTOR_RULES: list[JsonValue] = [
    rule(
        f"self.all(key, key.size() <= {LABEL_KEY_LENGTH})",
        f"has a key of more than {LABEL_KEY_LENGTH} characters, which no label has",
    ),
]
_TAG_RULES: list[JsonValue] = [
    rule(
        f"self.all(key, key.size() <= {_TAG_NAME_LENGTH})",
        f"has a name of more than {_TAG_NAME_LENGTH} characters, which no label or tag has",
    ),
    rule(
        "self.size() > 0",
        "is empty, which would select every address there is; name a label, or leave it out",
    ),
]
_SPEC_RULES: list[JsonValue] = [
    rule(
        "has(self.reservedIPs) || has(self.reservedIPSelector)",
        "has neither reservedIPs nor reservedIPSelector; list addresses, or name their labels",
    ),
]
_PREFERENCE_RULES: list[JsonValue] = [
    rule(
        f"self.map(one, one.matchLabels.size()).sum() <= {_MAX_PREFERRED_LABELS}",
        f"has more than {_MAX_PREFERRED_LABELS} labels in all; use fewer or shorter entries",
    ),
]
LabelKey = Annotated[str, Field(max_length=LABEL_KEY_LENGTH)]


class WorkloadRef(Wire):
    """The workload whose pods keep an address on a node that is being drained."""

    kind: Literal["Deployment", "StatefulSet", "DaemonSet"] = Field(
        description="Kind of the workload."
    )
    name: Name = Field(description="Name of the workload.")
    namespace: Label = Field(default="default", description="Namespace of the workload.")


class DeploymentRef(Wire):
    """The first version's way to name a Deployment; read only where workloadRef is absent."""

    name: Name = Field(description="Name of the Deployment.")
    namespace: Label = Field(default="default", description="Namespace of the Deployment.")


class Cloud(Wire):
    """Where the addresses are reserved."""

    provider: Label = Field(
        default="",
        description="Cloud plug-in: aws, gcp, azure or any other that is installed.",
    )
    region: Label = Field(
        default="",
        description="Region of the addresses; empty: the region of the controller's environment.",
    )
    zones: Annotated[list[Label], Field(max_length=32)] = Field(
        default_factory=list,
        description="Only nodes of these zones may get an address; empty: all.",
    )


class Failover(Wire):
    """When an address leaves a node that is in trouble."""

    not_ready_seconds: Annotated[int, Field(ge=0, le=86400)] = Field(
        default=40,
        description="How long a node must be NotReady before its address moves. Each recovery"
        " starts that anew: a node that is Ready now and then keeps its address.",
    )
    node_gone_seconds: Annotated[int, Field(ge=0, le=86400)] = Field(
        default=60,
        description="How long a Node object must be gone before its address moves, so that a"
        " kubelet that registers again is no failover.",
    )
    drain: Literal["WorkloadGone", "AllPodsGone", "Immediate"] = Field(
        default="WorkloadGone",
        description="What an address waits for on a node that is cordoned, being deleted or scaled"
        " down: the workload's pods to leave (all pods but those of DaemonSets where no workload is"
        " named, or it is a DaemonSet), all pods to leave, or nothing.",
    )
    drain_timeout_seconds: Annotated[int, Field(ge=0, le=MAX_DRAIN_SECONDS)] | None = Field(
        default=None,
        description="How long pods may hold an address on such a node; then it moves although they"
        " still run there. 0: as long as they run. Absent: the same where a workload is named; else"
        " the controller's --drain-timeout, an hour by default, since then any pod holds it.",
    )


class PreferredLabels(Wire):
    """Nodes that are taken rather than others."""

    weight: Annotated[int, Field(ge=1, le=100)] = Field(
        description="Weights of all entries that a node matches are added; the highest wins."
    )
    match_labels: Annotated[
        dict[LabelKey, Label], Field(min_length=1, max_length=_MAX_SELECTOR)
    ] = Field(
        description="Labels that the node must have for it, at most 64.",
        json_schema_extra={"x-kubernetes-validations": _SELECTOR_RULES},
    )


def _few_labels(preferences: list[PreferredLabels]) -> list[PreferredLabels]:
    """As the schema has it: an object may be older than that."""
    if (labels := sum(len(one.match_labels) for one in preferences)) > _MAX_PREFERRED_LABELS:
        raise ValueError(f"{labels} labels in all; there may be {_MAX_PREFERRED_LABELS}")
    return preferences


class Placement(Wire):
    """Which of the free nodes of the pool an address comes to."""

    preferred_labels: Annotated[
        list[PreferredLabels], Field(max_length=_MAX_PREFERENCES), AfterValidator(_few_labels)
    ] = Field(
        default_factory=list,
        description="Nodes that are taken rather than others, at most 32 entries with 128 labels"
        " together. An address that is on a node stays there. Among equals addresses are spread"
        " over the zones.",
        json_schema_extra={"x-kubernetes-validations": _PREFERENCE_RULES},
    )
    ignore_exclude_label: bool = Field(
        default=False,
        description="Whether nodes with the label"
        " node.kubernetes.io/exclude-from-external-load-balancers may have these addresses.",
    )


class NetIPAllocationSpec(Wire):
    """What is wanted."""

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-validations": _SPEC_RULES})

    reserved_ips: Annotated[list[ReservedAddress], Field(max_length=MAX_ADDRESSES)] | None = Field(
        default=None,
        description="Reserved public addresses, at most 512; each is kept on one node of the pool.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    reserved_ip_selector: (
        Annotated[
            dict[
                Annotated[str, Field(max_length=_TAG_NAME_LENGTH)],
                Annotated[str, Field(max_length=_TAG_VALUE_LENGTH)],
            ],
            Field(max_length=_MAX_LABELS),
        ]
        | None
    ) = Field(
        default=None,
        alias="reservedIPSelector",
        description="Labels (Google Cloud) or tags (AWS, Azure) of reservations, at most 16: those"
        " of the region that have all of them are kept, too, as long as they have them; with"
        " reservedIPs at most 512.",
        json_schema_extra={"x-kubernetes-validations": _TAG_RULES},
    )
    workload_ref: WorkloadRef | None = None
    deployment_ref: DeploymentRef | None = Field(
        default=None, description="Deprecated: use workloadRef with kind Deployment."
    )
    node_selector: Annotated[dict[LabelKey, Label], Field(max_length=_MAX_SELECTOR)] = Field(
        default_factory=dict,
        description="Labels of the nodes that may hold an address, at most 64; empty: every node.",
        json_schema_extra={"x-kubernetes-validations": _SELECTOR_RULES},
    )
    cloud: Cloud = Field(json_schema_extra={"x-kubernetes-validations": _CLOUD_RULES})
    reconcile_interval: Annotated[int, Field(ge=5, le=86400)] = Field(
        default=30, description="Seconds between two looks at the cloud."
    )
    release_policy: Literal["Detach", "Retain"] = Field(
        default="Detach",
        description="What happens to an address that is no longer listed: taken off its node, or"
        " left where it is. The reservation itself is never given back.",
    )
    foreign_policy: Literal["Never", "IfUnmanaged", "Always"] = Field(
        default="Never",
        description="Whether an address may be taken from a machine that is no node of this"
        " cluster: never, if it belongs to no other cluster, or always. Load balancers and other"
        " services are never touched. More than Never only where the administrator allows it"
        " (--allow-foreign-policy).",
    )
    placement: Placement = Field(default_factory=Placement)
    failover: Failover = Field(
        default_factory=Failover,
        # Whoever reads the object sees the times that count, written by whom they may be.
        json_schema_extra={"default": {}},
    )
    evict_misplaced_pods: bool = Field(
        default=False,
        description="Whether pods of the workload that select a label of nodes with an address, and"
        " run on a node without one, are asked to leave by the Eviction API, as soon as an address"
        " of this allocation is on another node. PodDisruptionBudgets are honoured.",
    )
    settled_taint: Annotated[str, Field(max_length=LABEL_KEY_LENGTH)] = Field(
        default="",
        description="Key of a taint with which nodes are registered, so that nothing runs there"
        " too early: it is taken off once the cloud shows an address on the node, whatever its"
        " effect, and never put back; empty: none. Only one that the administrator lists"
        " (--settled-taints).",
        json_schema_extra={"x-kubernetes-validations": _TAINT_KEY_RULES},
    )


class OwedNode(Wire):
    """A node that gave up its own public address for a reserved one."""

    node_name: NodeName = Field(description="Its name.")
    node_uid: Identifier | None = Field(
        default=None, description="Its uid; left out for the very node that has the address."
    )
    provider_id: Identifier | None = Field(
        default=None, description="Its spec.providerID; likewise."
    )


class AddressStatus(Wire):
    """Where one address is, and why."""

    ip: Word = Field(description="The address, in its canonical form.")
    phase: Word = Field(description="Where the address is on its way.")
    reason: Word = Field(default="", description="One word for why.")
    message: Message = Field(default="", description="The same in plain words.")
    node_name: NodeName | None = Field(default=None, description="Node that holds it, or will.")
    node_uid: Identifier | None = Field(default=None, description="That node's uid.")
    provider_id: Identifier | None = Field(default=None, description="That node's spec.providerID.")
    previous_node: NodeName | None = Field(default=None, description="Node it is being taken from.")
    previous_node_uid: Identifier | None = Field(default=None, description="That node's uid.")
    previous_provider_id: Identifier | None = Field(
        default=None, description="That node's spec.providerID."
    )
    cloud_ref: Identifier | None = Field(
        default=None, description="The cloud's id of the reservation."
    )
    operation: Identifier | None = Field(
        default=None, description="Mutation begun and not yet seen to end, with its request id."
    )
    handle: Handle | None = Field(
        default=None, description="What the cloud knows that mutation by once it has accepted it."
    )
    owed: Annotated[list[OwedNode], Field(max_length=MAX_ADDRESSES)] | None = Field(
        default=None,
        description="Nodes that gave up their own public address for this one, and get one again"
        " when it has left them.",
    )
    attempts: int | None = Field(default=None, description="Failed attempts in a row.")
    last_failure: Message | None = Field(
        default=None, description="Why the last of these attempts failed."
    )
    next_attempt: Timestamp | None = Field(default=None, description="Not tried again before.")
    observed_at: Timestamp | None = Field(
        default=None, description="When the cloud was read that this rests on."
    )
    held_since: Timestamp | None = Field(
        default=None,
        description="Since when pods have held it on its node, which is to be emptied.",
    )
    selected: bool | None = Field(
        default=None,
        description="Whether it was found by spec.reservedIPSelector and is not listed.",
    )
    seal: Word | None = Field(
        default=None,
        description="By which the controller knows that it wrote this entry. Without it no more of"
        " the entry is believed than spec.reservedIPs and the Nodes say themselves.",
    )
    since: Timestamp = Field(
        default="", description="When its phase, reason, node or message last changed."
    )


class NetIPAllocationStatus(Wire):
    """What is, as of the last change."""

    observed_generation: int | None = Field(
        default=None, description="Generation of the spec that this status answers."
    )
    reserved: int | None = Field(
        default=None, description="Number of addresses listed or selected."
    )
    bound: int | None = Field(
        default=None, description="Number of addresses on their node when they were last read."
    )
    placement: Message | None = Field(
        default=None,
        description="Which node has which address, for kubectl get -o wide; - = none has it.",
    )
    addresses: Annotated[list[AddressStatus], Field(max_length=MAX_RECORDS)] = Field(
        default_factory=list,
        description="One entry per address.",
        # It has one writer, which writes it whole. As a map the API server would keep a third of
        # the object, and half of the time of each write, for who wrote which field of which entry.
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    conditions: Conditions = Field(
        default_factory=list,
        description="Ready, Progressing, Degraded, Conflict, WorkloadMissing, EvictionRefused"
        " and LabelShared.",
    )


DEFINITION = Definition(
    kind=NETIPALLOCATIONS,
    description="Reserved cloud addresses that healthy nodes of a pool must hold.",
    spec=NetIPAllocationSpec,
    status=NetIPAllocationStatus,
    short_names=("nia",),
    columns=(
        Column("Provider", "string", ".spec.cloud.provider"),
        Column("Reserved", "integer", ".status.reserved"),
        Column("Bound", "integer", ".status.bound"),
        Column("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
        Column("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason'),
        Column("Age", "date", ".metadata.creationTimestamp"),
        Column("Region", "string", ".spec.cloud.region", wide=True),
        Column("Placement", "string", ".status.placement", wide=True),
        Column("Message", "string", '.status.conditions[?(@.type=="Ready")].message', wide=True),
    ),
)
