"""The calls to Compute Engine; only a worker thread imports this file: the SDK is large."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import requests
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import BadRequest

from moorage_provider import deadline
from moorage_provider.errors import (
    CloudError,
    CredentialsRejected,
    Denied,
    InvalidOptions,
    MachineNotFound,
    Stale,
    Unavailable,
)
from moorage_provider.protocol import ApiCall
from moorage_provider.sdk import observed
from moorage_provider_gcp import identity
from moorage_provider_gcp.clients import (
    AddressesClient,
    InstancesClient,
    ZoneOperationsClient,
    types,
)
from moorage_provider_gcp.credentials import found
from moorage_provider_gcp.errors import RAISED_BY_GOOGLE, cloud_error, operation_error
from moorage_provider_gcp.identity import InZone
from moorage_provider_gcp.mapping import PREMIUM
from moorage_provider_gcp.refused import Denials
from moorage_provider_gcp.settings import from_environment

AnswerT = TypeVar("AnswerT")

ATTEMPTS = 3
NAT_NAME = "External NAT"
IPV6_NAME = "External IPv6"
_IPV6_PREFIX = 96
PAGE_SIZE = 500
_PAUSES_SECONDS = (0.2, 0.6)
_SHORTEST_SECONDS = 0.01
# A waiting thread cannot be stopped, and the process waits for it at its end.
_WAIT_SECONDS = 5.0
# At DEBUG these write whole requests. The connection pools are smaller than the number of threads,
# about which urllib3 warns each time.
_TALKATIVE_LOGGERS = {
    "google": logging.INFO,
    "urllib3": logging.INFO,
    "urllib3.connectionpool": logging.ERROR,
}
# A scope with this warning is empty; a scope with any other warning is unknown.
_EMPTY = "NO_RESULTS_ON_PAGE"


@dataclass(frozen=True, slots=True)
class Begun:
    """A mutation that was accepted.

    Attributes:
        operation: its name.
        done: it is over; right after the request: an earlier request with the same id is over.
        error: its error; ``None``: it succeeded, or it is running.
    """

    operation: str
    done: bool
    error: CloudError | None = None


class Compute:
    """A client of one project; blocking, safe to use from several threads.

    Every method raises only ``CloudError`` and what the fence raises, and sends nothing once the
    caller's deadline has passed.

    Attributes:
        project: where the addresses are.
        interface: the network interface that gets them.
        denials: refusals of public addresses.
    """

    def __init__(
        self,
        timeout_seconds: float,
        fence: Callable[[], None],
        on_call: Callable[[ApiCall], None],
    ) -> None:
        """Find project, endpoint and credentials. Raises ``InvalidOptions``.

        Args:
            timeout_seconds: the caller's deadline, shared by the attempts of one request.
            fence: called in the calling thread before each attempt at a mutation; what it raises
                stops the attempt and reaches the caller as it is.
            on_call: called after each call.
        """
        for name, level in _TALKATIVE_LOGGERS.items():
            logger = logging.getLogger(name)
            logger.setLevel(max(logger.getEffectiveLevel(), level))
        settings = from_environment(os.environ)
        self.interface = settings.interface
        self.denials = Denials()
        self._report_call = on_call
        self._attempt_seconds = max(timeout_seconds / ATTEMPTS, 1.0)
        with _mapped("the search for credentials", CloudError):
            self._credentials, self.project = found(settings, fence)
            options: dict[str, Any] = {
                "credentials": self._credentials,
                "client_options": ClientOptions(api_endpoint=settings.endpoint or None),
            }
            self._instances = InstancesClient(**options)
            self._addresses = AddressesClient(**options)
            self._operations = ZoneOperationsClient(**options)

    @property
    def credentials_expiring(self) -> bool:
        """The token of the last request should have been renewed."""
        return self._credentials.expiring

    def addresses(self, region: str, project: str, ip: str = "") -> Iterator[types.Address]:
        """The reserved external addresses of a region; of all regions where it is ``""``.

        Args:
            region: its name.
            project: whose they are.
            ip: this one only.
        """
        wanted = f'address = "{ip}"' if ip else 'addressType = "EXTERNAL"'
        token = None
        while token != "":
            query = {"project": project, "filter": wanted, "page_token": token or ""}
            page = self._page(query | {"max_results": PAGE_SIZE}, region)
            _refuse_partial(page)
            if region:
                yield from page.items
            else:
                for one in page.items.values():
                    _refuse_partial(one)
                    yield from one.addresses
            token = page.next_page_token

    def _page(self, query: dict[str, Any], region: str) -> Any:  # noqa: ANN401 - the SDK's pagers hand on any field of the page
        if region:
            one = types.ListAddressesRequest(region=region, **query)
            return self._call(f"addresses.list of {region}", self._addresses.list, one)
        every = types.AggregatedListAddressesRequest(query)
        return self._call("addresses.aggregatedList", self._addresses.aggregated_list, every)

    def instance(self, vm: InZone) -> types.Instance:
        """One instance. Raises ``MachineNotFound``."""
        request = types.GetInstanceRequest(**_named(vm))
        return self._call(f"instances.get of {vm.name}", self._instances.get, request)

    def add_access_config(
        self, vm: InZone, ip: str, tier: str, request_id: str, *, in_vain: bool = False
    ) -> Begun:
        """Give an instance's interface a public IPv4 address. Raises ``MachineNotFound``.

        Args:
            vm: the instance.
            ip: a reserved address, ``""`` = an ephemeral one.
            tier: the network tier of the reserved one, ``""`` = the project's own.
            request_id: a UUID.
            in_vain: the interface has an access config, so that a refusal is no failure of the call
                but is in what is returned.
        """
        config = types.AccessConfig(name=NAT_NAME, type_="ONE_TO_ONE_NAT")
        if ip:
            config.nat_i_p = ip
        if tier:
            config.network_tier = tier
        request = types.AddAccessConfigInstanceRequest(
            **_named(vm),
            network_interface=self.interface,
            access_config_resource=config,
            request_id=request_id,
        )
        # The method that hides the operation always polls it at the cloud's own endpoint.
        send = self._instances.add_access_config_unary
        send = _refused_as_operation(send) if in_vain else send
        return self._begin(f"instances.addAccessConfig to {vm.name}", send, request)

    def delete_access_config(self, vm: InZone, nic: str, name: str, request_id: str) -> Begun:
        """Take the public IPv4 address off an interface. Raises ``MachineNotFound``."""
        request = types.DeleteAccessConfigInstanceRequest(
            **_named(vm), network_interface=nic, access_config=name, request_id=request_id
        )
        send = self._instances.delete_access_config_unary
        return self._begin(f"instances.deleteAccessConfig of {vm.name}", send, request)

    def set_ipv6(self, vm: InZone, nic: types.NetworkInterface, ip: str, request_id: str) -> Begun:
        """Give an interface an external IPv6 range. Raises ``Stale``, ``MachineNotFound``.

        Args:
            vm: the instance.
            nic: the interface as it was read; one that changed since is left alone.
            ip: the first address of the range, ``""`` = none, and no IPv6 at all.
            request_id: a UUID.
        """
        changes = types.NetworkInterface(fingerprint=nic.fingerprint, stack_type="IPV4_ONLY")
        if ip:
            changes.stack_type = "IPV4_IPV6"
            changes.ipv6_access_configs = [
                types.AccessConfig(
                    name=IPV6_NAME,
                    type_="DIRECT_IPV6",
                    external_ipv6=ip,
                    external_ipv6_prefix_length=_IPV6_PREFIX,
                    network_tier=PREMIUM,
                )
            ]
        request = types.UpdateNetworkInterfaceInstanceRequest(
            **_named(vm),
            network_interface=nic.name,
            network_interface_resource=changes,
            request_id=request_id,
        )
        send = self._instances.update_network_interface_unary
        return self._begin(f"instances.updateNetworkInterface of {vm.name}", send, request)

    def is_done(self, handle: str) -> tuple[bool, CloudError | None]:
        """Whether an operation is done, and how it failed; waits for it briefly."""
        where = identity.operation(handle)
        if where is None:
            raise CloudError(f'GCP: "{handle}" is no operation of Compute Engine')
        action = f"zoneOperations.wait of {where.name}"
        operation = self._waited_for(where, action)
        if operation is None:
            action = f"zoneOperations.get of {where.name}"
            request = types.GetZoneOperationRequest(
                project=where.project, zone=where.zone, operation=where.name
            )
            operation = self._call(action, self._operations.get, request, missing=Stale)
        try:
            over = _is_over(operation, action)
        except CloudError as error:
            if isinstance(error, Denied):
                self.denials.note(error)
            return True, error
        if over and operation.operation_type == "addAccessConfig":
            self.denials.given()
        return over, None

    def _waited_for(self, where: InZone, action: str) -> types.Operation | None:
        """The operation, once done or no longer waited for by the cloud; ``None``: we timed out."""
        request = types.WaitZoneOperationRequest(
            project=where.project, zone=where.zone, operation=where.name
        )
        seconds = max(min(_WAIT_SECONDS, deadline.left() / 2), _SHORTEST_SECONDS)
        with observed("zoneOperations.wait", self._report_call), _mapped(action, Stale):
            try:
                return self._operations.wait(request, timeout=seconds, retry=None)
            except requests.ReadTimeout:
                return None

    def close(self) -> None:
        """Close the connections."""
        for client in (self._instances, self._addresses, self._operations):
            client.transport.close()  # type: ignore[no-untyped-call]  # the SDK says nothing of it

    def _begin(self, action: str, send: Callable[..., types.Operation], request: object) -> Begun:
        operation = self._call(action, send, request)
        try:
            return Begun(operation.name, _is_over(operation, action))
        except CloudError as error:
            return Begun(operation.name, done=True, error=error)

    def _call(
        self,
        action: str,
        send: Callable[..., AnswerT],
        request: object,
        missing: type[CloudError] = MachineNotFound,
    ) -> AnswerT:
        """Make one call and repeat it where there was no answer; mutations have a request id.

        A throttled call is not repeated: the quota is refilled each minute, not each second.
        """
        method = action.partition(" ")[0]
        missing = InvalidOptions if method.startswith("addresses.") else missing
        with observed(method, self._report_call):
            for pause in _PAUSES_SECONDS:
                try:
                    return self._attempt(action, send, request, missing)
                except Unavailable:
                    seconds = pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load only
                    if deadline.left() < seconds:
                        raise
                    time.sleep(seconds)
            return self._attempt(action, send, request, missing)

    def _attempt(
        self,
        action: str,
        send: Callable[..., AnswerT],
        request: object,
        missing: type[CloudError],
    ) -> AnswerT:
        seconds = max(min(self._attempt_seconds, deadline.left()), _SHORTEST_SECONDS)
        with _mapped(action, missing):
            return send(request, timeout=seconds, retry=None)


def _refuse_partial(part: Any) -> None:  # noqa: ANN401 - a page of either list, or a part of one
    """Raise ``Unavailable`` for a list, or the part of one region, that is not whole."""
    unreachable = ", ".join(getattr(part, "unreachables", ()))
    code = "UNREACHABLE" if unreachable else part.warning.code
    if code not in ("", _EMPTY):
        why = unreachable or part.warning.message
        raise Unavailable(f"GCP: a list of addresses is not whole: {why}", code)


def _refused_as_operation(
    send: Callable[..., types.Operation],
) -> Callable[..., types.Operation]:
    """Have a request that the state does not allow answered as an operation that failed."""

    def sent(request: object, **options: Any) -> types.Operation:  # noqa: ANN401 - the SDK's own
        try:
            return send(request, **options)
        except BadRequest as refusal:
            error = types.Error(errors=[types.Errors(code="INVALID", message=refusal.message)])
            status = types.Operation.Status.DONE
            return types.Operation(status=status, error=error, http_error_status_code=refusal.code)

    return sent


def _is_over(operation: types.Operation, action: str) -> bool:
    """Whether an operation is done. Raises the operation's error."""
    if operation.status != types.Operation.Status.DONE:
        return False
    if operation.error.errors:
        raise operation_error(operation, action)
    return True


def _named(vm: InZone) -> dict[str, Any]:
    return {"project": vm.project, "zone": vm.zone, "instance": vm.name}


@contextlib.contextmanager
def _mapped(action: str, missing: type[CloudError]) -> Iterator[None]:
    try:
        yield
    except RAISED_BY_GOOGLE as error:
        mapped = cloud_error(error, action, missing)
        # The text under a credential error may hold a token: no trace of it in logs.
        raise mapped from (None if isinstance(mapped, CredentialsRejected) else error)
