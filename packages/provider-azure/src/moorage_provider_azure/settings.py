"""Settings from the environment: how to reach Azure, and which part of it to use."""

from __future__ import annotations

import contextlib
import enum
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from moorage_domain.lists import parts_of
from moorage_provider.errors import InvalidOptions

ANONYMOUS = "anonymous"
VARIABLES = (
    "MOORAGE_AZURE_CLOUD",
    "MOORAGE_AZURE_CREDENTIALS",
    "MOORAGE_AZURE_ENDPOINT",
    "MOORAGE_AZURE_RESOURCE_GROUPS",
)
"""The variables with Moorage's prefix that are read here."""


class Cloud(enum.Enum):
    """One of Azure's clouds, named as in the SDK."""

    public = "AZURE_PUBLIC_CLOUD"
    usgov = "AZURE_US_GOVERNMENT"
    china = "AZURE_CHINA_CLOUD"


@dataclass(frozen=True, slots=True)
class Settings:
    """How to reach Azure Resource Manager.

    Attributes:
        subscription: the id of the subscription.
        cloud: whose endpoints and authority are used.
        endpoint: another endpoint, ``""`` = the cloud's own.
        groups: the resource groups to look into, none = the whole subscription.
        anonymous: send no credentials.
    """

    subscription: str
    cloud: Cloud
    endpoint: str
    groups: tuple[str, ...]
    anonymous: bool


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read the settings. Raises ``InvalidOptions`` naming the variable to change."""
    subscription = environment.get("AZURE_SUBSCRIPTION_ID", "")
    if not subscription:
        raise InvalidOptions("there is no subscription: set AZURE_SUBSCRIPTION_ID")
    endpoint = environment.get("MOORAGE_AZURE_ENDPOINT", "").rstrip("/")
    return Settings(
        subscription=subscription,
        cloud=_cloud(environment.get("MOORAGE_AZURE_CLOUD") or Cloud.public.name),
        endpoint=endpoint,
        groups=parts_of(environment.get("MOORAGE_AZURE_RESOURCE_GROUPS", "")),
        anonymous=_anonymous(environment.get("MOORAGE_AZURE_CREDENTIALS", ""), endpoint),
    )


def _cloud(name: str) -> Cloud:
    if name not in Cloud.__members__:
        known = ", ".join(Cloud.__members__)
        raise InvalidOptions(f'MOORAGE_AZURE_CLOUD is "{name}": write one of {known}')
    return Cloud[name]


def _anonymous(credentials: str, endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    # The SDK sends a token over TLS only.
    if endpoint and not (host and endpoint.startswith("https://")):
        raise InvalidOptions(
            "MOORAGE_AZURE_ENDPOINT is no usable URL: write one like https://host:port"
        )
    if credentials not in ("", ANONYMOUS):
        raise InvalidOptions(f"MOORAGE_AZURE_CREDENTIALS may only be {ANONYMOUS}")
    if credentials and not _is_loopback(host):
        raise InvalidOptions(
            "MOORAGE_AZURE_CREDENTIALS=anonymous is for an emulator on this machine: set"
            " MOORAGE_AZURE_ENDPOINT to a loopback address"
        )
    return bool(credentials)


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
