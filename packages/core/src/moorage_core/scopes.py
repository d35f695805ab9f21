"""What the clouds last said: one bulk read per account and region, shared by all allocations."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from moorage_core import reasons
from moorage_core.decide.outcomes import reason_for
from moorage_core.model import Absent, Allocation, Awaited, CloudState, Present, Unread
from moorage_core.rate_limiter import RateLimiter
from moorage_provider.errors import CloudError, Retry, Unavailable
from moorage_provider.protocol import CloudAddress, MachineHolder, Provider, UnknownHolder

# (provider name, region) -> provider
CreateProvider: TypeAlias = Callable[[str, str], Provider]

log = logging.getLogger(__name__)

# Addresses dirtied within this time are read in one call.
GATHER_SECONDS = 0.01
_LONGEST_BACKOFF = 60.0
PROBE_SECONDS = 10.0
"""The longest time between two reads of a cloud that fails, while an address has to move."""
MOST_MACHINES = 32_768
"""Of the machine ids worked out, for nodes come and go: several times those of a large cluster."""


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
    rate_limiter: RateLimiter = field(default_factory=RateLimiter)
    region: str = ""
    error: CloudError | None = None
    read_at: float = 0.0
    _wishes: dict[str, Wish] = field(default_factory=dict)
    _known: dict[str, CloudAddress | None] = field(default_factory=dict)
    _dirty: set[str] = field(default_factory=set)
    _asked: set[str] = field(default_factory=set)
    _unread: dict[str, CloudError] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    machine_id: Callable[[str], str | None] = field(init=False)
    _failures: int = 0
    _due: float = 0.0
    _failed_at: float = 0.0
    _again: float = 0.0
    _not_before: float = 0.0
    _answered_at: float = 0.0

    def __post_init__(self) -> None:
        self.machine_id = lru_cache(MOST_MACHINES)(self.provider.machine_id)

    def want(self, allocation: str, addresses: Collection[str], interval: float) -> None:
        """Say which addresses an allocation needs read, and how often in seconds."""
        wish = Wish(frozenset(addresses), interval)
        if self._wishes.get(allocation) == wish:
            return
        self._wishes[allocation] = wish
        due = time.monotonic() + interval
        if due < self._due:
            self._due = due
            self._wake.set()
        fresh = wish.addresses - self._known.keys() - self._dirty
        if fresh:
            self.invalidate(fresh)

    def unwant(self, allocation: str) -> bool:
        """Forget an allocation; whether nobody wants anything any more."""
        self._wishes.pop(allocation, None)
        return not self._wishes

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
            longest = max(_LONGEST_BACKOFF, _asked_to_wait(error))
            message = f"cannot read {self._where}: {error}; tried again within {longest:.0f} s"
            return Unread(reason_for(error), message, self._answered_at)
        if ip in self._dirty or ip in self._asked or ip not in self._known:
            return Awaited()
        return state_of(self._known[ip])

    def all_read(self) -> bool:
        """Whether every address wanted is known."""
        unknown = self._dirty or self._asked or self._unread or self.error is not None
        if unknown or not self._wanted() <= self._known.keys():
            return False
        return not any(isinstance(state_of(one), Unread) for one in self._known.values())

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
                self._failed(Unavailable(f"internal error: {type(bug).__name__}"), self._wanted())

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
        wanted = self._wanted()
        everything = self.error is not None or time.monotonic() >= self._due
        asked = wanted if everything else wanted & self._dirty
        dirty = self._dirty & asked
        # What becomes dirty again during this read stays dirty.
        self._dirty, self._asked = set(), dirty
        try:
            answer = await self._ask(asked)
        except CloudError as error:
            self._dirty |= dirty
            self._failed(error, wanted if everything else asked)
            return
        finally:
            self._asked = set()
        self._take(asked, answer, dirty)
        if everything:
            self.read_at = time.time()
            self._due = time.monotonic() + self._interval()

    def _take(self, asked: set[str], answer: Mapping[str, CloudAddress], dirty: set[str]) -> None:
        """Keep what was read, and report the allocations for which it changes anything."""
        news = {ip for ip in asked if self._known.get(ip, self) != answer.get(ip)} | dirty
        if self.error is not None:
            news = asked
        news |= asked & self._unread.keys()
        # What allocations want may have changed during the read.
        wanted = self._wanted()
        self._known = {ip: a for ip, a in self._known.items() if ip in wanted}
        self._known |= {ip: answer.get(ip) for ip in asked & wanted}
        missing = wanted - self._known.keys() - self._dirty
        if missing:
            self.invalidate(missing)
        self._unread = {ip: e for ip, e in self._unread.items() if ip in wanted - asked}
        if self._failures:
            log.info("%s can be read again", self._where, extra=self._fields())
        self.error, self._failures = None, 0
        self._answered_at = time.time() if asked else self._answered_at
        self._report(news)

    def _report(self, news: set[str]) -> None:
        names = [name for name, wish in self._wishes.items() if wish.addresses & news]
        if names:
            self.changed(names)

    def _wanted(self) -> set[str]:
        return {ip for wish in self._wishes.values() for ip in wish.addresses}

    async def _ask(self, addresses: set[str]) -> Mapping[str, CloudAddress]:
        if not addresses:
            return {}
        return await self.provider.snapshot(sorted(addresses))

    def _failed(self, error: CloudError, asked: set[str]) -> None:
        """What was asked for is unknown now; the rest of what was read last still counts."""
        before = self.error or next((self._unread.get(ip) for ip in asked), None)
        if asked >= self._wanted():
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
        self._report(asked)

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


class Scopes:
    """All scopes in use, each read by its own task.

    Args:
        create: makes the provider ``name`` with options; raises ``CloudError`` or what the plug-in
            loader raises, which the caller turns into a cloud state.
        changed: see ``Scope.changed``.
    """

    def __init__(self, create: CreateProvider, changed: Callable[[Collection[str]], None]) -> None:
        self._create = create
        self._changed = changed
        self._scopes: dict[tuple[str, str], Scope] = {}
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._of: dict[str, tuple[str, str]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._ready: dict[tuple[str, str], Provider] = {}

    async def make_ready(self, provider: str, region: str) -> None:
        """Let a provider load its SDK and find its credentials, for a scope to be opened later."""
        key = (provider, region)
        if key in self._scopes or key in self._ready:
            return
        try:
            made = self._ready[key] = self._create(*key)
            await made.snapshot(())
        except Exception:
            log.debug("not ready for %s", "/".join(key), exc_info=True)

    def want(self, allocation: Allocation, addresses: Collection[str]) -> Scope:
        """The scope of an allocation, which from now on reads these addresses for it."""
        key = (allocation.provider, allocation.region)
        if self._of.get(allocation.name, key) != key:
            self.unwant(allocation.name)
        scope = self._scopes.get(key) or self._open(key)
        self._of[allocation.name] = key
        scope.want(allocation.name, addresses, allocation.interval)
        return scope

    def of(self, allocation: str) -> Scope | None:
        """The scope that reads for an allocation; ``None`` = none does."""
        key = self._of.get(allocation)
        return self._scopes.get(key) if key else None

    def unwant(self, allocation: str) -> None:
        """Forget an allocation; a scope that nobody wants is not read any more."""
        key = self._of.pop(allocation, None)
        if key is not None and self._scopes[key].unwant(allocation):
            self._close(key)

    def all_read(self) -> bool:
        """Whether everything that anybody wants was read, and no read failed since."""
        return all(scope.all_read() for scope in self._scopes.values())

    def holders(self) -> set[str]:
        """Machine ids of all that hold an address in any scope."""
        return {machine for scope in self._scopes.values() for machine in scope.holders()}

    def items(self) -> Iterable[tuple[tuple[str, str], Scope]]:
        """Every scope by provider and region."""
        return self._scopes.items()

    async def close(self) -> None:
        """Stop reading and close the providers."""
        for key in list(self._scopes):
            self._close(key)
        for provider in self._ready.values():
            self._give_back(provider)
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _open(self, key: tuple[str, str]) -> Scope:
        provider = self._ready.pop(key) if key in self._ready else self._create(*key)
        scope = Scope(provider, self._changed, region=key[1])
        self._scopes[key] = scope
        self._tasks[key] = asyncio.create_task(scope.run(), name=f"read {'/'.join(key)}")
        return scope

    def _close(self, key: tuple[str, str]) -> None:
        self._tasks.pop(key).cancel()
        self._give_back(self._scopes.pop(key).provider)

    def _give_back(self, provider: Provider) -> None:
        closing = asyncio.create_task(provider.close(), name=f"close {provider.name}")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
