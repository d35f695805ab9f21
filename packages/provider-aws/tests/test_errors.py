"""Each error of boto3 becomes the one that says what the caller can do."""

import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError

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
from moorage_provider_aws.errors import cloud_error

ACTION = "AssociateAddress of eipalloc-1"


def answered(
    code: str,
    status: int = 400,
    message: str = "text",
    operation: str = "AssociateAddress",
    **headers: str,
) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {
                "RequestId": "id",
                "HostId": "",
                "HTTPStatusCode": status,
                "HTTPHeaders": headers,
                "RetryAttempts": 0,
            },
        },
        operation,
    )


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("Resource.AlreadyAssociated", 400, InUse),
        ("InvalidAssociationID.NotFound", 400, Stale),
        ("InvalidAllocationID.NotFound", 400, AddressNotFound),
        ("InvalidInstanceID.NotFound", 400, MachineNotFound),
        ("InvalidNetworkInterfaceID.NotFound", 400, MachineNotFound),
        ("InvalidInstanceID", 400, MachineUnfit),
        ("IncorrectInstanceState", 400, MachineUnfit),
        ("Gateway.NotAttached", 400, MachineUnfit),
        ("IncorrectState", 400, Locked),
        ("AddressLimitExceeded", 400, QuotaExceeded),
        ("OperationNotPermitted", 400, Unsupported),
        ("UnauthorizedOperation", 403, Denied),
        ("AccessDenied", 403, Denied),
        ("InvalidClientTokenId", 403, CredentialsRejected),
        ("ExpiredToken", 400, CredentialsRejected),
        ("RequestLimitExceeded", 503, Throttled),
        ("Throttling", 400, Throttled),
        ("NobodyKnowsThis", 429, Throttled),
        ("InternalError", 500, Unavailable),
        ("Unavailable", 503, Unavailable),
        ("InvalidParameterValue", 400, CloudError),
    ],
)
def test_an_answer_is_sorted_by_its_code_and_else_by_its_status(
    code: str, status: int, kind: type[CloudError]
) -> None:
    error = cloud_error(answered(code, status), ACTION)
    assert (type(error), error.code) == (kind, code)


def test_what_may_be_read_but_not_changed_is_another_accounts() -> None:
    """Credentials that EC2 took for a read are good for a change of what is their own."""
    message = "You do not have permission to access the specified resource."
    error = cloud_error(answered("AuthFailure", 401, message), ACTION)
    assert isinstance(error, Denied)
    assert message in str(error)
    assert str(error).endswith("Does another account own it?")
    read = answered("AuthFailure", 401, message, "DescribeAddresses")
    assert isinstance(cloud_error(read, "DescribeAddresses"), CredentialsRejected)


def test_a_message_contains_the_object_and_the_clouds_text() -> None:
    error = cloud_error(answered("Gateway.NotAttached", message="Network vpc-1 has none"), ACTION)
    assert str(error) == (
        "EC2: AssociateAddress of eipalloc-1 failed: Gateway.NotAttached: Network vpc-1 has none"
    )


def test_a_refusal_names_the_permission_and_not_the_encoded_blob() -> None:
    text = "You are not authorized. Encoded authorization failure message: AbC123"
    error = cloud_error(answered("UnauthorizedOperation", 403, text), ACTION)
    assert isinstance(error, Denied)
    assert error.permission == "ec2:AssociateAddress"
    assert "ec2:AssociateAddress" in str(error)
    assert "AbC123" not in str(error)


def test_a_refused_role_is_a_permission_of_sts() -> None:
    error = cloud_error(
        ClientError(
            {"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRoleWithWebIdentity"
        ),
        ACTION,
    )
    assert isinstance(error, Denied)
    assert error.permission == "sts:AssumeRoleWithWebIdentity"


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", None)])
def test_a_throttled_call_carries_the_wait_the_cloud_asked_for(
    header: str, seconds: float | None
) -> None:
    answer = answered("Throttling", 400, "slow down", **{"retry-after": header})
    error = cloud_error(answer, ACTION)
    assert isinstance(error, Throttled)
    assert error.retry_after == seconds


def test_rejected_credentials_come_with_advice_and_without_the_clouds_text() -> None:
    text = "The canonical string is x-amz-security-token:hunter2"
    error = cloud_error(answered("SignatureDoesNotMatch", 403, text), ACTION)
    assert isinstance(error, CredentialsRejected)
    assert "hunter2" not in str(error)
    assert "EKS Pod Identity" in str(error)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (boto.NoCredentialsError(), CredentialsRejected),
        (boto.PartialCredentialsError(provider="env", cred_var="key"), CredentialsRejected),
        (
            boto.CredentialRetrievalError(provider="process", error_msg="hunter2"),
            CredentialsRejected,
        ),
        (FileNotFoundError(2, "no such file", "token"), CredentialsRejected),
        (boto.NoRegionError(), InvalidOptions),
        (boto.InvalidRegionError(region_name="hunter2!"), InvalidOptions),
        (boto.ProfileNotFound(profile="nobody"), InvalidOptions),
        (boto.EndpointConnectionError(endpoint_url="http://user:hunter2@host"), Unavailable),
        (boto.ReadTimeoutError(endpoint_url="http://user:hunter2@host"), Unavailable),
        (boto.ConnectTimeoutError(endpoint_url="http://user:hunter2@host"), Unavailable),
        (boto.ParamValidationError(report="hunter2"), CloudError),
    ],
)
def test_what_never_reached_the_cloud_is_sorted_without_quoting_it(
    raised: Exception, kind: type[CloudError]
) -> None:
    error = cloud_error(raised, ACTION)
    assert type(error) is kind
    assert "hunter2" not in str(error)


def test_a_missing_region_says_where_to_set_it() -> None:
    text = str(cloud_error(boto.NoRegionError(), ACTION))
    assert "spec.cloud.region" in text
    assert "AWS_REGION" in text


def test_harm_25_a_misspelt_region_is_suspected_where_nobody_answers_at_all() -> None:
    nobody = boto.EndpointConnectionError(endpoint_url="https://ec2.eu-wst-1.amazonaws.com/")
    error = cloud_error(nobody, "DescribeAddresses")
    assert isinstance(error, Unavailable)
    assert error.message == (
        "EC2: DescribeAddresses got no usable answer (EndpointConnectionError):"
        " is the region spelt right, and may the pod reach AWS there?"
    )
    slow = boto.ReadTimeoutError(endpoint_url="https://ec2.eu-west-1.amazonaws.com/")
    assert "region" not in str(cloud_error(slow, "DescribeAddresses"))
