"""The identity that calls Azure: of a workload, a node or an application, or none."""

from __future__ import annotations

import os
import time
from typing import Any, Protocol, cast

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.identity import (
    AzureAuthorityHosts,
    ChainedTokenCredential,
    EnvironmentCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

from moorage_provider.errors import InvalidOptions
from moorage_provider_azure.settings import ANONYMOUS, Cloud, Settings

_AUTHORITIES = {
    Cloud.public: AzureAuthorityHosts.AZURE_PUBLIC_CLOUD,
    Cloud.usgov: AzureAuthorityHosts.AZURE_GOVERNMENT,
    Cloud.china: AzureAuthorityHosts.AZURE_CHINA,
}
_WORKLOAD = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE")
_CONNECT_SECONDS = 3.0
_LIFETIME_SECONDS = 86_400
# azure-core renews a token this long before its end, where the token does not say when.
_RENEWED_SECONDS = 300
# A managed identity gives out no token that ends within five minutes: it is reported as expiring
# then.
_EXPIRING_SECONDS = 600


class _Credential(Protocol):
    """What a credential of azure-identity can do."""

    def get_token_info(
        self, *scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo:
        """A token for one of these scopes."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class _Anonymous:
    """A token that only an emulator accepts."""

    def get_token_info(
        self,
        *scopes: str,  # noqa: ARG002 - the same for all
        options: TokenRequestOptions | None = None,  # noqa: ARG002 - see above
    ) -> AccessTokenInfo:
        return AccessTokenInfo(ANONYMOUS, int(time.time()) + _LIFETIME_SECONDS)

    def close(self) -> None:
        """Nothing is open."""


class Credential:
    """A credential for the SDK that also knows whether its token is renewed in time.

    The SDK keeps a token, and requests another one when that is due.

    Attributes:
        expiring: the token last given out should have been renewed, and ends within minutes.
    """

    def __init__(self, inner: _Credential) -> None:
        self._inner = inner
        self.expiring = False

    def get_token_info(
        self, *scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo:
        """A token for one of these scopes."""
        token = self._inner.get_token_info(*scopes, options=options)
        now = time.time()
        due = token.refresh_on or token.expires_on - _RENEWED_SECONDS
        self.expiring = due <= now and token.expires_on - now < _EXPIRING_SECONDS
        return token

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ANN401 - azure-core's own signature
        """The same, for the SDK's types; azure-core prefers the method above."""
        token = self.get_token_info(*scopes, options=cast("TokenRequestOptions", options))
        return AccessToken(token.token, token.expires_on)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


def credential(settings: Settings, read_seconds: float) -> Credential:
    """The first identity that is configured; sends no request yet. Raises ``InvalidOptions``.

    Never one of azure-identity's that asks a person or runs a command.
    """
    if settings.anonymous:
        return Credential(_Anonymous())
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
    return Credential(ChainedTokenCredential(*chain))
