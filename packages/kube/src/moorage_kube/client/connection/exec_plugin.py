"""Exec plug-in: credentials that a command of the cloud's own prints."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from moorage_kube.client.connection.credentials import Credentials
from moorage_kube.client.errors import Unavailable

RUN_SECONDS = 60.0
_EARLY = timedelta(seconds=10)
_TEXT_LIMIT = 200


@dataclass(frozen=True, slots=True)
class ExecSettings:
    """The command, as the ``exec`` of a kubeconfig's user states it.

    Attributes:
        api_version: version of ``client.authentication.k8s.io`` that it speaks.
        command: its path, or its name to be found in ``PATH``.
        environment: set for it, beside our own.
        cluster: what it receives about the cluster; ``None`` = nothing.
    """

    api_version: str
    command: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    cluster: Mapping[str, Any] | None = None


class ExecPlugin:
    """Runs the command when there are no credentials yet, or these expire or were rejected."""

    def __init__(self, settings: ExecSettings) -> None:
        self._settings = settings
        self._known: Credentials | None = None
        self._one_at_a_time = asyncio.Lock()

    async def current(self) -> Credentials:
        async with self._one_at_a_time:
            if self._known is None or _is_over(self._known):
                self._known = self._read(await self._run())
            return self._known

    def reject(self, credentials: Credentials) -> None:
        if credentials is self._known:
            self._known = None

    async def _run(self) -> bytes:
        settings = self._settings
        try:
            process = await asyncio.create_subprocess_exec(
                settings.command,
                *settings.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, **settings.environment, "KUBERNETES_EXEC_INFO": self._info()},
            )
        except OSError as error:
            raise self._failed(f"cannot be run: {error.strerror}") from error
        try:
            async with asyncio.timeout(RUN_SECONDS):
                printed, errors = await process.communicate()
        except TimeoutError as error:
            raise self._failed(f"has not ended within {RUN_SECONDS:g} s") from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode:
            lines = errors.decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise self._failed(f"ended with {process.returncode}: {lines[-1][:_TEXT_LIMIT]}")
        return printed

    def _info(self) -> str:
        spec: dict[str, Any] = {"interactive": False}
        if self._settings.cluster is not None:
            spec["cluster"] = self._settings.cluster
        version = self._settings.api_version
        return orjson.dumps(
            {"apiVersion": version, "kind": "ExecCredential", "spec": spec}
        ).decode()

    def _read(self, printed: bytes) -> Credentials:
        try:
            parsed = orjson.loads(printed)
            version, status = parsed["apiVersion"], parsed["status"]
            expires = status.get("expirationTimestamp")
            credentials = Credentials(
                token=status.get("token"),
                certificate=status.get("clientCertificateData"),
                key=status.get("clientKeyData"),
                expires_at=datetime.fromisoformat(expires) if expires else None,
            )
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            # What it printed is a secret: neither shown nor chained.
            kind = type(error).__name__
            raise self._failed(f"did not print an ExecCredential with a status ({kind})") from None
        if version != self._settings.api_version:
            raise self._failed(f"answered in {version}, asked in {self._settings.api_version}")
        if not credentials.token and not (credentials.certificate and credentials.key):
            raise self._failed("printed neither a token nor a certificate with its key")
        return credentials

    def _failed(self, message: str) -> Unavailable:
        what = f"credential plug-in {self._settings.command}"
        return Unavailable(0, "NoCredentials", message, what)


def _is_over(credentials: Credentials) -> bool:
    expires = credentials.expires_at
    if expires is None:
        return False
    expires = expires if expires.tzinfo else expires.replace(tzinfo=UTC)
    return datetime.now(UTC) >= expires - _EARLY
