"""The one mapping from what boto3 raises to what Moorage can act on."""

from __future__ import annotations

from botocore import exceptions as boto
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

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
    Stale,
    Throttled,
    Unavailable,
    Unsupported,
)

ALREADY_ASSOCIATED = "Resource.AlreadyAssociated"
NO_ASSOCIATION = "InvalidAssociationID.NotFound"
_NO_SUCH_ACTION = "InvalidAction"
_AUTH_FAILURE = "AuthFailure"

_CREDENTIALS_ADVICE = (
    "give the pod a role (EKS Pod Identity or IAM roles for service accounts) or valid"
    " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and check the node's clock"
)
_REGION_ADVICE = ": is the region spelt right, and may the pod reach AWS there?"
_STS_ADVICE = (
    "; if AWS_ENDPOINT_URL is set, requests for credentials go there, too: set AWS_ENDPOINT_URL_EC2"
    " in its place"
)
MUTATIONS = ("AssociateAddress", "DisassociateAddress", "ModifyNetworkInterfaceAttribute")
"""The operations that change something."""
# Everything that boto3 may raise for a call. OSError: the web identity token's file cannot be read.
RAISED_BY_BOTO = (boto.BotoCoreError, ClientError, ResponseParserError, OSError)

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
_BY_CODE: dict[str, type[CloudError]] = {
    ALREADY_ASSOCIATED: InUse,
    NO_ASSOCIATION: Stale,
    "InvalidAllocationID.NotFound": AddressNotFound,
    "InvalidAddress.NotFound": AddressNotFound,
    "InvalidInstanceID.NotFound": MachineNotFound,
    "InvalidInstanceID.Malformed": MachineNotFound,
    # A primary interface cannot be detached: it goes when its instance goes.
    "InvalidNetworkInterfaceID.NotFound": MachineNotFound,
    "InvalidInstanceID": MachineUnfit,
    "IncorrectInstanceState": MachineUnfit,
    "Gateway.NotAttached": MachineUnfit,
    "IncorrectState": Locked,
    "AddressLimitExceeded": QuotaExceeded,
    "OperationNotPermitted": Unsupported,
    "UnsupportedOperation": Unsupported,
    "UnauthorizedOperation": Denied,
    "AccessDenied": Denied,
    "AccessDeniedException": Denied,
    **dict.fromkeys(
        (
            _AUTH_FAILURE,
            "ExpiredToken",
            "ExpiredTokenException",
            "IncompleteSignature",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidIdentityToken",
            "MissingAuthenticationToken",
            "OptInRequired",
            "RequestExpired",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        ),
        CredentialsRejected,
    ),
    **dict.fromkeys(
        (
            "EC2ThrottledException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "TooManyRequests",
            "TooManyRequestsException",
        ),
        Throttled,
    ),
}
_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.NoAuthTokenError,
    boto.SSOError,
    boto.InvalidConfigError,
    OSError,
)
_NO_ANSWER = (
    boto.HTTPClientError,
    boto.ConnectionError,
    boto.IncompleteReadError,
    boto.MetadataRetrievalError,
    ResponseParserError,
)
_LONGEST_MESSAGE = 300
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500


def cloud_error(error: Exception, action: str) -> CloudError:
    """What an exception of boto3 means for the caller.

    Args:
        error: one of ``RAISED_BY_BOTO``.
        action: the API operation and its object, such as ``AssociateAddress of eipalloc-1``.
    """
    if isinstance(error, ClientError):
        return _from_answer(error, action)
    kind = type(error).__name__
    # boto3's own texts carry whole URLs and file contents, so only the kind is passed on.
    if isinstance(error, boto.NoRegionError | boto.InvalidRegionError):
        return InvalidOptions(
            "there is no usable AWS region: set spec.cloud.region or AWS_REGION", kind
        )
    if isinstance(error, boto.ProfileNotFound | boto.ConfigParseError | boto.ConfigNotFound):
        return InvalidOptions("the AWS configuration is unusable: check AWS_PROFILE", kind)
    if isinstance(error, _NO_ANSWER):
        # The name of the endpoint is made of the region's, and resolves for those that exist.
        advice = _REGION_ADVICE if isinstance(error, boto.EndpointConnectionError) else ""
        return Unavailable(f"EC2: {action} got no usable answer ({kind}){advice}", kind)
    if isinstance(error, _NO_CREDENTIALS):
        return _credentials_rejected(action, kind)
    return CloudError(f"EC2: {action} was not sent ({kind})", kind)


def _from_answer(error: ClientError, action: str) -> CloudError:
    """Map an error the cloud answered with, by its code and else by the HTTP status."""
    code = error.response["Error"].get("Code", "")
    answer = error.response.get("ResponseMetadata")
    status = answer["HTTPStatusCode"] if answer else 0
    text = f"EC2: {action} failed: {code}: {_shortened(error)}"
    kind = _BY_CODE.get(code) or _by_status(status)
    if code == _NO_SUCH_ACTION and _is_of_sts(error):
        kind = CredentialsRejected
    if code == _AUTH_FAILURE and error.operation_name in MUTATIONS:
        # Reads went well a moment ago: the credentials are good, and what they name is not theirs
        # to change, as an address or interface that another account shares with this one.
        return Denied(f"{text} Does another account own it?", code)
    if kind is CredentialsRejected:
        # The cloud's text may quote the signed request, session token included.
        return _credentials_rejected(action, code, _STS_ADVICE if _is_of_sts(error) else "")
    if kind is Throttled:
        after = answer["HTTPHeaders"].get("retry-after", "") if answer else ""
        return Throttled(text, code, retry_after(after))
    if kind is Denied:
        permission = _permission(error)
        return Denied(f"the credentials lack {permission} ({text})", code, permission)
    return kind(text, code)


def _by_status(status: int) -> type[CloudError]:
    if status == _TOO_MANY_REQUESTS:
        return Throttled
    return Unavailable if status >= _SERVER_ERROR else CloudError


def _permission(error: ClientError) -> str:
    """The missing right; the role itself comes from another service than EC2."""
    return f"{'sts' if _is_of_sts(error) else 'ec2'}:{error.operation_name}"


def _is_of_sts(error: ClientError) -> bool:
    """Whether the request was for credentials, which another service than EC2 gives out."""
    return error.operation_name.startswith("AssumeRole")


def _credentials_rejected(action: str, code: str, advice: str = "") -> CredentialsRejected:
    return CredentialsRejected(
        f"EC2: {action} failed: AWS accepted no credentials ({code}):"
        f" {_CREDENTIALS_ADVICE}{advice}",
        code,
    )


def _shortened(error: ClientError) -> str:
    """The cloud's text without the encoded blob that EC2 appends to a refusal."""
    text = error.response["Error"].get("Message", "")
    return text.partition(" Encoded authorization failure message")[0][:_LONGEST_MESSAGE]
