"""Scope: what one account and region of a cloud last said, in bulk reads for all allocations."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from moorage_core import reasons
from moorage_core.decide.outcomes import reason_for
from moorage_core.model import Absent, Awaited, CloudState, Present, Selection, Unread
from moorage_core.rate_limiter import RateLimiter
from moorage_provider.errors import CloudError, Retry, Unavailable
from moorage_provider.protocol import (
    CloudAddress,
    Labels,
    MachineHolder,
    Provider,
    UnknownHolder,
)

log = logging.getLogger(__name__)

# Addresses dirtied within this time are read in one call.
GATHER_SECONDS = 0.01
_LONGEST_BACKOFF = 60.0
PROBE_SECONDS = 10.0
"""The longest time between two reads of a cloud that fails, while an address has to move."""
MOST_MACHINES = 32_768
"""Of the machine ids worked out, for nodes come and go: several times those of a large cluster."""


_Shown: TypeAlias = tuple[frozenset[str], frozenset[str] | None]
"""What the last whole read showed with some labels, and what the one before it did."""


def state_of(address: CloudAddress | None) -> CloudState:
    """What an answer of the cloud about one address amounts to; ``None`` = it has no such one."""
    if address is None:
        return Absent()
    if isinstance(address.holder, UnknownHolder):
        return Unread(reasons.UNREADABLE, f"{address.ip}: {address.holder.description}")
    return Present(address)


@dataclass(slots=True)
class Wish:
    """What one allocation wants read."""

    addresses: frozenset[str]
    interval: float
    labels: Labels = frozenset()


@dataclass(slots=True)
class Scope:
    """One account and region of one cloud.

    Attributes:
        provider: how to reach it.
        changed: called with the names of allocations whose addresses now read differently.
        rate_limiter: how fast it lets itself be changed.
        region: as the allocations name it, for people.
        machine_id: the machine behind a ``spec.providerID``; ``None`` = none of this cloud.
    """

    provider: Provider
    changed: Callable[[Collection[str]], None]
    rate_limiter: RateLimiter = field(init=False)
    region: str = ""
    error: CloudError | None = None
    read_at: float = 0.0
    _wishes: dict[str, Wish] = field(default_factory=dict)
    _wanted: Counter[str] = field(default_factory=Counter)
    """By how many allocations each address is wanted; kept, since thousands may be."""
    _known: dict[str, CloudAddress | None] = field(default_factory=dict)
    _dirty: set[str] = field(default_factory=set)
    _asked: set[str] = field(default_factory=set)
    _unread: dict[str, CloudError] = field(default_factory=dict)
    _selections: dict[Labels, _Shown] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    machine_id: Callable[[str], str | None] = field(init=False)
    _failures: int = 0
    _due: float = 0.0
    _failed_at: float = 0.0
    _again: float = 0.0
    _not_before: float = 0.0
    _answered_at: float = 0.0

    def __post_init__(self) -> None:
        self.rate_limiter = RateLimiter(pace=self.provider.capabilities.pace)
        self.machine_id = lru_cache(MOST_MACHINES)(self.provider.machine_id)

    def want(
        self,
        allocation: str,
        addresses: Collection[str],
        interval: float,
        labels: Labels = frozenset(),
    ) -> None:
        """Say which addresses an allocation needs read, and how often in seconds.

        ``labels``: besides, those with all of these; empty: no others.
        """
        wish = Wish(frozenset(addresses), interval, labels)
        before = self._wishes.get(allocation)
        if before == wish:
            return
        self._wishes[allocation] = wish
        self._wanted.update(wish.addresses)
        self._no_longer(before)
        due = time.monotonic() + (0.0 if self._is_new(labels) else interval)
        if due < self._due:
            self._due = due
            self._wake.set()
        fresh = wish.addresses - self._known.keys() - self._dirty
        if fresh:
            self.invalidate(fresh)

    def _is_new(self, labels: Labels) -> bool:
        return bool(labels) and labels not in self._selections

    def selection(self, labels: Labels) -> Selection | None:
        """What was shown with these labels; ``None`` = they were not looked for yet."""
        unread = self._unread_by(self.error) if self.error else None
        shown = self._selections.get(labels)
        if shown is None:
            return Selection(certain=False, unread=unread) if unread else None
        latest, before = shown
        return Selection(latest | (before or frozenset()), before is not None, unread)

    def unwant(self, allocation: str) -> bool:
        """Forget an allocation; whether nobody wants anything any more."""
        self._no_longer(self._wishes.pop(allocation, None))
        return not self._wishes

    def _no_longer(self, wish: Wish | None) -> None:
        for ip in wish.addresses if wish else ():
            self._wanted[ip] -= 1
            if not self._wanted[ip]:
                del self._wanted[ip]

    def invalidate(self, addresses: Iterable[str]) -> None:
        """These changed, or are about to be asked for the first time: read them now."""
        self._dirty.update(addresses)
        self._wake.set()

    def probe(self) -> None:
        """An address has to move: read again soon after a failure, unless the cloud forbids it."""
        again = max(self._not_before, self._failed_at + PROBE_SECONDS)
        if again < self._again:
            self._again = again
            self._wake.set()

    def cloud_state(self, ip: str) -> CloudState:
        """What is known of one address: nothing once the last read failed."""
        error = self.error or self._unread.get(ip)
        if error is not None:
            return self._unread_by(error)
        if ip in self._dirty or ip in self._asked or ip not in self._known:
            return Awaited()
        return state_of(self._known[ip])

    def _unread_by(self, error: CloudError) -> Unread:
        longest = max(_LONGEST_BACKOFF, _asked_to_wait(error))
        message = f"cannot read {self._where}: {error}; tried again within {longest:.0f} s"
        return Unread(reason_for(error), message, self._answered_at)

    def all_read(self) -> bool:
        """Whether every address wanted is known."""
        unknown = self._dirty or self._asked or self._unread or self.error is not None
        if unknown or not self._wanted.keys() <= self._known.keys():
            return False
        found = (one for one in self._known.values() if one is not None)
        return not any(isinstance(one.holder, UnknownHolder) for one in found)

    def holders(self) -> set[str]:
        """Machine ids of all that hold an address here."""
        holders = (address.holder for address in self._known.values() if address)
        return {holder.machine_id for holder in holders if isinstance(holder, MachineHolder)}

    async def run(self) -> None:
        """Read all at every interval, and what is dirty at once; never ends by itself."""
        while True:
            await self._wait()
            try:
                await self._read()
            except Exception as bug:
                log.exception("reading the cloud failed by a bug")
                self._failed(
                    Unavailable(f"internal error: {type(bug).__name__}"), set(self._wanted)
                )

    async def _wait(self) -> None:
        """Until the next read is due, or something is dirty; while failing, only time counts."""
        if self._failures:
            while (pause := self._again - time.monotonic()) > 0:
                self._wake.clear()
                await self._sleep(pause)
        elif not self._dirty:
            await self._sleep(max(0.0, self._due - time.monotonic()))
        self._wake.clear()
        await asyncio.sleep(GATHER_SECONDS)

    async def _sleep(self, seconds: float) -> None:
        """Until something wakes this scope, but no longer."""
        # Not wait_for: on Python 3.11 it can swallow a cancellation.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _read(self) -> None:
        """One read: everything when it is time or the last one failed, else what is dirty."""
        wanted = set(self._wanted)
        everything = self.error is not None or time.monotonic() >= self._due
        asked = wanted if everything else wanted & self._dirty
        dirty = self._dirty & asked
        # What becomes dirty again during this read stays dirty.
        self._dirty, self._asked = set(), dirty
        wishes = self._wishes.values() if everything else ()
        selectors = {one.labels for one in wishes if one.labels}
        try:
            answer = await self._ask(asked, selectors)
        except CloudError as error:
            self._dirty |= dirty
            self._failed(error, wanted if everything else asked)
            return
        finally:
            self._asked = set()
        self._take(asked, answer, dirty)
        if everything:
            self._take_selections(selectors, answer)
            self.read_at = time.time()
            self._due = time.monotonic() + self._interval()

    def _take(self, asked: set[str], answer: Mapping[str, CloudAddress], dirty: set[str]) -> None:
        """Keep what was read, and report the allocations for which it changes anything."""
        news = {ip for ip in asked if self._known.get(ip, self) != answer.get(ip)} | dirty
        again = self.error is not None
        if again:
            news = asked
        news |= asked & self._unread.keys()
        # What allocations want may have changed during the read.
        wanted = self._wanted.keys()
        self._known = {ip: a for ip, a in self._known.items() if ip in wanted}
        self._known |= {ip: answer.get(ip) for ip in asked & wanted}
        missing = wanted - self._known.keys() - self._dirty
        if missing:
            self.invalidate(missing)
        left = wanted - asked
        self._unread = {ip: e for ip, e in self._unread.items() if ip in left}
        if self._failures:
            log.info("%s can be read again", self._where, extra=self._fields())
        self.error, self._failures = None, 0
        self._answered_at = time.time() if asked else self._answered_at
        self._report(news, selections=again)

    def _take_selections(
        self, selectors: Collection[Labels], answer: Mapping[str, CloudAddress]
    ) -> None:
        """Keep which addresses have which labels, and report the allocations that it concerns."""
        before = {labels: self.selection(labels) for labels in selectors}
        self._selections = {
            labels: (
                frozenset(
                    ip for ip, one in answer.items() if labels <= (one.labels or frozenset())
                ),
                self._selections[labels][0] if labels in self._selections else None,
            )
            for labels in selectors
        }
        changed = {labels for labels in selectors if self.selection(labels) != before[labels]}
        if names := [name for name, wish in self._wishes.items() if wish.labels in changed]:
            self.changed(names)

    def _report(self, news: set[str], *, selections: bool) -> None:
        """Of these addresses something else is known now; or of all selections."""
        names = [
            name
            for name, wish in self._wishes.items()
            if wish.addresses & news or (selections and wish.labels)
        ]
        if names:
            self.changed(names)

    async def _ask(
        self, addresses: set[str], selectors: Collection[Labels]
    ) -> Mapping[str, CloudAddress]:
        if selectors:
            return await self.provider.snapshot(sorted(addresses), tuple(selectors))
        # As plug-ins know it that select nothing.
        return await self.provider.snapshot(sorted(addresses)) if addresses else {}

    def _failed(self, error: CloudError, asked: set[str]) -> None:
        """What was asked for is unknown now; the rest of what was read last still counts."""
        before = self.error or next((self._unread.get(ip) for ip in asked), None)
        if asked >= self._wanted.keys():
            self.error = error
        self._unread |= dict.fromkeys(asked, error)
        self._dirty |= asked
        self._failures += 1
        asked_for = _asked_to_wait(error)
        backoff = min(_LONGEST_BACKOFF, 2.0 ** min(self._failures - 1, 8))
        jitter = random.uniform(0.75, 1.25)  # noqa: S311  # spreads load, protects nothing
        self._failed_at = time.monotonic()
        self._not_before = self._failed_at + asked_for
        self._again = max(self._not_before, self._failed_at + backoff * jitter)
        if before is None or str(before) != str(error):
            pause = self._again - self._failed_at
            extra = self._fields() | {"reason": reason_for(error).name, "next_try": round(pause, 1)}
            text = "cannot read %s: %s; next try in %.0f s"
            log.warning(text, self._where, error, pause, extra=extra)
        self._report(asked, selections=self.error is error)

    @property
    def _where(self) -> str:
        """As in "aws in eu-west-1"."""
        return f"{self.provider.name} in {self.region}" if self.region else self.provider.name

    def _fields(self) -> dict[str, object]:
        """What a line of the log says beside its text."""
        return {"provider": self.provider.name, "region": self.region}

    def _interval(self) -> float:
        return min((wish.interval for wish in self._wishes.values()), default=30.0)


def _asked_to_wait(error: CloudError) -> float:
    return (error.retry_after or 0.0) if isinstance(error, Retry) else 0.0
