"""Which machine a node's ``spec.providerID`` names, and the parts of Azure's resource ids.

Azure spells one id in several ways, so ids are compared in lower case.
"""

from __future__ import annotations

import re

# A kubelet may write what it likes, so the parts are what Azure lets people name: none has a dot at
# its end, hence none is "..", and nothing in them has a meaning in a URL.
_NAME = r"[\w](?:[-\w.]{0,78}[-\w])?"
_GROUP = r"[-\w.()]{0,89}[-\w()]"
_MACHINE = re.compile(
    rf"/subscriptions/[0-9a-f-]{{1,36}}/resourcegroups/{_GROUP}/providers/microsoft\.compute"
    # The first part is there for instances of Uniform scale sets.
    rf"/(?:virtualmachinescalesets/{_NAME}/)?virtualmachines/{_NAME}"
)
_SCHEME = "azure://"
_OPERATION = re.compile(
    r"/subscriptions/(?P<subscription>[^/?#]+)/providers/microsoft\.network"
    r"/locations/[a-z0-9-]+/operations/[a-z0-9-]+(?:\?[^#\s]*)?",
    re.IGNORECASE,
)


def machine_id(provider_id: str) -> str | None:
    """The id of the machine of a provider id; ``None``: not an Azure machine."""
    resource_id = provider_id.removeprefix(_SCHEME).lower()
    is_machine = provider_id.startswith(_SCHEME) and _MACHINE.fullmatch(resource_id)
    return resource_id if is_machine else None


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
