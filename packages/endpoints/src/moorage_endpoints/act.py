"""Act: what is written for a Service; each write may be repeated."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, assert_never

from moorage_domain.owners import owner_reference
from moorage_endpoints import names
from moorage_endpoints.actions import (
    Action,
    DeleteCompanion,
    DeleteEndpoints,
    DeleteSlice,
    GiveSelectorBack,
    TakeSelector,
    WriteCompanion,
    WriteEndpoints,
    WriteSlice,
)
from moorage_endpoints.admission import remembered
from moorage_endpoints.caches import Caches
from moorage_endpoints.decide.companion import companion_spec
from moorage_endpoints.kinds import ENDPOINTS, SERVICES, SLICES
from moorage_endpoints.model import Observed
from moorage_endpoints.observe import Observer
from moorage_endpoints.projections.services import Service
from moorage_kube.client.client import Client, Target
from moorage_kube.client.errors import NotFound
from moorage_kube.client.timestamps import timestamp


class Actor:
    """Carries out actions, and takes the answers into the caches."""

    def __init__(self, client: Client, caches: Caches, observer: Observer) -> None:
        self._client = client
        self._caches = caches
        self._observer = observer

    async def act(self, observed: Observed, action: Action) -> None:
        """Carry out one action; raises what the API server answers."""
        match action:
            case DeleteSlice() | DeleteCompanion() | DeleteEndpoints():
                await self._delete(action)
            case _:
                if observed.service is not None:
                    await self._write(observed.service, action)

    async def _write(
        self,
        service: Service,
        action: WriteSlice | TakeSelector | GiveSelectorBack | WriteCompanion | WriteEndpoints,
    ) -> None:
        match action:
            case WriteSlice():
                await self._write_slice(service, action)
            case TakeSelector():
                self._observer.takes.add(service.key)
                await self._patch(service, selector_taken(service.selector))
            case GiveSelectorBack():
                await self._patch(service, _selector_back(service))
            case WriteCompanion():
                await self._write_companion(service, action)
            case WriteEndpoints():
                await self._write_endpoints(action)
            case _:
                assert_never(action)

    async def _delete(self, action: DeleteSlice | DeleteCompanion | DeleteEndpoints) -> None:
        match action:
            case DeleteSlice(one):
                with suppress(NotFound):
                    await self._client.delete(SLICES, one.name, one.namespace, uid=one.uid)
                self._caches.slices.forget(f"{one.namespace}/{one.name}", one.uid)
            case DeleteCompanion(companion):
                subject = companion.subject
                with suppress(NotFound):
                    await self._client.delete(
                        SERVICES, subject.name, subject.namespace, uid=subject.uid
                    )
                self._caches.services.forget(companion.key, subject.uid)
            case DeleteEndpoints(known):
                with suppress(NotFound):
                    await self._client.delete(ENDPOINTS, known.name, known.namespace, uid=known.uid)
                self._caches.endpoints.forget(known.key, known.uid)

    async def _write_slice(self, service: Service, action: WriteSlice) -> None:
        body = slice_body(service, action)
        if action.known is None:
            self._caches.slices.take_created(await self._client.create(SLICES, body))
            return
        body["metadata"] |= {"uid": action.known.uid, "resourceVersion": action.known.version}
        self._caches.slices.update_known(await self._client.replace(SLICES, body))

    async def _patch(self, service: Service, body: dict[str, Any]) -> None:
        """Change the Service as it was seen, and no other state of it."""
        subject = service.subject
        body["metadata"] |= {"uid": subject.uid, "resourceVersion": subject.resource_version}
        target = Target(subject.name, subject.namespace)
        self._caches.services.update_known(await self._client.patch(SERVICES, target, body))

    async def _write_companion(self, service: Service, action: WriteCompanion) -> None:
        spec, known = dict(companion_spec(service)), action.known
        labels, annotations = dict(service.labels), dict(action.annotations)
        if known is None:
            meta = {
                "name": action.name,
                "namespace": service.namespace,
                "labels": labels,
                "annotations": annotations,
                "ownerReferences": [owner_reference(SERVICES, service.subject)],
            }
            body = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
            self._caches.services.take_created(await self._client.create(SERVICES, body))
            return
        changes = {
            "labels": _replaced(known.labels, labels),
            "annotations": _replaced(known.annotations, annotations),
        }
        fields = {key: spec.get(key) for key in {*spec, *known.copied}}
        await self._patch(known, {"metadata": changes, "spec": fields})

    async def _write_endpoints(self, action: WriteEndpoints) -> None:
        known = action.known
        self._observer.rewrites.add(known.key)
        annotations = {
            names.LEGACY_MARK: "true",
            names.OVER_CAPACITY: "truncated" if action.truncated else None,
        }
        same = {"uid": known.uid, "resourceVersion": known.version}
        body = {
            "metadata": same | {"annotations": annotations},
            "subsets": list(action.subsets) or None,
        }
        target = Target(known.name, known.namespace)
        self._caches.endpoints.update_known(await self._client.patch(ENDPOINTS, target, body))


def slice_body(service: Service, action: WriteSlice) -> dict[str, Any]:
    """An EndpointSlice as it is written; raw, because an empty list of endpoints is no error."""
    return {
        "apiVersion": SLICES.api_version,
        "kind": SLICES.name,
        "metadata": {
            "name": action.name,
            "namespace": service.namespace,
            "labels": dict(action.labels),
            "annotations": {names.TRIGGER_TIME: timestamp()},
            "ownerReferences": [owner_reference(SERVICES, service.subject)],
        },
        "addressType": action.family,
        "endpoints": [one.to_wire(service.namespace) for one in action.endpoints],
        "ports": [one.to_wire() for one in action.ports],
    }


def selector_taken(selector: Mapping[str, str]) -> dict[str, Any]:
    """The merge patch after which a Service has its selector in an annotation."""
    return {
        "metadata": {"annotations": {names.REMEMBERED: remembered(selector)}},
        "spec": {"selector": None},
    }


def _selector_back(service: Service) -> dict[str, Any]:
    """A selector that it has by now stays as it is."""
    body: dict[str, Any] = {"metadata": {"annotations": {names.REMEMBERED: None}}}
    selector = service.wish.remembered
    if selector and not service.selector:
        body["spec"] = {"selector": dict(selector)}
    return body


def _replaced(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str | None]:
    """The part of a merge patch that leaves nothing of the old ones."""
    return dict.fromkeys(old) | dict(new)
