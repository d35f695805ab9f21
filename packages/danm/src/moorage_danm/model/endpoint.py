"""Endpoints: which pod has which addresses of which network, and on which host; pure."""

from __future__ import annotations

import json
from dataclasses import dataclass

from moorage_danm.kinds import NetworkKind
from moorage_danm.model.addresses import address_of
from moorage_danm.model.network import NetworkRef, ref_to
from moorage_danm.names import FINALIZER, RECLAIMED, WANTED
from moorage_domain.families import Address
from moorage_domain.shared_texts import shared
from moorage_domain.wire import Raw, as_map
from moorage_ipam.times import epoch_of


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken from an endpoint: its addresses as they were written, and why."""

    ip: str
    ip6: str
    why: str

    def text(self) -> str:
        """As the annotation has it."""
        return json.dumps({"ip": self.ip, "ip6": self.ip6, "why": self.why}, sort_keys=True)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Those that are addresses."""
        return tuple(filter(None, (address_of(self.ip), address_of(self.ip6))))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One interface of one pod.

    Attributes:
        group: its API group.
        version: its resourceVersion.
        created: epoch seconds; ``None`` = unknown.
        deleting: somebody has deleted it.
        held: our finalizer is on it.
        network: ``None``: it names none that there could be.
        host: name of its host, as the host itself says it.
        pod_uid: ``""``: it was made by a DANM that did not write it.
        ip: as it is written, ``None`` = not at all; ``ip6`` likewise.
        taken: what was taken from it; ``None`` = nothing.
        wanted: epoch seconds at which the admission service asked last for its addresses.
    """

    group: str
    namespace: str
    name: str
    uid: str
    version: str
    created: float | None
    deleting: bool
    held: bool
    network: NetworkRef | None
    host: str
    pod: str
    pod_uid: str
    ip: str | None
    ip6: str | None
    taken: Taken | None
    finalizers: tuple[str, ...] = ()
    has_annotations: bool = False
    wanted: float | None = None

    @property
    def key(self) -> str:
        """``namespace/name``, as stores have it."""
        return f"{self.namespace}/{self.name}"

    @property
    def pod_key(self) -> str:
        """Of its pod."""
        return f"{self.namespace}/{self.pod}"

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Those that it has now."""
        return tuple(filter(None, (address_of(self.ip), address_of(self.ip6))))


def endpoint_of(group: str, raw: Raw) -> Endpoint:
    """The projection of a DanmEp of any release."""
    meta, spec = raw["metadata"], as_map(raw.get("spec"))
    interface = as_map(spec.get("Interface"))
    finalizers = tuple(map(str, meta.get("finalizers") or ()))
    annotations = as_map(meta.get("annotations"))
    namespace = shared(str(meta.get("namespace") or ""))
    taken = _taken(annotations.get(RECLAIMED))
    if taken is not None and FINALIZER not in finalizers and _has_address(interface):
        # Somebody has put an address back: it is in use again.
        taken = None
    return Endpoint(
        group=group,
        namespace=namespace,
        name=str(meta["name"]),
        uid=str(meta.get("uid") or ""),
        version=str(meta.get("resourceVersion") or ""),
        created=epoch_of(str(meta.get("creationTimestamp") or "")),
        deleting="deletionTimestamp" in meta,
        held=FINALIZER in finalizers,
        network=_network(spec, namespace),
        host=shared(str(spec.get("Host") or "")),
        pod=str(spec.get("Pod") or ""),
        pod_uid=str(spec.get("PodUID") or ""),
        ip=_text(interface.get("Address")),
        ip6=_text(interface.get("AddressIPv6")),
        taken=taken,
        finalizers=finalizers,
        has_annotations=bool(annotations),
        wanted=epoch_of(str(annotations.get(WANTED) or "")),
    )


def _has_address(interface: Raw) -> bool:
    return any(address_of(interface.get(key)) for key in ("Address", "AddressIPv6"))


def _network(spec: Raw, namespace: str) -> NetworkRef | None:
    # Releases before the fourth had networks of one kind, and named them otherwise.
    name = spec.get("NetworkName") or spec.get("NetworkID")
    try:
        kind = NetworkKind(spec.get("apiType") or NetworkKind.DANM_NET.value)
    except ValueError:
        return None
    return ref_to(kind, namespace, shared(str(name))) if name else None


def _taken(text: object) -> Taken | None:
    if not isinstance(text, str):
        return None
    try:
        said = as_map(json.loads(text))
    except (ValueError, RecursionError):
        said = {}
    return Taken(str(said.get("ip") or ""), str(said.get("ip6") or ""), str(said.get("why") or ""))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
