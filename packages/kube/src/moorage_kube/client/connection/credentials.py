"""Credentials: what proves who we are, fixed or read from a file that changes."""

from __future__ import annotations

import logging
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from moorage_kube.client.connection.pem import Pem, text_of
from moorage_kube.client.errors import Unavailable

logger = logging.getLogger(__name__)

REREAD_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """What proves who we are at one moment; its repr shows no secret.

    Attributes:
        token: bearer token.
        username: for basic authentication, with ``password``.
        certificate: client certificate with its chain, PEM.
        key: its private key, PEM.
        expires_at: when the API server stops taking them; ``None`` = not known.
    """

    token: str | None = field(default=None, repr=False)
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    certificate: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None

    def headers(self) -> dict[str, str]:
        """The headers of a request that carries them."""
        if self.token:
            return {"Authorization": f"Bearer {self.token}"}
        if self.username:
            pair = f"{self.username}:{self.password or ''}".encode()
            return {"Authorization": f"Basic {b64encode(pair).decode()}"}
        return {}


class CredentialSource(Protocol):
    """Where credentials come from."""

    async def current(self) -> Credentials:
        """The credentials to use now; the same object as long as they are the same.

        Raises :class:`moorage_kube.client.errors.Unavailable` where there are none now.
        """

    def reject(self, credentials: Credentials) -> None:
        """The API server did not take these: get others next time, where there can be others."""


class FixedCredentials:
    """Credentials that never change."""

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials

    async def current(self) -> Credentials:
        return self.credentials

    def reject(self, credentials: Credentials) -> None:
        """There are no others."""


class TokenFile:
    """A token in a file that somebody renews, as the kubelet does for a ServiceAccount."""

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._clock = clock
        self._known: Credentials | None = None
        self._read_at = 0.0

    async def current(self) -> Credentials:
        known = self._known
        if known is None or self._clock() - self._read_at > REREAD_SECONDS:
            known = self._read(known)
            self._known, self._read_at = known, self._clock()
        return known

    def reject(self, credentials: Credentials) -> None:
        if credentials is self._known:
            self._read_at = float("-inf")

    def _read(self, known: Credentials | None) -> Credentials:
        """The token now; an unreadable file leaves the one known, which may still be good."""
        try:
            token = self._path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            if known is None:
                what = f"token file {self._path}"
                raise Unavailable(0, "NoCredentials", "cannot be read", what) from error
            logger.warning("token file %s cannot be read, the last token stays", self._path)
            return known
        if known is not None and token == known.token:
            return known
        return Credentials(token=token)


class CertificateFiles:
    """A client certificate and key, at least one in a file that is replaced from time to time.

    ``base`` has what else there is, as a token.
    """

    def __init__(self, base: CredentialSource, certificate: Pem, key: Pem) -> None:
        self._base = base
        self._pair = (certificate, key)
        self._known = (Credentials(), Credentials())

    async def current(self) -> Credentials:
        base = await self._base.current()
        whole = self.with_pair(base)
        if self._known[0] is not base or self._known[1] != whole:
            self._known = (base, whole)
        return self._known[1]

    def reject(self, credentials: Credentials) -> None:
        base, whole = self._known
        if credentials is whole:
            self._base.reject(base)

    def with_pair(self, base: Credentials) -> Credentials:
        """These credentials with the current certificate and key."""
        certificate, key = map(text_of, self._pair)
        return replace(base, certificate=certificate, key=key)
