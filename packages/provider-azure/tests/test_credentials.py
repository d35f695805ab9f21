"""Identities, over HTTPS against the emulated Microsoft Entra; no other host is asked."""

from pathlib import Path

import pytest
from azure.core import AzureClouds
from azure.mgmt.core.tools import get_arm_endpoints

from moorage_domain.errors import CredentialsRejected, InvalidOptions
from moorage_provider_azure.arm import Arm
from moorage_provider_azure.provider import AzureProvider, create
from moorage_provider_azure.settings import Cloud
from moorage_testing.clouds.azure import ArmEmulator
from moorage_testing.clouds.azure.emulator import ASSERTION, TOKEN
from moorage_testing.faults import Fault

IP = "203.0.113.10"
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def workload(emulator: ArmEmulator, monkeypatch: pytest.MonkeyPatch) -> ArmEmulator:
    """An environment as the webhook of workload identity leaves it in a pod."""
    monkeypatch.delenv("MOORAGE_AZURE_CREDENTIALS")
    for name, value in emulator.identity.items():
        monkeypatch.setenv(name, value)
    # Where a machine's own identity would be had: not from the real address.
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", NOBODY)
    emulator.world.add_address(IP)
    return emulator


def present(emulator: ArmEmulator, token: str) -> None:
    """Let the pod's service account have this token."""
    Path(emulator.identity["AZURE_FEDERATED_TOKEN_FILE"]).write_text(token)


async def test_a_workloads_identity_is_exchanged_for_a_token_once(
    workload: ArmEmulator, provider: AzureProvider
) -> None:
    for _ in range(2):
        assert set(await provider.snapshot((IP,))) == {IP}
    assert workload.faults.ops() == ("identity.getToken", *("publicIPAddresses.listAll",) * 2)
    assert workload.faults.calls[0].params == {"tenant": "00000000-0000-0000-0000-000000000002"}


async def test_a_machines_identity_is_asked_for_where_there_is_no_other(
    workload: ArmEmulator, provider: AzureProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_FEDERATED_TOKEN_FILE")
    monkeypatch.delenv("AZURE_CLIENT_ID")
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", workload.url)
    assert set(await provider.snapshot((IP,))) == {IP}
    assert "identity.getToken" in workload.faults.ops()
    assert workload.faults.calls[0].params == {}


async def test_without_any_identity_the_message_says_what_to_give(
    workload: ArmEmulator, provider: AzureProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_FEDERATED_TOKEN_FILE")
    with pytest.raises(CredentialsRejected, match="workload identity"):
        await provider.snapshot((IP,))
    assert workload.faults.ops() == ()


async def test_a_rejected_identity_is_told_without_its_token_and_may_come_right(
    workload: ArmEmulator, provider: AzureProvider
) -> None:
    present(workload, "hunter2")
    with pytest.raises(CredentialsRejected) as rejected:
        await provider.snapshot((IP,))
    assert "hunter2" not in str(rejected.value)
    assert rejected.value.__cause__ is None
    present(workload, ASSERTION)
    assert set(await provider.snapshot((IP,))) == {IP}


async def test_a_missing_service_account_token_is_a_matter_of_credentials(
    workload: ArmEmulator, provider: AzureProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = workload.identity["AZURE_FEDERATED_TOKEN_FILE"] + "-missing"
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", missing)
    with pytest.raises(CredentialsRejected):
        await provider.snapshot((IP,))


async def test_a_token_that_azure_does_not_take_is_a_matter_of_credentials(
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


async def test_an_identity_that_cannot_be_right_is_named(
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
        one for one in vars(arm._credential)["credentials"] if "Workload" in type(one).__name__
    ]
    assert workload_identity._client._authority == authority
    arm.close()
