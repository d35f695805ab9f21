"""The certificate a webhook server shows: from files, or from whoever else keeps one current."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography import x509

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 5.0
"""How often files are read; the kubelet takes up to a minute to write them anyway."""
_MOST_BYTES = 1024 * 1024


def utc_now() -> dt.datetime:
    """The time of day by which certificates end."""
    return dt.datetime.now(dt.UTC)


class BadCertificate(Exception):
    """A certificate or key that cannot be served; one line says why, without the key."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A certificate in use.

    Attributes:
        context: for new connections; those that are open keep the one they began with.
        expires: when it ends.
    """

    context: ssl.SSLContext = field(repr=False)
    expires: dt.datetime
    _pem: bytes = field(repr=False)

    @classmethod
    def load(cls, chain: bytes, key: bytes) -> Serving:
        """From PEM; raises :class:`BadCertificate` where the two do not fit."""
        try:
            certificate = x509.load_pem_x509_certificates(chain)[0]
        except ValueError as error:
            raise BadCertificate(f"the certificate cannot be read: {error}") from error
        pem = chain + b"\n" + key
        try:
            context = _context(pem)
        except (ssl.SSLError, OSError) as error:
            text = getattr(error, "reason", None) or error
            raise BadCertificate(f"certificate and key do not fit: {text}") from error
        return cls(context, certificate.not_valid_after_utc, pem)

    def another_context(self) -> ssl.SSLContext:
        """One that may be changed, with the same certificate."""
        return _context(self._pem)


class Certificates(Protocol):
    """Keeps a certificate current, whoever makes it."""

    @property
    def serving(self) -> Serving | None:
        """What new connections get; ``None`` = there is none yet."""

    async def run(self) -> None:
        """Keep it current, for ever."""

    def ready(self) -> str | None:
        """``None`` where it can be served, else why not, in a few words."""

    def problem(self) -> str | None:
        """Why what was offered last is not served, ``None``: it is."""


def unfit(serving: Serving | None, problem: str | None, now: dt.datetime) -> str | None:
    """The answer to ``ready`` of any source: no certificate yet, or one that has ended."""
    if serving is None:
        return problem or "no certificate yet"
    if serving.expires <= now:
        return f"the certificate ended at {serving.expires:%Y-%m-%dT%H:%M:%SZ}"
    return None


class FileCertificates:
    """Certificate and key in files that somebody else replaces, such as cert-manager's Secret.

    With cert-manager the ``caBundle`` is not ours either: its annotation
    ``cert-manager.io/inject-ca-from`` on the webhook configuration has it written.
    A pair that does not fit is kept out, and logged once; what was served is served on.
    """

    def __init__(
        self,
        certificate: Path,
        key: Path,
        *,
        refresh_seconds: float = REFRESH_SECONDS,
        now: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        self._certificate = certificate
        self._key = key
        self._refresh_seconds = refresh_seconds
        self._now = now
        self._serving: Serving | None = None
        self._problem: str | None = None
        self._read_last: tuple[bytes, bytes] | None = None
        self._logged: str | None = None

    @property
    def serving(self) -> Serving | None:
        return self._serving

    def ready(self) -> str | None:
        return unfit(self._serving, self._problem, self._now())

    def problem(self) -> str | None:
        return self._problem

    async def run(self) -> None:
        while True:
            # A volume may hang; the event loop may not.
            await asyncio.to_thread(self.refresh)
            await asyncio.sleep(self._refresh_seconds)

    def refresh(self) -> None:
        """Read the files once and take what has changed."""
        try:
            pair = self._read()
        except OSError as error:
            self._log_problem(f"{error.filename}: {error.strerror}")
            return
        if pair == self._read_last and self._problem is None:
            return
        # Files are replaced one after the other: only what is still wrong when read again is wrong.
        settled = pair == self._read_last
        self._read_last = pair
        try:
            self._serving = Serving.load(*pair)
        except BadCertificate as error:
            self._problem = f"{self._certificate}, {self._key}: {error}"
            if settled or self._serving is None:
                self._log_problem(self._problem)
        else:
            self._problem = self._logged = None
            logger.info("serving the certificate that ends at %s", self._serving.expires)

    def _read(self) -> tuple[bytes, bytes]:
        """Both files of one generation: Kubernetes swaps a whole folder by one symbolic link."""
        certificate, key = _content(self._certificate), _content(self._key)
        if _content(self._certificate) != certificate:
            certificate, key = _content(self._certificate), _content(self._key)
        return certificate, key

    def _log_problem(self, problem: str) -> None:
        self._problem = problem
        if problem != self._logged:
            self._logged = problem
            logger.warning("certificate not taken: %s", problem)


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MOST_BYTES)


def _context(pem: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # The API server keeps its connections and resumes none.
    context.num_tickets = 0
    _load_pair(context, pem)
    return context


def _load_pair(context: ssl.SSLContext, pem: bytes) -> None:
    """Python takes keys from files only: one in memory, so that no key ever gets onto a disk."""
    if not hasattr(os, "memfd_create"):
        with tempfile.NamedTemporaryFile() as file:
            file.write(pem)
            file.flush()
            context.load_cert_chain(file.name)
        return
    descriptor = os.memfd_create("certificate")
    try:
        os.write(descriptor, pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
