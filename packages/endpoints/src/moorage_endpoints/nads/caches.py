"""What is kept of net-attach-defs and namespaces, and of those that are gone."""

from __future__ import annotations

import time
from dataclasses import dataclass

from moorage_endpoints.nads.model import Gone, Observed, Place, Protection
from moorage_endpoints.nads.projections import Nad, is_terminating
from moorage_endpoints.nads.usage import NadUsage
from moorage_kube.cache.store import Change, Store

RECREATED_SECONDS = 600.0
"""So long it is remembered that one was created again."""
TAKEOVER_SECONDS = 60.0
"""Who begins to lead sees to what was deleted within this time: perhaps nobody else has."""


@dataclass(frozen=True, slots=True)
class _Deleted:
    nad: Nad
    at: float


class Deleted:
    """Net-attach-defs that were deleted while we watched, and how often each was created again."""

    def __init__(self, nads: Store[Nad]) -> None:
        self._deleted: dict[str, _Deleted] = {}
        self._recreated: dict[str, tuple[float, ...]] = {}
        nads.subscribe(self._changed)

    def get(self, key: str) -> Gone | None:
        """One that is gone; ``None`` = it is there, or nobody has to think of it any more."""
        found = self._deleted.get(key)
        if found is None:
            return None
        return Gone(found.nad, time.monotonic() - found.at, len(self._lately(key)))

    def recreated(self, key: str) -> None:
        """It was created again."""
        self._recreated[key] = (*self._lately(key), time.monotonic())

    def forget(self, key: str) -> None:
        """It is to stay gone."""
        self._deleted.pop(key, None)
        if not self._lately(key):
            self._recreated.pop(key, None)

    def forget_all_but_the_latest(self, seconds: float) -> None:
        """Those that have been gone for longer are to stay so."""
        since = time.monotonic() - seconds
        self._deleted = {key: one for key, one in self._deleted.items() if one.at > since}

    def _lately(self, key: str) -> tuple[float, ...]:
        since = time.monotonic() - RECREATED_SECONDS
        return tuple(one for one in self._recreated.get(key, ()) if one > since)

    def _changed(self, change: Change[Nad]) -> None:
        if change.new is None and change.old is not None:
            # A replica that does not lead forgets none by a pass.
            self.forget_all_but_the_latest(RECREATED_SECONDS)
            self._deleted[change.key] = _Deleted(change.old, time.monotonic())
        else:
            self._deleted.pop(change.key, None)


class NadCaches:
    """Stores of net-attach-defs and namespaces, and who uses what.

    Attributes:
        nads: by ``namespace/name``.
        terminating: by the name of a namespace, whether it is being deleted.
        changed_in_use: keys of those whose config was changed while pods use them; not told yet.
    """

    def __init__(self, nads: Store[Nad], usage: NadUsage, protection: Protection) -> None:
        self.nads = nads
        self.terminating: Store[bool] = Store(is_terminating)
        self.usage = usage
        self.protection = protection
        self.deleted = Deleted(self.nads) if protection is Protection.RESURRECT else None
        self.changed_in_use: set[str] = set()
        self.nads.subscribe(self._nad_changed)

    def observe(self, key: str) -> Observed | None:
        """One net-attach-def; ``None`` = it is gone, and nobody has to think of it."""
        nad: Nad | Gone | None = self.nads.get(key)
        if nad is None and self.deleted is not None:
            nad = self.deleted.get(key)
        if nad is None:
            return None
        return Observed(self.protection, nad, self.usage.users(key), self.place(key))

    async def begin(self) -> None:
        """Called when this process begins to lead: what happened before is no news."""
        self.changed_in_use.clear()
        if self.deleted is not None:
            self.deleted.forget_all_but_the_latest(TAKEOVER_SECONDS)

    def place(self, key: str) -> Place:
        """What is up with the namespace of a net-attach-def."""
        terminating = self.terminating.get(key.partition("/")[0])
        if terminating is None:
            return Place.UNKNOWN
        return Place.TERMINATING if terminating else Place.THERE

    def _nad_changed(self, change: Change[Nad]) -> None:
        old, new = change.old, change.new
        if new is None:
            self.changed_in_use.discard(change.key)
        elif old is not None and old.config != new.config:
            users = self.usage.users(change.key)
            if users is not None and users.count:
                self.changed_in_use.add(change.key)
