"""Children: objects that a controller makes for its own, and that go with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from moorage_domain.kinds import Kind
from moorage_domain.owners import owner_reference
from moorage_domain.subject import Subject
from moorage_kube.cache.store import Store
from moorage_kube.client.client import Target
from moorage_kube.writes.metadata import PatchApi, patch_if_unchanged


class ChildApi(PatchApi, Protocol):
    """The calls needed; :class:`moorage_kube.client.client.Client` has them."""

    async def create(
        self, kind: Kind, body: dict[str, Any], namespace: str | None = None
    ) -> dict[str, Any]: ...


class HasUid(Protocol):
    """A projection of a child."""

    @property
    def uid(self) -> str: ...


class ChildWriter:
    """Writes children of one kind, and takes the answers into their store."""

    def __init__(self, client: ChildApi, owner_kind: Kind, kind: Kind, store: Store[Any]) -> None:
        self._client = client
        self._owner_kind = owner_kind
        self._kind = kind
        self._store = store

    async def write(self, owner: Subject, child: HasUid | None, content: Mapping[str, Any]) -> None:
        """Write the child that has the name and the namespace of its owner.

        ``child`` is as it was observed; ``None``: it is created. ``content`` are fields beside the
        metadata, such as ``spec``; each is written whole, others stay as they are. A namesake made
        meanwhile is left alone: ``AlreadyExists`` or ``Conflict`` is raised.
        """
        if child is None:
            reference = owner_reference(self._owner_kind, owner)
            meta = {"name": owner.name, "ownerReferences": [reference]}
            body = {
                "apiVersion": self._kind.api_version,
                "kind": self._kind.name,
                "metadata": meta | ({"namespace": owner.namespace} if owner.namespace else {}),
                **content,
            }
            self._store.take_created(await self._client.create(self._kind, body))
            return
        target = Target(owner.name, owner.namespace)
        changes = [
            {"op": "add", "path": f"/{field}", "value": value} for field, value in content.items()
        ]
        answer = await patch_if_unchanged(self._client, self._kind, target, child.uid, changes)
        self._store.update_known(answer)
