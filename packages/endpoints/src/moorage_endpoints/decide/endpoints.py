"""Endpoints: what each candidate is in a slice, and which go together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from moorage_domain.families import Family
from moorage_endpoints.decide.candidates import Candidate
from moorage_endpoints.projections.services import Service
from moorage_endpoints.projections.slices import Endpoint, Group, SlicePort

_CLOSE = frozenset({"PreferClose", "PreferSameZone", "PreferSameNode"})


def endpoint_of(service: Service, candidate: Candidate) -> Endpoint:
    """A candidate as an endpoint, without hints."""
    pod = candidate.pod
    # Pods that find each other by DNS before they are ready need publishNotReadyAddresses.
    ready = service.publish_not_ready or (pod.ready and not pod.deleting)
    named = bool(pod.hostname) and pod.subdomain == service.dns_name
    return Endpoint(
        address=str(candidate.address),
        pod=pod.name,
        uid=pod.uid,
        node=pod.node,
        zone=candidate.member.zone,
        hostname=pod.hostname if named else "",
        ready=ready,
        serving=pod.ready,
        terminating=pod.deleting,
    )


def groups_of(
    service: Service, candidates: Iterable[Candidate]
) -> Mapping[Group, Mapping[str, Endpoint]]:
    """Endpoints by their address, in groups."""
    found: dict[Group, dict[str, Endpoint]] = {}
    for one in candidates:
        group = Group(str(one.address.family), one.ports)
        endpoint = _hinted(service, endpoint_of(service, one))
        found.setdefault(group, {})[endpoint.address] = endpoint
    return found


def families_of(service: Service, groups: Iterable[Group]) -> tuple[str, ...]:
    """The families that the Service has slices of, even where no pod has an address."""
    if service.families:
        return tuple(str(one) for one in service.families)
    found = {one.family for one in groups}
    return tuple(str(one) for one in Family if str(one) in found)


def empty_group(service: Service, family: str) -> Group:
    """Where the first endpoints of a family will most likely be."""
    ports = (
        SlicePort(one.name, one.protocol, one.target, one.app_protocol)
        for one in service.ports
        if isinstance(one.target, int)
    )
    return Group(family, tuple(ports))


def _hinted(service: Service, endpoint: Endpoint) -> Endpoint:
    """Service proxies heed hints only where all ready endpoints have one."""
    if service.traffic not in _CLOSE or not endpoint.ready:
        return endpoint
    zones = (endpoint.zone,) if endpoint.zone else ()
    same_node = service.traffic == "PreferSameNode" and endpoint.node
    return replace(endpoint, for_zones=zones, for_nodes=(endpoint.node,) if same_node else ())
