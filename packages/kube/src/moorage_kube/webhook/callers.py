"""Who may call a webhook server: whoever shows a certificate of an authority, and has a name."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from moorage_kube.webhook.certificates import REFRESH_SECONDS, Serving

logger = logging.getLogger(__name__)

NODES: Final = ("system:nodes", "system:node:")
"""Organization, and the beginning of the common name, in the certificate of every kubelet."""
_MOST_BYTES = 1024 * 1024

Certificate = Mapping[str, Any]
"""As :meth:`ssl.SSLSocket.getpeercert` gives it."""


class Callers:
    """Callers that must show a certificate, in the TLS handshake.

    The file of the authorities is read again whenever it changes; one that cannot be read, or has
    no certificate, leaves what was known.
    """

    def __init__(
        self,
        authorities: Path,
        names: Iterable[str] = (),
        *,
        refresh_seconds: float = REFRESH_SECONDS,
    ) -> None:
        """``names``: common names and names of hosts; none: all but those of kubelets.

        The authority of a cluster signs for every kubelet, too, and a node asks no webhook.
        """
        self.names = frozenset(names)
        self._authorities = authorities
        self._refresh_seconds = refresh_seconds
        self._pem = b""
        self._problem: str | None = None
        self._made: tuple[Serving, bytes, ssl.SSLContext] | None = None

    def ready(self) -> str | None:
        """``None`` where authorities are known, else why not."""
        return None if self._pem else self._problem or "no authority of callers yet"

    async def run(self) -> None:
        """Keep the authorities current, for ever."""
        while True:
            # A volume may hang; the event loop may not.
            await asyncio.to_thread(self.refresh)
            await asyncio.sleep(self._refresh_seconds)

    def refresh(self) -> None:
        """Read the file once."""
        try:
            with self._authorities.open("rb") as file:
                pem = file.read(_MOST_BYTES)
            if pem != self._pem:
                _trust(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), pem)
                self._pem = pem
        except OSError as error:  # ssl.SSLError is one
            self._keep(f"{self._authorities}: {error.strerror or error}")
        except ValueError as error:
            self._keep(f"{self._authorities}: {error}")
        else:
            self._problem = None

    def context(self, serving: Serving) -> ssl.SSLContext:
        """For new connections: with the certificate that is served, and asking for theirs."""
        if self._made is None or self._made[0] is not serving or self._made[1] is not self._pem:
            context = serving.another_context()
            context.verify_mode = ssl.CERT_REQUIRED
            pem = self._pem
            _trust(context, pem)
            self._made = (serving, pem, context)
        return self._made[2]

    def refusal(self, certificate: Certificate | None) -> str | None:
        """Why whoever showed this certificate may not call; ``None``: it may."""
        names = frozenset(_names(certificate or {}))
        if self.names:
            return None if names & self.names else f"{_listed(names)} may not call"
        organizations = frozenset(_subject(certificate or {}, "organizationName"))
        is_node = NODES[0] in organizations or any(one.startswith(NODES[1]) for one in names)
        return f"{_listed(names)} may not call: no node does" if is_node else None

    def _keep(self, problem: str) -> None:
        if problem != self._problem:
            logger.warning("authorities of callers not taken: %s", problem)
        self._problem = problem


def _trust(context: ssl.SSLContext, pem: bytes) -> None:
    """Raises ``ValueError`` or :class:`ssl.SSLError` where it has none."""
    context.load_verify_locations(cadata=pem.decode("ascii"))
    if not context.get_ca_certs():
        raise ValueError("it has no certificate of an authority")


def _subject(certificate: Certificate, field: str) -> Iterator[str]:
    for part in certificate.get("subject", ()):
        yield from (str(value) for name, value in part if name == field)


def _names(certificate: Certificate) -> Iterator[str]:
    yield from _subject(certificate, "commonName")
    for kind, value in certificate.get("subjectAltName", ()):
        if kind in ("DNS", "IP Address", "URI"):
            yield str(value)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "a caller without a name"
