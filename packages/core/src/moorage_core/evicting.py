"""Evictions asked of the API server, and what it last said about each pod that it refused."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from moorage_core import reasons
from moorage_core.caches import uptime
from moorage_core.decide.evictions import RETRY_SECONDS
from moorage_core.model import Observed
from moorage_core.pods import MisplacedPod
from moorage_core.report import event
from moorage_kube.client.client import Client
from moorage_kube.client.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Throttled,
    Unavailable,
)
from moorage_kube.client.kinds import PODS
from moorage_kube.telemetry.events import Event
from moorage_kube.writes.eviction import evict

Publish: TypeAlias = Callable[[Event], Awaitable[None]]
Count: TypeAlias = Callable[[str, str], None]
"""Called with the allocation's name and ``evicted`` or ``refused``."""

logger = logging.getLogger(__name__)

EVICTED, REFUSED = "evicted", "refused"
_REMEMBERED_SECONDS = 4 * RETRY_SECONDS


@dataclass(slots=True)
class Evictions:
    """What was asked of the API server about pods, by their uid.

    Attributes:
        after: uptime before which a pod is not to be evicted again.
    """

    after: dict[str, float] = field(default_factory=dict)
    _refused: dict[str, tuple[str, float]] = field(default_factory=dict)

    def refused(self, pods: Iterable[MisplacedPod]) -> Mapping[str, str]:
        """Why those of these pods that were refused lately must stay, by their key."""
        found = ((pod.key, self._refused.get(pod.uid)) for pod in pods)
        return {key: refusal[0] for key, refusal in found if refusal}

    def begin(self, uid: str) -> bool:
        """Note that a pod is asked about now; whether it was not asked about lately."""
        now = uptime()
        if self.after.get(uid, 0.0) > now:
            return False
        self.after = {one: moment for one, moment in self.after.items() if moment > now}
        self.after[uid] = now + RETRY_SECONDS
        self._refused = {one: what for one, what in self._refused.items() if what[1] > now}
        return True

    def note(self, uid: str, refusal: str) -> bool:
        """Remember how it ended, ``""`` = it goes; whether a refusal is news."""
        before = self._refused.pop(uid, None)
        if refusal:
            self._refused[uid] = (refusal, uptime() + _REMEMBERED_SECONDS)
        return bool(refusal) and (before is None or before[0] != refusal)


class Evictor:
    """Asks for pods to be evicted, and says what came of it."""

    def __init__(
        self, client: Client, evictions: Evictions, publish: Publish, count: Count
    ) -> None:
        self._client = client
        self._evictions = evictions
        self._publish = publish
        self._count = count

    async def evict(self, pod: MisplacedPod, observed: Observed) -> None:
        """Ask for one pod to be evicted, unless that was asked lately, for whomever."""
        if not self._evictions.begin(pod.uid):
            return
        namespace, _, name = pod.key.partition("/")
        try:
            await evict(self._client, name, namespace, pod.uid)
        except (NotFound, Conflict):
            self._evictions.note(pod.uid, "")  # that very pod is gone
        except (Throttled, Forbidden, Invalid, Unavailable) as error:
            await self._refused(pod, observed, error.message)
        else:
            self._evictions.note(pod.uid, "")
            self._count(observed.allocation.name, EVICTED)
            message = f"{pod}, which holds no address of {observed.allocation.name}"
            await self._publish(event(observed, reasons.EVICTED.name, message))

    async def _refused(self, pod: MisplacedPod, observed: Observed, cause: str) -> None:
        """Said where people look: at the allocation, at the pod, in the log, in the metrics."""
        allocation = observed.allocation.name
        self._count(allocation, REFUSED)
        reason = reasons.EVICTION_REFUSED.name
        message = f"{pod} stays for now: {cause}"
        if self._evictions.note(pod.uid, cause):
            extra = {"object": allocation, "reason": reason, "pod": pod.key}
            logger.warning("%s: %s", allocation, message, extra=extra)
        about = event(observed, reason, message)
        await self._publish(about)
        namespace, _, name = pod.key.partition("/")
        message = f"it runs on a node without an address of {allocation}, and must stay: {cause}"
        about = replace(
            about, kind=PODS, name=name, namespace=namespace, uid=pod.uid, message=message
        )
        await self._publish(about)
