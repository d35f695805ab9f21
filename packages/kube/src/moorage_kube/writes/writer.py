"""The one writer of the objects that a controller reconciles: status and finalizer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from moorage_domain.kinds import Kind
from moorage_domain.plans import Status
from moorage_domain.subject import Subject
from moorage_kube.client.client import ListQuery, Target
from moorage_kube.client.errors import KubeError, Unavailable
from moorage_kube.client.timestamps import timestamp
from moorage_kube.writes.finalizers import finalizer_patch
from moorage_kube.writes.rivals import Rivals
from moorage_kube.writes.status import status_patch
from moorage_kube.writes.subjects import HasSubject, Subjects

logger = logging.getLogger(__name__)


class WriteApi(Protocol):
    """The calls the writer needs; :class:`moorage_kube.client.client.Client` has them."""

    async def list_all(self, kind: Kind, query: ListQuery) -> list[dict[str, Any]]: ...

    async def patch(self, kind: Kind, target: Target, body: dict[str, Any]) -> dict[str, Any]: ...


class ObjectWriter:
    """Writes to the objects of one kind, and takes the answers into their store.

    Every write fits only the very version that was read; else the API server answers 409.
    """

    def __init__(
        self,
        client: WriteApi,
        subjects: Subjects,
        now: Callable[[], str] = timestamp,
    ) -> None:
        self._client = client
        self._subjects = subjects
        self._now = now
        self._rivals = Rivals(time.monotonic)

    @property
    def dry_run(self) -> str:
        """Type of the condition that tells of a dry run; see :class:`Subjects`."""
        return self._subjects.dry_run

    def subject(self, key: str) -> Subject | None:
        """The object as the store has it; ``None`` = it is gone."""
        projection: HasSubject | None = self._subjects.store.get(key)
        return projection.subject if projection is not None else None

    def forget(self, key: str) -> None:
        """The object is gone: nothing is remembered of what was written to it."""
        self._rivals.forget(key)

    async def write_finalizer(self, subject: Subject, *, present: bool) -> Subject:
        """Put our finalizer on or take it off; returns the object as it is then."""
        patch = finalizer_patch(subject, self._subjects.finalizer, present=present)
        if patch is None:
            return subject
        return self._taken(await self._patch(subject, patch))

    async def write_status(self, key: str, subject: Subject, status: Status) -> Subject:
        """Bring the status up to date; returns the object as it is then.

        Raises :class:`moorage_kube.writes.rivals.RivalWriter` while another writer is not fought.
        """
        patch = status_patch(
            subject, status, self._now, has_generation=self._subjects.has_generation
        )
        if patch is None:
            return subject
        if self._rivals.check(key, subject):
            await self._report_rival(key, subject)
        try:
            raw = await self._patch(subject, patch, "status")
        except Unavailable:
            # It may have been written: what the watch shows then is ours, and not a rival's.
            self._rivals.unsure(key)
            raise
        self._rivals.wrote(key, subject.uid, _ours(raw.get("status") or {}, patch, status))
        return self._taken(raw)

    async def _patch(
        self, subject: Subject, body: dict[str, Any], subresource: str | None = None
    ) -> dict[str, Any]:
        target = Target(subject.name, subject.namespace, subresource)
        return await self._client.patch(self._subjects.kind, target, body)

    def _taken(self, raw: dict[str, Any]) -> Subject:
        # What we wrote is what we read next, before the watch shows it.
        self._subjects.store.update_known(raw)
        return Subject.of(raw)

    async def _report_rival(self, key: str, subject: Subject) -> None:
        writer = "an unknown writer"
        try:
            # A list: whoever writes a status may list, and need not be allowed to get.
            query = ListQuery(
                field_selector=f"metadata.name={subject.name}", namespace=subject.namespace
            )
            for raw in await self._client.list_all(self._subjects.kind, query):
                writer = last_status_writer(raw["metadata"])
        except KubeError as error:
            logger.debug("who else writes the status of %s is unknown: %s", key, error)
        logger.warning(
            "the status of %s was changed by %s after we wrote it; two installations of one"
            " controller do that: stop one. Ours is written less and less often",
            key,
            writer,
            extra={"object": key},
        )


def _ours(stored: Mapping[str, Any], patch: Mapping[str, Any], status: Status) -> dict[str, Any]:
    """What we wrote, as it was stored: of the conditions those that our status names."""
    fields = {name: stored.get(name) for name in patch["status"]}
    if "conditions" in fields:
        types = {condition.type for condition in status.conditions}
        conditions = fields["conditions"] or ()
        fields["conditions"] = [one for one in conditions if one.get("type") in types]
    return fields


def last_status_writer(meta: Mapping[str, Any]) -> str:
    """Who wrote the status last, as the API server remembers it, and when."""
    entries = [
        entry for entry in meta.get("managedFields") or () if entry.get("subresource") == "status"
    ]
    if not entries:
        return "an unknown writer"
    last = max(entries, key=lambda entry: entry.get("time") or "")
    return f"{last.get('manager') or 'an unknown writer'} at {last.get('time') or 'some time'}"
