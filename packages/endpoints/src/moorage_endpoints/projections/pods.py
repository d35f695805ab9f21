"""What is kept of a pod: what makes it an endpoint, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moorage_domain.conditions import condition_of
from moorage_domain.shared_texts import shared
from moorage_endpoints.nads.names import MULTUS_NAMESPACE
from moorage_endpoints.nads.projections import nads_of
from moorage_endpoints.networks.status import Attachment, Malformed, status_of


@dataclass(frozen=True, slots=True)
class NamedPort:
    """A port of a container that has a name."""

    name: str
    protocol: str
    port: int


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod.

    Attributes:
        created: RFC 3339; the newest pod is the one that lives.
        attachments: its network status; ``None`` = it has none.
        node: ``""`` = it is on none yet.
        ready: its condition Ready, and nothing of ours.
        finished: its containers have ended for good.
        ports: those of its containers and sidecars that have names.
        nads: see :func:`moorage_endpoints.nads.projections.nads_of`.
        running: its phase is Running.
    """

    namespace: str
    name: str
    uid: str
    created: str
    labels: Mapping[str, str]
    attachments: tuple[Attachment, ...] | Malformed | None
    node: str
    ready: bool
    deleting: bool
    finished: bool
    host_network: bool
    hostname: str
    subdomain: str
    ports: tuple[NamedPort, ...]
    nads: frozenset[str] = frozenset()
    running: bool = False

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"


def pod_of(raw: Mapping[str, Any], multus_namespace: str = MULTUS_NAMESPACE) -> Pod:
    """From a Pod; ``multus_namespace`` as in the settings."""
    meta, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    labels = meta.get("labels") or {}
    attachments = status_of(meta.get("annotations") or {})
    return Pod(
        namespace=shared(meta["namespace"]),
        name=meta["name"],
        uid=meta.get("uid", ""),
        created=meta.get("creationTimestamp") or "",
        labels={shared(key): shared(value) for key, value in labels.items()},
        attachments=attachments,
        node=shared(spec.get("nodeName") or ""),
        ready=condition_of(status, "Ready").get("status") == "True",
        deleting="deletionTimestamp" in meta,
        finished=status.get("phase") in ("Succeeded", "Failed"),
        host_network=bool(spec.get("hostNetwork")),
        hostname=spec.get("hostname") or "",
        subdomain=spec.get("subdomain") or "",
        ports=tuple(_ports(spec)),
        nads=nads_of(raw, attachments, multus_namespace),
        running=status.get("phase") == "Running",
    )


def _ports(spec: Mapping[str, Any]) -> Iterator[NamedPort]:
    containers = spec.get("containers") or ()
    # Init containers that are restarted always run beside the others.
    inits = spec.get("initContainers") or ()
    sidecars = (one for one in inits if one.get("restartPolicy") == "Always")
    for container in (*containers, *sidecars):
        for port in container.get("ports") or ():
            if port.get("name"):
                number = int(port["containerPort"])
                yield NamedPort(port["name"], port.get("protocol") or "TCP", number)
