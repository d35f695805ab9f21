"""Act: what is written to endpoints; each may be repeated."""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar, assert_never

from moorage_danm.caches import Caches
from moorage_danm.kinds import endpoints
from moorage_danm.model.endpoint import Endpoint, Taken
from moorage_danm.names import FINALIZER, RECLAIMED
from moorage_danm.reclaim.brake import Allowance
from moorage_danm.reclaim.decide import decide
from moorage_danm.reclaim.keys import endpoint_key
from moorage_danm.reclaim.live import Live
from moorage_danm.reclaim.model import Action, LetGo, Observed, Remove, Take
from moorage_danm.reclaim.node_class import NodeClass
from moorage_danm.reclaim.observe import Observer
from moorage_danm.reclaim.pending import PendingAddresses
from moorage_domain.errors import Disposition, MoorageError
from moorage_kube.client.client import Client, Target
from moorage_kube.client.errors import NotFound
from moorage_kube.writes.metadata import patch_if_unchanged

_ORPHAN_SETTLE_SECONDS = 10.0
_SILENT_SETTLE_SECONDS = 1.0
"""So long the host may take between reading an endpoint and clearing its bits itself: where it may
live, we clear them later than that. Where it is fenced it does nothing any more."""
_SETTLE = {
    NodeClass.GONE: 0.0,
    NodeClass.FENCED: 0.0,
    NodeClass.UNREACHABLE: _SILENT_SETTLE_SECONDS,
    NodeClass.NOT_READY: _SILENT_SETTLE_SECONDS,
    NodeClass.READY: _ORPHAN_SETTLE_SECONDS,
    NodeClass.UNKNOWN: _ORPHAN_SETTLE_SECONDS,
}


class NotSoAnyMore(MoorageError):
    """The API server says something else than the caches did; it is decided again."""

    disposition: ClassVar[Disposition] = Disposition.STALE


class Actor:
    """Carries out actions about endpoints."""

    def __init__(
        self,
        client: Client,
        caches: Caches,
        observer: Observer,
        pending: PendingAddresses,
        allowance: Allowance,
    ) -> None:
        self._client = client
        self._caches = caches
        self._observer = observer
        self._pending = pending
        self._allowance = allowance
        self._live = Live(client, caches)

    async def act(self, observed: Observed, action: Action) -> None:
        """Carry out one action; raises what the API server answers."""
        await self._confirm(observed, action)
        match action:
            case Take(why):
                await self._take(observed, why)
            case LetGo(delete):
                await self._let_go(observed.endpoint, delete=delete)
            case Remove():
                await self._delete(observed.endpoint, observed.endpoint.version)
            case _:
                assert_never(action)

    async def _confirm(self, observed: Observed, action: Action) -> None:
        """Ask about node and pod once more; raises :class:`NotSoAnyMore`."""
        if isinstance(action, LetGo) and not action.delete:
            return
        endpoint = observed.endpoint
        await self._live.node(observed.node_name)
        if isinstance(action, Take) or not observed.node.node_class.fenced:
            await self._live.pod(endpoint.namespace, endpoint.pod)
        again = self._observer.endpoint(endpoint_key(endpoint))
        if again is None or again.endpoint != endpoint:
            raise NotSoAnyMore(f"endpoint {endpoint.key} has changed")
        plan = decide(again)
        if not any(type(one) is type(action) for one in plan.actions):
            raise NotSoAnyMore(f"endpoint {endpoint.key}: {plan.message}")

    async def _take(self, observed: Observed, why: str) -> None:
        endpoint, settle = observed.endpoint, _SETTLE[observed.node.node_class]
        if observed.unfenced:
            self._allowance.use()
        self._pending.prepare(endpoint, settle)
        try:
            answer = await self._patch(endpoint, _taking(endpoint, why))
        except BaseException:
            self._pending.not_taken(endpoint)
            raise
        self._pending.taken(endpoint, settle)
        self._caches.groups[endpoint.group].endpoints.update_known(answer)

    async def _let_go(self, endpoint: Endpoint, *, delete: bool) -> None:
        index = endpoint.finalizers.index(FINALIZER)
        path = f"/metadata/finalizers/{index}"
        test = {"op": "test", "path": path, "value": FINALIZER}
        answer = await self._patch(endpoint, [test, {"op": "remove", "path": path}])
        store = self._caches.groups[endpoint.group].endpoints
        if endpoint.deleting:
            # It went with its last finalizer; if that was not ours, the watch says what is left.
            return
        store.update_known(answer)
        if delete:
            await self._delete(endpoint, str(answer["metadata"]["resourceVersion"]))

    async def _delete(self, endpoint: Endpoint, version: str) -> None:
        kind = endpoints(endpoint.group)
        with contextlib.suppress(NotFound):
            await self._client.delete(
                kind, endpoint.name, endpoint.namespace, endpoint.uid, version
            )
        self._caches.groups[endpoint.group].endpoints.forget(endpoint.key, endpoint.uid)

    async def _patch(self, endpoint: Endpoint, operations: list[dict[str, Any]]) -> dict[str, Any]:
        test = {"op": "test", "path": "/metadata/resourceVersion", "value": endpoint.version}
        return await patch_if_unchanged(
            self._client,
            endpoints(endpoint.group),
            Target(endpoint.name, endpoint.namespace),
            endpoint.uid,
            [test, *operations],
        )


def _taking(endpoint: Endpoint, why: str) -> list[dict[str, Any]]:
    """Move the addresses into our annotation, and hold the endpoint.

    From then on nobody but us frees them, and whoever comes after us finds what was begun.
    """
    taken = Taken(endpoint.ip or "", endpoint.ip6 or "", why).text()
    operations = [annotate(RECLAIMED, taken, has_annotations=endpoint.has_annotations)]
    if endpoint.finalizers:
        operations.append({"op": "add", "path": "/metadata/finalizers/-", "value": FINALIZER})
    else:
        operations.append({"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]})
    for field, text in (("Address", endpoint.ip), ("AddressIPv6", endpoint.ip6)):
        if text:
            operations.append({"op": "replace", "path": f"/spec/Interface/{field}", "value": ""})
    return operations


def annotate(key: str, value: str, *, has_annotations: bool) -> dict[str, Any]:
    """The operation of a JSON patch that sets an annotation."""
    if not has_annotations:
        return {"op": "add", "path": "/metadata/annotations", "value": {key: value}}
    escaped = key.replace("~", "~0").replace("/", "~1")
    return {"op": "add", "path": f"/metadata/annotations/{escaped}", "value": value}
