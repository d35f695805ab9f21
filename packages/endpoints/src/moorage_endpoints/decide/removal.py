"""Removal: what former modes and Kubernetes left behind, once what replaces it is stored."""

from __future__ import annotations

from collections.abc import Iterable

from moorage_endpoints import names
from moorage_endpoints.actions import Action, DeleteCompanion, DeleteEndpoints, DeleteSlice
from moorage_endpoints.model import Observed
from moorage_endpoints.projections.services import Service
from moorage_endpoints.projections.slices import Slice


def kubernetes_has_written(observed: Observed, service: Service) -> bool:
    """Whether Kubernetes has slices of all families of a Service with a selector."""
    if not service.selector:
        return False
    written = {one.family for one in _of_kubernetes(observed, service)}
    families = {str(one) for one in service.families}
    return families <= written if families else bool(written)


def left_by_kubernetes(observed: Observed, service: Service) -> tuple[Action, ...]:
    """What the controllers of Kubernetes wrote while the Service had a selector.

    They clean nothing up when it goes, and what is left leads to addresses of the default network.
    """
    slices: list[Slice] = list(_of_kubernetes(observed, service))
    endpoints = observed.endpoints
    was_ours = service.wish.remembered is not None
    leftover = endpoints is not None and (
        endpoints.by_kubernetes or endpoints.ours or (was_ours and endpoints.mirrored)
    )
    if leftover:
        slices += [one for one in observed.slices if one.manager == names.MIRRORING]
    # Endpoints first: as long as they are there, they are copied into slices again.
    first = (DeleteEndpoints(endpoints),) if endpoints is not None and leftover else ()
    return (*first, *map(DeleteSlice, slices))


def left_by_handover(observed: Observed) -> tuple[Action, ...]:
    """All slices of ours."""
    return tuple(map(DeleteSlice, observed.ours))


def left_by_companion(companions: Iterable[Service], but: str = "") -> tuple[Action, ...]:
    """All companions but that of one name."""
    return tuple(DeleteCompanion(one) for one in companions if one.subject.name != but)


def left_by_legacy(observed: Observed) -> tuple[Action, ...]:
    """Endpoints that we rewrote; Kubernetes writes them again when they are gone."""
    endpoints = observed.endpoints
    return (DeleteEndpoints(endpoints),) if endpoints is not None and endpoints.ours else ()


def _of_kubernetes(observed: Observed, service: Service) -> Iterable[Slice]:
    return (
        one
        for one in observed.slices
        if one.manager == names.KUBERNETES and one.owner == service.subject.uid
    )
