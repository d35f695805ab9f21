"""The calls to Azure; nothing else touches its SDK, and only a worker thread imports this file."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

from azure.core import AzureClouds
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.rest import HttpRequest, HttpResponse
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.network import NetworkManagementClient

from moorage_domain.waits import retry_after
from moorage_provider import deadline
from moorage_provider.errors import (
    AddressNotFound,
    CloudError,
    CredentialsRejected,
    InvalidOptions,
    MachineNotFound,
    Stale,
)
from moorage_provider.protocol import ApiCall, PendingMutation
from moorage_provider.sdk import observed
from moorage_provider_azure.credentials import credential
from moorage_provider_azure.errors import RAISED_BY_AZURE, cloud_error, operation_error
from moorage_provider_azure.identity import is_operation, is_uniform, part
from moorage_provider_azure.settings import from_environment
from moorage_provider_azure.uniform import Search

if TYPE_CHECKING:
    from azure.core.paging import ItemPaged, PageIterator
    from azure.core.pipeline import PipelineRequest
    from azure.mgmt.compute.models import (
        VirtualMachine,
        VirtualMachineScaleSet,
        VirtualMachineScaleSetVM,
    )
    from azure.mgmt.network.models import NetworkInterface, PublicIPAddress

RowT = TypeVar("RowT")

_CONNECT_SECONDS = 3.0
_LONGEST_SECONDS = 60.0

# At DEBUG these write bodies and URLs; at WARNING a whole trace for each answer without a body.
_TALKATIVE_LOGGERS = {"azure": logging.ERROR, "msal": logging.ERROR, "urllib3": logging.INFO}


class _Gate(SansIOHTTPPolicy[HttpRequest, HttpResponse]):
    """Checks every attempt at a request just before it is sent, including requests for a token.

    Nothing is sent after the deadline, no request takes longer than the time left, and no mutation
    is sent unless the fence allows it.
    """

    def __init__(self, fence: Callable[[], None]) -> None:
        self._fence = fence

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        deadline.check()
        left = min(deadline.left(), _LONGEST_SECONDS)
        reads = request.http_request.method == "GET"
        # A read is repeated once, within the deadline.
        repeatable = reads and not request.context.get("retry_count")
        attempt = max(left / 2 if repeatable else left, 0.01)
        request.context.options["connection_timeout"] = min(attempt, _CONNECT_SECONDS)
        request.context.options["read_timeout"] = attempt
        if not reads:
            self._fence()


class Arm:
    """A client of one subscription; blocking, safe to use from several threads.

    Every method raises only ``CloudError`` and what the fence raises, and sends nothing once the
    caller's deadline has passed. Resource ids are in lower case.

    Attributes:
        subscription: its id.
        search: for what is on Uniform scale sets.
        references: of the addresses that were read, by their text.
    """

    def __init__(
        self,
        timeout_seconds: float,
        fence: Callable[[], None],
        on_call: Callable[[ApiCall], None],
    ) -> None:
        """Find endpoint and credentials. Raises ``InvalidOptions``.

        Args:
            timeout_seconds: the caller's deadline.
            fence: called in the calling thread before each attempt at a mutation; what it raises
                stops the attempt and reaches the caller as it is.
            on_call: called after each call.
        """
        for name, level in _TALKATIVE_LOGGERS.items():
            logger = logging.getLogger(name)
            logger.setLevel(max(logger.getEffectiveLevel(), level))
        settings = from_environment(os.environ)
        self.subscription = settings.subscription.lower()
        self._groups = settings.groups
        self._report_call = on_call
        self.search = Search()
        self.references: dict[str, str] = {}
        self._credential = credential(settings, timeout_seconds)
        options: dict[str, Any] = {
            "base_url": settings.endpoint or None,
            "cloud_setting": AzureClouds(settings.cloud.value),
            # The only place in the SDK's pipeline that comes after retries and tokens.
            "custom_hook_policy": _Gate(fence),
            # A broken connection is retried once. The caller judges every answer, and no thread may
            # sleep for as long as Azure asks to wait.
            "retry_total": 1,
            "retry_status": 0,
            "user_agent": "moorage",
        }
        self._network = NetworkManagementClient(self._credential, settings.subscription, **options)
        self._compute = ComputeManagementClient(self._credential, settings.subscription, **options)

    @property
    def credentials_expiring(self) -> bool:
        """The last token should have been renewed."""
        return self._credential.expiring

    def addresses(self) -> Iterator[PublicIPAddress]:
        """All public addresses except those of Uniform scale sets."""
        operations = self._network.public_ip_addresses
        for group in self._groups:
            yield from self._pages(f"publicIPAddresses.list of {group}", operations.list(group))
        if not self._groups:
            yield from self._pages("publicIPAddresses.listAll", operations.list_all())

    def interfaces(self) -> Iterator[NetworkInterface]:
        """All network interfaces except those of Uniform scale sets."""
        operations = self._network.network_interfaces
        for group in self._groups:
            yield from self._pages(f"networkInterfaces.list of {group}", operations.list(group))
        if not self._groups:
            yield from self._pages("networkInterfaces.listAll", operations.list_all())

    def uniform_sets(self) -> Iterator[VirtualMachineScaleSet]:
        """The Uniform scale sets; the machines of Flexible ones are ordinary ones."""
        return (one for one in self._scale_sets() if one.orchestration_mode != "Flexible")

    def uniform_addresses(self, scale_set: str) -> Iterator[PublicIPAddress]:
        """The public addresses of the instances of a Uniform scale set, which no other list has.

        Raises ``MachineNotFound`` where there is no such scale set any more.
        """
        group, name = part(scale_set, "resourcegroups"), part(scale_set, "virtualmachinescalesets")
        operations = self._network.public_ip_addresses
        listed = operations.list_virtual_machine_scale_set_public_ip_addresses(group, name)
        operation = "publicIPAddresses.listVirtualMachineScaleSetPublicIPAddresses"
        return self._pages(f"{operation} of {name}", listed, MachineNotFound)

    def _scale_sets(self) -> Iterator[VirtualMachineScaleSet]:
        operations = self._compute.virtual_machine_scale_sets
        for group in self._groups:
            yield from self._pages(
                f"virtualMachineScaleSets.list of {group}", operations.list(group)
            )
        if not self._groups:
            yield from self._pages("virtualMachineScaleSets.listAll", operations.list_all())

    def address(self, reference: str) -> PublicIPAddress:
        """One public address. Raises ``AddressNotFound``."""
        group, name = part(reference, "resourcegroups"), part(reference, "publicipaddresses")
        operations = self._network.public_ip_addresses
        if not is_uniform(reference):
            with self._calling(f"publicIPAddresses.get of {name}", AddressNotFound):
                return operations.get(group, name)
        operation = "publicIPAddresses.getVirtualMachineScaleSetPublicIPAddress"
        with self._calling(f"{operation} of {name}", AddressNotFound):
            return operations.get_virtual_machine_scale_set_public_ip_address(
                group,
                part(reference, "virtualmachinescalesets"),
                part(reference, "virtualmachines"),
                part(reference, "networkinterfaces"),
                part(reference, "ipconfigurations"),
                name,
            )

    def interface(self, interface_id: str) -> NetworkInterface:
        """One network interface. Raises ``MachineNotFound``: it exists as long as its machine."""
        group, name = part(interface_id, "resourcegroups"), part(interface_id, "networkinterfaces")
        operations = self._network.network_interfaces
        if not is_uniform(interface_id):
            with self._calling(f"networkInterfaces.get of {name}", MachineNotFound):
                return operations.get(group, name)
        operation = "networkInterfaces.getVirtualMachineScaleSetNetworkInterface"
        with self._calling(f"{operation} of {name}", MachineNotFound):
            return operations.get_virtual_machine_scale_set_network_interface(
                group,
                part(interface_id, "virtualmachinescalesets"),
                part(interface_id, "virtualmachines"),
                name,
            )

    def machine(self, machine_id: str) -> VirtualMachine | VirtualMachineScaleSetVM:
        """One machine with its power state. Raises ``MachineNotFound``."""
        group, name = part(machine_id, "resourcegroups"), part(machine_id, "virtualmachines")
        if part(machine_id, "subscriptions") != self.subscription or not name:
            raise MachineNotFound(f"{machine_id} is no machine of subscription {self.subscription}")
        if not is_uniform(machine_id):
            with self._calling(f"virtualMachines.get of {name}", MachineNotFound):
                return self._compute.virtual_machines.get(group, name, expand="instanceView")
        scale_set = part(machine_id, "virtualmachinescalesets")
        with self._calling(f"virtualMachineScaleSetVMs.get of {scale_set}/{name}", MachineNotFound):
            return self._compute.virtual_machine_scale_set_vms.get(
                group, scale_set, name, expand="instanceView"
            )

    def write(self, interface: NetworkInterface) -> PendingMutation:
        """Replace an interface if it is unchanged since it was read.

        Raises ``Stale`` if it has. The handle is path and query of the operation's URL, so that it
        always leads to our endpoint.
        """
        group = part(interface.id or "", "resourcegroups")
        name = part(interface.id or "", "networkinterfaces")
        with self._calling(f"networkInterfaces.createOrUpdate of {name}", MachineNotFound):
            # Without If-Match this write would undo a change that somebody else made after our
            # read. A retry by the SDK would fail because of the first attempt: the caller repeats
            # it.
            poller = self._network.network_interfaces.begin_create_or_update(
                group,
                name,
                interface,
                headers={"If-Match": interface.etag or ""},
                polling=False,
                retry_total=0,
                cls=lambda answered, _, __: answered.http_response.headers,
            )
            headers = cast("Mapping[str, str]", poller.result())
        url = urlsplit(headers.get("Azure-AsyncOperation", ""))
        handle = f"{url.path}?{url.query}" if url.path else ""
        return PendingMutation(handle, done=not handle, poll_after=_poll_after(headers))

    def operation(self, handle: str) -> tuple[PendingMutation, CloudError | None]:
        """The state of an operation, and how it failed. Raises ``Stale``: it is unknown."""
        # People can write where the handle comes from. So it is a path, which is checked, and never
        # one of the SDK's continuation tokens: those are pickled, and reading one runs its code.
        if not is_operation(handle, self.subscription):
            raise Stale("the handle leads to no operation of this subscription", "InvalidHandle")
        with self._calling("operations.get of a network operation", Stale):
            answer = self._network.send_request(HttpRequest("GET", handle))
            answer.raise_for_status()
            body = answer.json()
        failed = body["status"] in ("Failed", "Canceled")
        error = operation_error(body, "networkInterfaces.createOrUpdate") if failed else None
        done = failed or bool(body["status"] == "Succeeded")
        return PendingMutation(handle, done, _poll_after(answer.headers)), error

    def close(self) -> None:
        """Close the connections."""
        self._network.close()
        self._compute.close()
        self._credential.close()

    def _pages(
        self,
        action: str,
        rows: ItemPaged[RowT],
        missing: type[CloudError] = InvalidOptions,
    ) -> Iterator[RowT]:
        """The rows of a list; each page is one call."""
        pages = cast("PageIterator[RowT]", rows.by_page())
        more = True
        while more:
            with self._calling(action, missing):
                page = next(pages)
            yield from page
            more = bool(pages.continuation_token)

    @contextlib.contextmanager
    def _calling(self, action: str, missing: type[CloudError]) -> Iterator[None]:
        """Observe one call and map what it raises; the action begins with the operation's name."""
        with observed(action.split(" ", 1)[0], self._report_call):
            try:
                yield
            except RAISED_BY_AZURE as error:
                mapped = cloud_error(error, action, missing)
                # The text under a credential error may contain secrets: no trace of it in logs.
                raise mapped from (None if isinstance(mapped, CredentialsRejected) else error)


def _poll_after(headers: Mapping[str, str]) -> float:
    return retry_after(headers.get("Retry-After", "")) or 0.0
