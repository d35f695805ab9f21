"""Legacy: what the first version wrote into Endpoints, with its mistakes put right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from moorage_endpoints.decide.candidates import Candidate
from moorage_endpoints.decide.endpoints import endpoint_of
from moorage_endpoints.projections.services import Service
from moorage_endpoints.projections.slices import SlicePort

MOST = 1000
"""Addresses in one Endpoints object."""


def subsets_of(
    service: Service, candidates: Iterable[Candidate]
) -> tuple[tuple[Mapping[str, Any], ...], bool]:
    """The subsets, sorted, and whether there were too many addresses.

    Only the first family of the Service: Endpoints have one. Pods that end are left out.
    """
    family = service.families[0] if service.families else None
    mine = [
        one
        for one in candidates
        if (family is None or one.address.family is family) and not one.pod.deleting
    ]
    # Ready ones are the last to be left out.
    mine.sort(key=lambda one: (not endpoint_of(service, one).ready, one.address.number))
    found: dict[tuple[SlicePort, ...], dict[str, list[dict[str, Any]]]] = {}
    for one in mine[:MOST]:
        subset = found.setdefault(one.ports, {"addresses": [], "notReadyAddresses": []})
        ready = endpoint_of(service, one).ready
        subset["addresses" if ready else "notReadyAddresses"].append(_address(service, one))
    return tuple(_subset(*one) for one in sorted(found.items(), key=_number)), len(mine) > MOST


def _subset(
    ports: tuple[SlicePort, ...], addresses: Mapping[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    raw: dict[str, Any] = {key: found for key, found in addresses.items() if found}
    wire = [{key: one for key, one in port.to_wire().items() if one} for port in ports]
    return raw | ({"ports": wire} if wire else {})


def _number(subset: tuple[tuple[SlicePort, ...], object]) -> tuple[tuple[str, int], ...]:
    return tuple((one.name, one.port) for one in subset[0])


def _address(service: Service, candidate: Candidate) -> dict[str, Any]:
    endpoint = endpoint_of(service, candidate)
    target = {"kind": "Pod", "namespace": service.namespace}
    raw: dict[str, Any] = {
        "ip": endpoint.address,
        "targetRef": target | {"name": endpoint.pod, "uid": endpoint.uid},
    }
    more = {"nodeName": endpoint.node, "hostname": endpoint.hostname}
    return raw | {key: value for key, value in more.items() if value}
