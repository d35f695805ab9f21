"""What a pool gives away, from its spec, and to whom; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from moorage_api.ipclaimpool import IPCLAIMPOOLS, IpClaimPoolSpec
from moorage_api.selectors import LabelSelector, Requirement
from moorage_domain.addresses import InvalidAddress
from moorage_domain.families import Address, Family
from moorage_domain.link_patterns import InvalidPattern, link_pattern
from moorage_domain.ranges import AddressRange, parse_range
from moorage_domain.subnets import usable
from moorage_external_ip.kept import networks, overlap
from moorage_external_ip.projections import PoolView
from moorage_ipam.pool_spec import PoolSpec
from moorage_ipam.records import PoolRef

_BUGGY_PREFIX = 24
_SHOWN = 5
_NONE_RESERVED = 30
"""Longer IPv4 prefixes reserve no address."""


class Gives(Protocol):
    """A pool that may have an address."""

    def has(self, address: Address) -> bool: ...


class HasPools(Protocol):
    """All pools."""

    def items(self) -> Iterable[tuple[str, Gives]]: ...


def pool_ref(name: str) -> PoolRef:
    """How records name one of our pools."""
    return PoolRef(IPCLAIMPOOLS.group, IPCLAIMPOOLS.name, "", name)


def has_room_for(pools: HasPools, address: Address) -> bool:
    """Whether any pool has an address, taken or not."""
    return any(pool.has(address) for _, pool in pools.items())


def pool_spec(view: PoolView, reserved: Iterable[AddressRange] = ()) -> PoolSpec:
    """What a pool gives away. Raises ``InvalidAddress`` where that makes no sense.

    ``reserved``: networks of which no address is ever given.
    """
    spec = view.spec
    if spec is None:
        raise InvalidAddress(view.problem)
    network = parse_range(spec.cidr) if spec.cidr else None
    ranges = [_range(place, pair) for place, pair in enumerate(spec.ranges)]
    _check_pattern(spec)
    includes = ranges or ([network] if network else [])
    if not includes:
        raise InvalidAddress("spec: there is neither cidr nor a range")
    family = includes[0].family
    if network is not None:
        for one in ranges:
            if one.family is not network.family or not network.first <= one.first <= network.last:
                raise InvalidAddress(f"spec.ranges: {one} is not in cidr {spec.cidr}")
    excludes = [parse_range(one) for one in spec.exclude]
    kept = [one for one in reserved if any(overlap(one, other) for other in includes)]
    prefix = _reserving_prefix(spec, family, bool(ranges))
    found = usable(includes, [*excludes, *kept], prefix=prefix)
    if kept and not found.size:
        names = ", ".join(map(str, kept[:_SHOWN]))
        raise InvalidAddress(f"spec: all of its addresses are in networks of the cluster: {names}")
    return PoolSpec(
        ref=pool_ref(view.subject.name),
        network=spec.network,
        usable=found,
        reuse_seconds=float(spec.reuse_delay_seconds),
    )


def _check_pattern(spec: IpClaimPoolSpec) -> None:
    try:
        link_pattern(spec.interface_pattern)
    except InvalidPattern as error:
        raise InvalidAddress(f"spec.interfacePattern: {error}") from error


def ranges_of(view: PoolView) -> tuple[AddressRange, ...]:
    """All that a pool names, whether it makes sense or not."""
    spec = view.spec
    if spec is None:
        return ()
    found = networks([spec.cidr]) if spec.cidr else ()
    return found or networks("-".join(pair) for pair in spec.ranges)


def prefix_of(spec: IpClaimPoolSpec | None, family: Family, default: int) -> int:
    """Prefix length of claims: that of the pool's cidr, as the first version has it."""
    if spec is not None and spec.cidr:
        return int(spec.cidr.rpartition("/")[2])
    return default if family is Family.IPV4 else family.value


def selects(selector: LabelSelector | None, labels: Mapping[str, str]) -> bool:
    """Whether labels match a selector; ``None`` matches all."""
    if selector is None:
        return True
    if any(labels.get(key) != value for key, value in selector.match_labels.items()):
        return False
    return all(_meets(one, labels) for one in selector.match_expressions)


def why_not_for(
    spec: IpClaimPoolSpec,
    namespace: str,
    namespace_labels: Mapping[str, str],
    labels: Mapping[str, str],
) -> str:
    """Why a Service may not have addresses of a pool; ``""`` = it may."""
    by_name = namespace in spec.namespaces
    by_label = spec.namespace_selector is not None and selects(
        spec.namespace_selector, namespace_labels
    )
    limited = bool(spec.namespaces) or spec.namespace_selector is not None
    if limited and not by_name and not by_label:
        return f"it is not for namespace {namespace}"
    if not selects(spec.service_selector, labels):
        return "its serviceSelector does not match"
    return ""


def _range(place: int, pair: list[str]) -> AddressRange:
    try:
        return parse_range("-".join(one.strip() for one in pair))
    except InvalidAddress as error:
        raise InvalidAddress(f"spec.ranges[{place}]: {error}") from error


def _reserving_prefix(spec: IpClaimPoolSpec, family: Family, ranges: bool) -> int:  # noqa: FBT001 - one of three facts
    """The subnets whose first and last address are not given: of ranges, none are left out."""
    length = family.value if ranges else int(spec.cidr.rpartition("/")[2])
    if family is Family.IPV4 and spec.avoid_buggy_ips:
        is_small = _BUGGY_PREFIX < length <= _NONE_RESERVED
        return length if is_small else _BUGGY_PREFIX
    return length


def _meets(one: Requirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(one.key)
    match one.operator:
        case "In":
            return value is not None and value in one.values
        case "NotIn":
            return value is None or value not in one.values
        case "Exists":
            return value is not None
        case _:
            return value is None
