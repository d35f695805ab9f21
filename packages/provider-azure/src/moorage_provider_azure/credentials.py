"""Who asks Azure: the identities of a workload, a node or an application, or nobody."""

from __future__ import annotations

import os
import time
from typing import Any, Protocol

from azure.core.credentials import AccessToken
from azure.identity import (
    AzureAuthorityHosts,
    ChainedTokenCredential,
    EnvironmentCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

from moorage_domain.errors import InvalidOptions
from moorage_provider_azure.settings import ANONYMOUS, Cloud, Settings

_AUTHORITIES = {
    Cloud.public: AzureAuthorityHosts.AZURE_PUBLIC_CLOUD,
    Cloud.usgov: AzureAuthorityHosts.AZURE_GOVERNMENT,
    Cloud.china: AzureAuthorityHosts.AZURE_CHINA,
}
_WORKLOAD = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE")
_CONNECT_SECONDS = 3.0
_LIFETIME_SECONDS = 86_400


class Credential(Protocol):
    """What the SDK takes for a credential."""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ANN401 - azure-core's own signature
        """A token for one of these scopes."""
        ...

    def close(self) -> None:
        """Give back the connections."""
        ...


class _Anonymous:
    """A token that opens nothing but an emulator."""

    def get_token(self, *scopes: str, **options: object) -> AccessToken:  # noqa: ARG002 - the same for all
        return AccessToken(ANONYMOUS, int(time.time()) + _LIFETIME_SECONDS)

    def close(self) -> None:
        """Nothing is open."""


def credential(settings: Settings, read_seconds: float) -> Credential:
    """The first identity that there is; nothing is asked yet. Raises ``InvalidOptions``.

    None of those of azure-identity that ask a person or run a command.
    """
    if settings.anonymous:
        return _Anonymous()
    options: dict[str, Any] = {
        # The webhook of workload identity sets it, and it may be another one for private clouds.
        "authority": os.environ.get("AZURE_AUTHORITY_HOST") or _AUTHORITIES[settings.cloud],
        "connection_timeout": _CONNECT_SECONDS,
        "read_timeout": read_seconds,
        "retry_total": 1,
    }
    try:
        chain: list[Any] = [EnvironmentCredential(**options)]
        if all(os.environ.get(name) for name in _WORKLOAD):
            chain.append(WorkloadIdentityCredential(**options))
        del options["authority"]
        client_id = os.environ.get("AZURE_CLIENT_ID")
        chain.append(ManagedIdentityCredential(client_id=client_id, **options))
    except ValueError as error:
        raise InvalidOptions(
            "the Azure identity is unusable: check AZURE_TENANT_ID, AZURE_CLIENT_ID and"
            " AZURE_AUTHORITY_HOST"
        ) from error
    return ChainedTokenCredential(*chain)
