"""Connection: one API server, how it is verified and who we are to it."""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from moorage_kube.client.connection.credentials import Credentials, CredentialSource
from moorage_kube.client.connection.errors import ConfigError
from moorage_kube.client.connection.pem import Pem, text_of
from moorage_kube.client.connection.proxies import on_this_machine


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach one API server.

    Attributes:
        server: URL without a slash at its end; may have a path.
        source: where the credentials come from.
        origin: where all this was read, for messages.
        ca: certificates to verify the server with; ``None`` = the system's.
        insecure: the server is not verified at all; only where the kubeconfig says so.
        server_name: name the server's certificate is checked for; ``None`` = the host of the URL.
        proxy: URL of an HTTP proxy on the way; ``None`` = none.
        namespace: of this process or of the kubeconfig's context; ``None`` = not known.
    """

    server: str
    source: CredentialSource = field(repr=False)
    origin: str = ""
    ca: Pem | None = field(default=None, repr=False)
    insecure: bool = False
    server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)  # may carry a password
    namespace: str | None = None

    async def credentials(self) -> Credentials:
        """Who we are now; may run a plug-in, without blocking the loop.

        Raises :class:`moorage_kube.client.errors.Unavailable` where there are no credentials now.
        """
        return await self.source.current()

    def reject(self, credentials: Credentials) -> None:
        """The API server answered 401 to these."""
        self.source.reject(credentials)

    def authority(self) -> str | None:
        """The current certificates to verify the server with, PEM."""
        return None if self.ca is None else text_of(self.ca)

    def risks(self) -> tuple[str, ...]:
        """What lets somebody on the way act as this process, each with the way out; none: nothing.

        A server on this very machine is reached without a way.
        """
        host = urlsplit(self.server).hostname or ""
        found = []
        if self.server.lower().startswith("http://") and not on_this_machine(host):
            found.append(
                f"{self.origin}: {self.server} is not encrypted: whoever is on the way reads the"
                " token and may act as this process; name the server with https://"
            )
        if self.insecure:
            found.append(
                f"{self.origin}: insecure-skip-tls-verify is true: whoever is on the way may answer"
                f" in place of {self.server}, read the token and act as this process; name the"
                " server's certificate-authority instead"
            )
        return tuple(found)

    def tls(self, credentials: Credentials) -> ssl.SSLContext:
        """A new TLS context; keep it while the credentials and :meth:`authority` are the same.

        Raises :class:`ConfigError` where a certificate or key is none.
        """
        context = _blind() if self.insecure else _verifying(self.authority(), self.origin)
        if credentials.certificate and credentials.key:
            _prove(context, credentials.certificate, credentials.key, self.origin)
        return context


def _verifying(ca: str | None, origin: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=ca)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(
            f"{origin}: the certificate authority is not a PEM certificate: put one there"
        ) from error
    # Clusters make their own authorities, which fail the strict checks of RFC 5280.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    return context


def _blind() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _prove(context: ssl.SSLContext, certificate: str, key: str, origin: str) -> None:
    with _as_file(f"{key.strip()}\n{certificate.strip()}\n") as path:
        try:
            context.load_cert_chain(path)
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError(
                f"{origin}: the client certificate and its key are not a pair in PEM form, "
                "unencrypted: put such a pair there"
            ) from error


@contextlib.contextmanager
def _as_file(secret: str) -> Iterator[Path]:
    """A file to read this from, as the ssl module wants a key: in memory where there is a way."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("client.pem"), "w") as file:
            file.write(secret)
            file.flush()
            yield Path(f"/proc/self/fd/{file.fileno()}")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "client.pem"
        path.touch(mode=0o600)
        path.write_text(secret)
        yield path
