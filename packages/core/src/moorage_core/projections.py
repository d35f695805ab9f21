"""What is kept of each Kubernetes object: only what decisions rest on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from moorage_api.netipallocation import NetIPAllocationSpec
from moorage_core.decide.node_labels import OWNER_ANNOTATION
from moorage_core.json_text import json_text
from moorage_core.model import (
    AddressRecord,
    Allocation,
    DrainMode,
    ForeignPolicy,
    Preference,
    Workload,
)
from moorage_core.pod_templates import asks_for_address, asks_for_any, placement_of
from moorage_core.recorded import Reader, Recorded, seconds_of
from moorage_core.seal import Seal
from moorage_core.selected import listed, with_recorded
from moorage_domain.addresses import InvalidAddress, public
from moorage_domain.conditions import Condition, from_wire
from moorage_domain.nodes import Node
from moorage_domain.owners import controller_of
from moorage_domain.scheduling import PodPlacement
from moorage_domain.shared_texts import shared
from moorage_domain.subject import DRY_RUN_ANNOTATION, Subject
from moorage_domain.taints import Taint

FINALIZER = "moorage.dev/release"
FORCE_ANNOTATION = "moorage.dev/force-release"
_SHOWN = 64
"""Characters of a key in a message."""
_ZONE_LABELS = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
_MIRROR = "kubernetes.io/config.mirror"
NOT_ENDED = "status.phase!=Succeeded,status.phase!=Failed"
"""As a field selector: the API server keeps pods from us that :func:`project_pod` would drop."""


@dataclass(frozen=True, slots=True)
class AllocationView:
    """One NetIPAllocation as the controller keeps it.

    Attributes:
        allocation: what is wanted.
        recorded: ``status.addresses``, as far as it is believed.
        conditions: ``status.conditions``.
        observed_generation: ``status.observedGeneration``, 0 = never.
        subject: what writes to it need.
        spec: as JSON, by which one that did not change is known again; it goes with the view.
    """

    allocation: Allocation
    recorded: Recorded
    conditions: tuple[Condition, ...]
    observed_generation: int
    subject: Subject
    spec: bytes = field(default=b"", compare=False, repr=False)

    @property
    def records(self) -> tuple[AddressRecord, ...]:
        """One for each address."""
        return self.recorded.records


@dataclass(frozen=True, slots=True)
class PodView:
    """One scheduled pod: where it runs and whom it belongs to.

    Attributes:
        node_name: where it runs.
        owner_uid: its controller's, ``""`` = none.
        daemon: a DaemonSet made it.
        uid: its own, ``""`` unless it runs only on nodes with our labels and is not leaving.
        terminating_since: epoch seconds, 0 = it was not asked to leave.
    """

    node_name: str
    owner_uid: str
    daemon: bool
    uid: str = ""
    terminating_since: float = 0.0


@dataclass(frozen=True, slots=True)
class OwnedView:
    """A workload or ReplicaSet.

    Attributes:
        uid: its own.
        owner_uid: its controller's, ``""`` = none.
        pods_go: where its pods may run, ``None`` = that was not read.
        shares_label: its pods ask for a node with an address, whichever it is.
    """

    uid: str
    owner_uid: str
    pods_go: PodPlacement | None = None
    shares_label: bool = False


def project_node(raw: dict[str, Any]) -> Node:
    """Cut a Node."""
    meta, spec = raw["metadata"], raw.get("spec", {})
    labels = {shared(k): shared(v) for k, v in (meta.get("labels") or {}).items()}
    conditions = raw.get("status", {}).get("conditions") or ()
    true = {one["type"] for one in conditions if one["status"] == "True"}
    return Node(
        name=shared(meta["name"]),
        uid=meta["uid"],
        provider_id=spec.get("providerID", ""),
        labels=labels,
        owner=(meta.get("annotations") or {}).get(OWNER_ANNOTATION, ""),
        zone=next((labels[key] for key in _ZONE_LABELS if key in labels), ""),
        ready="Ready" in true,
        unschedulable=bool(spec.get("unschedulable")),
        network_unavailable="NetworkUnavailable" in true,
        deleting="deletionTimestamp" in meta,
        taints=tuple(map(_taint, spec.get("taints") or ())),
        created=meta.get("creationTimestamp") or "",
    )


def _taint(raw: dict[str, str]) -> Taint:
    """A taint; thousands of nodes have the same ones."""
    key, value, effect = (raw.get(field) or "" for field in ("key", "value", "effect"))
    return Taint(shared(key), shared(value), shared(effect))


def project_pod(raw: dict[str, Any]) -> PodView | None:
    """Cut a Pod; one that is not scheduled, has ended or mirrors a static pod does not count."""
    meta = raw["metadata"]
    node_name = raw.get("spec", {}).get("nodeName")
    ended = raw.get("status", {}).get("phase") in ("Succeeded", "Failed")
    if not node_name or ended or _MIRROR in (meta.get("annotations") or {}):
        return None
    owner = controller_of(meta)
    evictable = "deletionTimestamp" not in meta and asks_for_address(raw["spec"])
    return PodView(
        node_name=shared(node_name),
        owner_uid=shared(owner.get("uid", "")),
        daemon=owner.get("kind") == "DaemonSet",
        uid=meta["uid"] if evictable else "",
        terminating_since=_terminating_since(meta),
    )


def _terminating_since(meta: dict[str, Any]) -> float:
    """The deletion's time is that at which the pod will be killed."""
    killed_at = seconds_of(meta.get("deletionTimestamp"))
    return max(0.0, killed_at - float(meta.get("deletionGracePeriodSeconds") or 0))


def project_owned(raw: dict[str, Any]) -> OwnedView:
    """Cut a ReplicaSet."""
    meta = raw["metadata"]
    return OwnedView(uid=meta["uid"], owner_uid=controller_of(meta).get("uid", ""))


def project_workload(kind: str, raw: dict[str, Any]) -> OwnedView:
    """Cut a Deployment, StatefulSet or DaemonSet."""
    pods = (raw.get("spec") or {}).get("template", {}).get("spec")
    owned = project_owned(raw)
    if pods is None:
        return owned
    return replace(owned, pods_go=placement_of(kind, pods), shares_label=asks_for_any(pods))


def project_allocation(
    raw: dict[str, Any], seal: Seal | None = None, before: AllocationView | None = None
) -> AllocationView:
    """Cut a NetIPAllocation; one that an older CRD let through may carry ``problem``.

    ``seal`` knows what this controller wrote; ``before`` is the object as it was seen last: every
    write of status repeats its spec.
    """
    status = raw.get("status") or {}
    spec = json_text(raw.get("spec") or {})
    unchanged = before is not None and before.spec == spec
    wanted = before.allocation if before and unchanged else _parsed_spec(spec)
    uid = raw["metadata"]["uid"]
    same = before is not None and before.allocation.uid == uid
    reader = Reader(
        uid=uid,
        listed={*listed(wanted), *_texts(raw)},
        seal=seal,
        before=before.recorded if before and same else Recorded(),
    )
    recorded = reader.read(status.get("addresses"))
    return AllocationView(
        allocation=_allocation(raw, with_recorded(wanted, recorded.records)),
        recorded=recorded,
        conditions=from_wire(status.get("conditions")),
        observed_generation=_generation(status.get("observedGeneration")),
        subject=Subject.of(raw),
        spec=spec,
    )


def _texts(raw: dict[str, Any]) -> list[str]:
    """The listed addresses as they are written, of a spec that cannot be carried out as well."""
    texts = (raw.get("spec") or {}).get("reservedIPs")
    return [text for text in texts if isinstance(text, str)] if isinstance(texts, list) else []


def _generation(value: object) -> int:
    """The generation that a status answers; 0 = it does not say."""
    return value if isinstance(value, int) and value > 0 else 0


def _allocation(raw: dict[str, Any], wanted: Allocation) -> Allocation:
    """With what is wanted, and the metadata of the object as it is."""
    meta = raw["metadata"]
    return replace(
        wanted,
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
    """What a spec asks for, of an allocation without a name."""
    try:
        return _from_spec(NetIPAllocationSpec.model_validate_json(spec))
    except ValidationError as error:
        first = error.errors()[0]
        # A part may be a key that somebody wrote, however long.
        where = ".".join(["spec", *(str(part)[:_SHOWN] for part in first["loc"])])
        return _nameless(problem=f"{where}: {first['msg']}")


def _from_spec(spec: NetIPAllocationSpec) -> Allocation:
    good: dict[str, None] = {}
    bad: list[tuple[str, str]] = []
    for text in spec.reserved_ips or ():
        try:
            good[public(text)] = None
        except InvalidAddress as error:
            bad.append((text, str(error)))
    problem = ""
    if not spec.cloud.provider:
        problem = "spec.cloud.provider is empty: set it to aws, gcp, azure or another plug-in"
    labels = spec.reserved_ip_selector or {}
    if not labels and spec.reserved_ips is None:
        problem = "spec.reservedIPs and spec.reservedIPSelector are both missing"
    failover = spec.failover
    return _nameless(
        labels=frozenset(labels.items()),
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
        drain_timeout=_optional(failover.drain_timeout_seconds),
        evict_misplaced=spec.evict_misplaced_pods,
        settled_taint=spec.settled_taint,
        ignore_exclude_label=spec.placement.ignore_exclude_label,
        preferred=tuple(
            Preference(one.weight, tuple(sorted(one.match_labels.items())))
            for one in spec.placement.preferred_labels
        ),
    )


def _optional(seconds: int | None) -> float | None:
    return None if seconds is None else float(seconds)


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
