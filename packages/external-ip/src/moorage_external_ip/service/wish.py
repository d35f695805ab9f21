"""What a Service is, and what it asks for; pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from moorage_api.ipclaim import MAX_SERVICE_PORTS
from moorage_domain.families import Address, Family
from moorage_domain.lists import parts_of
from moorage_domain.subject import Subject
from moorage_external_ip.projections import Port, Use, parsed, ports_of

AUTO_ANNOTATION = "external-ip"
"""The first version's; its only value is ``auto``."""
ADDRESSES_ANNOTATION = "moorage.dev/addresses"
"""Addresses that a Service asks for, separated by commas, one of each family."""
POOLS_ANNOTATION = "moorage.dev/pools"
"""Pools that a Service asks for, separated by commas."""
SHARING_ANNOTATION = "moorage.dev/sharing-key"
"""Services with the same key may share an address, if their ports differ."""
EXTERNAL_ANNOTATION = "moorage.dev/external-ips"
"""On a Service: what we added to its spec.externalIPs, separated by commas."""

_FAMILIES = {"IPv4": Family.IPV4, "IPv6": Family.IPV6}


class Mode(enum.Enum):
    """How a Service gets its addresses, and how it is told."""

    STATUS = "status.loadBalancer"
    """Of type LoadBalancer, and ours by its class."""
    EXTERNAL = "spec.externalIPs"
    """Of another type, with the first version's annotation."""
    INPUT = "input"
    """It lists addresses in spec.externalIPs itself, and is never written to."""
    NONE = "none"
    """It is not ours."""


@dataclass(frozen=True, slots=True)
class Manners:
    """Which Services are ours.

    Attributes:
        load_balancer_class: of Services of type LoadBalancer.
        without_class: whether those without a class are ours, too.
    """

    load_balancer_class: str
    without_class: bool


@dataclass(frozen=True, slots=True)
class Service:
    """One Service.

    Attributes:
        created: RFC 3339; the oldest Service waits first.
        type: of its spec.
        load_balancer_class: ``None`` = it names none.
        families: of its spec, the first one first.
        policy: its ipFamilyPolicy.
        local: its external traffic policy is Local.
        health_port: its healthCheckNodePort; 0 = it has none.
        asked: texts of addresses that it asks for.
        pools: names of pools that it asks for.
        auto: it has the first version's annotation.
        external: spec.externalIPs.
        annotated: what of them is ours, by our annotation.
        added: the same, and what the first version put there.
        ingress: status.loadBalancer.ingress, as it is.
        cluster_ips: addresses within the cluster.
    """

    subject: Subject
    created: str
    type: str
    load_balancer_class: str | None
    families: tuple[Family, ...]
    policy: str
    ports: tuple[Port, ...]
    local: bool
    health_port: int
    asked: tuple[str, ...]
    pools: tuple[str, ...]
    sharing_key: str
    auto: bool
    external: tuple[str, ...]
    annotated: tuple[str, ...]
    added: tuple[str, ...]
    ingress: tuple[Mapping[str, Any], ...]
    cluster_ips: frozenset[Address]
    labels: Mapping[str, str]
    manager: str = ""

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.subject.name}"

    @property
    def namespace(self) -> str:
        """The namespace that it is in."""
        return self.subject.namespace or ""

    @property
    def addresses(self) -> frozenset[Address]:
        """Those that its status says."""
        found = (parsed(str(one.get("ip") or "")) for one in self.ingress)
        return frozenset(one for one in found if one is not None)

    @property
    def use(self) -> Use:
        """How a claim names it."""
        subject = self.subject
        return Use(
            self.namespace, subject.name, subject.uid, self.sharing_key, self.ports, self.local
        )

    @property
    def place(self) -> tuple[str, str, str]:
        """Where it stands among those that wait: the oldest is first."""
        return self.created, self.subject.uid, self.key


@dataclass(frozen=True, slots=True)
class Slot:
    """One address that a Service asks for.

    Attributes:
        asked: this one and no other; ``None`` = any.
        required: without it the Service gets none; of two that are not, one suffices.
        by_hand: it is in spec.externalIPs, and was not put there by us.
    """

    family: Family
    asked: Address | None = None
    required: bool = True
    by_hand: bool = False

    def __str__(self) -> str:
        return str(self.asked or self.family)


@dataclass(frozen=True, slots=True)
class Wish:
    """All that a Service asks for; ``problem`` is why that makes no sense, ``""`` = it does."""

    mode: Mode
    slots: tuple[Slot, ...] = ()
    problem: str = ""


def service_of(raw: dict[str, Any]) -> Service:
    """Any Service."""
    meta, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    annotations = meta.get("annotations") or {}
    asked = [spec.get("loadBalancerIP"), *_split(annotations.get(ADDRESSES_ANNOTATION))]
    families = [_FAMILIES[one] for one in spec.get("ipFamilies") or () if one in _FAMILIES]
    cluster_ips = (parsed(str(one)) for one in spec.get("clusterIPs") or ())
    return Service(
        subject=Subject.of(raw),
        created=meta.get("creationTimestamp", ""),
        type=spec.get("type") or "ClusterIP",
        load_balancer_class=spec.get("loadBalancerClass"),
        families=tuple(families) or (Family.IPV4,),
        policy=spec.get("ipFamilyPolicy") or "SingleStack",
        # A claim has no room for more; kube-proxy would not like them either.
        ports=ports_of(spec.get("ports"))[:MAX_SERVICE_PORTS],
        local=spec.get("externalTrafficPolicy") == "Local",
        health_port=int(spec.get("healthCheckNodePort") or 0),
        asked=tuple(dict.fromkeys(one for one in asked if one)),
        pools=_split(annotations.get(POOLS_ANNOTATION)),
        sharing_key=str(annotations.get(SHARING_ANNOTATION, ""))[:253],
        auto=annotations.get(AUTO_ANNOTATION) == "auto",
        external=tuple(spec.get("externalIPs") or ()),
        annotated=_split(annotations.get(EXTERNAL_ANNOTATION)),
        added=_split(annotations.get(EXTERNAL_ANNOTATION)),
        ingress=tuple((status.get("loadBalancer") or {}).get("ingress") or ()),
        cluster_ips=frozenset(one for one in cluster_ips if one is not None),
        labels=meta.get("labels") or {},
        manager=_manager(meta),
    )


def wish_of(service: Service, manners: Manners) -> Wish:
    """What a Service asks for; whether somebody else serves it already is not looked at."""
    by_hand = tuple(
        Slot(address.family, address, required=False, by_hand=True)
        for text in service.external
        if text not in service.added and (address := parsed(text)) is not None
    )
    mode = _mode(service, manners)
    if mode is Mode.NONE:
        other = service.type == "LoadBalancer" and service.load_balancer_class is not None
        return Wish(Mode.INPUT, by_hand) if by_hand and not other else Wish(Mode.NONE)
    asked: dict[Family, Address] = {}
    for text in service.asked:
        address = parsed(text)
        if address is None:
            return Wish(mode, problem=f'"{text}" is no IP address')
        if address.family in asked:
            problem = f"{asked[address.family]} and {address} are both {address.family}"
            return Wish(mode, problem=f"{problem}; a Service has one address of each family")
        asked[address.family] = address
    families = service.families if service.policy != "SingleStack" else service.families[:1]
    for family, address in asked.items():
        if family not in families:
            return Wish(mode, problem=f"{address} is {family}, which is no family of the Service")
    must = service.policy != "PreferDualStack"
    slots = tuple(
        Slot(family, asked.get(family), required=must or family in asked) for family in families
    )
    own = {one.asked for one in slots}
    return Wish(mode, (*slots, *(one for one in by_hand if one.asked not in own)))


def _mode(service: Service, manners: Manners) -> Mode:
    if service.type == "LoadBalancer":
        named = service.load_balancer_class
        ours = manners.without_class if named is None else named == manners.load_balancer_class
        return Mode.STATUS if ours or (service.auto and named is None) else Mode.NONE
    return Mode.EXTERNAL if service.auto and service.type != "ExternalName" else Mode.NONE


def _split(text: object) -> tuple[str, ...]:
    return parts_of(str(text or ""))


def _manager(meta: Mapping[str, Any]) -> str:
    """Who else wrote the status last, as the API server remembers it; ``""`` = nobody."""
    entries: Iterable[Mapping[str, Any]] = meta.get("managedFields") or ()
    others = [
        one
        for one in entries
        if one.get("subresource") == "status"
        and not str(one.get("manager") or "").startswith("moorage-external-ip")
    ]
    last: Mapping[str, Any] = max(others, key=lambda one: one.get("time") or "", default={})
    return str(last.get("manager") or "")
