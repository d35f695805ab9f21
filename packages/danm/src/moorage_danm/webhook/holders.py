"""Who has an address that a new pod wants, and whether that one still runs; pure.

    pod of the endpoint        its node                       standing
    runs                       ready                          RUNNING
    is being deleted           ready                          ENDING
    there                      gone                           GONE
    there                      not ready, and fenced          FENCED
    there                      says nothing (Ready=Unknown)   UNREACHABLE
    there                      Ready=False                    NOT_READY
    there                      not known                      UNKNOWN
    gone, or has ended         whatever                       LEFT_OVER

This is for people, from what the caches say: whether an address is freed the controller decides,
which asks once more.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moorage_danm.model.endpoint import Endpoint
from moorage_danm.model.node import Node, Ready
from moorage_danm.model.pod import Pod, pod_of
from moorage_domain.wire import as_map, as_maps

_HASH = "pod-template-hash"


class Standing(enum.Enum):
    """How the holder of an address stands."""

    RUNNING = "running"
    ENDING = "ending"
    GONE = "gone"
    FENCED = "fenced"
    UNREACHABLE = "unreachable"
    NOT_READY = "not_ready"
    UNKNOWN = "unknown"
    LEFT_OVER = "left_over"

    @property
    def may_be_freed(self) -> bool:
        """Whether it is worth asking the controller to free its address."""
        return self not in (Standing.RUNNING, Standing.ENDING, Standing.UNKNOWN)


@dataclass(frozen=True, slots=True)
class OwnedPod:
    """A pod, and the workload that it belongs to: ``KIND NAMESPACE/NAME``, ``""`` = none.

    The pods of all revisions of a Deployment belong to the same workload.
    """

    pod: Pod
    workload: str


@dataclass(frozen=True, slots=True)
class Holder:
    """An endpoint that has an address.

    Attributes:
        pod: that very pod; ``None``: it is gone.
        node: where it ran; ``None``: there is no such Node, or it is not known where.
        placed: it is known where it ran.
    """

    endpoint: Endpoint
    pod: OwnedPod | None
    node: Node | None
    placed: bool

    @property
    def standing(self) -> Standing:
        """As the table above has it."""
        if self.pod is None or self.pod.pod.ended:
            return Standing.LEFT_OVER
        if self.node is None:
            return Standing.GONE if self.placed else Standing.UNKNOWN
        if self.node.ready is Ready.TRUE:
            return Standing.RUNNING if self.pod.pod.deletion is None else Standing.ENDING
        if self.node.marks:
            return Standing.FENCED
        return Standing.NOT_READY if self.node.ready is Ready.FALSE else Standing.UNREACHABLE

    @property
    def where(self) -> str:
        """The node, or the host where no node is known."""
        if self.node is not None:
            return self.node.name
        return (self.pod.pod.node if self.pod else "") or self.endpoint.host or "unknown"


def owned_pod_of(raw: Mapping[str, Any]) -> OwnedPod:
    """The projection of a pod."""
    pod = pod_of(raw)
    return OwnedPod(pod, workload_of(as_map(raw["metadata"]), pod.namespace))


def workload_of(meta: Mapping[str, Any], namespace: str) -> str:
    """The workload by a pod's metadata: of a ReplicaSet its Deployment, whatever the revision."""
    owner = next((one for one in as_maps(meta.get("ownerReferences")) if one.get("controller")), {})
    kind, name = str(owner.get("kind") or ""), str(owner.get("name") or "")
    suffix = f"-{as_map(meta.get('labels')).get(_HASH) or ''}"
    if kind == "ReplicaSet" and len(suffix) > 1 and name.endswith(suffix):
        kind, name = "Deployment", name.removesuffix(suffix)
    return f"{kind} {namespace}/{name}" if name else ""
