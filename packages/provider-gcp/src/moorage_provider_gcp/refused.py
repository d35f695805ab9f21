"""Refusals: those whose reason is found only by reading again, and those that are remembered."""

from __future__ import annotations

import time

from moorage_domain.errors import ELSEWHERE_SECONDS
from moorage_provider.errors import CloudError, Denied

REMEMBERED_SECONDS = ELSEWHERE_SECONDS
TRUSTED_SECONDS = 3600.0


class Refused(CloudError):
    """The current state does not allow the request; read it again, then decide again."""


class Denials:
    """Whether public addresses are given or refused, as far as it was seen lately.

    A refusal may come only after a node's own address was removed, which would then be left without
    any. Until it may have been mended, no other node loses its own.
    """

    def __init__(self) -> None:
        self._last: Denied | None = None
        self._until = 0.0
        self._given_until = 0.0

    def note(self, denied: Denied) -> None:
        """Remember a refusal."""
        self._last, self._until = denied, time.monotonic() + REMEMBERED_SECONDS
        self._given_until = 0.0

    def given(self) -> None:
        """Remember that an address was given."""
        self._given_until = time.monotonic() + TRUSTED_SECONDS

    @property
    def are_unlikely(self) -> bool:
        """Whether an address was given lately and none refused since: nobody needs to ask first."""
        return time.monotonic() < self._given_until

    def check(self) -> None:
        """Raise the remembered refusal. Called before a node's own address is removed."""
        if self._last is not None and time.monotonic() < self._until:
            raise Denied(self._last.message, self._last.code, self._last.permission)
