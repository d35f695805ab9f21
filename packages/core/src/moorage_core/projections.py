"""What is kept of each Kubernetes object: only what decisions rest on."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from pydantic import ValidationError

from moorage_api.netipallocation import (
    AddressStatus,
    NetIPAllocationSpec,
)
from moorage_core.decide.node_labels import IP_LABEL, OWNER_ANNOTATION, READY_LABEL
from moorage_core.model import (
    AddressRecord,
    Allocation,
    DrainMode,
    ForeignPolicy,
    NodeReference,
    Phase,
    Workload,
)
from moorage_domain.addresses import InvalidAddress, public
from moorage_domain.bounded_cache import BoundedCache
from moorage_domain.conditions import Condition, from_wire
from moorage_domain.nodes import LEAVING_TAINTS, Node
from moorage_kube.writes.owners import controller_of
from moorage_kube.writes.subject import DRY_RUN_ANNOTATION, Subject

FINALIZER = "moorage.dev/release"
FORCE_ANNOTATION = "moorage.dev/force-release"
KEPT_BYTES = 4 * 1024 * 1024
"""Of JSON, in each cache of what was read; an entry of a status takes about 600.

With them cost grows with changes and not with addresses.
"""
_ZONE_LABELS = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
_MIRROR = "kubernetes.io/config.mirror"
NOT_ENDED = "status.phase!=Succeeded,status.phase!=Failed"
"""As a field selector: the API server keeps pods from us that :func:`project_pod` would drop."""


@dataclass(frozen=True, slots=True)
class AllocationView:
    """One NetIPAllocation as the controller keeps it.

    Attributes:
        allocation: what is wanted.
        records: ``status.addresses``.
        conditions: ``status.conditions``.
        observed_generation: ``status.observedGeneration``, 0 = never.
        subject: what writes to it need.
    """

    allocation: Allocation
    records: tuple[AddressRecord, ...]
    conditions: tuple[Condition, ...]
    observed_generation: int
    subject: Subject


@dataclass(frozen=True, slots=True)
class PodView:
    """One scheduled pod: where it runs and whom it belongs to.

    Attributes:
        node_name: where it runs.
        owner_uid: its controller's, ``""`` = none.
        daemon: a DaemonSet made it.
        uid: its own, ``""`` unless it runs only on nodes with our labels and is not leaving.
    """

    node_name: str
    owner_uid: str
    daemon: bool
    uid: str = ""


@dataclass(frozen=True, slots=True)
class OwnedView:
    """A workload or ReplicaSet: its uid and its controller's."""

    uid: str
    owner_uid: str


def project_node(raw: dict[str, Any]) -> Node:
    """Cut a Node."""
    meta, spec = raw["metadata"], raw.get("spec", {})
    labels = {sys.intern(k): sys.intern(v) for k, v in (meta.get("labels") or {}).items()}
    conditions = raw.get("status", {}).get("conditions") or ()
    taints = tuple(sys.intern(taint["key"]) for taint in spec.get("taints") or ())
    return Node(
        name=sys.intern(meta["name"]),
        uid=meta["uid"],
        provider_id=spec.get("providerID", ""),
        labels=labels,
        owner=(meta.get("annotations") or {}).get(OWNER_ANNOTATION, ""),
        zone=next((labels[key] for key in _ZONE_LABELS if key in labels), ""),
        ready=any(c["type"] == "Ready" and c["status"] == "True" for c in conditions),
        unschedulable=bool(spec.get("unschedulable")),
        leaving=next((key for key in taints if key in LEAVING_TAINTS), ""),
        taints=taints,
    )


def project_pod(raw: dict[str, Any]) -> PodView | None:
    """Cut a Pod; one that is not scheduled, has ended or mirrors a static pod does not count."""
    meta = raw["metadata"]
    node_name = raw.get("spec", {}).get("nodeName")
    ended = raw.get("status", {}).get("phase") in ("Succeeded", "Failed")
    if not node_name or ended or _MIRROR in (meta.get("annotations") or {}):
        return None
    owner = controller_of(meta)
    evictable = "deletionTimestamp" not in meta and _asks_for_address(raw["spec"])
    return PodView(
        node_name=sys.intern(node_name),
        owner_uid=sys.intern(owner.get("uid", "")),
        daemon=owner.get("kind") == "DaemonSet",
        uid=meta["uid"] if evictable else "",
    )


def _asks_for_address(spec: dict[str, Any]) -> bool:
    """Whether the scheduler puts a pod only where our labels are; any other would only come back.

    Of the terms of a required affinity one is enough, so each must ask for a label.
    """
    selector = spec.get("nodeSelector") or {}
    if selector.get(READY_LABEL) == "true" or IP_LABEL in selector:
        return True
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms") or ()
    return bool(terms) and all(
        any(map(_asks_for_label, term.get("matchExpressions") or ())) for term in terms
    )


def _asks_for_label(expression: dict[str, Any]) -> bool:
    key, operator, values = (expression.get(field) for field in ("key", "operator", "values"))
    if operator == "Exists":
        return key in (READY_LABEL, IP_LABEL)
    return operator == "In" and (key == IP_LABEL or (key == READY_LABEL and values == ["true"]))


def project_owned(raw: dict[str, Any]) -> OwnedView:
    """Cut a ReplicaSet, Deployment, StatefulSet or DaemonSet."""
    meta = raw["metadata"]
    return OwnedView(uid=meta["uid"], owner_uid=controller_of(meta).get("uid", ""))


def project_allocation(raw: dict[str, Any]) -> AllocationView:
    """Cut a NetIPAllocation; one that an older CRD let through may carry ``problem``."""
    status = raw.get("status") or {}
    return AllocationView(
        allocation=_allocation(raw),
        records=_records(status.get("addresses") or ()),
        conditions=from_wire(status.get("conditions")),
        observed_generation=status.get("observedGeneration") or 0,
        subject=Subject.of(raw),
    )


def _records(entries: Iterable[dict[str, Any]]) -> tuple[AddressRecord, ...]:
    """Hundreds, of which one or two are not as they were the last time."""
    records = (_record(orjson.dumps(entry)) for entry in entries)
    return tuple(record for record in records if record)


def _parsed_record(text: bytes) -> AddressRecord | None:
    try:
        return record_from_wire(AddressStatus.model_validate_json(text))
    except ValidationError:
        # Written by somebody else: what the cloud shows counts, and is recorded again.
        return None


_record = BoundedCache(_parsed_record, KEPT_BYTES, len)


def _allocation(raw: dict[str, Any]) -> Allocation:
    meta = raw["metadata"]
    return replace(
        _wanted(orjson.dumps(raw.get("spec") or {})),
        name=meta["name"],
        uid=meta["uid"],
        created=meta["creationTimestamp"],
        generation=meta.get("generation", 0),
        deleting="deletionTimestamp" in meta,
        finalizer=FINALIZER in (meta.get("finalizers") or ()),
        force_release=(meta.get("annotations") or {}).get(FORCE_ANNOTATION) == "true",
        dry_run=(meta.get("annotations") or {}).get(DRY_RUN_ANNOTATION) == "true",
    )


def _parsed_spec(spec: bytes) -> Allocation:
    """What a spec asks for, of an allocation without a name; every write of status repeats it."""
    try:
        return _from_spec(NetIPAllocationSpec.model_validate_json(spec))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(["spec", *map(str, first["loc"])])
        return _nameless(problem=f"{field}: {first['msg']}")


_wanted = BoundedCache(_parsed_spec, KEPT_BYTES, len)


def _from_spec(spec: NetIPAllocationSpec) -> Allocation:
    good: dict[str, None] = {}
    bad: list[tuple[str, str]] = []
    for text in spec.reserved_ips:
        try:
            good[public(text)] = None
        except InvalidAddress as error:
            bad.append((text, str(error)))
    problem = ""
    if not spec.cloud.provider:
        problem = "spec.cloud.provider is empty: set it to aws, gcp, azure or another plug-in"
    failover = spec.failover
    return _nameless(
        addresses=tuple(good),
        invalid=tuple(bad),
        problem=problem,
        workload=_workload(spec),
        selector=tuple(sorted(spec.node_selector.items())),
        provider=spec.cloud.provider,
        region=spec.cloud.region,
        zones=frozenset(spec.cloud.zones),
        interval=float(spec.reconcile_interval),
        retain=spec.release_policy == "Retain",
        foreign=ForeignPolicy(spec.foreign_policy),
        not_ready_after=float(failover.not_ready_seconds),
        gone_after=float(failover.node_gone_seconds),
        drain=DrainMode(failover.drain),
        evict_misplaced=spec.evict_misplaced_pods,
        settled_taint=spec.settled_taint,
    )


def _nameless(**fields: Any) -> Allocation:  # noqa: ANN401  # its own fields
    return Allocation(
        **{"name": "", "uid": "", "created": "", "generation": 0, "addresses": (), **fields}
    )


def _workload(spec: NetIPAllocationSpec) -> Workload | None:
    if spec.workload_ref:
        ref = spec.workload_ref
        return Workload(ref.kind, ref.namespace, ref.name)
    if spec.deployment_ref:
        return Workload("Deployment", spec.deployment_ref.namespace, spec.deployment_ref.name)
    return None


def record_from_wire(entry: AddressStatus) -> AddressRecord:
    """A record from its entry in the status."""
    known = entry.phase in Phase.__members__.values()
    return AddressRecord(
        ip=entry.ip,
        phase=Phase(entry.phase) if known else Phase.PENDING,
        reason=entry.reason,
        message=entry.message,
        node_ref=_node_ref(entry.node_name, entry.node_uid, entry.provider_id),
        previous=_node_ref(
            entry.previous_node, entry.previous_node_uid, entry.previous_provider_id
        ),
        cloud_ref=entry.cloud_ref or "",
        operation=entry.operation or "",
        handle=entry.handle or "",
        restore_pending=tuple(
            NodeReference(node.node_name, node.node_uid, node.provider_id)
            for node in entry.owed or ()
        ),
        attempts=entry.attempts or 0,
        next_attempt=_seconds(entry.next_attempt),
        observed_at=_seconds(entry.observed_at),
        since=_seconds(entry.since),
    )


def _node_ref(name: str | None, uid: str | None, provider_id: str | None) -> NodeReference | None:
    return NodeReference(name, uid or "", provider_id or "") if name else None


def _seconds(text: str | None) -> float:
    if not text:
        return 0.0
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
