"""What is written to net-attach-defs: finalizer and marker in one patch, or all of one again."""

from __future__ import annotations

from contextlib import suppress
from typing import assert_never

from moorage_endpoints.kinds import NADS
from moorage_endpoints.nads.caches import NadCaches
from moorage_endpoints.nads.model import Action, Gone, Mark, Observed, Recreate, Unmark
from moorage_endpoints.nads.patches import held_patch
from moorage_kube.client.client import Client, Target
from moorage_kube.client.errors import AlreadyExists


class NadActor:
    """Carries out one action."""

    def __init__(self, client: Client, caches: NadCaches) -> None:
        self._client = client
        self._caches = caches

    async def act(self, observed: Observed, action: Action) -> None:
        """Write it, and take the answer into the cache."""
        match action:
            case Mark(text):
                await self._patch(observed, text)
            case Unmark():
                await self._patch(observed, None)
            case Recreate():
                await self._create(observed, action)
            case _:
                assert_never(action)

    async def _patch(self, observed: Observed, text: str | None) -> None:
        if isinstance(observed.nad, Gone):
            return
        subject = observed.nad.subject
        target = Target(subject.name, subject.namespace)
        raw = await self._client.patch(NADS, target, held_patch(subject, text))
        self._caches.nads.update_known(raw)

    async def _create(self, observed: Observed, action: Recreate) -> None:
        if not isinstance(observed.nad, Gone):
            return
        was = observed.nad.nad
        body = {
            "apiVersion": NADS.api_version,
            "kind": NADS.name,
            "metadata": {
                "name": was.subject.name,
                "namespace": was.subject.namespace,
                "labels": dict(action.content["labels"]),
                "annotations": dict(action.content["annotations"]),
            },
        }
        if (spec := action.content["spec"]) is not None:
            body["spec"] = spec
        # Its user was faster: theirs stays as it is.
        with suppress(AlreadyExists):
            raw = await self._client.create(NADS, body, was.subject.namespace)
            if self._caches.deleted is not None:
                self._caches.deleted.recreated(was.key)
            self._caches.nads.take_created(raw)
