"""Settings from the environment: how to reach Compute Engine, and which part of it to use."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from moorage_provider.errors import InvalidOptions

ANONYMOUS = "anonymous"
VARIABLES = (
    "MOORAGE_GCP_CREDENTIALS",
    "MOORAGE_GCP_ENDPOINT",
    "MOORAGE_GCP_INTERFACE",
    "MOORAGE_GCP_PROJECT",
)
"""The variables with Moorage's prefix that are read here."""
_INTERFACE = re.compile(r"nic\d{1,2}")
# The short name of a region is a part of paths.
_REGION = re.compile(r"(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)?")


@dataclass(frozen=True, slots=True)
class Settings:
    """How to reach Compute Engine.

    Attributes:
        project: of the addresses, ``""`` = the credentials' own.
        endpoint: another endpoint, ``""`` = the cloud's own.
        anonymous: send no credentials.
        interface: the network interface of the nodes that gets the addresses.
    """

    project: str
    endpoint: str
    anonymous: bool
    interface: str


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read the settings. Raises ``InvalidOptions`` naming the variable to change."""
    endpoint = environment.get("MOORAGE_GCP_ENDPOINT", "").rstrip("/")
    interface = environment.get("MOORAGE_GCP_INTERFACE") or "nic0"
    if not _INTERFACE.fullmatch(interface):
        raise InvalidOptions(f'MOORAGE_GCP_INTERFACE is "{interface}": write one like nic0')
    own = environment.get("MOORAGE_GCP_PROJECT")
    return Settings(
        project=own or environment.get("GOOGLE_CLOUD_PROJECT", ""),
        endpoint=endpoint,
        anonymous=_anonymous(environment.get("MOORAGE_GCP_CREDENTIALS", ""), endpoint),
        interface=interface,
    )


def region(text: str) -> str:
    """The option ``region``. Raises ``InvalidOptions``."""
    if not _REGION.fullmatch(text):
        raise InvalidOptions(f'spec.cloud.region is "{text}": write one like europe-west1')
    return text


def _anonymous(credentials: str, endpoint: str) -> bool:
    loopback = _is_loopback(endpoint)
    if credentials not in ("", ANONYMOUS):
        raise InvalidOptions(f"MOORAGE_GCP_CREDENTIALS may only be {ANONYMOUS}")
    if credentials and not loopback:
        raise InvalidOptions(
            "MOORAGE_GCP_CREDENTIALS=anonymous is for an emulator on this machine: set"
            " MOORAGE_GCP_ENDPOINT to a loopback address"
        )
    # Over plain HTTP anybody could read the token.
    if endpoint and not loopback and not endpoint.startswith("https://"):
        raise _unusable()
    return bool(credentials)


def _is_loopback(endpoint: str) -> bool:
    if not endpoint:
        return False
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise _unusable() from error
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.path:
        raise _unusable()
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _unusable() -> InvalidOptions:
    return InvalidOptions(
        "MOORAGE_GCP_ENDPOINT is no usable URL: write one like https://host:port, without a path"
    )
