"""Maps a request to its operation of Azure Resource Manager."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from azure.mgmt.compute import types as compute
from azure.mgmt.network import types as network

from moorage_testing.clouds.azure.resources import (
    ADDRESS,
    INTERFACE,
    MACHINE,
    SCALE_SET,
    UNIFORM_ADDRESS,
    UNIFORM_INTERFACE,
    UNIFORM_MACHINE,
)

Does = Literal["get", "list", "put", "operation", "token"]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation.

    Attributes:
        op: its name: the operation group and the method in the API's description.
        method: of HTTP.
        path: of the URL; its parts in braces are parameters.
        does: the kind of work.
        kind: the type of the resources concerned.
        wire: their description in the SDK.
    """

    op: str
    method: str
    path: str
    does: Does
    kind: str = ""
    wire: object = None

    @property
    def pattern(self) -> re.Pattern[str]:
        """The path as a regular expression; case does not matter."""
        return re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", self.path), re.IGNORECASE)


_SUBSCRIPTION = "/subscriptions/{subscription}"
_GROUP = f"{_SUBSCRIPTION}/resourceGroups/{{group}}"
_LOCATION = f"{_SUBSCRIPTION}/providers/Microsoft.Network/locations/{{location}}"
_SET = f"{_GROUP}/providers/{SCALE_SET}/{{set}}"
_MEMBER = f"{_SET}/virtualMachines/{{member}}"
_MEMBER_INTERFACE = f"{_MEMBER}/networkInterfaces/{{name}}"


def _usual(group: str, kind: str, wire: object) -> tuple[Route, ...]:
    """The routes that read resources in resource groups."""
    here, everywhere = f"{_GROUP}/providers/{kind}", f"{_SUBSCRIPTION}/providers/{kind}"
    return (
        Route(f"{group}.get", "GET", f"{here}/{{name}}", "get", kind, wire),
        Route(f"{group}.list", "GET", here, "list", kind, wire),
        Route(f"{group}.listAll", "GET", everywhere, "list", kind, wire),
    )


ROUTES = (
    *_usual("publicIPAddresses", ADDRESS, network.PublicIPAddress),
    *_usual("networkInterfaces", INTERFACE, network.NetworkInterface),
    *_usual("virtualMachines", MACHINE, compute.VirtualMachine),
    *_usual("virtualMachineScaleSets", SCALE_SET, compute.VirtualMachineScaleSet),
    Route(
        "networkInterfaces.createOrUpdate",
        "PUT", f"{_GROUP}/providers/{INTERFACE}/{{name}}",
        "put", INTERFACE, network.NetworkInterface,
    ),
    Route(
        "virtualMachineScaleSetVMs.get",
        "GET", _MEMBER, "get", UNIFORM_MACHINE, compute.VirtualMachineScaleSetVM,
    ),
    Route(
        "networkInterfaces.getVirtualMachineScaleSetNetworkInterface",
        "GET", _MEMBER_INTERFACE, "get", UNIFORM_INTERFACE, network.NetworkInterface,
    ),
    Route(
        "networkInterfaces.listVirtualMachineScaleSetVMNetworkInterfaces",
        "GET", f"{_MEMBER}/networkInterfaces",
        "list", UNIFORM_INTERFACE, network.NetworkInterface,
    ),
    Route(
        "publicIPAddresses.getVirtualMachineScaleSetPublicIPAddress",
        "GET", f"{_MEMBER_INTERFACE}/ipConfigurations/{{configuration}}/publicIPAddresses/{{ip}}",
        "get", UNIFORM_ADDRESS, network.PublicIPAddress,
    ),
    Route(
        "publicIPAddresses.listVirtualMachineScaleSetPublicIPAddresses",
        "GET", f"{_SET}/publicIPAddresses", "list", UNIFORM_ADDRESS, network.PublicIPAddress,
    ),
    Route(
        "operations.get",
        "GET", f"{_LOCATION}/operations/{{operation}}", "operation",
    ),
    # Microsoft Entra's half: a workload identity's token, and a managed identity's.
    Route("identity.getToken", "POST", "/{tenant}/oauth2/v2.0/token", "token"),
    Route("identity.getToken", "GET", "/metadata/identity/oauth2/token", "token"),
)  # fmt: skip

_COMPILED = tuple((route, route.pattern) for route in ROUTES)


def find(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The operation and the parameters of its path; ``None``: not emulated."""
    for route, pattern in _COMPILED:
        if route.method == method and (match := pattern.fullmatch(path)):
            return route, match.groupdict()
    return None
