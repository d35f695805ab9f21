"""Certificates of our own making: kept in one Secret, trusted by the webhook configurations."""

from __future__ import annotations

import asyncio
import base64
import binascii
import datetime as dt
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moorage_domain.kinds import Kind
from moorage_kube.client.client import Client, Target
from moorage_kube.client.errors import AlreadyExists, Conflict, Invalid, KubeError, NotFound
from moorage_kube.client.kinds import (
    MUTATING_WEBHOOK_CONFIGURATIONS,
    SECRETS,
    VALIDATING_WEBHOOK_CONFIGURATIONS,
)
from moorage_kube.election.owner import ask_for_owners
from moorage_kube.webhook.authority import Bundle, Lifetimes, read, renewed, service_names
from moorage_kube.webhook.certificates import BadCertificate, Serving, unfit, utc_now

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 30.0
"""How often every replica reads the Secret and the webhook configurations."""
FAILED_SECONDS = 2.0
"""How soon it tries again after a failure."""
_MOST_RACES = 10


@dataclass(frozen=True, slots=True)
class Place:
    """What belongs to one webhook server.

    Attributes:
        service: the Service through which the API server calls it.
        secret: the Secret that holds the certificates; made where there is none.
        validating: names of the ValidatingWebhookConfigurations whose ``caBundle`` is kept right.
        mutating: the same of MutatingWebhookConfigurations.
    """

    namespace: str
    service: str
    secret: str
    validating: tuple[str, ...] = ()
    mutating: tuple[str, ...] = ()

    def configurations(self) -> tuple[tuple[Kind, str], ...]:
        """Every configuration, with its kind."""
        return (
            *((VALIDATING_WEBHOOK_CONFIGURATIONS, name) for name in self.validating),
            *((MUTATING_WEBHOOK_CONFIGURATIONS, name) for name in self.mutating),
        )


class SelfManagedCertificates:
    """An authority and a serving certificate that several replicas share and renew.

    Whoever comes first writes the Secret, by compare-and-set; everybody else takes what it says.
    Rights: :data:`moorage_domain.rbac.WEBHOOK_CERTIFICATE_RULES`.
    """

    def __init__(
        self,
        client: Client,
        place: Place,
        *,
        lifetimes: Lifetimes = Lifetimes(),  # noqa: B008 - frozen
        refresh_seconds: float = REFRESH_SECONDS,
        now: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        self._client = client
        self._place = place
        self._lifetimes = lifetimes
        self._refresh_seconds = refresh_seconds
        self._now = now
        self._serving: Serving | None = None
        self._bundle: Bundle | None = None
        self._problem: str | None = None
        self._trusted: bytes | None = None
        self._trusted_since: dt.datetime | None = None

    @property
    def serving(self) -> Serving | None:
        return self._serving

    def ready(self) -> str | None:
        return unfit(self._serving, self._problem, self._now())

    def problem(self) -> str | None:
        return self._problem

    async def run(self) -> None:
        while True:
            try:
                await self.refresh()
            except (KubeError, BadCertificate) as error:
                self._log_problem(str(error))
                await asyncio.sleep(min(FAILED_SECONDS, self._refresh_seconds))
            else:
                self._problem = None
                # Not all replicas at once.
                spread = random.uniform(0.8, 1.2)  # noqa: S311  # spreads load only
                await asyncio.sleep(self._refresh_seconds * spread)

    async def refresh(self) -> None:
        """Do once what is due now.

        Raises :class:`moorage_kube.client.errors.KubeError`.
        """
        for _ in range(_MOST_RACES):
            try:
                bundle = await self._agreed()
            except (AlreadyExists, Conflict):
                continue  # another replica was faster: what it wrote is as good
            await self._publish(bundle)
            self._serve(bundle)
            return
        raise Conflict(409, "Conflict", "others write it all the time", self._place.secret)

    async def _agreed(self) -> Bundle:
        """What the Secret says once nothing is due."""
        secret = await self._read_secret()
        bundle = _bundle(secret) if secret is not None else None
        if bundle is not None:
            await self._publish(bundle)
        place = self._place
        wanted = renewed(
            bundle,
            service_names(place.service, place.namespace),
            self._now(),
            trusted_since=self._trusted_since,
            lifetimes=self._lifetimes,
        )
        if wanted is not bundle:
            await self._write(secret, wanted)
            ends = wanted.certificate.not_valid_after_utc
            logger.info("new certificates in Secret %s, served until %s", place.secret, ends)
        return wanted

    async def _read_secret(self) -> dict[str, Any] | None:
        try:
            return await self._client.get(SECRETS, self._place.secret, self._place.namespace)
        except NotFound:
            return None

    async def _write(self, secret: dict[str, Any] | None, bundle: Bundle) -> None:
        data = {
            name: base64.b64encode(content).decode() for name, content in bundle.files().items()
        }
        if secret is not None:
            await self._client.replace(
                SECRETS, secret | {"data": (secret.get("data") or {}) | data}
            )
            return
        namespace = self._place.namespace
        place: dict[str, Any] = {"name": self._place.secret, "namespace": namespace}
        if owners := await ask_for_owners(self._client, namespace):
            place["ownerReferences"] = owners
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": place,
            "type": "kubernetes.io/tls",
            "data": data,
        }
        await self._client.create(SECRETS, body)

    async def _publish(self, bundle: Bundle) -> None:
        """Keep every ``caBundle`` right, and remember since when they are."""
        ca_bundle = bundle.ca_bundle
        changed = ca_bundle != self._trusted
        self._trusted, since = None, self._trusted_since
        self._trusted_since = None
        for kind, name in self._place.configurations():
            try:
                configuration = await self._client.get(kind, name)
            except NotFound:
                continue  # nobody calls what is in it
            changed |= await self._trust(kind, configuration, ca_bundle)
        self._trusted = ca_bundle
        self._trusted_since = self._now() if changed or since is None else since

    async def _trust(self, kind: Kind, configuration: dict[str, Any], ca_bundle: bytes) -> bool:
        """Write the ``caBundle`` of our webhooks; ``False`` = it was right."""
        wanted = base64.b64encode(ca_bundle).decode()
        patch: list[dict[str, Any]] = []
        for number, webhook in enumerate(configuration.get("webhooks") or ()):
            client_config = webhook.get("clientConfig") or {}
            if self._is_ours(client_config) and client_config.get("caBundle") != wanted:
                path = f"/webhooks/{number}"
                # The list may have changed meanwhile.
                patch.append({"op": "test", "path": f"{path}/name", "value": webhook["name"]})
                path += "/clientConfig/caBundle"
                patch.append({"op": "add", "path": path, "value": wanted})
        if not patch:
            return False
        name = configuration["metadata"]["name"]
        try:
            await self._client.patch(kind, Target(name), patch)
        except Invalid as error:
            raise Conflict(409, "Conflict", "it was changed meanwhile", error.what) from error
        logger.info("caBundle of %s %s brought up to date", kind.name, name)
        return True

    def _is_ours(self, client_config: dict[str, Any]) -> bool:
        service = client_config.get("service") or {}
        ours = (self._place.service, self._place.namespace)
        return (service.get("name"), service.get("namespace")) == ours

    def _serve(self, bundle: Bundle) -> None:
        if self._bundle is None or bundle.key != self._bundle.key:
            self._serving = Serving.load(bundle.chain, bundle.key)
            logger.info("serving the certificate that ends at %s", self._serving.expires)
        self._bundle = bundle

    def _log_problem(self, problem: str) -> None:
        if problem != self._problem:
            logger.warning("certificates of the webhooks: %s", problem)
        self._problem = problem


def _bundle(secret: dict[str, Any]) -> Bundle | None:
    try:
        files = {
            name: base64.b64decode(content, validate=True)
            for name, content in (secret.get("data") or {}).items()
        }
    except (binascii.Error, TypeError, AttributeError):
        return None
    return read(files)
