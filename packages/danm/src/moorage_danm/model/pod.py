"""Pods: whether one may run, where, and which addresses it asks for; pure."""

from __future__ import annotations

from dataclasses import dataclass

from moorage_danm.model.interfaces import (
    BadInterfaces,
    Interface,
    annotations_of,
    interfaces_of,
)
from moorage_danm.model.network import NetworkRef
from moorage_domain.families import Address
from moorage_domain.shared_texts import shared
from moorage_domain.wire import Raw, as_map, as_maps
from moorage_ipam.times import epoch_of

Wish = tuple[NetworkRef, Address]

_ENDED = frozenset({"Succeeded", "Failed"})
_CLEANER = "danm-cleaner"


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod.

    Attributes:
        created: epoch seconds; ``None`` = unknown.
        node: name of its node, ``""`` = none yet.
        deletion: when its deletion is over, grace period included; ``None`` = nobody deletes it.
        tainted: the taint manager wants it gone.
        ended: it has ended, and all its containers are known to.
        pending: it has not been started yet.
        wishes: networks and the certain addresses of them that it asks for.
        cleaner: it is one of DANM's own cleaner.
        owner: uid of its controller, ``""`` = none.
    """

    namespace: str
    name: str
    uid: str
    created: float | None
    node: str
    deletion: float | None
    tainted: bool
    ended: bool
    pending: bool
    wishes: tuple[Wish, ...]
    cleaner: bool
    owner: str = ""

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"


def pod_of(raw: Raw) -> Pod:
    """The projection of a pod."""
    meta, spec, status = raw["metadata"], as_map(raw.get("spec")), as_map(raw.get("status"))
    namespace = shared(str(meta.get("namespace") or ""))
    return Pod(
        namespace=namespace,
        name=str(meta["name"]),
        uid=str(meta.get("uid") or ""),
        created=epoch_of(str(meta.get("creationTimestamp") or "")),
        node=shared(str(spec.get("nodeName") or "")),
        deletion=_deletion(meta),
        tainted=_tainted(status),
        ended=_ended(status),
        pending=status.get("phase") in (None, "", "Pending"),
        wishes=wishes_of(interfaces(meta)),
        cleaner=_is_cleaner(meta, spec),
        owner=_controller(meta),
    )


def interfaces(meta: Raw) -> tuple[Interface, ...]:
    """All that its annotations ask for and that can be read."""
    namespace = str(meta.get("namespace") or "")
    found: list[Interface] = []
    for text in annotations_of(as_map(meta.get("annotations"))).values():
        try:
            found += interfaces_of(text, namespace)
        except BadInterfaces:
            continue
    return tuple(found)


def wishes_of(found: tuple[Interface, ...]) -> tuple[Wish, ...]:
    """The certain addresses among them."""
    return tuple([(one.network, address) for one in found for address in one.static])


def _deletion(meta: Raw) -> float | None:
    """A pod's deletionTimestamp includes its grace period."""
    if "deletionTimestamp" not in meta:
        return None
    return epoch_of(str(meta["deletionTimestamp"])) or float("inf")


def _tainted(status: Raw) -> bool:
    return any(
        one.get("type") == "DisruptionTarget"
        and one.get("status") == "True"
        and one.get("reason") == "DeletionByTaintManager"
        for one in as_maps(status.get("conditions"))
    )


def _ended(status: Raw) -> bool:
    """What ``status.reason`` says alone proves nothing: the kubelet may not know of it yet."""
    if status.get("phase") not in _ENDED:
        return False
    lists = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
    states = [as_map(one.get("state")) for name in lists for one in as_maps(status.get(name))]
    known = as_maps(status.get("containerStatuses"))
    return bool(known) and all("terminated" in one for one in states)


def _is_cleaner(meta: Raw, spec: Raw) -> bool:
    images = (str(one.get("image") or "") for one in as_maps(spec.get("containers")))
    names = (str(meta["name"]), *map(str, as_map(meta.get("labels")).values()), *images)
    return any(_CLEANER in one for one in names)


def _controller(meta: Raw) -> str:
    owners = as_maps(meta.get("ownerReferences"))
    return next((str(one.get("uid") or "") for one in owners if one.get("controller")), "")
