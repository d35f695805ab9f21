"""Seals: by them the controller knows the entries of a status that it wrote itself; pure.

Whoever may edit the status of an allocation can write what they like there, and mutations rest on
it: where an address is, what is under way, which nodes get an address of their own again. So each
entry has a seal that nobody without the key can make, for this object and no other.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from typing import Any

from moorage_core.json_text import KEPT_BYTES, json_text
from moorage_domain.bounded_cache import BoundedCache

FIELD = "seal"
_BYTES = 18
"""Of the digest: nobody guesses 144 bits, and as text it is short."""


class Seal:
    """Makes and checks seals with one key, which every replica and every successor has, too."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._seal_of = BoundedCache(self._made, KEPT_BYTES, len)

    def forget(self) -> None:
        """Keep no seal: each is made anew."""
        self._seal_of.clear()

    def on(self, uid: str, entry: Mapping[str, Any]) -> dict[str, Any]:
        """The entry of an allocation with this uid, sealed; whatever seal it had."""
        bare = {name: value for name, value in entry.items() if name != FIELD}
        return bare | {FIELD: self._of(uid, bare)}

    def is_on(self, uid: str, entry: Mapping[str, Any]) -> bool:
        """Whether the entry is as it was sealed for the allocation with this uid."""
        seal = entry.get(FIELD)
        if not isinstance(seal, str) or not seal.isascii():
            return False
        return hmac.compare_digest(seal, str(self.on(uid, entry)[FIELD]))

    def _of(self, uid: str, bare: Mapping[str, Any]) -> str:
        return self._seal_of(json_text([uid, bare], sort_keys=True))

    def _made(self, text: bytes) -> str:
        return base64.urlsafe_b64encode(hmac.digest(self._key, text, "sha256")[:_BYTES]).decode()
