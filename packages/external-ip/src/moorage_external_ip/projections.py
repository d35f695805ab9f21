"""What is kept of each object: the few fields that decisions rest on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from moorage_api.ipclaim import NODE_LABEL, POOL_LABEL
from moorage_api.ipclaimpool import IpClaimPoolSpec
from moorage_domain.addresses import InvalidAddress
from moorage_domain.conditions import condition_of
from moorage_domain.families import Address, parse_address
from moorage_domain.ranges import AddressRange
from moorage_domain.subject import Subject
from moorage_external_ip.kept import networks

CLAIM_KIND = "IpClaim"
POOL_FINALIZER = "moorage.dev/addresses-in-use"
MADE_FOR = "moorage.dev/made-for"
"""On a claim: the Service that it was made for. It goes with the last one that uses it."""
_SEED_OWNER = "ServiceReference"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """A port that a Service answers at."""

    protocol: str
    number: int

    def to_wire(self) -> dict[str, Any]:
        """As a claim says it."""
        return {"protocol": self.protocol, "port": self.number}

    def __str__(self) -> str:
        return f"{self.protocol} {self.number}"


@dataclass(frozen=True, slots=True)
class Use:
    """A Service that uses an address, as the claim says it."""

    namespace: str
    name: str
    uid: str
    sharing_key: str = ""
    ports: tuple[Port, ...] = ()
    local: bool = False

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    def to_wire(self) -> dict[str, Any]:
        """As an entry of ``spec.services``."""
        return {
            "namespace": self.namespace,
            "name": self.name,
            "uid": self.uid,
            "sharingKey": self.sharing_key,
            "ports": [one.to_wire() for one in self.ports],
            "local": self.local,
        }


@dataclass(frozen=True, slots=True)
class Claim:
    """One IpClaim.

    Attributes:
        cidr: as it is written.
        address: ``None`` = that is no address.
        prefix: length behind the address.
        node_name: where it shall be; ``""`` = nowhere yet.
        node_label: value of the label by which agents find it.
        pool: name of its pool, by its label; ``""`` = it says none.
        made_for: the Service that we made it for; ``""`` = a person has made it.
        seed_services: keys of the Services that own it by the first version's references.
        ready: its condition Ready is True: a node has it.
        allocated: status of its condition Allocated. ``"True"``: the address is the claim's, and
            may be on a node. ``"False"``: it is somebody else's, so no node may have it by this
            claim. ``""``: nobody has looked yet, so it stays where it is.
        taken: another machine had the address before any node.
    """

    subject: Subject
    cidr: str
    address: Address | None
    prefix: int
    node_name: str
    node_names: tuple[str, ...]
    node_label: str
    placement: str
    interface: str
    interface_pattern: str
    ports: tuple[Port, ...]
    health_ports: tuple[int, ...]
    uses: tuple[Use, ...]
    pool: str
    made_for: str
    seed_services: tuple[str, ...]
    ready: bool
    allocated: str = ""
    previous_node: str = ""
    previous_macs: tuple[str, ...] = ()
    taken: bool = False

    @property
    def uids(self) -> frozenset[str]:
        """Of the Services that use it."""
        return frozenset(one.uid for one in self.uses)

    def use_of(self, uid: str) -> Use | None:
        """The entry of a Service; ``None`` = it does not use it."""
        return next((one for one in self.uses if one.uid == uid), None)


@dataclass(frozen=True, slots=True)
class PoolView:
    """One IpClaimPool; ``problem`` is why its spec cannot be read, ``""`` = it can."""

    subject: Subject
    spec: IpClaimPoolSpec | None
    problem: str


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node.

    Attributes:
        unavailable: its condition NetworkUnavailable is True.
        addresses: of its status.
        pod_cidrs: networks of its pods.
    """

    name: str
    uid: str
    labels: Mapping[str, str]
    taints: tuple[tuple[str, str], ...] = ()
    unavailable: bool = False
    addresses: frozenset[Address] = frozenset()
    pod_cidrs: tuple[str, ...] = field(default=())


def claim_of(raw: dict[str, Any]) -> Claim:
    """Any IpClaim, whoever has made it."""
    meta, spec = raw["metadata"], raw.get("spec") or {}
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    status = raw.get("status")
    cidr = str(spec.get("cidr") or "")
    text, _, length = cidr.partition("/")
    address = parsed(text)
    previous = spec.get("previous") or {}
    return Claim(
        subject=Subject.of(raw),
        cidr=cidr,
        address=address,
        prefix=int(length) if length.isdecimal() else address.family.value if address else 0,
        node_name=str(spec.get("nodeName") or ""),
        node_names=tuple(spec.get("nodeNames") or ()),
        node_label=labels.get(NODE_LABEL, ""),
        placement=str(spec.get("placement") or "OneNode"),
        interface=str(spec.get("interface") or ""),
        interface_pattern=str(spec.get("interfacePattern") or ""),
        ports=ports_of(spec.get("ports")),
        health_ports=tuple(spec.get("healthCheckNodePorts") or ()),
        uses=tuple(map(_use, spec.get("services") or ())),
        pool=labels.get(POOL_LABEL, ""),
        made_for=annotations.get(MADE_FOR, ""),
        seed_services=_seed_services(meta),
        ready=condition_of(status, "Ready").get("status") == "True",
        allocated=str(condition_of(status, "Allocated").get("status") or ""),
        previous_node=str(previous.get("nodeName") or ""),
        previous_macs=tuple(previous.get("macs") or ()),
        taken=(status or {}).get("taken") is True,
    )


def pool_of(raw: dict[str, Any]) -> PoolView:
    """A pool; what its spec lacks is a problem of its own and of nobody else."""
    try:
        spec = IpClaimPoolSpec.model_validate(raw.get("spec") or {})
    except ValueError as error:
        return PoolView(Subject.of(raw), None, " ".join(str(error).split()))
    return PoolView(Subject.of(raw), spec, "")


def node_of(raw: dict[str, Any]) -> NodeView:
    """A node; heartbeats change nothing of this."""
    meta, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    own = (parsed(str(one.get("address"))) for one in status.get("addresses") or ())
    return NodeView(
        name=meta["name"],
        uid=meta.get("uid", ""),
        labels=meta.get("labels") or {},
        taints=tuple((t.get("key", ""), t.get("effect", "")) for t in spec.get("taints") or ()),
        unavailable=condition_of(status, "NetworkUnavailable").get("status") == "True",
        addresses=frozenset(one for one in own if one is not None),
        pod_cidrs=tuple(spec.get("podCIDRs") or ()),
    )


def labels_of(raw: dict[str, Any]) -> Mapping[str, str]:
    """Of a namespace, nothing but its labels."""
    return raw["metadata"].get("labels") or {}


def service_cidr_of(raw: Mapping[str, Any]) -> tuple[AddressRange, ...]:
    """The networks of a ServiceCIDR."""
    return networks((raw.get("spec") or {}).get("cidrs") or ())


def parsed(text: str) -> Address | None:
    """The address of a text; ``None`` = it is none."""
    try:
        return parse_address(text)
    except InvalidAddress:
        return None


def ports_of(raws: Iterable[Mapping[str, Any]] | None) -> tuple[Port, ...]:
    """Ports of a Service or of a claim, in order."""
    found = {
        Port(str(one.get("protocol") or "TCP"), int(one.get("port") or 0)) for one in raws or ()
    }
    return tuple(sorted(found))


def _use(raw: Mapping[str, Any]) -> Use:
    return Use(
        namespace=str(raw.get("namespace") or ""),
        name=str(raw.get("name") or ""),
        uid=str(raw.get("uid") or ""),
        sharing_key=str(raw.get("sharingKey") or ""),
        ports=ports_of(raw.get("ports")),
        local=raw.get("local") is True,
    )


def _seed_services(meta: Mapping[str, Any]) -> tuple[str, ...]:
    """The first version wrote ``namespace/name`` where a uid belongs."""
    owners = meta.get("ownerReferences") or ()
    return tuple(str(one.get("uid")) for one in owners if one.get("kind") == _SEED_OWNER)
