"""Each error of the Azure SDK becomes the one that says what the caller can do."""

import json
from email.message import Message
from typing import Any

import pytest
from azure.core import exceptions as azure
from azure.identity import CredentialUnavailableError

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
    Stale,
    Throttled,
    Unavailable,
)
from moorage_provider_azure.errors import cloud_error, operation_error

ACTION = "networkInterfaces.createOrUpdate of vm-1-nic"


class Answer:
    """The part of a response that azure-core needs to make an exception."""

    def __init__(self, status: int, body: str, **headers: str) -> None:
        self.status_code, self.reason, self.request = status, "Reason", "request"
        self.headers = Message()
        for name, value in headers.items():
            self.headers[name.replace("_", "-")] = value
        self._body = body

    def text(self) -> str:
        return self._body

    def body(self) -> bytes:
        return self._body.encode()


def answered(
    code: str, status: int = 400, message: str = "text", **headers: str
) -> azure.HttpResponseError:
    body = json.dumps({"error": {"code": code, "message": message}})
    return azure.HttpResponseError(response=Answer(status, body, **headers))


def mapped(error: Exception, missing: type[CloudError] = CloudError) -> CloudError:
    return cloud_error(error, ACTION, missing)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("PublicIPAddressInUse", 400, InUse),
        ("PublicIPReferencedByMultipleIPConfigs", 400, InUse),
        ("PreconditionFailed", 412, Stale),
        ("InvalidResourceReference", 400, AddressNotFound),
        ("InstanceIdNotFound", 404, MachineNotFound),
        ("SubscriptionNotFound", 404, InvalidOptions),
        ("DifferentSkuLoadBalancersAndPublicIPAddressNotAllowed", 400, MachineUnfit),
        ("PublicIPCountLimitReached", 400, QuotaExceeded),
        ("AuthorizationFailed", 403, Denied),
        ("LinkedAuthorizationFailed", 403, Denied),
        # Only the code distinguishes locks from throttles.
        ("RetryableErrorDueToAnotherOperation", 429, Locked),
        ("AnotherOperationInProgress", 409, Locked),
        ("AnotherOperationInProgress", 429, Locked),
        ("AnotherOperationInProgress", 400, Locked),
        ("ScopeLocked", 409, Locked),
        ("TooManyRequests", 429, Throttled),
        ("SubscriptionRequestsThrottled", 429, Throttled),
        ("OperationNotAllowed", 429, Throttled),
        ("ExpiredAuthenticationToken", 401, CredentialsRejected),
        ("InvalidAuthenticationToken", 401, CredentialsRejected),
        ("NobodyKnowsThis", 429, Throttled),
        ("InternalServerError", 500, Unavailable),
        ("NobodyKnowsThis", 503, Unavailable),
        ("InvalidRequestFormat", 400, CloudError),
    ],
)
def test_an_answer_is_sorted_by_its_code_and_else_by_its_status(
    code: str, status: int, kind: type[CloudError]
) -> None:
    error = mapped(answered(code, status))
    assert (type(error), error.code) == (kind, code)


@pytest.mark.parametrize("code", ["NotFound", "ResourceNotFound", "ResourceGroupNotFound"])
def test_not_found_becomes_the_error_that_the_caller_named(code: str) -> None:
    assert type(mapped(answered(code, 404), AddressNotFound)) is AddressNotFound
    assert type(mapped(answered(code, 404), MachineNotFound)) is MachineNotFound


def test_harm_12_what_is_not_allowed_is_no_throttle_unless_azure_says_so() -> None:
    dying = "Operation 'x' is not allowed on VM 'y' since the VM is marked for deletion."
    assert type(mapped(answered("OperationNotAllowed", 409, dying))) is Locked
    assert type(mapped(answered("OperationNotAllowed", 409, "The VM has failed."))) is CloudError
    assert type(mapped(answered("OperationNotAllowed", 429, "Too many requests."))) is Throttled


def test_the_text_distinguishes_a_quota_from_a_throttle() -> None:
    text = "Operation could not be completed as it results in exceeding approved Quota."
    assert type(mapped(answered("OperationNotAllowed", 409, text))) is QuotaExceeded


DENY_ASSIGNMENT = (
    "The client 'a' has permission to perform action 'Microsoft.Network/networkInterfaces/write' on"
    " scope '/x'; however, the access is denied because of the deny assignment with name"
    " 'node group lockdown' and Id 'b' at scope '/y'."
)
POLICY = (
    "Resource 'vm-1-nic' was disallowed by policy. Policy identifiers:"
    ' \'[{"policyAssignment":{"name":"no public addresses","id":"/z"}}]\'.'
)


@pytest.mark.parametrize(
    ("code", "text", "policy"),
    [
        (
            "DenyAssignmentAuthorizationFailed",
            DENY_ASSIGNMENT,
            "a deny assignment (node group lockdown)",
        ),
        ("RequestDisallowedByPolicy", POLICY, "an Azure policy (no public addresses)"),
        ("RequestDisallowedByPolicy", "no", "an Azure policy"),
    ],
)
def test_harm_12_what_a_policy_forbids_is_a_denial_that_names_it(
    code: str, text: str, policy: str
) -> None:
    late = operation_error({"status": "Failed", "error": {"code": code, "message": text}}, ACTION)
    for error in (mapped(answered(code, 403, text)), late):
        assert isinstance(error, Denied)
        assert error.permission == policy
        assert f"forbidden by {policy}" in str(error)


def test_a_message_contains_the_object_and_the_clouds_text() -> None:
    error = mapped(answered("InvalidRequestFormat", message="Cannot parse the request."))
    assert str(error) == f"Azure: {ACTION} failed: InvalidRequestFormat: Cannot parse the request."


UNAUTHORIZED = (
    "The client 'a' does not have authorization to perform action"
    " 'Microsoft.Network/publicIPAddresses/read' over scope '/x'."
)
LINKED = (
    "The client 'a' has permission to perform action 'Microsoft.Network/networkInterfaces/write' on"
    " scope '/x'; however, it does not have permission to perform action(s)"
    " 'Microsoft.Network/publicIPAddresses/join/action' on the linked scope(s) '/y'."
)


@pytest.mark.parametrize(
    ("text", "permission"),
    [
        (UNAUTHORIZED, "Microsoft.Network/publicIPAddresses/read"),
        (LINKED, "Microsoft.Network/publicIPAddresses/join/action"),
        ("no", "Microsoft.Network/networkInterfaces/write"),
    ],
)
def test_a_refusal_names_the_missing_right(text: str, permission: str) -> None:
    error = mapped(answered("AuthorizationFailed", 403, text))
    assert isinstance(error, Denied)
    assert error.permission == permission
    assert permission in str(error)


def test_a_right_that_azure_does_not_name_is_that_of_the_operation() -> None:
    for operation, permission in (
        ("publicIPAddresses.listAll", "Microsoft.Network/publicIPAddresses/read"),
        ("virtualMachines.get of vm-1", "Microsoft.Compute/virtualMachines/read"),
        ("operations.get of one", "Microsoft.Network/locations/operations/read"),
    ):
        error = cloud_error(answered("AuthorizationFailed", 403), operation, CloudError)
        assert isinstance(error, Denied)
        assert error.permission == permission


@pytest.mark.parametrize("code", ["TooManyRequests", "RetryableErrorDueToAnotherOperation"])
@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", None)])
def test_the_wait_that_azure_asks_for_is_carried(
    code: str, header: str, seconds: float | None
) -> None:
    error = mapped(answered(code, 429, "slow down", Retry_After=header))
    assert isinstance(error, Throttled | Locked)
    assert error.retry_after == seconds


def test_rejected_credentials_come_with_advice_and_without_the_clouds_text() -> None:
    error = mapped(answered("InvalidAuthenticationToken", 401, "The token hunter2 is malformed"))
    assert isinstance(error, CredentialsRejected)
    assert "hunter2" not in str(error)
    assert "workload identity" in str(error)


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [("<html>", 502, Unavailable), ("", 503, Unavailable), ("<html>", 404, CloudError)],
)
def test_an_answer_of_a_proxy_is_sorted_by_its_status(
    body: str, status: int, kind: type[CloudError]
) -> None:
    error = mapped(azure.HttpResponseError(response=Answer(status, body)), AddressNotFound)
    assert type(error) is kind
    assert str(status) in str(error)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (azure.ServiceRequestError("https://user:hunter2@host"), Unavailable),
        (azure.ServiceRequestTimeoutError("hunter2"), Unavailable),
        (azure.ServiceResponseError("hunter2"), Unavailable),
        (azure.ServiceResponseTimeoutError("hunter2"), Unavailable),
        (azure.IncompleteReadError("hunter2"), Unavailable),
        (azure.DecodeError("hunter2"), Unavailable),
        (json.JSONDecodeError("hunter2", "hunter2", 0), Unavailable),
        (azure.ClientAuthenticationError("hunter2"), CredentialsRejected),
        (CredentialUnavailableError("hunter2"), CredentialsRejected),
        (FileNotFoundError(2, "no such file", "hunter2"), CredentialsRejected),
        (azure.SerializationError("hunter2"), CloudError),
        (ValueError("hunter2"), CloudError),
    ],
)
def test_an_error_without_an_answer_is_sorted_without_quoting_it(
    raised: Exception, kind: type[CloudError]
) -> None:
    error = mapped(raised)
    assert type(error) is kind
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (
            {"status": "Failed", "error": {"code": "PublicIPAddressInUse", "message": "by x"}},
            InUse,
            "PublicIPAddressInUse",
        ),
        ({"status": "Failed", "error": {"code": "Odd", "message": "by x"}}, CloudError, "Odd"),
        ({"status": "Canceled"}, CloudError, "Canceled"),
    ],
)
def test_the_error_of_a_failed_operation_is_raised(
    body: dict[str, Any], kind: type[CloudError], code: str
) -> None:
    error = operation_error(body, ACTION)
    assert (type(error), error.code) == (kind, code)
    assert code in str(error)
