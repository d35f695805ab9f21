"""Settings from the environment; the error for a wrong one names the variable."""

import pytest

from moorage_provider.errors import InvalidOptions
from moorage_provider_azure.settings import Cloud, Settings, from_environment

SUBSCRIPTION = {"AZURE_SUBSCRIPTION_ID": "0000-1"}
LOOPBACK = {"MOORAGE_AZURE_ENDPOINT": "https://127.0.0.1:8443/"}
ANONYMOUS = {"MOORAGE_AZURE_CREDENTIALS": "anonymous"}


def test_a_subscription_is_enough() -> None:
    assert from_environment(SUBSCRIPTION) == Settings(
        "0000-1", Cloud.public, "", (), anonymous=False
    )


def test_every_setting_is_read() -> None:
    groups = {"MOORAGE_AZURE_RESOURCE_GROUPS": "a, b ,"}
    cloud = {"MOORAGE_AZURE_CLOUD": "usgov"}
    settings = from_environment({**SUBSCRIPTION, **LOOPBACK, **ANONYMOUS, **groups, **cloud})
    assert settings == Settings(
        "0000-1", Cloud.usgov, "https://127.0.0.1:8443", ("a", "b"), anonymous=True
    )


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"AZURE_SUBSCRIPTION_ID": ""}, "AZURE_SUBSCRIPTION_ID"),
        ({"MOORAGE_AZURE_CLOUD": "moon"}, "public, usgov, china"),
        ({"MOORAGE_AZURE_ENDPOINT": "http://127.0.0.1:1"}, "MOORAGE_AZURE_ENDPOINT"),
        ({"MOORAGE_AZURE_ENDPOINT": "https://"}, "MOORAGE_AZURE_ENDPOINT"),
        ({"MOORAGE_AZURE_ENDPOINT": "nowhere"}, "MOORAGE_AZURE_ENDPOINT"),
        ({"MOORAGE_AZURE_CREDENTIALS": "hunter2"}, "MOORAGE_AZURE_CREDENTIALS"),
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidOptions, match=named) as refused:
        from_environment({**SUBSCRIPTION, **wrong})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "[::1]"])
def test_an_emulator_on_this_machine_needs_no_credentials(host: str) -> None:
    endpoint = {"MOORAGE_AZURE_ENDPOINT": f"https://{host}:1"}
    assert from_environment({**SUBSCRIPTION, **ANONYMOUS, **endpoint}).anonymous


@pytest.mark.parametrize("endpoint", ["", "https://10.0.0.1", "https://localhost.example.org"])
def test_any_other_host_needs_credentials(endpoint: str) -> None:
    there = {"MOORAGE_AZURE_ENDPOINT": endpoint}
    with pytest.raises(InvalidOptions, match="loopback"):
        from_environment({**SUBSCRIPTION, **ANONYMOUS, **there})
