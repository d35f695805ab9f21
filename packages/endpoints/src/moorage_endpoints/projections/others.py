"""What is kept of Endpoints and nodes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from moorage_endpoints import names


@dataclass(frozen=True, slots=True)
class EndpointsView:
    """One Endpoints object.

    Attributes:
        content: digest of its subsets; see :func:`digest_of`.
        ours: it was rewritten in the mode legacy.
        by_kubernetes: the controller of Endpoints has written it.
        mirrored: whether it is copied into slices where the Service has no selector.
    """

    namespace: str
    name: str
    uid: str
    version: str
    content: str
    ours: bool
    by_kubernetes: bool
    mirrored: bool

    @property
    def key(self) -> str:
        """``namespace/name``, as of its Service."""
        return f"{self.namespace}/{self.name}"


def endpoints_of(raw: Mapping[str, Any]) -> EndpointsView:
    """From Endpoints."""
    meta = raw["metadata"]
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    # Before Kubernetes 1.33 there is no such label, and the time of the last change is all.
    managed = labels.get(names.ENDPOINTS_MANAGED_BY_LABEL) == names.ENDPOINTS_MANAGER
    return EndpointsView(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta.get("uid", ""),
        version=meta.get("resourceVersion", ""),
        content=digest_of(raw.get("subsets") or ()),
        ours=names.LEGACY_MARK in annotations,
        by_kubernetes=managed or names.TRIGGER_TIME in annotations,
        mirrored=labels.get(names.SKIP_MIRROR_LABEL) != "true",
    )


def digest_of(subsets: Iterable[Mapping[str, Any]]) -> str:
    """A short text that is the same for subsets that say the same."""
    text = json.dumps([_without_nothing(one) for one in subsets], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _without_nothing(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    match value:
        case dict():
            return {key: _without_nothing(one) for key, one in value.items() if one}
        case list():
            return [_without_nothing(one) for one in value]
        case _:
            return value


def zone_of(raw: Mapping[str, Any]) -> str:
    """The zone of a Node; ``""`` = it has none."""
    return str((raw["metadata"].get("labels") or {}).get(names.ZONE_LABEL, ""))
