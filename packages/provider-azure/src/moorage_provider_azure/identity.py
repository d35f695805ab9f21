"""Which machine a node's ``spec.providerID`` names, and the parts of Azure's resource ids.

Azure spells one id in several ways, so ids are compared in lower case.
"""

from __future__ import annotations

import re

_MACHINE = re.compile(
    r"azure://(?P<id>/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.compute"
    # The second part is there for instances of Uniform scale sets.
    r"/(?:virtualmachinescalesets/[^/]+/)?virtualmachines/[^/]+)"
)
_OPERATION = re.compile(
    r"/subscriptions/(?P<subscription>[^/?#]+)/providers/microsoft\.network"
    r"/locations/[a-z0-9-]+/operations/[a-z0-9-]+(?:\?[^#\s]*)?",
    re.IGNORECASE,
)


def machine_id(provider_id: str) -> str | None:
    """The id of the machine of a provider id; ``None``: not an Azure machine."""
    match = _MACHINE.fullmatch(provider_id.lower())
    return match["id"] if match else None


def is_uniform(resource_id: str) -> bool:
    """Whether a resource is an instance of a Uniform scale set, or belongs to one."""
    return bool(part(resource_id, "virtualmachinescalesets"))


def part(resource_id: str, kind: str) -> str:
    """The name that follows a kind such as ``resourcegroups``, ``""`` = there is none."""
    _, _, rest = resource_id.lower().partition(f"/{kind}/")
    return rest.partition("/")[0]


def interface_of(configuration_id: str) -> str:
    """The network interface that an ipConfiguration belongs to, ``""``: it belongs to none."""
    interface, found, _ = configuration_id.lower().partition("/ipconfigurations/")
    return interface if found and part(interface, "networkinterfaces") else ""


def is_operation(handle: str, subscription: str) -> bool:
    """Whether a handle leads to an operation of this subscription, and nowhere else."""
    match = _OPERATION.fullmatch(handle)
    return match is not None and match["subscription"].lower() == subscription.lower()
