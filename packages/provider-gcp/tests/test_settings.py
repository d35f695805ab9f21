"""Settings from the environment, and the errors for invalid ones."""

import pytest

from moorage_provider.errors import InvalidOptions
from moorage_provider_gcp.settings import Settings, from_environment, region


def test_without_settings_googles_defaults_apply() -> None:
    assert from_environment({}) == Settings("", "", anonymous=False, interface="nic0")


def test_every_setting_is_read() -> None:
    environment = {
        "GOOGLE_CLOUD_PROJECT": "theirs",
        "MOORAGE_GCP_PROJECT": "ours",
        "MOORAGE_GCP_ENDPOINT": "http://127.0.0.1:80/",
        "MOORAGE_GCP_CREDENTIALS": "anonymous",
        "MOORAGE_GCP_INTERFACE": "nic1",
    }
    expected = Settings("ours", "http://127.0.0.1:80", anonymous=True, interface="nic1")
    assert from_environment(environment) == expected


def test_the_project_may_be_googles_own_setting() -> None:
    assert from_environment({"GOOGLE_CLOUD_PROJECT": "theirs"}).project == "theirs"


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "https://127.1.2.3"]
)
def test_an_emulator_on_this_machine_needs_no_credentials(endpoint: str) -> None:
    environment = {"MOORAGE_GCP_ENDPOINT": endpoint, "MOORAGE_GCP_CREDENTIALS": "anonymous"}
    assert from_environment(environment).anonymous


@pytest.mark.parametrize(
    "endpoint",
    ["", "https://compute.example.com", "https://192.0.2.1:443", "https://localhost.example.com"],
)
def test_any_other_host_needs_credentials(endpoint: str) -> None:
    environment = {"MOORAGE_GCP_ENDPOINT": endpoint, "MOORAGE_GCP_CREDENTIALS": "anonymous"}
    with pytest.raises(InvalidOptions, match=r"CREDENTIALS=anonymous .* loopback"):
        from_environment(environment)


@pytest.mark.parametrize(
    "endpoint",
    [
        "nowhere",
        "http://compute.example.com",
        "ftp://127.0.0.1",
        "https://",
        "https://127.0.0.1:port",
        "https://127.0.0.1:99999",
        "https://user:password@compute.example.com",
        "https://compute.example.com/path",
    ],
)
def test_an_unusable_endpoint_is_named_and_not_shown(endpoint: str) -> None:
    with pytest.raises(InvalidOptions, match="MOORAGE_GCP_ENDPOINT") as refused:
        from_environment({"MOORAGE_GCP_ENDPOINT": endpoint})
    assert "password" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("MOORAGE_GCP_CREDENTIALS", "key.json"), ("MOORAGE_GCP_INTERFACE", "eth0")],
)
def test_an_invalid_value_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidOptions, match=name):
        from_environment({name: value})


@pytest.mark.parametrize("text", ["", "europe-west1"])
def test_a_region_may_be_any_or_one(text: str) -> None:
    assert region(text) == text


@pytest.mark.parametrize("text", ["Europe", "../x", "europe west", "a/b"])
def test_an_invalid_region_is_refused(text: str) -> None:
    with pytest.raises(InvalidOptions, match=r"spec\.cloud\.region"):
        region(text)
