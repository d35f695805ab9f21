"""OIDC: an ID token of an identity provider, renewed by the official client."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field

import aiohttp
import orjson

from moorage_kube.client.connection.credentials import Credentials
from moorage_kube.client.connection.pem import Pem, text_of
from moorage_kube.client.errors import Unavailable

RENEW_SECONDS = 30.0
_EARLY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """What the ``auth-provider`` of a kubeconfig's user states.

    Attributes:
        authority: certificates to verify the issuer with; ``None`` = the system's.
    """

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    id_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    authority: Pem | None = field(default=None, repr=False)


class OidcTokens:
    """The token of the kubeconfig until it expires or is rejected, then a new one of the issuer.

    New tokens are kept in memory only: the kubeconfig is not written.
    """

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings
        self._refresh_token = settings.refresh_token
        self._known = Credentials(token=settings.id_token) if settings.id_token else None
        self._one_at_a_time = asyncio.Lock()

    async def current(self) -> Credentials:
        async with self._one_at_a_time:
            if self._known is None or _is_over(self._known.token or ""):
                self._known = Credentials(token=await self._renew())
            return self._known

    def reject(self, credentials: Credentials) -> None:
        if credentials is self._known and self._refresh_token:
            self._known = None

    async def _renew(self) -> str:
        # Needs 3 MiB of memory: imported only where OIDC is used.
        from kubernetes.aio.config import ConfigException  # noqa: PLC0415 - see above
        from kubernetes.aio.config.openid import OpenIDRequestor  # noqa: PLC0415 - see above

        settings = self._settings
        if not self._refresh_token:
            raise self._failed("the ID token has expired and there is no refresh-token")
        # Given no context, the official client would not verify the issuer.
        context = self._context()
        issuer = OpenIDRequestor(
            settings.client_id, settings.client_secret, settings.issuer, context
        )
        try:
            async with asyncio.timeout(RENEW_SECONDS):
                answer = await issuer.refresh_token(self._refresh_token)
            token = str(answer["id_token"])
            self._refresh_token = str(answer.get("refresh_token") or self._refresh_token)
        except TimeoutError as error:
            raise self._failed(f"no answer within {RENEW_SECONDS:g} s") from error
        except (aiohttp.ClientConnectorError, ConfigException) as error:
            raise self._failed(getattr(error, "strerror", "") or str(error)) from error
        except (aiohttp.ClientError, LookupError, ValueError, TypeError, AttributeError) as error:
            # What was answered may be a secret: neither shown nor chained.
            raise self._failed(f"no ID token came back ({type(error).__name__})") from None
        return token

    def _context(self) -> ssl.SSLContext:
        authority = self._settings.authority
        try:
            return ssl.create_default_context(cadata=text_of(authority) if authority else None)
        except (ssl.SSLError, ValueError) as error:
            raise self._failed("idp-certificate-authority is not a PEM certificate") from error

    def _failed(self, message: str) -> Unavailable:
        return Unavailable(0, "NoCredentials", message, f"OIDC issuer {self._settings.issuer}")


def _is_over(token: str) -> bool:
    """Whether the token says that it has expired; what it does not say the API server knows."""
    with contextlib.suppress(ValueError, LookupError, TypeError):
        claims = token.split(".")[1]
        padded = claims + "=" * (-len(claims) % 4)
        expires = float(orjson.loads(urlsafe_b64decode(padded))["exp"])
        return time.time() >= expires - _EARLY_SECONDS
    return False
