"""Leader election by a Lease: one process at a time may write."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from moorage_domain.kinds import Kind
from moorage_kube.client.errors import AlreadyExists, Conflict, Forbidden, KubeError, NotFound
from moorage_kube.client.kinds import LEASES
from moorage_kube.election.owner import ask_for_owners

logger = logging.getLogger(__name__)

_JUST_AFTER = 0.01
WARNING_SECONDS = 60.0
"""Between two warnings about the same trouble with the Lease."""


class LeadershipLost(Exception):
    """This process may not change anything any more: another one may be leading."""


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """One controller's Lease and its times, in seconds.

    Attributes:
        identity: unique among all processes, never used again by a later one.
        duration: a holder whose Lease does not change for this long may be replaced.
        renew_deadline: a holder that has not renewed for this long stops by itself.
        retry: time between attempts to renew; a standby reads the Lease three times as often.

    Raises ``ValueError`` unless ``retry < renew_deadline < duration``.
    """

    name: str
    namespace: str
    identity: str
    duration: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.retry < self.renew_deadline < self.duration:
            raise ValueError(
                f"retry {self.retry:g} s, renew deadline {self.renew_deadline:g} s and duration "
                f"{self.duration:g} s of a lease must grow in this order"
            )


class LeaseApi(Protocol):
    """The calls leadership needs; :class:`moorage_kube.client.client.Client` has them."""

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> dict[str, Any]: ...

    async def create(
        self, kind: Kind, body: dict[str, Any], namespace: str | None = None
    ) -> dict[str, Any]: ...

    async def replace(self, kind: Kind, body: dict[str, Any]) -> dict[str, Any]: ...


def boot_seconds() -> float:
    """Seconds that also pass while this process is stopped or the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class LeaseElection:
    """This process's part in the election.

    Another holder is judged by how long ago *this* process saw its Lease change, never by the
    times written in it, so clocks need not agree. This process judges itself by the time it
    *sent* its last successful renewal.

    Between :meth:`fence` and the API server lies one request: a write already sent when the Lease
    runs out is held off only by its resourceVersion or uid precondition.
    """

    def __init__(
        self,
        client: LeaseApi,
        settings: LeaseSettings,
        clock: Callable[[], float] = boot_seconds,
    ) -> None:
        self.settings = settings
        self._client = client
        self._clock = clock
        self._lease: dict[str, Any] | None = None
        self._owners: list[dict[str, str]] | None = None
        self._observed: tuple[str, float] = ("", clock())
        self._runs_out_at = clock()
        self._renewed_at: float | None = None
        self._reached_at: float | None = None
        self._failure = ""
        self._warned: tuple[type[Exception] | None, float] = (None, clock())
        self._last_holder = ""
        self._before = "nobody held it"
        self.last_round = clock()

    @property
    def is_leader(self) -> bool:
        """Whether this process holds the Lease and renewed it within the renew deadline."""
        held = self._renewed_at is not None
        return held and self._since_renewal() <= self.settings.renew_deadline

    @property
    def stalled(self) -> bool:
        """Whether the loop has not come round for a whole lease duration."""
        return self._clock() - self.last_round > self.settings.duration

    def missing(self) -> str | None:
        """Why this process is not ready: its loop is stuck, or the Lease is out of reach.

        A try counts once the API server answered it, whoever holds the Lease.
        """
        if self.stalled:
            return "its loop does not come round"
        because = f": {self._failure}" if self._failure else ""
        if self._reached_at is None:
            return f"lease {self._what} was not reached yet{because}"
        away = self._clock() - self._reached_at
        if away <= self.settings.renew_deadline:
            return None
        return f"lease {self._what} could not be reached for {away:.0f} s{because}"

    def fence(self) -> None:
        """Call before every write.

        Raises :class:`LeadershipLost` unless :attr:`is_leader`; a process that was frozen notices
        here, at once, before anything of it has run.
        """
        if self._renewed_at is None:
            raise LeadershipLost(f"lease {self._what} is not held by {self.settings.identity}")
        if self._since_renewal() > self.settings.renew_deadline:
            raise LeadershipLost(
                f"lease {self._what} was last renewed {self._since_renewal():.1f} s ago, "
                f"more than {self.settings.renew_deadline:g} s"
            )

    async def run(
        self,
        on_started: Callable[[], Awaitable[None]],
        on_stopped: Callable[[], Awaitable[None]],
    ) -> None:
        """Acquire the Lease, call ``on_started`` beside renewing, and never return.

        Raises :class:`LeadershipLost` after ``on_stopped`` once the Lease is lost, and whatever
        ``on_started`` raises. Cancelling leaves the Lease held: call :meth:`release`.
        """
        await self._acquire()
        logger.info(
            "leading: %s holds lease %s; %s", self.settings.identity, self._what, self._before
        )
        starting = asyncio.ensure_future(on_started())
        try:
            await self._keep(starting)
        except LeadershipLost as lost:
            self._renewed_at = None
            logger.error("%s", lost)  # noqa: TRY400 - a traceback would say no more
            starting.cancel()
            await on_stopped()
            raise
        finally:
            starting.cancel()

    async def release(self) -> None:
        """Release the Lease, so that a standby need not wait for it to expire.

        Does nothing where it is not held. A failure is only logged: the Lease then expires.
        """
        if self._renewed_at is None:
            return
        self._renewed_at = None
        try:
            async with asyncio.timeout(self.settings.retry):
                # Read first: the answer to a renewal cut short may never have arrived here.
                lease = await self._client.get(LEASES, self.settings.name, self.settings.namespace)
                if _holder(lease) != self.settings.identity:
                    return
                spec = lease["spec"] | {"holderIdentity": "", "leaseDurationSeconds": 1}
                await self._client.replace(LEASES, lease | {"spec": spec})
        except (KubeError, TimeoutError) as error:
            logger.warning("lease %s is not released: %s", self._what, str(error) or "no answer")
        else:
            logger.info("released lease %s", self._what)

    async def _acquire(self) -> None:
        while True:
            self.last_round = self._clock()
            try:
                async with asyncio.timeout(self.settings.renew_deadline):
                    taken = await self._try_to_take()
            except (KubeError, TimeoutError) as error:
                self._failed("cannot be taken now", error)
                taken = False
            else:
                self._reached()
            if taken:
                return
            await asyncio.sleep(self._standby_pause())

    async def _try_to_take(self) -> bool:
        sent_at = self._clock()
        try:
            lease = await self._client.get(LEASES, self.settings.name, self.settings.namespace)
        except NotFound:
            return await self._try_to_create(sent_at)
        self._note(lease)
        if not self._may_be_taken(lease):
            self._say_who_leads(lease)
            return False
        try:
            written = await self._client.replace(LEASES, self._claimed(await self._owned(lease)))
        except Conflict:
            return False
        self._won(written, sent_at)
        self._before = self._whom_it_replaces(lease)
        return True

    async def _try_to_create(self, sent_at: float) -> bool:
        meta = {"name": self.settings.name, "namespace": self.settings.namespace}
        body = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.name,
            "metadata": meta | {"ownerReferences": await self._ask_for_owners()},
            "spec": self._spec({}),
        }
        try:
            written = await self._client.create(LEASES, body, self.settings.namespace)
        except (AlreadyExists, Conflict):
            return False
        self._won(written, sent_at)
        return True

    async def _owned(self, lease: dict[str, Any]) -> dict[str, Any]:
        """The Lease of an installation that was removed goes on as ours, instead of going.

        One that nobody owns, made by hand or by an older version, stays so.
        """
        owned = lease["metadata"].get("ownerReferences")
        if not owned or not (owners := await self._ask_for_owners()):
            return lease
        return lease | {"metadata": lease["metadata"] | {"ownerReferences": owners}}

    async def _ask_for_owners(self) -> list[dict[str, str]]:
        if self._owners is None:
            self._owners = await ask_for_owners(self._client, self.settings.namespace)
        return self._owners

    async def _keep(self, starting: asyncio.Future[None]) -> None:
        """Renew for ever; raises :class:`LeadershipLost` or what ``starting`` raised."""
        while True:
            self.fence()
            pause = self.settings.retry
            left = self.settings.renew_deadline - self._since_renewal()
            try:
                # One request that hangs must leave time for another one.
                async with asyncio.timeout(max(left / 2, min(left, self.settings.retry))):
                    await self._renew()
            except (KubeError, TimeoutError) as error:
                self._failed("is not renewed", error)
                pause /= 4
            else:
                self._reached()
            self.last_round = self._clock()
            if starting.done():
                starting.result()
            await asyncio.sleep(pause)

    async def _renew(self) -> None:
        sent_at = self._clock()
        lease = self._lease or {}
        try:
            written = await self._client.replace(LEASES, self._claimed(lease))
        except (Conflict, NotFound) as refusal:
            if not await self._still_mine(refusal):
                raise LeadershipLost(
                    f"lease {self._what} was taken from {self.settings.identity}"
                ) from refusal
        else:
            self._won(written, sent_at)

    async def _still_mine(self, refusal: KubeError) -> bool:
        """Read the Lease again after a refused renewal and renew it if the holder is unchanged."""
        sent_at = self._clock()
        if isinstance(refusal, NotFound):
            return await self._try_to_create(sent_at)
        lease = await self._client.get(LEASES, self.settings.name, self.settings.namespace)
        if _holder(lease) != self.settings.identity:
            return False
        self._won(await self._client.replace(LEASES, self._claimed(lease)), sent_at)
        return True

    def _note(self, lease: dict[str, Any]) -> None:
        """Remember when this process first saw the Lease as it is now."""
        version = lease["metadata"].get("resourceVersion", "")
        if version != self._observed[0]:
            self._observed = (version, self._clock())

    def _may_be_taken(self, lease: dict[str, Any]) -> bool:
        if _holder(lease) in ("", self.settings.identity):
            return True
        duration = lease["spec"].get("leaseDurationSeconds") or self.settings.duration
        self._runs_out_at = self._observed[1] + duration
        return self._clock() > self._runs_out_at

    def _standby_pause(self) -> float:
        """Seconds until the next try: not past the moment at which the Lease may run out."""
        # A released Lease is free until a standby reads it. Random: standbys shall not all try at
        # the same time.
        pause = self.settings.retry * random.uniform(0.3, 0.4)  # noqa: S311  # spreads load only
        left = self._runs_out_at - self._clock()
        return min(pause, left + _JUST_AFTER) if left > 0 else pause

    def _claimed(self, lease: dict[str, Any]) -> dict[str, Any]:
        return lease | {"spec": self._spec(lease.get("spec") or {})}

    def _spec(self, before: dict[str, Any]) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = before | {
            "holderIdentity": self.settings.identity,
            "leaseDurationSeconds": math.ceil(self.settings.duration),
            "renewTime": now,
        }
        if before.get("holderIdentity") != self.settings.identity:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = (before.get("leaseTransitions") or 0) + bool(before)
        return spec

    def _reached(self) -> None:
        """The API server answered; who holds the Lease is another question."""
        self._reached_at = self._clock()
        self._failure = ""
        self._warned = (None, self._clock())

    def _failed(self, what: str, error: Exception) -> None:
        """Say it once a minute: a try may come every second, for days."""
        self._failure = str(error) or "no answer"
        kind, warned_at = self._warned
        if isinstance(error, kind or ()) and self._clock() - warned_at < WARNING_SECONDS:
            return
        self._warned = (type(error), self._clock())
        advice = self._advice() if isinstance(error, Forbidden) else ""
        logger.warning("lease %s %s: %s%s", self._what, what, self._failure, advice)

    def _advice(self) -> str:
        return (
            "; allow the service account to get, create and update leases of"
            f" coordination.k8s.io in namespace {self.settings.namespace}, or choose another"
            " namespace with --lease-namespace"
        )

    def _say_who_leads(self, lease: dict[str, Any]) -> None:
        """Once for each holder."""
        holder = _holder(lease)
        if holder == self._last_holder:
            return
        self._last_holder = holder
        since = lease["spec"].get("acquireTime") or "an unknown time"
        logger.info("standing by: lease %s is held by %s since %s", self._what, holder, since)

    def _whom_it_replaces(self, lease: dict[str, Any]) -> str:
        holder = _holder(lease)
        if holder not in ("", self.settings.identity):
            return f"it replaces {holder}, silent for {self._clock() - self._observed[1]:.1f} s"
        return f"{self._last_holder} gave it up" if self._last_holder else "nobody held it"

    def _won(self, lease: dict[str, Any], sent_at: float) -> None:
        self._lease = lease
        self._renewed_at = sent_at

    def _since_renewal(self) -> float:
        return math.inf if self._renewed_at is None else self._clock() - self._renewed_at

    @property
    def _what(self) -> str:
        return f"{self.settings.namespace}/{self.settings.name}"


def _holder(lease: dict[str, Any]) -> str:
    return (lease.get("spec") or {}).get("holderIdentity") or ""
