"""The key of the seals: kept in a Secret, so that a successor knows what its predecessor wrote."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import random
import secrets
from typing import Any, Protocol

from moorage_domain.kinds import Kind
from moorage_kube.client.client import Target
from moorage_kube.client.errors import Conflict, Forbidden, KubeError, NotFound
from moorage_kube.client.kinds import SECRETS

logger = logging.getLogger(__name__)

FIELD = "key"
_BYTES = 32
_WAY_OUT = (
    "until it can, a restart forgets which nodes are owed an address of their own, and leaves"
    " addresses where they are that were taken off a list meanwhile, or whose Node object vanished"
)


class SecretApi(Protocol):
    """The calls that are needed; :class:`moorage_kube.client.client.Client` has them."""

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> dict[str, Any]: ...

    async def patch(self, kind: Kind, target: Target, body: dict[str, Any]) -> dict[str, Any]: ...


async def load_key(client: SecretApi, place: str) -> bytes | None:
    """The key in the Secret ``namespace/name``, which is filled where it is empty.

    Whoever installs the controller makes the Secret: so it needs no right to make any. ``None``
    where there is none that can be used, which is logged. Waits for an API server that does not
    answer.
    """
    namespace, _, name = place.partition("/")
    while True:
        try:
            raw = await client.get(SECRETS, name, namespace)
            key = _key_in(raw)
            if key is None:
                await client.patch(SECRETS, Target(name, namespace), _filled(raw))
                continue
        except Conflict:
            continue  # another replica was faster: its key is as good
        except (NotFound, Forbidden) as error:
            logger.warning("Secret %s cannot be used: %s; %s", place, error, _WAY_OUT)
            return None
        except KubeError as error:
            logger.warning("Secret %s cannot be read yet: %s", place, error)
            await asyncio.sleep(random.uniform(0.5, 1.5))  # noqa: S311  # spreads load only
            continue
        if len(key) < _BYTES:
            logger.warning(
                "Secret %s: data.%s is no base64 of %d bytes or more: delete that field, and a"
                " new one is made; %s", place, FIELD, _BYTES, _WAY_OUT,
            )  # fmt: skip
            return None
        return key


def _key_in(raw: dict[str, Any]) -> bytes | None:
    """What the Secret has as its key, ``b""`` where that is no base64; ``None`` = nothing."""
    text = (raw.get("data") or {}).get(FIELD)
    if not text:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        return b""


def _filled(raw: dict[str, Any]) -> dict[str, Any]:
    """The patch that puts a new key into this very version of the Secret."""
    meta = {name: raw["metadata"][name] for name in ("uid", "resourceVersion")}
    text = base64.b64encode(secrets.token_bytes(_BYTES)).decode()
    return {"metadata": meta, "data": {FIELD: text}}
