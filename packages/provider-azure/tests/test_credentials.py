"""Identities, over HTTPS against the emulated Microsoft Entra; no other host is asked."""

import time
from pathlib import Path

import pytest
from azure.core import AzureClouds
from azure.core.credentials import AccessTokenInfo, TokenRequestOptions
from azure.mgmt.core.tools import get_arm_endpoints

from moorage_provider.errors import CredentialsRejected, InvalidOptions
from moorage_provider_azure.arm import Arm
from moorage_provider_azure.credentials import Credential
from moorage_provider_azure.provider import AzureProvider, create
from moorage_provider_azure.settings import Cloud
from moorage_testing.clouds.azure import ArmEmulator
from moorage_testing.clouds.azure.emulator import ASSERTION, TOKEN
from moorage_testing.faults import Fault

IP = "203.0.113.10"
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def workload(emulator: ArmEmulator, monkeypatch: pytest.MonkeyPatch) -> ArmEmulator:
    """The environment that the webhook of workload identity sets in a pod."""
    monkeypatch.delenv("MOORAGE_AZURE_CREDENTIALS")
    for name, value in emulator.identity.items():
        monkeypatch.setenv(name, value)
    # The source of a machine's own identity: not the real address.
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", NOBODY)
    emulator.world.add_address(IP)
    return emulator


def present(emulator: ArmEmulator, token: str) -> None:
    """Give the pod's service account this token."""
    Path(emulator.identity["AZURE_FEDERATED_TOKEN_FILE"]).write_text(token)


async def test_a_workloads_identity_is_exchanged_for_a_token_once(
    workload: ArmEmulator, provider: AzureProvider
) -> None:
    for _ in range(2):
        assert set(await provider.snapshot((IP,))) == {IP}
    calls = ("identity.getToken", "publicIPAddresses.listAll", "publicIPAddresses.get")
    assert workload.faults.ops() == calls
    assert workload.faults.calls[0].params == {"tenant": "00000000-0000-0000-0000-000000000002"}


async def test_a_machines_identity_is_used_where_there_is_no_other(
    workload: ArmEmulator, provider: AzureProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_FEDERATED_TOKEN_FILE")
    monkeypatch.delenv("AZURE_CLIENT_ID")
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", workload.url)
    assert set(await provider.snapshot((IP,))) == {IP}
    assert "identity.getToken" in workload.faults.ops()
    assert workload.faults.calls[0].params == {}


async def test_without_any_identity_the_message_says_what_to_set(
    workload: ArmEmulator, provider: AzureProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_FEDERATED_TOKEN_FILE")
    with pytest.raises(CredentialsRejected, match="workload identity"):
        await provider.snapshot((IP,))
    assert workload.faults.ops() == ()


async def test_the_error_of_a_rejected_identity_has_no_token_and_a_later_one_is_accepted(
    workload: ArmEmulator, provider: AzureProvider
) -> None:
    present(workload, "hunter2")
    with pytest.raises(CredentialsRejected) as rejected:
        await provider.snapshot((IP,))
    assert "hunter2" not in str(rejected.value)
    assert rejected.value.__cause__ is None
    present(workload, ASSERTION)
    assert set(await provider.snapshot((IP,))) == {IP}


async def test_a_missing_service_account_token_is_rejected_credentials(
    workload: ArmEmulator, provider: AzureProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = workload.identity["AZURE_FEDERATED_TOKEN_FILE"] + "-missing"
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", missing)
    with pytest.raises(CredentialsRejected):
        await provider.snapshot((IP,))


async def test_a_token_that_azure_does_not_accept_is_rejected_credentials(
    workload: ArmEmulator, provider: AzureProvider
) -> None:
    fault = Fault(
        op="publicIPAddresses.listAll",
        status=401,
        code="ExpiredAuthenticationToken",
        message=f"The access token {TOKEN} expired",
    )
    workload.faults.inject(fault)
    with pytest.raises(CredentialsRejected, match="ExpiredAuthenticationToken") as rejected:
        await provider.snapshot((IP,))
    assert TOKEN not in str(rejected.value)


async def test_an_invalid_identity_is_named(
    workload: ArmEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "http://127.0.0.1:9")
    provider = create({})
    with pytest.raises(InvalidOptions, match="AZURE_AUTHORITY_HOST"):
        await provider.snapshot((IP,))
    await provider.close()
    assert workload.faults.ops() == ()


@pytest.mark.parametrize("cloud", list(Cloud), ids=lambda cloud: cloud.name)
def test_each_cloud_has_its_endpoint_scope_and_authority(
    workload: ArmEmulator, monkeypatch: pytest.MonkeyPatch, cloud: Cloud
) -> None:
    del workload  # only the environment
    monkeypatch.delenv("MOORAGE_AZURE_ENDPOINT")
    monkeypatch.delenv("AZURE_AUTHORITY_HOST")
    monkeypatch.setenv("MOORAGE_AZURE_CLOUD", cloud.name)
    arm = Arm(1.0, lambda: None, lambda _: None)
    expected = get_arm_endpoints(AzureClouds(cloud.value))
    for client in (arm._network, arm._compute):
        assert client._config.base_url == expected["resource_manager"]
        assert client._config.credential_scopes == expected["credential_scopes"]
    authority = {
        Cloud.public: "https://login.microsoftonline.com",
        Cloud.usgov: "https://login.microsoftonline.us",
        Cloud.china: "https://login.chinacloudapi.cn",
    }[cloud]
    (workload_identity,) = [
        one
        for one in vars(arm._credential._inner)["credentials"]
        if "Workload" in type(one).__name__
    ]
    assert workload_identity._client._authority == authority
    arm.close()


# Tokens that expire.


class Identity:
    """An identity that gives out this token."""

    def __init__(self, seconds: int, refresh_in: int | None = None) -> None:
        self.asked: list[tuple[tuple[str, ...], object]] = []
        self.closed = False
        self.give(seconds, refresh_in)

    def give(self, seconds: int, refresh_in: int | None = None) -> None:
        """Let the token expire in this many seconds, and say when to renew it."""
        now = int(time.time())
        refresh_on = None if refresh_in is None else now + refresh_in
        self.token = AccessTokenInfo("token", now + seconds, refresh_on=refresh_on)

    def get_token_info(
        self, *scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo:
        self.asked.append((scopes, options))
        return self.token

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("seconds", "refresh_in", "expiring"),
    [
        (3600, None, False),
        # azure-core requests another one 300 s before the end; here it got the same again.
        (400, None, False),
        (200, None, True),
        (-1, None, True),
        # A machine's token: it says when to renew it, and is not given out in its last five
        # minutes.
        (86_400, 43_200, False),
        (40_000, -3_200, False),
        (500, -42_000, True),
        (400, -42_000, True),
        # Given to a second client while it is valid.
        (500, 100, False),
    ],
)
def test_a_token_that_was_not_renewed_in_time_is_expiring(
    seconds: int, refresh_in: int | None, *, expiring: bool
) -> None:
    identity = Identity(seconds, refresh_in)
    watched = Credential(identity)
    assert not watched.expiring
    assert watched.get_token_info("scope") is identity.token
    assert watched.expiring == expiring


def test_a_token_that_was_renewed_is_not_expiring() -> None:
    identity = Identity(200)
    watched = Credential(identity)
    watched.get_token_info("scope")
    assert watched.expiring
    identity.give(3600)
    watched.get_token_info("scope")
    assert not watched.expiring


def test_both_ways_to_get_a_token_give_the_same() -> None:
    identity = Identity(200)
    watched = Credential(identity)
    token = watched.get_token("scope", tenant_id="tenant")
    assert (token.token, token.expires_on) == ("token", identity.token.expires_on)
    assert identity.asked == [(("scope",), {"tenant_id": "tenant"})]
    assert watched.expiring
    watched.close()
    assert identity.closed


@pytest.mark.parametrize(("seconds", "expiring"), [(3600, False), (200, True)])
async def test_the_provider_reports_on_the_token_it_got_last(
    workload: ArmEmulator, provider: AzureProvider, seconds: int, *, expiring: bool
) -> None:
    workload.token_seconds = seconds
    assert not provider.credentials_expiring()
    assert set(await provider.snapshot((IP,))) == {IP}
    assert provider.credentials_expiring() == expiring


async def test_after_a_refusal_there_is_no_token_that_could_expire(
    workload: ArmEmulator, provider: AzureProvider
) -> None:
    workload.token_seconds = 200
    assert set(await provider.snapshot((IP,))) == {IP}
    assert provider.credentials_expiring()
    refused = Fault(op="publicIPAddresses.get", status=401, code="ExpiredAuthenticationToken")
    workload.faults.inject(refused)
    with pytest.raises(CredentialsRejected):
        await provider.snapshot((IP,))
    assert not provider.credentials_expiring()
