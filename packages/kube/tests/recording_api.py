"""The API server's patches in memory: preconditions and versions, and a record of every call."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from moorage_domain.kinds import Kind
from moorage_kube.client.client import ListQuery, Target
from moorage_kube.client.errors import Conflict, KubeError, NotFound

WIDGETS = Kind("example.dev", "v1", "widgets", "Widget", namespaced=False)


def raw_object(name: str, status: Any = None, **metadata: Any) -> dict[str, Any]:
    """A widget; ``metadata`` is what differs from the usual."""
    meta = {"name": name, "uid": f"uid-{name}", "generation": 1, **metadata}
    return {"metadata": meta} | ({"status": status} if status is not None else {})


@dataclass(frozen=True)
class Patch:
    """One patch as it was sent."""

    target: Target
    body: dict[str, Any]


@dataclass
class RecordingApi:
    """Merge patches of the objects of one kind, by their names.

    ``on_patch`` is called with ``status`` or ``finalizer`` before each; what it raises is the
    answer.
    """

    on_patch: Callable[[str], None] = lambda _: None
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    patches: list[Patch] = field(default_factory=list)
    lists: list[ListQuery] = field(default_factory=list)
    list_error: KubeError | None = None
    version: int = 0

    def put(self, raw: dict[str, Any]) -> dict[str, Any]:
        """Somebody creates or changes the object; returns it as it is stored."""
        self.version += 1
        raw = copy.deepcopy(raw)
        raw["metadata"]["resourceVersion"] = str(self.version)
        self.objects[raw["metadata"]["name"]] = raw
        return copy.deepcopy(raw)

    async def list_all(self, kind: Kind, query: ListQuery) -> list[dict[str, Any]]:
        assert kind == WIDGETS
        self.lists.append(query)
        if self.list_error is not None:
            raise self.list_error
        name = (query.field_selector or "").removeprefix("metadata.name=")
        return [copy.deepcopy(self.objects[name])] if name in self.objects else []

    async def patch(self, kind: Kind, target: Target, body: dict[str, Any]) -> dict[str, Any]:
        assert kind == WIDGETS
        self.patches.append(Patch(target, copy.deepcopy(body)))
        raw = self.objects.get(target.name)
        if raw is None:
            raise NotFound(404, "NotFound", "it is gone", f"PATCH widgets/{target.name}")
        for name in ("uid", "resourceVersion"):
            if body["metadata"].get(name, raw["metadata"][name]) != raw["metadata"][name]:
                raise Conflict(409, "Conflict", f"another {name}", f"PATCH widgets/{target.name}")
        self.on_patch(target.subresource or "finalizer")
        if target.subresource == "status":
            changed = {**raw, "status": merged(raw.get("status"), body.get("status", {}))}
        else:
            changed = merged(raw, {k: v for k, v in body.items() if k != "status"})
        return self.put(changed)


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result
