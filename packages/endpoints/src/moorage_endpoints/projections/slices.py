"""What is kept of an EndpointSlice: of ours all, of others who writes them and who is ready."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from moorage_domain.owners import controller_uid
from moorage_endpoints import names


@dataclass(frozen=True, slots=True)
class SlicePort:
    """A port of all endpoints of a slice."""

    name: str
    protocol: str
    port: int
    app_protocol: str = ""

    def to_wire(self) -> dict[str, Any]:
        """As a slice has it."""
        raw: dict[str, Any] = {"name": self.name, "protocol": self.protocol, "port": self.port}
        return raw | ({"appProtocol": self.app_protocol} if self.app_protocol else {})


@dataclass(frozen=True, slots=True)
class Group:
    """What all endpoints of a slice have in common; neither can be changed in a slice's life."""

    family: str
    ports: tuple[SlicePort, ...]

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits, for the names of its slices."""
        parts = [self.family, [one.to_wire() for one in self.ports]]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address; consumers read only the first one of an endpoint.

    Attributes:
        pod: name of the pod that has it.
        hostname: the pod's own name within the Service; ``""`` = it has none.
        for_zones: zones whose clients should come here first.
        for_nodes: nodes whose clients should come here first.
    """

    address: str
    pod: str
    uid: str
    node: str
    zone: str
    hostname: str
    ready: bool
    serving: bool
    terminating: bool
    for_zones: tuple[str, ...] = ()
    for_nodes: tuple[str, ...] = ()

    def to_wire(self, namespace: str) -> dict[str, Any]:
        """As a slice has it."""
        conditions = {"ready": self.ready, "serving": self.serving, "terminating": self.terminating}
        target = {"kind": "Pod", "namespace": namespace, "name": self.pod, "uid": self.uid}
        hints = {
            key: [{"name": one} for one in found]
            for key, found in (("forZones", self.for_zones), ("forNodes", self.for_nodes))
            if found
        }
        more = {"nodeName": self.node, "zone": self.zone, "hostname": self.hostname, "hints": hints}
        raw = {"addresses": [self.address], "conditions": conditions, "targetRef": target}
        return raw | {key: value for key, value in more.items() if value}

    @classmethod
    def of_wire(cls, raw: Mapping[str, Any]) -> Endpoint:
        """From an endpoint of a slice of ours; whoever edited it may have left anything there."""
        conditions, target = raw.get("conditions") or {}, raw.get("targetRef") or {}
        hints = raw.get("hints") or {}
        return cls(
            address=next(iter(raw.get("addresses") or ()), ""),
            pod=target.get("name") or "",
            uid=target.get("uid") or "",
            node=raw.get("nodeName") or "",
            zone=raw.get("zone") or "",
            hostname=raw.get("hostname") or "",
            ready=bool(conditions.get("ready")),
            serving=bool(conditions.get("serving")),
            terminating=bool(conditions.get("terminating")),
            for_zones=tuple(one.get("name") or "" for one in hints.get("forZones") or ()),
            for_nodes=tuple(one.get("name") or "" for one in hints.get("forNodes") or ()),
        )


@dataclass(frozen=True, slots=True)
class Slice:
    """One EndpointSlice.

    Attributes:
        service: the name of its Service; ``""`` = it is of none.
        version: its resourceVersion, the precondition of the next write.
        owner: uid of its controller.
        family: its addressType.
        ready: how many of its endpoints are ready.
        ours: whether we write it, whatever somebody did to its labels.
        labels: all of them; only of ours.
        endpoints: only of ours.
        exact: its endpoints say what ``endpoints`` say and nothing else; only of ours.
    """

    namespace: str
    name: str
    uid: str
    version: str
    service: str
    manager: str
    owner: str
    family: str
    ready: int
    ours: bool = False
    ports: tuple[SlicePort, ...] = ()
    labels: Mapping[str, str] | None = None
    endpoints: tuple[Endpoint, ...] = ()
    exact: bool = True

    @property
    def service_key(self) -> str:
        """``namespace/name`` of its Service."""
        return f"{self.namespace}/{self.service}"


def slice_of(raw: Mapping[str, Any]) -> Slice:
    """From an EndpointSlice."""
    meta = raw["metadata"]
    labels = meta.get("labels") or {}
    # An empty list arrives as null.
    endpoints = raw.get("endpoints") or ()
    manager, family = labels.get(names.MANAGED_BY_LABEL, ""), raw.get("addressType") or ""
    found = Slice(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta.get("uid", ""),
        version=meta.get("resourceVersion", ""),
        service=labels.get(names.SERVICE_LABEL, ""),
        manager=manager,
        owner=controller_uid({"metadata": meta}),
        family=family,
        ready=sum(map(_ready, endpoints)),
    )
    ports = tuple(map(_port, raw.get("ports") or ()))
    made_by_us = _has_our_name(found, Group(family, ports))
    if manager != names.MANAGER and not made_by_us:
        return found
    read = tuple(map(Endpoint.of_wire, endpoints))
    return replace(
        found,
        service=found.service or names.shaped_for(found.name),
        ours=True,
        ports=ports,
        labels=labels,
        endpoints=read,
        exact=all(
            one.to_wire(found.namespace) == _plain(wire)
            for one, wire in zip(read, endpoints, strict=True)
        ),
    )


def _has_our_name(one: Slice, group: Group) -> bool:
    """Whether a slice that a Service owns has the name that we would give it."""
    if not one.owner or one.manager in (names.KUBERNETES, names.MIRRORING):
        return False
    service = names.shaped_for(one.name)
    mine = names.slice_name(service, group.digest, 0)[:-1]
    return bool(service) and one.service in ("", service) and one.name.startswith(mine)


def _ready(endpoint: Mapping[str, Any]) -> bool:
    """Whether it is; what its conditions leave open means yes, as Kubernetes defines it."""
    ready = (endpoint.get("conditions") or {}).get("ready")
    return ready is None or bool(ready)


def _plain(wire: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in wire.items() if value or key == "conditions"}


def _port(raw: Mapping[str, Any]) -> SlicePort:
    return SlicePort(
        name=raw.get("name") or "",
        protocol=raw.get("protocol") or "TCP",
        port=raw.get("port") or 0,
        app_protocol=raw.get("appProtocol") or "",
    )
