"""Networks: where their addresses lie, which bit stands for each, and which are in use; pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from moorage_danm.kinds import NetworkKind
from moorage_danm.model.addresses import address_of
from moorage_danm.model.bits import BadBits, BitArray
from moorage_danm.names import FREED
from moorage_domain.families import Address, Family
from moorage_domain.wire import Raw, as_map


@dataclass(frozen=True, slots=True)
class NetworkRef:
    """Which network an endpoint or a pod names; ``namespace`` is ``""`` of a ClusterNetwork."""

    kind: NetworkKind
    namespace: str
    name: str

    @property
    def key(self) -> str:
        """As the network's store has it."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    def __str__(self) -> str:
        return f"{self.kind.value} {self.key}"


@lru_cache(maxsize=4096)  # thousands of pods name a few networks
def ref_to(kind: NetworkKind, namespace: str, name: str) -> NetworkRef:
    """What a pod or an endpoint in ``namespace`` means by a name."""
    return NetworkRef(kind, namespace if kind.namespaced else "", name)


@dataclass(frozen=True, slots=True)
class Part:
    """The addresses of one family.

    Attributes:
        family: IPv4 or IPv6.
        base: number of the first address, that of bit 0.
        size: how many there are.
        pool: first and last address that DANM gives to those who ask for any.
        alloc: the bits as they are written; ``""``: DANM manages none.
        reserved: bits that stand for no pod: the first, the last and gateways.
    """

    family: Family
    base: int
    size: int
    pool: tuple[int, int]
    alloc: str
    reserved: frozenset[int]

    def index(self, address: Address) -> int | None:
        """The bit of an address; ``None``: it has none here."""
        index = address.number - self.base
        return index if address.family is self.family and 0 <= index < self.size else None

    def bits(self) -> BitArray:
        """Which are in use. Raises :class:`BadBits`."""
        return BitArray.parse(self.alloc, self.size)

    def may_be_given(self, address: Address) -> bool:
        """Whether DANM gives it also to pods that ask for any address."""
        first, last = self.pool
        return self.index(address) is not None and first <= address.number <= last

    @property
    def path(self) -> str:
        """Of the bits in the object, as a JSON pointer."""
        return "/spec/Options/" + ("alloc" if self.family is Family.IPV4 else "alloc6")


@dataclass(frozen=True, slots=True)
class Network:
    """One network as it was seen at one version.

    Attributes:
        group: its API group.
        generation: counts its changes but for those of metadata; 0 = unknown.
        parts: its families that DANM manages addresses of, and whose bits make sense or not.
        problem: why its bits cannot be read, for people; ``""`` = they can.
        freed: uids of endpoints whose bits were cleared, together with the bits.
        deleting: somebody has deleted it.
    """

    group: str
    ref: NetworkRef
    uid: str
    version: str
    generation: int
    parts: tuple[Part, ...]
    problem: str = ""
    freed: frozenset[str] = frozenset()
    has_annotations: bool = False

    def part(self, family: Family) -> Part | None:
        """The addresses of a family that bits are kept for."""
        return next((one for one in self.parts if one.family is family and one.alloc), None)

    def is_set(self, address: Address) -> bool | None:
        """Whether its bit says that an address is in use; ``None``: it has none. May raise."""
        part = self.part(address.family)
        index = part.index(address) if part else None
        return None if part is None or index is None else index in part.bits()


def network_of(group: str, kind: NetworkKind, raw: Raw) -> Network:
    """The projection of a network; what of it makes no sense is its ``problem``."""
    meta = raw["metadata"]
    options = as_map(as_map(raw.get("spec")).get("Options"))
    parts, problem = [], ""
    for make in (_part4, _part6):
        try:
            part = make(options)
            if part is not None and part.alloc:
                part.bits()
        except ValueError as error:
            problem = problem or str(error)
            continue
        if part is not None:
            parts.append(part)
    annotations = meta.get("annotations")
    return Network(
        group=group,
        ref=NetworkRef(kind, str(meta.get("namespace") or ""), str(meta["name"])),
        uid=str(meta.get("uid") or ""),
        version=str(meta.get("resourceVersion") or ""),
        generation=int(meta.get("generation") or 0),
        parts=tuple(parts),
        problem=problem,
        freed=frozenset(str(as_map(annotations).get(FREED) or "").split()),
        has_annotations=bool(annotations),
    )


def _part4(options: Raw) -> Part | None:
    return _part(Family.IPV4, options, str(options.get("cidr") or ""), "allocation_pool", "alloc")


def _part6(options: Raw) -> Part | None:
    # Bits begin at the pool's range, and not at that of the network.
    pool = as_map(options.get("allocation_pool_v6"))
    return _part(Family.IPV6, options, str(pool.get("cidr") or ""), "allocation_pool_v6", "alloc6")


def _part(family: Family, options: Raw, cidr: str, pool_key: str, alloc_key: str) -> Part | None:
    """Raises ``ValueError`` that names the field."""
    alloc = options.get(alloc_key) or ""
    if not isinstance(alloc, str):
        raise BadBits(f"spec.Options.{alloc_key} is not a text")
    if not cidr:
        if alloc:
            raise BadBits(f"spec.Options.{alloc_key} is set, and there is no range for it")
        return None
    base, size = _range(family, cidr)
    pool = as_map(options.get(pool_key))
    ends = (address_of(pool.get("start")), address_of(pool.get("end")))
    first, last = (one.number if one and one.family is family else None for one in ends)
    part = Part(
        family=family,
        base=base,
        size=size,
        pool=(base + 1 if first is None else first, base + size - 2 if last is None else last),
        alloc=alloc,
        reserved=frozenset({0, size - 1, *_gateways(family, options, base, size)}),
    )
    if alloc:
        try:
            part.bits()
        except BadBits as error:
            raise BadBits(f"spec.Options.{alloc_key} of {cidr}: {error}") from error
    return part


def _range(family: Family, cidr: str) -> tuple[int, int]:
    try:
        found = ipaddress.ip_network(cidr, strict=False)
    except ValueError as error:
        raise BadBits(f'"{cidr}" is no range of addresses: {error}') from error
    if found.version != (4 if family is Family.IPV4 else 6):
        raise BadBits(f'"{cidr}" is no range of {family}')
    return int(found.network_address), found.num_addresses


def _gateways(family: Family, options: Raw, base: int, size: int) -> Iterator[int]:
    routes = as_map(options.get("routes" if family is Family.IPV4 else "routes6"))
    for gateway in map(address_of, routes.values()):
        if gateway is not None and gateway.family is family and 0 <= gateway.number - base < size:
            yield gateway.number - base
