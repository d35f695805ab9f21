"""The values the core controller decides on: records, cloud states, outcomes, what was observed."""

from __future__ import annotations

import math
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from moorage_core.pods import MisplacedPod, RunningPod
from moorage_domain.label_selectors import Selector
from moorage_domain.nodes import Node
from moorage_domain.reasons import Reason
from moorage_domain.scheduling import EVERY_NODE, PodPlacement
from moorage_provider.errors import CloudError
from moorage_provider.protocol import Capabilities, CloudAddress, Labels


class Phase(StrEnum):
    """Where an address is on its way."""

    PENDING = "Pending"
    BLOCKED = "Blocked"
    WAITING = "Waiting"
    PREPARING = "Preparing"
    DETACHING = "Detaching"
    ATTACHING = "Attaching"
    VERIFYING = "Verifying"
    BOUND = "Bound"
    HOLDING = "Holding"
    UNKNOWN = "Unknown"
    COMPENSATING = "Compensating"
    RELEASING = "Releasing"


class Mutation(StrEnum):
    """What can be asked of the cloud."""

    PREPARE = "prepare"
    ATTACH = "attach"
    MOVE = "move"
    DETACH = "detach"
    RESTORE = "compensate"


HAVE_A_CHOICE = frozenset({Mutation.PREPARE, Mutation.ATTACH, Mutation.MOVE})
"""Those for which a node is chosen, and another one can be."""


class DrainMode(StrEnum):
    """What an address on a cordoned node waits for."""

    WORKLOAD_GONE = "WorkloadGone"
    ALL_PODS_GONE = "AllPodsGone"
    IMMEDIATE = "Immediate"


class ForeignPolicy(StrEnum):
    """Whether an address may be taken from a machine that is no node of this cluster."""

    NEVER = "Never"
    IF_UNMANAGED = "IfUnmanaged"
    ALWAYS = "Always"


@dataclass(frozen=True, slots=True)
class NodeReference:
    """A node as a record names it, valid even after the Node object is gone."""

    name: str
    uid: str
    provider_id: str


@dataclass(frozen=True, slots=True)
class AddressRecord:
    """One entry of ``status.addresses``: what survives a crash.

    Attributes:
        ip: canonical text.
        phase: where it is on its way.
        reason: name of a reason, ``""`` before the first decision.
        message: the same in plain words.
        node_ref: the node that holds it or will, ``None`` = none chosen.
        previous: the node it is being taken from, ``None`` = nobody.
        cloud_ref: the cloud's id of the reservation.
        operation: mutation under way or step reached, ``<mutation>/<request id>``; ``""`` = none.
        attempts: failed attempts in a row.
        next_attempt: epoch seconds before which it is not tried again; 0 = at once.
        observed_at: epoch seconds of the cloud state behind the last change.
        since: epoch seconds of the last change of phase, reason, node or message.
        handle: the cloud's name of the mutation under way, ``""`` = not accepted yet.
        restore_pending: nodes that gave up their own public address for this one, and get one
            again when this one has left them.
        last_failure: why the last of the ``attempts`` failed, ``""`` = none did.
        held_since: epoch seconds since when pods have held it on the node that it is to leave,
            0 = none did. It stays while a move from there is tried.
    """

    ip: str
    phase: Phase = Phase.PENDING
    reason: str = ""
    message: str = ""
    node_ref: NodeReference | None = None
    previous: NodeReference | None = None
    cloud_ref: str = ""
    operation: str = ""
    attempts: int = 0
    next_attempt: float = 0.0
    observed_at: float = 0.0
    since: float = 0.0
    handle: str = ""
    restore_pending: tuple[NodeReference, ...] = ()
    last_failure: str = ""
    held_since: float = 0.0
    selected: bool = False

    def __hash__(self) -> int:
        # Hundreds are looked up in each pass: what tells them apart is enough.
        return hash((self.ip, self.phase, self.since))

    @property
    def ours(self) -> bool:
        """Whether something is still to be released: a holder, or a pending restore."""
        return bool(self.places or self.restore_pending)

    @property
    def places(self) -> tuple[NodeReference, ...]:
        """The nodes that it leads to: that which has it or will, and that which it is to leave."""
        return tuple(ref for ref in (self.node_ref, self.previous) if ref)

    @property
    def restorable(self) -> tuple[NodeReference, ...]:
        """The pending restores that may be made: none while an older allocation has the address."""
        return () if self.reason == "Conflict" else self.restore_pending


@dataclass(frozen=True, slots=True)
class Workload:
    """The workload whose pods hold an address back during a drain."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Preference:
    """Nodes with all of these labels are better than others by this weight, 1 to 100."""

    weight: int
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Allocation:
    """A NetIPAllocation, cut to what is decided on; durations in seconds."""

    name: str
    uid: str
    created: str
    generation: int
    addresses: tuple[str, ...]
    invalid: tuple[tuple[str, str], ...] = ()
    """Entries of the list that are no public address, with the reason in plain words."""
    problem: str = ""
    """Why the spec as a whole cannot be carried out, ``""`` = it can."""
    workload: Workload | None = None
    selector: tuple[tuple[str, str], ...] = ()
    provider: str = ""
    region: str = ""
    zones: frozenset[str] = frozenset()
    interval: float = 30.0
    retain: bool = False
    foreign: ForeignPolicy = ForeignPolicy.NEVER
    not_ready_after: float = 40.0
    gone_after: float = 60.0
    drain: DrainMode = DrainMode.WORKLOAD_GONE
    drain_timeout: float | None = None
    """How long pods may hold an address in a drain, 0 = for ever, ``None`` = it is not said."""
    deleting: bool = False
    finalizer: bool = False
    force_release: bool = False
    dry_run: bool = False
    evict_misplaced: bool = False
    settled_taint: str = ""
    allowed_nodes: Selector = EVERY_NODE
    """What a node must meet besides, by the administrator's word."""
    ignore_exclude_label: bool = False
    preferred: tuple[Preference, ...] = ()
    labels: Labels = frozenset()
    """Labels by which reservations are selected, besides those that are listed; empty: none are."""
    selected: frozenset[str] = frozenset()
    """Those of ``addresses`` that are selected and not listed."""


@dataclass(frozen=True, slots=True)
class Present:
    """The cloud has the address."""

    address: CloudAddress


@dataclass(frozen=True, slots=True)
class Absent:
    """The cloud was read and positively has no such address."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """The address is being read; nothing has failed."""


@dataclass(frozen=True, slots=True)
class Unread:
    """The cloud could not be read: unknown, which is never absent.

    Attributes:
        read_at: epoch seconds at which this process read it last, 0 = never.
    """

    reason: Reason
    message: str
    read_at: float = 0.0


CloudState: TypeAlias = Present | Absent | Awaited | Unread


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a mutation ended.

    Attributes:
        allocation: name of the object it was for.
        error: ``None`` = the cloud says it is done.
        node_uid: the node it was for, ``""`` = for none.
        retry_in: seconds until the next attempt makes sense, with jitter, given the error.
        must_record_first: nothing was done: the target has a public address of its own, and that
            it will be taken must be written down first.
    """

    mutation: Mutation
    allocation: str
    error: CloudError | None = None
    node_uid: str = ""
    retry_in: float = 0.0
    must_record_first: bool = False


class Sealing(Protocol):
    """What makes an entry of a status one that this controller knows for its own."""

    def on(self, uid: str, entry: Mapping[str, Any]) -> dict[str, Any]:
        """The entry of an allocation with this uid, sealed."""
        ...


class UnderWay(Protocol):
    """A mutation under way, as far as decisions need to know it."""

    @property
    def mutation(self) -> Mutation:
        """What is asked of the cloud now; of a move of two steps the second, once it has begun."""
        ...

    @property
    def operation(self) -> str:
        """What the status calls it."""
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """The addresses with some labels.

    Attributes:
        ips: as the cloud shows them.
        certain: the others were shown without the labels twice in a row: it may be a while behind.
        unread: why they are those of an earlier reading; ``None`` = they are not.
    """

    ips: frozenset[str] = frozenset()
    certain: bool = True
    unread: Unread | None = None


# Assumed until a provider has been asked.
ONE_CALL = Capabilities(moves_in_one_call=True, clears_target_first=False)


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a decision about one allocation rests on, and nothing else.

    What concerns every node is looked up node by node: it may be a view of a cache, good until the
    decision is made.

    Attributes:
        allocation: the object.
        records: ``status.addresses`` as last written.
        now: epoch seconds.
        cloud_states: what the cloud last said, by address.
        capabilities: how this cloud moves an address.
        nodes: every node, by name.
        by_machine: node names by machine id.
        machine_of: machine ids by ``spec.providerID``; a node without one cannot hold an address.
        shared_machines: machine ids that several Node objects name -> the names of these, in order.
        owned: names of the nodes whose owner annotation is this allocation.
        taken: nodes that hold, or are to get, an address of *another* allocation -> its name.
        outranked: nodes in ``taken`` whose other allocation is older; its labels count there.
        restore_pending_elsewhere: providerIDs of nodes for which another allocation must restore.
        label_errors: why the API server refused a node's labels, by node name.
        conflicts: addresses that an older allocation has -> its name.
        busy: names of nodes where the workload's pods run; all pods but those of DaemonSets where
            no workload is named, or the named one is a DaemonSet or does not exist.
        workload_missing: a workload is named and does not exist.
        drain_timeout: the administrator's ``Allocation.drain_timeout`` where no workload is named.
        running: the pods that make a node busy, or crowded where all count, by its name.
        pods_go: where the workload's pods may run, ``None`` = that is not known.
        shares_label: the workload's pods ask for a node with an address, whichever it is.
        crowded: names of nodes where any pod runs that is not of a DaemonSet.
        counted: names of nodes whose pods were counted lately -> whether the cache knew them all.
        misplaced: the workload's pods that ask for our labels where there are none; nothing unless
            they shall be evicted.
        spoken_for: names of those pods' nodes that an allocation's address is on, or may be.
        refused: why the API server refused to evict some of them, by the pod's key.
        evict_after: uptime before which a pod is not to be evicted again, by its uid.
        in_flight: mutations under way, by address.
        handles: the cloud's names of mutations that it has accepted and not ended, by address.
        own_addresses: node uid of the target of a mutation that was seen a moment ago with a public
            address of its own, by the address that it is to get.
        outcomes: how mutations ended, as long as no record says so.
        avoided: node uids that refused an address lately -> uptime until when, by address.
        doubtful: the same for node uids that failed twice and may not be at fault: used where there
            is no other.
        restore_after: node uids that could not get an address of their own again -> uptime of the
            next attempt, by address that they gave it up for.
        restore_refused: why nodes cannot get an address of their own again before people act, by
            node uid, by address that they gave it up for.
        uptime: seconds of a clock that nobody can set; durations are judged by it.
        not_ready_since: uptime, by node uid, as observed by this process.
        gone_since: uptime, by node uid, as observed by this process.
        gone_zones: their zones, by node uid, of those that this process has known.
        observed_generation: ``status.observedGeneration`` as last written, 0 = never.
        working_seconds: for how long this process has been making passes.
        seal: what is written into the status gets it; ``None`` = none.
        doubts: what of the status is not believed, in plain words.
        selection: what the cloud shows of addresses that are selected; ``None`` = nothing yet.
    """

    allocation: Allocation
    records: tuple[AddressRecord, ...]
    now: float
    uptime: float
    cloud_states: Mapping[str, CloudState] = field(default_factory=dict)
    capabilities: Capabilities = ONE_CALL
    nodes: Mapping[str, Node] = field(default_factory=dict)
    by_machine: Mapping[str, str] = field(default_factory=dict)
    machine_of: Mapping[str, str] = field(default_factory=dict)
    shared_machines: Mapping[str, Sequence[str]] = field(default_factory=dict)
    owned: Collection[str] = ()
    taken: Mapping[str, str] = field(default_factory=dict)
    outranked: Container[str] = ()
    restore_pending_elsewhere: Container[str] = ()
    label_errors: Mapping[str, str] = field(default_factory=dict)
    conflicts: Mapping[str, str] = field(default_factory=dict)
    busy: Collection[str] = ()
    workload_missing: bool = False
    drain_timeout: float = 0.0
    running: Mapping[str, Sequence[RunningPod]] = field(default_factory=dict)
    pods_go: PodPlacement | None = None
    shares_label: bool = False
    crowded: Collection[str] = ()
    counted: Mapping[str, bool] = field(default_factory=dict)
    misplaced: Collection[MisplacedPod] = ()
    spoken_for: Collection[str] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    evict_after: Mapping[str, float] = field(default_factory=dict)
    in_flight: Mapping[str, UnderWay] = field(default_factory=dict)
    handles: Mapping[str, str] = field(default_factory=dict)
    own_addresses: Mapping[str, str] = field(default_factory=dict)
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    avoided: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    doubtful: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    restore_after: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    restore_refused: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    not_ready_since: Mapping[str, float] = field(default_factory=dict)
    gone_since: Mapping[str, float] = field(default_factory=dict)
    gone_zones: Mapping[str, str] = field(default_factory=dict)
    observed_generation: int = 0
    working_seconds: float = math.inf
    seal: Sealing | None = None
    doubts: tuple[str, ...] = ()
    selection: Selection | None = None
