"""What a request asks for, and what the caches say about it; nothing is awaited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from moorage_danm.model.interfaces import (
    BadInterfaces,
    Interface,
    annotations_of,
    interfaces_of,
)
from moorage_danm.model.network import Network, NetworkRef
from moorage_danm.model.pod import Wish, wishes_of
from moorage_danm.webhook import templates
from moorage_danm.webhook.caches import AdmissionCaches
from moorage_danm.webhook.decide import Observed
from moorage_danm.webhook.holders import workload_of
from moorage_domain.admission import AdmissionRequest
from moorage_domain.wire import as_map, as_maps


def observed(caches: AdmissionCaches, request: AdmissionRequest) -> Observed | None:
    """What an answer rests on; ``None``: nothing in the request is any business of DANM's."""
    raw = request.object
    if raw is None or request.subresource or request.operation not in ("CREATE", "UPDATE"):
        return None
    kind, group = request.kind.name, request.kind.group
    if kind == "Pod" and group == "":
        return _pod(caches, request, raw) if request.operation == "CREATE" else None
    if kind in templates.KINDS and group in ("apps", "batch"):
        return _template(caches, request, raw)
    return None


def _pod(
    caches: AdmissionCaches, request: AdmissionRequest, raw: Mapping[str, Any]
) -> Observed | None:
    meta = as_map(raw.get("metadata"))
    asked = _asked(request, meta)
    if asked is None:
        return None
    own = str(meta.get("uid") or "")
    return Observed(
        *asked,
        workload=workload_of(meta, request.namespace),
        holders={wish: caches.holders(wish, own) for wish in asked.wishes},
        being_freed=frozenset(filter(caches.is_being_freed, asked.wishes)),
        networks=_networks(caches, asked.wishes),
        namespace=request.namespace,
    )


def _template(
    caches: AdmissionCaches, request: AdmissionRequest, raw: Mapping[str, Any]
) -> Observed | None:
    """A workload that another one makes says the same as that one, which people see."""
    is_made = any(
        one.get("controller") for one in as_maps(as_map(raw.get("metadata")).get("ownerReferences"))
    )
    if is_made or not templates.is_changed(raw, request.old_object):
        return None
    kind = request.kind.name
    asked = _asked(request, as_map(templates.template_of(kind, raw).get("metadata")))
    if asked is None:
        return None
    addresses = " and ".join(str(address) for _, address in asked.wishes)
    shape = tuple(templates.shape_problems(kind, raw, addresses)) if addresses else ()
    networks = _networks(caches, asked.wishes)
    return Observed(*asked, networks=networks, template=True, shape=shape)


class _Asked(NamedTuple):
    """What annotations ask for, in the order of :class:`Observed`."""

    interfaces: tuple[Interface, ...]
    wishes: tuple[Wish, ...]
    unreadable: tuple[str, ...]
    ambiguous: tuple[str, ...]


def _asked(request: AdmissionRequest, meta: Mapping[str, Any]) -> _Asked | None:
    """What the annotations ask for; ``None``: there are none.

    The namespace is that of the request: what the object says may be blank.
    """
    annotations = annotations_of(as_map(meta.get("annotations")))
    if not annotations:
        return None
    interfaces: list[Interface] = []
    unreadable = []
    for text in annotations.values():
        try:
            interfaces += interfaces_of(text, request.namespace)
        except BadInterfaces as error:
            unreadable.append(str(error))
    found = tuple(interfaces)
    ambiguous = tuple(sorted(annotations)) if len(annotations) > 1 else ()
    return _Asked(found, wishes_of(found), tuple(unreadable), ambiguous)


def _networks(caches: AdmissionCaches, wishes: tuple[Wish, ...]) -> dict[NetworkRef, Network]:
    known = ((ref, caches.network(ref)) for ref in {network for network, _ in wishes})
    return {ref: one for ref, one in known if one is not None}
