"""The one mapping from what the Azure SDK raises to what Moorage can act on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any

from azure.core import exceptions as azure

from moorage_domain.waits import retry_after
from moorage_provider.errors import (
    AddressNotFound,
    CloudError,
    CredentialsRejected,
    Denied,
    InUse,
    InvalidOptions,
    Locked,
    MachineNotFound,
    MachineUnfit,
    QuotaExceeded,
    Retry,
    Stale,
    Throttled,
    Unavailable,
)
from moorage_provider_azure.deleted import BEING_DELETED, NOT_ALLOWED

# Everything that the SDK may raise for a call. OSError: the service account's token cannot be read;
# ValueError: no JSON where there should be some, or credentials that cannot be right.
RAISED_BY_AZURE = (azure.AzureError, OSError, ValueError)

_CREDENTIALS_ADVICE = (
    "give the pod a workload identity, the node a managed identity, or set AZURE_TENANT_ID,"
    " AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, and check the node's clock"
)
# By code and never by status: a lock and a throttle are both a 429, and an operation that fails
# late is reported with a 200.
# https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
_BY_CODE: dict[str, type[CloudError]] = {
    "PublicIPAddressInUse": InUse,
    "PublicIPReferencedByMultipleIPConfigs": InUse,
    "PreconditionFailed": Stale,
    "InvalidResourceReference": AddressNotFound,
    "InstanceIdNotFound": MachineNotFound,
    "SubscriptionNotFound": InvalidOptions,
    "InvalidSubscriptionId": InvalidOptions,
    "DifferentSkuLoadBalancersAndPublicIPAddressNotAllowed": MachineUnfit,
    "ResourceZonesMismatch": MachineUnfit,
    "PublicIPCountLimitReached": QuotaExceeded,
    "QuotaExceeded": QuotaExceeded,
    "AuthorizationFailed": Denied,
    "LinkedAuthorizationFailed": Denied,
    "DenyAssignmentAuthorizationFailed": Denied,
    "RequestDisallowedByAzure": Denied,
    "RequestDisallowedByPolicy": Denied,
    **dict.fromkeys(
        (
            "AnotherOperationInProgress",
            "CanceledAndSupersededDueToAnotherOperation",
            "ReferencedResourceNotProvisioned",
            "RetryableErrorDueToAnotherOperation",
            # An administrator's lock concerns one resource, not our rights: as Denied it would make
            # every other address of the scope wait, too.
            "ScopeLocked",
        ),
        Locked,
    ),
    **dict.fromkeys(
        (
            "ResourceRequestsThrottled",
            "SubscriptionRequestsThrottled",
            "TooManyRequests",
        ),
        Throttled,
    ),
    **dict.fromkeys(
        (
            "AuthenticationFailed",
            "ExpiredAuthenticationToken",
            "InvalidAuthenticationToken",
            "InvalidAuthenticationTokenAudience",
            "InvalidAuthenticationTokenTenant",
        ),
        CredentialsRejected,
    ),
}
_NOT_FOUND = frozenset({"NotFound", "ResourceGroupNotFound", "ResourceNotFound"})
# What Azure asks for, where its text does not name it.
_PERMISSIONS = {
    "networkInterfaces.createOrUpdate": "Microsoft.Network/networkInterfaces/write",
    "operations.get": "Microsoft.Network/locations/operations/read",
    "virtualMachines.get": "Microsoft.Compute/virtualMachines/read",
}
_NO_ANSWER = (
    azure.ServiceRequestError,
    azure.ServiceResponseError,
    azure.DecodeError,
    JSONDecodeError,
)
# These forbid what the credentials have the right to do.
_POLICIES = {
    "DenyAssignmentAuthorizationFailed": "a deny assignment",
    "RequestDisallowedByAzure": "a policy of Azure's",
    "RequestDisallowedByPolicy": "an Azure policy",
}
_NAME_OF_POLICY = re.compile(
    r"deny assignment with name '([^']+)'"
    r"|\"policyAssignment\"\s*:\s*{\s*\"name\"\s*:\s*\"([^\"]+)\""
)
_ACTION = re.compile(r"perform action(?:\(s\))? '([^']+)'")
_LONGEST_MESSAGE = 500
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class _Answer:
    """An error response of Azure.

    Attributes:
        code: Azure's own, ``""`` where a proxy answered.
        text: its message.
        status: of HTTP.
        retry_after: seconds it asks to wait.
    """

    code: str
    text: str
    status: int = 200
    retry_after: float | None = None


def cloud_error(error: Exception, action: str, missing: type[CloudError]) -> CloudError:
    """What an exception of the SDK means for the caller.

    Args:
        error: one of ``RAISED_BY_AZURE``.
        action: the operation and its object, such as ``networkInterfaces.get of vm-1-nic``.
        missing: the error if the object is not found.
    """
    kind = type(error).__name__
    if isinstance(error, _NO_ANSWER):
        return Unavailable(f"Azure: {action} got no usable answer ({kind})", kind)
    if isinstance(error, azure.HttpResponseError) and error.response is not None:
        return _mapped(_answer(error), action, missing)
    # No answer of Azure's: the identity. Its texts carry whole files and URLs.
    if isinstance(error, azure.ClientAuthenticationError | OSError):
        return _credentials_rejected(action, kind)
    return CloudError(f"Azure: {action} was not sent ({kind})", kind)


def operation_error(body: Mapping[str, Any], action: str) -> CloudError:
    """The error of an accepted operation that failed, from the body that reports it."""
    error = body.get("error") or {}
    answer = _Answer(str(error.get("code") or body["status"]), str(error.get("message", "")))
    return _mapped(answer, action, CloudError)


def _answer(error: azure.HttpResponseError) -> _Answer:
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    after = headers.get("Retry-After", "")
    return _Answer(
        code=(error.error.code if error.error else "") or "",
        text=(error.error.message if error.error else "") or error.reason or "",
        status=error.status_code or 0,
        retry_after=retry_after(after),
    )


def _mapped(answer: _Answer, action: str, missing: type[CloudError]) -> CloudError:
    kind = _BY_CODE.get(answer.code) or _by_status(answer.status)
    if answer.code in _NOT_FOUND:
        kind = missing
    if answer.code == NOT_ALLOWED:
        kind = _not_allowed(answer)
    if kind is CredentialsRejected:
        return _credentials_rejected(action, answer.code)
    words = answer.text[:_LONGEST_MESSAGE]
    text = f"Azure: {action} failed: {answer.code or answer.status}: {words}"
    if issubclass(kind, Retry):
        return kind(text, answer.code, answer.retry_after)
    if answer.code in _POLICIES:
        policy = _policy(answer)
        return Denied(f"forbidden by {policy} ({text})", answer.code, policy)
    if kind is Denied:
        permission = _permission(answer, action)
        return Denied(f"the credentials lack {permission} ({text})", answer.code, permission)
    return kind(text, answer.code)


def _not_allowed(answer: _Answer) -> type[CloudError]:
    """What is not allowed: a quota, a machine's deletion and a throttle have the same code."""
    if "quota" in answer.text.lower():
        return QuotaExceeded
    if BEING_DELETED in answer.text:
        return Locked
    return _by_status(answer.status)


def _by_status(status: int) -> type[CloudError]:
    if status == _TOO_MANY_REQUESTS:
        return Throttled
    return Unavailable if status >= _SERVER_ERROR else CloudError


def _policy(answer: _Answer) -> str:
    """What forbids it, by its name where Azure gives that."""
    what, named = _POLICIES[answer.code], _NAME_OF_POLICY.search(answer.text)
    return f"{what} ({named[1] or named[2]})" if named else what


def _permission(answer: _Answer, action: str) -> str:
    """The missing right: the last one named, because the first may be one that is granted."""
    named = _ACTION.findall(answer.text)
    operation = action.partition(" ")[0]
    resource = operation.partition(".")[0]
    return named[-1] if named else _PERMISSIONS.get(operation, f"Microsoft.Network/{resource}/read")


def _credentials_rejected(action: str, code: str) -> CredentialsRejected:
    return CredentialsRejected(
        f"Azure: {action} failed: Azure accepted no credentials ({code}): {_CREDENTIALS_ADVICE}",
        code,
    )
