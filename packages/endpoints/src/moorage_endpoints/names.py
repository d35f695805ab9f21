"""Names of annotations, labels and values: what users write, and what is written."""

from __future__ import annotations

import re
from typing import Final

NETWORKS: Final = "moorage.dev/networks"
NETWORKS_ANNOTATIONS: Final = (
    NETWORKS,
    "k8s.v1.cni.cncf.io/service-network",
    "k8s.v1.cni.cncf.io/service-networks",
    "k8s.v1.cni.cncf.io/networks",
)
"""On a Service: the networks that it leads to; the first one found counts."""
SELECTOR: Final = "moorage.dev/selector"
"""On a Service without a selector: which pods are meant, as ``kubectl --selector`` has it."""
MODE: Final = "moorage.dev/mode"
REMEMBERED: Final = "moorage.dev/spec-selector"
"""On a Service that was handed over: its selector, as JSON."""
COMPANION_OF: Final = "moorage.dev/companion-of"
"""On a companion: the name of the Service that it was made for."""
COMPANION_ADDRESS: Final = "moorage.dev/companion-address"
"""On a Service: whether its companion has a ``cluster`` address, or ``none``, the default."""
ADDRESSES: Final = "moorage.dev/endpoint-addresses"
"""On a Service: ``all`` addresses of a pod, the default, or only the ``first`` of each family."""
NODE_ROUTABLE: Final = "moorage.dev/node-routable"
"""On a NetworkAttachmentDefinition: ``"true"`` = every node reaches the network."""
LEGACY_MARK: Final = "moorage.dev/legacy-endpoints"
"""On Endpoints that were rewritten in the mode legacy."""

MANAGER: Final = "endpoints.moorage.dev"
"""Who manages our slices."""
KUBERNETES: Final = "endpointslice-controller.k8s.io"
MIRRORING: Final = "endpointslicemirroring-controller.k8s.io"
SERVICE_LABEL: Final = "kubernetes.io/service-name"
MANAGED_BY_LABEL: Final = "endpointslice.kubernetes.io/managed-by"
HEADLESS_LABEL: Final = "service.kubernetes.io/headless"
SKIP_MIRROR_LABEL: Final = "endpointslice.kubernetes.io/skip-mirror"
ENDPOINTS_MANAGED_BY_LABEL: Final = "endpoints.kubernetes.io/managed-by"
ENDPOINTS_MANAGER: Final = "endpoint-controller"
RESERVED_LABELS: Final = frozenset({SERVICE_LABEL, MANAGED_BY_LABEL, HEADLESS_LABEL})
"""What slices do not copy from their Service."""
TRIGGER_TIME: Final = "endpoints.kubernetes.io/last-change-trigger-time"
OVER_CAPACITY: Final = "endpoints.kubernetes.io/over-capacity"
ZONE_LABEL: Final = "topology.kubernetes.io/zone"

_SHAPE = re.compile(r"(.+)-[0-9a-f]{8}-[0-9]+")


def slice_name(service: str, digest: str, number: int) -> str:
    """The name of a slice; ``digest`` has eight hexadecimal digits."""
    return f"{service}-{digest}-{number}"


def shaped_for(name: str) -> str:
    """The Service whose slices have names like this one; ``""`` = none does."""
    found = _SHAPE.fullmatch(name)
    return found[1] if found else ""
