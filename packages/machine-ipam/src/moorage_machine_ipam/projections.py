"""What is kept of each object: the few fields that decisions rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from moorage_api.ippool import IPPOOLS, IPPoolSpec
from moorage_domain.addresses import InvalidAddress
from moorage_domain.conditions import condition_of
from moorage_domain.families import Address, parse_address
from moorage_domain.owners import controller_of, controller_uid
from moorage_domain.subject import Subject
from moorage_ipam.records import RESTORE_LABEL
from moorage_machine_ipam.kinds import MACHINES
from moorage_machine_ipam.reasons import POOL_EXHAUSTED

CLAIM_KIND = "IPAddressClaim"
CLUSTER_LABEL = "cluster.x-k8s.io/cluster-name"
PAUSED_ANNOTATION = "cluster.x-k8s.io/paused"
MOVE_ANNOTATION = "clusterctl.cluster.x-k8s.io/delete-for-move"
"""``clusterctl move`` puts it on what it deletes here because it has created it elsewhere."""
REQUEST_ANNOTATION = "moorage.dev/ip-address"
"""The address that a claim asks for, and no other one."""
OWNER_ANNOTATION = "moorage.dev/claim-uid"
"""On an IPAddress: the uid of the claim that we made it for."""
FINALIZER = "moorage.dev/release-address"
POOL_FINALIZER = "moorage.dev/addresses-in-use"

# The documentation of OpenShift has people write the plural, which is copied as it is.
_POOL_KINDS = frozenset({IPPOOLS.name.lower(), IPPOOLS.plural})


class HasSubject(Protocol):
    """What is kept of an object that may go."""

    @property
    def subject(self) -> Subject: ...


def gone_uid(old: HasSubject | None, new: HasSubject | None) -> str:
    """The uid of what is gone, or has another object of its name in its place; ``""``: nothing."""
    same = old is not None and new is not None and new.subject.uid == old.subject.uid
    return "" if old is None or same else old.subject.uid


Aliases: TypeAlias = Mapping[tuple[str, str, str], str]
"""Names of our pools, by group, kind in lower case and name of what is served in their place."""


@dataclass(frozen=True, slots=True)
class PoolReference:
    """``spec.poolRef``, as it is written; ``group`` is ``""`` where it is absent."""

    group: str
    kind: str
    name: str

    @classmethod
    def of(cls, raw: Any) -> PoolReference:  # noqa: ANN401 - any JSON value
        """From the object that refers to a pool."""
        ref = raw if isinstance(raw, Mapping) else {}
        return cls(*(str(ref.get(field) or "") for field in ("apiGroup", "kind", "name")))

    def __str__(self) -> str:
        return f"{self.kind}.{self.group} {self.name}"

    def pool_name(self, aliases: Aliases) -> str:
        """The name of our pool that it means; ``""`` = it means somebody else's."""
        if self.group == IPPOOLS.group and self.kind.lower() in _POOL_KINDS:
            return self.name
        return aliases.get((self.group, self.kind.lower(), self.name), "")

    def to_wire(self) -> dict[str, str]:
        """As it was given: an IPAddress must repeat it letter by letter."""
        return {"apiGroup": self.group, "kind": self.kind, "name": self.name}


@dataclass(frozen=True, slots=True)
class Claim:
    """One IPAddressClaim of ours.

    Attributes:
        pool_name: of our pool that this means.
        created: RFC 3339; the oldest claim waits first.
        cluster: name of its Cluster, ``""`` = it is of none.
        requested: the text of the address it asks for; ``""`` = any.
        asks_for: that address; ``None`` = any, or the text is none.
        machine: name of the Machine of OpenShift that has made it; ``""`` = it is another one's.
        paused: its own annotation says so.
        moved: it is deleted because it lives on elsewhere.
        restored: it was created from a backup, and what belongs to it may follow.
        waits: its status says that the pool was exhausted, and it still wants an address.
    """

    subject: Subject
    created: str
    pool: PoolReference
    pool_name: str
    cluster: str
    requested: str
    paused: bool
    moved: bool
    restored: bool
    waits: bool
    asks_for: Address | None
    machine: str = ""

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.subject.namespace}/{self.subject.name}"

    @property
    def machine_key(self) -> str:
        """Of its Machine; ``""`` = it is another one's."""
        return f"{self.subject.namespace}/{self.machine}" if self.machine else ""

    @property
    def pool_key(self) -> str:
        """Of its pool: a claim and its pool are in one namespace."""
        return f"{self.subject.namespace}/{self.pool_name}"

    @property
    def cluster_key(self) -> str:
        """Of its Cluster; ``""`` = it is of none."""
        return f"{self.subject.namespace}/{self.cluster}" if self.cluster else ""


@dataclass(frozen=True, slots=True)
class IpAddress:
    """One IPAddress.

    Attributes:
        pool_name: of our pool that this means; ``""`` = it is of somebody else's.
        address: ``None``: its text is no address.
        claim: name of the claim it says it is for.
        owner_uids: of all its owners.
        controller: uid of the owner that controls it, ``""`` = none.
        made_for: uid of the claim we made it for; ``""`` = somebody else has made it. The garbage
            collector takes owners that are gone out of the list of owners, and leaves this.
        restored: it was created from a backup.
    """

    subject: Subject
    pool: PoolReference
    pool_name: str
    address: Address | None
    text: str
    claim: str
    owner_uids: frozenset[str]
    controller: str
    made_for: str
    moved: bool
    restored: bool

    @property
    def pool_key(self) -> str:
        """Of its pool."""
        return f"{self.subject.namespace}/{self.pool_name}"


@dataclass(frozen=True, slots=True)
class PoolView:
    """One IPPool; ``problem`` is why its spec cannot be read, ``""`` = it can."""

    subject: Subject
    created: str
    spec: IPPoolSpec | None
    problem: str
    paused: bool
    moved: bool
    restored: bool


def claim_of(raw: dict[str, Any], aliases: Aliases) -> Claim | None:
    """A claim on one of our pools; ``None`` = on another one's."""
    meta, spec = raw["metadata"], raw.get("spec") or {}
    pool = PoolReference.of(spec.get("poolRef"))
    pool_name = pool.pool_name(aliases)
    if not pool_name:
        return None
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    return Claim(
        subject=Subject.of(raw),
        created=meta.get("creationTimestamp", ""),
        pool=pool,
        pool_name=pool_name,
        cluster=spec.get("clusterName") or labels.get(CLUSTER_LABEL, ""),
        requested=annotations.get(REQUEST_ANNOTATION, ""),
        paused=PAUSED_ANNOTATION in annotations,
        moved=MOVE_ANNOTATION in annotations,
        restored=RESTORE_LABEL in labels,
        waits="deletionTimestamp" not in meta and _reason(raw) == POOL_EXHAUSTED.name,
        asks_for=_parsed(annotations.get(REQUEST_ANNOTATION, "")),
        machine=_machine(meta),
    )


def ip_address_of(raw: dict[str, Any], aliases: Aliases) -> IpAddress:
    """Any IPAddress: one of another pool may have the name of a claim of ours."""
    meta, spec = raw["metadata"], raw.get("spec") or {}
    pool = PoolReference.of(spec.get("poolRef"))
    annotations = meta.get("annotations") or {}
    text = str(spec.get("address") or "")
    return IpAddress(
        subject=Subject.of(raw),
        pool=pool,
        pool_name=pool.pool_name(aliases),
        address=_parsed(text),
        text=text,
        claim=str((spec.get("claimRef") or {}).get("name") or ""),
        owner_uids=frozenset(str(one.get("uid", "")) for one in meta.get("ownerReferences") or ()),
        controller=controller_uid(raw),
        made_for=annotations.get(OWNER_ANNOTATION, ""),
        moved=MOVE_ANNOTATION in annotations,
        restored=RESTORE_LABEL in (meta.get("labels") or {}),
    )


def pool_of(raw: dict[str, Any]) -> PoolView:
    """A pool; what its spec lacks is a problem of its own and of nobody else."""
    annotations = raw["metadata"].get("annotations") or {}
    spec, problem = None, ""
    try:
        spec = IPPoolSpec.model_validate(raw.get("spec") or {})
    except ValueError as error:
        problem = " ".join(str(error).split())
    return PoolView(
        subject=Subject.of(raw),
        created=raw["metadata"].get("creationTimestamp", ""),
        spec=spec,
        problem=problem,
        paused=PAUSED_ANNOTATION in annotations,
        moved=MOVE_ANNOTATION in annotations,
        restored=RESTORE_LABEL in (raw["metadata"].get("labels") or {}),
    )


def cluster_paused(raw: dict[str, Any]) -> bool:
    """Whether a Cluster is paused, by its spec or by its annotation."""
    annotations = raw["metadata"].get("annotations") or {}
    return bool((raw.get("spec") or {}).get("paused")) or PAUSED_ANNOTATION in annotations


def _reason(raw: Mapping[str, Any]) -> str:
    """The reason of the condition Ready; ``""`` = there is none."""
    return str(condition_of(raw.get("status"), "Ready").get("reason", ""))


def _machine(meta: Mapping[str, Any]) -> str:
    owner = controller_of(meta)
    is_machine = (owner.get("apiVersion"), owner.get("kind")) == (
        MACHINES.api_version,
        MACHINES.name,
    )
    return str(owner.get("name", "")) if is_machine else ""


def _parsed(text: str) -> Address | None:
    if not text:
        return None
    try:
        return parse_address(text)
    except InvalidAddress:
        return None
