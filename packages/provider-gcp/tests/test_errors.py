"""Each error of Google's SDK becomes the one that says what the caller can do."""

import json
from typing import Any

import pytest
import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud import compute_v1
from google.protobuf.json_format import ParseError  # type: ignore[import-untyped]  # none of its own

from moorage_provider.errors import (
    CloudError,
    CredentialsRejected,
    Denied,
    InUse,
    InvalidOptions,
    Locked,
    MachineNotFound,
    QuotaExceeded,
    Retry,
    Stale,
    Throttled,
    Unavailable,
    Unsupported,
)
from moorage_provider_gcp.errors import cloud_error, operation_error
from moorage_provider_gcp.refused import Refused

ACTION = "instances.addAccessConfig to 12"


def answered(status: int, reason: str, message: str = "text", **headers: str) -> Exception:
    """The exception that the SDK makes of a response of Google."""
    one = {"message": message, "domain": "global", "reason": reason}
    body = {"error": {"code": status, "message": message, "errors": [one]}}
    return of_response(status, json.dumps(body), headers)


def of_response(status: int, text: str, headers: dict[str, str]) -> Exception:
    response = requests.Response()
    response.status_code = status
    response._content = text.encode()
    response.headers.update(headers)
    url = "http://127.0.0.1:1/compute/v1?token=hunter2"
    response.request = requests.Request("POST", url).prepare()
    error: Exception = api.from_http_response(response)  # type: ignore[no-untyped-call]  # the SDK says nothing of it
    return error


def ended_in(code: str, status: int = 400) -> Any:
    one = {"code": code, "message": "text"}
    return compute_v1.Operation(
        {"name": "operation-1", "error": {"errors": [one]}, "http_error_status_code": status}
    )


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (403, "rateLimitExceeded", Throttled),
        (403, "userRateLimitExceeded", Throttled),
        (429, "rateLimitExceeded", Throttled),
        (429, "nobodyKnowsThis", Throttled),
        (403, "quotaExceeded", QuotaExceeded),
        (403, "forbidden", Denied),
        (403, "accessNotConfigured", Denied),
        (401, "authError", CredentialsRejected),
        (404, "notFound", MachineNotFound),
        (400, "invalid", Refused),
        (400, "required", Refused),
        (400, "resourceNotReady", Locked),
        (400, "resourceInUseByAnotherResource", InUse),
        (409, "alreadyExists", Refused),
        (412, "conditionNotMet", Stale),
        (408, "requestTimeout", Unavailable),
        (500, "internalError", Unavailable),
        (503, "backendError", Unavailable),
        (503, "nobodyKnowsThis", Unavailable),
        (410, "gone", CloudError),
    ],
)
def test_an_answer_is_sorted_by_its_reason_and_else_by_its_status(
    status: int, reason: str, kind: type[CloudError]
) -> None:
    error = cloud_error(answered(status, reason), ACTION, MachineNotFound)
    assert (type(error), error.code) == (kind, reason)


@pytest.mark.parametrize("missing", [MachineNotFound, InvalidOptions, Stale])
def test_not_found_becomes_the_error_that_the_caller_named(missing: type[CloudError]) -> None:
    assert type(cloud_error(answered(404, "notFound"), ACTION, missing)) is missing


def test_a_message_contains_the_object_and_the_clouds_text_but_no_url() -> None:
    error = cloud_error(answered(400, "invalid", "No such tier"), ACTION, CloudError)
    assert str(error) == f"GCP: {ACTION} failed: invalid: No such tier"


@pytest.mark.parametrize(
    ("text", "permission"),
    [
        ("Required 'compute.subnetworks.useExternalIp' permission for 'projects/p/x'",
         "compute.subnetworks.useExternalIp"),
        ("Forbidden", "compute.instances.addAccessConfig"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_permission(text: str, permission: str) -> None:
    error = cloud_error(answered(403, "forbidden", text), ACTION, CloudError)
    assert isinstance(error, Denied)
    assert error.permission == permission
    assert permission in str(error)


def test_an_api_that_is_off_is_told_with_the_command_that_turns_it_on() -> None:
    text = (
        "Compute Engine API has not been used in project 123456789 before or it is disabled. Enable"
        " it by visiting the console then retry."
    )
    error = cloud_error(answered(403, "accessNotConfigured", text), ACTION, CloudError)
    assert isinstance(error, Denied)
    assert error.permission == "compute.googleapis.com"
    assert "is off in project 123456789" in str(error)
    assert "`gcloud services enable compute.googleapis.com --project=123456789`" in str(error)
    assert "credentials lack" not in str(error)


def test_an_api_that_is_off_is_told_without_a_project_where_google_names_none() -> None:
    error = cloud_error(answered(403, "accessNotConfigured", "Not Configured"), ACTION, CloudError)
    assert "is off in the project: turn it on with `gcloud services enable" in str(error)
    assert "--project" not in str(error)


def test_access_scopes_of_a_node_are_no_missing_role() -> None:
    text = "Request had insufficient authentication scopes."
    error = cloud_error(answered(403, "insufficientPermissions", text), ACTION, CloudError)
    assert isinstance(error, Denied)
    assert error.permission == "cloud-platform"
    assert "the access scopes of the node" in str(error)


@pytest.mark.parametrize(
    ("action", "permission"),
    [
        ("addresses.aggregatedList", "compute.addresses.list"),
        ("zoneOperations.wait of operation-1", "compute.zoneOperations.get"),
    ],
)
def test_a_method_may_need_the_permission_of_another_method(action: str, permission: str) -> None:
    error = cloud_error(answered(403, "forbidden"), action, CloudError)
    assert isinstance(error, Denied)
    assert error.permission == permission


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", None)])
@pytest.mark.parametrize("status", [403, 429, 503])
def test_an_answer_carries_the_wait_the_cloud_asked_for(
    status: int, header: str, seconds: float | None
) -> None:
    reason = "backendError" if status == 503 else "rateLimitExceeded"
    answer = answered(status, reason, **{"Retry-After": header})
    error = cloud_error(answer, ACTION, CloudError)
    assert isinstance(error, Retry)
    assert error.retry_after == seconds


def test_a_web_page_is_no_answer_and_not_shown() -> None:
    answer = of_response(502, "<html>hunter2</html>", {})
    error = cloud_error(answer, ACTION, CloudError)
    assert type(error) is Unavailable
    assert "hunter2" not in str(error)


def test_rejected_credentials_come_with_advice_and_without_the_clouds_text() -> None:
    error = cloud_error(answered(401, "authError", "token hunter2"), ACTION, CloudError)
    assert isinstance(error, CredentialsRejected)
    assert "Workload Identity" in str(error)
    assert "hunter2" not in str(error)


def of_auth(name: str, **more: bool) -> Exception:
    error: Exception = getattr(auth, name)("hunter2", **more)
    return error


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (requests.ConnectionError("http://127.0.0.1?token=hunter2"), Unavailable),
        (requests.ReadTimeout("hunter2"), Unavailable),
        (requests.ConnectTimeout("hunter2"), Unavailable),
        (ParseError("hunter2"), Unavailable),
        (of_auth("TransportError"), Unavailable),
        (of_auth("RefreshError", retryable=True), Unavailable),
        (of_auth("RefreshError"), CredentialsRejected),
        (of_auth("DefaultCredentialsError"), CredentialsRejected),
        (of_auth("MalformedError"), CredentialsRejected),
        (FileNotFoundError(2, "no such file", "hunter2"), CredentialsRejected),
        (api.GoogleAPIError("hunter2"), CloudError),
    ],
)
def test_an_error_without_an_answer_is_sorted_without_quoting_it(
    raised: Exception, kind: type[CloudError]
) -> None:
    error = cloud_error(raised, ACTION, MachineNotFound)
    assert type(error) is kind
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("IP_IN_USE_BY_ANOTHER_RESOURCE", 400, InUse),
        ("RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", 400, InUse),
        ("RESOURCE_NOT_FOUND", 404, Stale),
        ("CONDITION_NOT_MET", 412, Stale),
        ("RESOURCE_NOT_READY", 400, Locked),
        ("RATE_LIMIT_EXCEEDED", 403, Throttled),
        ("QUOTA_EXCEEDED", 403, QuotaExceeded),
        ("PERMISSIONS_ERROR", 403, Denied),
        ("UNSUPPORTED_OPERATION", 400, Unsupported),
        ("INTERNAL_ERROR", 503, Unavailable),
        ("INVALID_USAGE", 400, CloudError),
        ("NOBODY_KNOWS_THIS", 404, Stale),
        ("NOBODY_KNOWS_THIS", 503, Unavailable),
        ("NOBODY_KNOWS_THIS", 0, CloudError),
    ],
)
def test_an_operation_that_failed_is_sorted_by_its_code_and_else_by_its_status(
    code: str, status: int, kind: type[CloudError]
) -> None:
    error = operation_error(ended_in(code, status), "zoneOperations.wait of operation-1")
    assert (type(error), error.code) == (kind, code)
    assert code in str(error)
