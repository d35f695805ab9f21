"""What is kept of net-attach-defs, of namespaces, and of pods that use them; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from moorage_domain.subject import Subject
from moorage_domain.wire import as_map
from moorage_endpoints.nads.names import (
    ALLOW_DELETE,
    DEFAULT_NETWORK,
    FINALIZER,
    MARKER,
    NETWORKS,
    PROTECT,
)
from moorage_endpoints.names import NODE_ROUTABLE
from moorage_endpoints.networks.selection import Problems, parse_selections
from moorage_endpoints.networks.status import Attachment, Malformed

_ENDED = ("Succeeded", "Failed")
_NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Nad:
    """One net-attach-def.

    Attributes:
        config: the text of its ``spec.config``; ``""`` = it has none, Multus reads a file then.
        marker: our annotation; ``""`` = it is not marked as in use.
        protected: it has no label that says to leave it alone.
        may_vanish: its annotation allows to delete it while pods use it.
        owned: somebody owns it, so the garbage collector may delete it.
        node_routable: it says that every node reaches it.
        content: what would be created again: spec, labels and annotations.
    """

    subject: Subject
    config: str = ""
    marker: str = ""
    protected: bool = True
    may_vanish: bool = False
    owned: bool = False
    node_routable: bool = False
    content: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.subject.namespace}/{self.subject.name}"

    @property
    def has_finalizer(self) -> bool:
        """Whether ours is on it."""
        return FINALIZER in self.subject.finalizers

    @property
    def is_held(self) -> bool:
        """Whether anything of ours is on it."""
        return self.has_finalizer or bool(self.marker)


def nad_of(raw: Mapping[str, Any]) -> Nad:
    """Any net-attach-def; it may have neither spec nor labels nor annotations."""
    meta, spec = raw["metadata"], as_map(raw.get("spec"))
    labels, annotations = as_map(meta.get("labels")), as_map(meta.get("annotations"))
    others = {key: value for key, value in annotations.items() if key != MARKER}
    return Nad(
        subject=Subject.of(raw),
        config=str(spec.get("config") or ""),
        marker=str(annotations.get(MARKER) or ""),
        protected=labels.get(PROTECT) != "false",
        may_vanish=annotations.get(ALLOW_DELETE) == "true",
        owned=bool(meta.get("ownerReferences")),
        node_routable=annotations.get(NODE_ROUTABLE) == "true",
        content={"spec": raw.get("spec"), "labels": labels, "annotations": others},
    )


def nads_of(
    raw: Mapping[str, Any],
    attachments: tuple[Attachment, ...] | Malformed | None,
    multus_namespace: str,
) -> frozenset[str]:
    """Keys of the net-attach-defs that a pod uses, until it has ended or is gone.

    Those that its annotations select, and those that its network status names: it may be attached
    before it is said, and still is after an annotation was taken off. An annotation that cannot be
    read selects nothing: no CNI plug-in could attach it.

    Args:
        raw: the pod.
        attachments: its network status; ``None`` = it has none.
        multus_namespace: where a default network without a namespace is.
    """
    meta = raw["metadata"]
    annotations = as_map(meta.get("annotations"))
    if not annotations or as_map(raw.get("status")).get("phase") in _ENDED:
        return _NOTHING
    namespace = str(meta.get("namespace") or "")
    return frozenset(
        (
            *_selected(annotations.get(NETWORKS), namespace),
            *_selected(annotations.get(DEFAULT_NETWORK), multus_namespace),
            *_attached(attachments, namespace),
        )
    )


def template_nads_of(raw: Mapping[str, Any], multus_namespace: str) -> frozenset[str]:
    """Keys of the net-attach-defs that the pods of a workload use, as its template says."""
    meta = as_map(as_map(as_map(raw.get("spec")).get("template")).get("metadata"))
    pod = {"metadata": {**meta, "namespace": raw["metadata"].get("namespace")}}
    return nads_of(pod, None, multus_namespace)


def _selected(text: str | None, namespace: str) -> Iterator[str]:
    if text is None:
        return
    found = parse_selections(text, namespace)
    if not isinstance(found, Problems):
        yield from (one.network for one in found)


def _attached(
    attachments: tuple[Attachment, ...] | Malformed | None, namespace: str
) -> Iterator[str]:
    """By the network status; a default network without a namespace is none of a net-attach-def."""
    if attachments is None or isinstance(attachments, Malformed):
        return
    for one in attachments:
        if key := _key_of(one, namespace):
            yield key


def _key_of(attachment: Attachment, namespace: str) -> str:
    if "/" in attachment.name:
        return attachment.name
    return "" if attachment.default or not attachment.name else f"{namespace}/{attachment.name}"


def is_terminating(raw: Mapping[str, Any]) -> bool:
    """Whether a namespace is being deleted."""
    return "deletionTimestamp" in raw["metadata"]
