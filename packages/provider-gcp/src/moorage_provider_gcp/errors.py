"""The one mapping from what Google's SDK raises to what Moorage can act on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.protobuf.json_format import ParseError  # type: ignore[import-untyped]  # it has no types of its own

from moorage_domain.waits import retry_after
from moorage_provider.errors import (
    CloudError,
    CredentialsRejected,
    Denied,
    InUse,
    Locked,
    QuotaExceeded,
    Retry,
    Stale,
    Throttled,
    Unavailable,
    Unsupported,
)
from moorage_provider_gcp.refused import Refused

if TYPE_CHECKING:
    from google.cloud.compute_v1 import Operation

# Everything that the SDK may raise for a call: error responses, connections, credentials, no JSON
# where there should be some. OSError: a file of credentials cannot be read.
RAISED_BY_GOOGLE = (
    api.GoogleAPIError,
    requests.RequestException,
    auth.GoogleAuthError,
    ParseError,
    OSError,
)

_CREDENTIALS_ADVICE = (
    "give the pod a service account (Workload Identity Federation for GKE), the node one with the"
    " scope cloud-platform, or set GOOGLE_APPLICATION_CREDENTIALS, and check the node's clock"
)


# For responses; a 403 may be a missing right, a throttle or a quota.
# https://cloud.google.com/compute/docs/api/best-practices and the API's own "reason"
_BY_REASON: dict[str, type[CloudError]] = {
    "rateLimitExceeded": Throttled,
    "userRateLimitExceeded": Throttled,
    "operationRateExceeded": Throttled,
    "resourceOperationRateExceeded": Locked,
    "resourceNotReady": Locked,
    "resourceInUseByAnotherResource": InUse,
    "quotaExceeded": QuotaExceeded,
    "dailyLimitExceeded": QuotaExceeded,
    "limitExceeded": QuotaExceeded,
    "backendError": Unavailable,
    "internalError": Unavailable,
}
_BY_STATUS: dict[int, type[CloudError]] = {
    400: Refused,
    401: CredentialsRejected,
    403: Denied,
    408: Unavailable,
    409: Refused,
    412: Stale,
    429: Throttled,
}
# For accepted operations that failed, by the code in their list of errors.
_BY_CODE: dict[str, type[CloudError]] = {
    "IP_IN_USE_BY_ANOTHER_RESOURCE": InUse,
    "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE": InUse,
    "RESOURCE_NOT_FOUND": Stale,
    "CONDITION_NOT_MET": Stale,
    "RESOURCE_NOT_READY": Locked,
    "RESOURCE_OPERATION_RATE_EXCEEDED": Locked,
    "RATE_LIMIT_EXCEEDED": Throttled,
    "QUOTA_EXCEEDED": QuotaExceeded,
    "LIMIT_EXCEEDED": QuotaExceeded,
    "PERMISSIONS_ERROR": Denied,
    "UNSUPPORTED_OPERATION": Unsupported,
    "INTERNAL_ERROR": Unavailable,
}
_NO_ANSWER = (requests.RequestException, ParseError, auth.TransportError, auth.TimeoutError)
# A policy of the organisation refuses what the credentials may do: a precondition, says Google.
_NOT_MET = ("conditionNotMet", "CONDITION_NOT_MET")
_CONSTRAINT = re.compile(r"\b(?:constraints|customConstraints)/[A-Za-z.]+\w")
# The project's owner has to act, and no role of the credentials helps.
_API_OFF = "accessNotConfigured"
_API_OFF_IN = re.compile(r"in project ([a-z0-9-]+)", re.IGNORECASE)
_API = "compute.googleapis.com"
# A node's access scopes cut down what the roles of its service account allow.
_SCOPES = "insufficient authentication scopes"
_PERMISSION = re.compile(r"'(compute\.[A-Za-z]+\.[A-Za-z]+)' permission")
_LONGEST_MESSAGE = 300
_NOT_FOUND = 404
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class _Answer:
    """An error response of the cloud.

    Attributes:
        code: its reason, or an operation's code, ``""`` where a proxy answered.
        text: its message.
        retry_after: seconds it asks to wait.
    """

    code: str
    text: str
    retry_after: float | None = None


def cloud_error(error: Exception, action: str, missing: type[CloudError]) -> CloudError:
    """What an exception of the SDK means for the caller.

    Args:
        error: one of ``RAISED_BY_GOOGLE``.
        action: the method and its object, such as ``instances.get of vm-1``.
        missing: the error if the object is not found.
    """
    kind = type(error).__name__
    if isinstance(error, api.GoogleAPICallError):
        return _from_answer(error, action, missing)
    # The SDK's own texts carry whole URLs and file contents, so only the kind is passed on.
    if isinstance(error, _NO_ANSWER) or getattr(error, "retryable", False):
        return Unavailable(f"GCP: {action} got no usable answer ({kind})", kind)
    if isinstance(error, auth.GoogleAuthError | OSError):
        return _credentials_rejected(action, kind)
    return CloudError(f"GCP: {action} was not sent ({kind})", kind)


def operation_error(operation: Operation, action: str) -> CloudError:
    """The error of an accepted operation that failed.

    Args:
        operation: done, with an error.
        action: the method that read it, such as ``zoneOperations.wait of operation-1``.
    """
    first = operation.error.errors[0]
    status = operation.http_error_status_code
    kind = _BY_CODE.get(first.code) or _by_status(status, Stale)
    # Not ``Refused``: Google tried it, so reading again would not show a reason.
    kind = CloudError if kind is Refused else kind
    return _made(kind, _Answer(first.code, first.message), action)


def _from_answer(
    error: api.GoogleAPICallError, action: str, missing: type[CloudError]
) -> CloudError:
    body = error.errors[0] if error.errors and isinstance(error.errors[0], dict) else {}
    reason = str(body.get("reason", ""))
    headers = getattr(error.response, "headers", {})
    after = headers.get("Retry-After", "")
    status = error.code or 0
    # Without a reason it is no word of Google's: the text may be a whole page.
    text = str(body.get("message", "")) if reason else type(error).__name__
    answer = _Answer(reason or str(status), text, retry_after(after))
    return _made(_BY_REASON.get(reason) or _by_status(status, missing), answer, action)


def _by_status(status: int, missing: type[CloudError]) -> type[CloudError]:
    if status == _NOT_FOUND:
        return missing
    return _BY_STATUS.get(status) or (Unavailable if status >= _SERVER_ERROR else CloudError)


def _made(kind: type[CloudError], answer: _Answer, action: str) -> CloudError:
    text = f"GCP: {action} failed: {answer.code}: {answer.text[:_LONGEST_MESSAGE]}"
    policy = _CONSTRAINT.search(answer.text) if answer.code in _NOT_MET else None
    if policy:
        words = f"the organisation policy {policy[0]} forbids it ({text})"
        return Denied(words, answer.code, policy[0])
    if kind is CredentialsRejected:
        return _credentials_rejected(action, answer.code)
    if issubclass(kind, Retry):
        return kind(text, answer.code, answer.retry_after)
    return _denied(answer, action, text) if kind is Denied else kind(text, answer.code)


def _denied(answer: _Answer, action: str, text: str) -> Denied:
    """In the words of what has to be done about it."""
    if answer.code == _API_OFF:
        project = _API_OFF_IN.search(answer.text)
        where = f"project {project[1]}" if project else "the project"
        option = f" --project={project[1]}" if project else ""
        words = (
            f"the Compute Engine API is off in {where}: turn it on with `gcloud services enable"
            f" {_API}{option}` and wait a few minutes ({text})"
        )
        return Denied(words, answer.code, _API)
    if _SCOPES in answer.text:
        words = (
            "the access scopes of the node that the pod runs on do not allow it, whatever its"
            " roles: use Workload Identity Federation for GKE, or nodes with the scope"
            f" cloud-platform ({text})"
        )
        return Denied(words, answer.code, "cloud-platform")
    permission = _permission(answer, action)
    return Denied(f"the credentials lack {permission} ({text})", answer.code, permission)


def _permission(answer: _Answer, action: str) -> str:
    """The missing right that the answer names, else the one that the method needs."""
    named = _PERMISSION.search(answer.text)
    method = action.partition(" ")[0].replace("aggregatedList", "list").replace(".wait", ".get")
    return named[1] if named else f"compute.{method}"


def _credentials_rejected(action: str, code: str) -> CredentialsRejected:
    return CredentialsRejected(
        f"GCP: {action} failed: Google accepted no credentials ({code}): {_CREDENTIALS_ADVICE}",
        code,
    )
