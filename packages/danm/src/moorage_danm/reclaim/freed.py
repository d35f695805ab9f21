"""Addresses that were freed lately, to notice who gets them, and reasons for which others wait."""

from __future__ import annotations

import time

from moorage_danm.caches import Caches
from moorage_danm.model.endpoint import Endpoint
from moorage_danm.model.network import NetworkRef
from moorage_danm.model.pod import Pod
from moorage_domain.families import Address
from moorage_domain.reasons import Reason

REMEMBERED_SECONDS = 3600.0
_MOST = 10_000


class FreedLately:
    """By network and address; what nobody took within an hour is forgotten."""

    def __init__(self, caches: Caches) -> None:
        self._caches = caches
        self._freed: dict[tuple[NetworkRef, Address], float] = {}

    def note(self, endpoint: Endpoint) -> None:
        """The addresses that were taken from it are free."""
        if endpoint.network is None or endpoint.taken is None:
            return
        now = time.monotonic()
        for address in endpoint.taken.addresses:
            self._freed.pop((endpoint.network, address), None)
            self._freed[endpoint.network, address] = now
        while self._freed:
            oldest = next(iter(self._freed))
            if len(self._freed) <= _MOST and now - self._freed[oldest] < REMEMBERED_SECONDS:
                return
            del self._freed[oldest]

    def has(self, endpoint: Endpoint) -> bool:
        """Whether an endpoint has one of them."""
        return any((endpoint.network, one) in self._freed for one in endpoint.addresses)

    def stolen(self, endpoint: Endpoint) -> tuple[Address, Pod] | None:
        """One that it has without having asked for it, and who waits for that; only once."""
        network, pod = endpoint.network, self._caches.pods.get(endpoint.pod_key)
        if network is None or pod is None:
            return None
        for address in endpoint.addresses:
            wish = (network, address)
            if wish not in self._freed or wish in pod.wishes:
                continue
            waiting = [one for one in self._caches.wanting(*wish) if one.pending]
            if waiting:
                del self._freed[wish]
                return address, waiting[0]
        return None


class Waiting:
    """Keys by the reason for which they wait, to be looked at again when that is over."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}
        self._keys: dict[str, dict[str, None]] = {}

    def note(self, key: str, reason: str) -> None:
        """The key waits for this reason, and for no other; ``""`` = for none."""
        before = self._reasons.pop(key, "")
        if before:
            self._keys[before].pop(key, None)
        if reason:
            self._reasons[key] = reason
            self._keys.setdefault(reason, {})[key] = None

    def of(self, reason: Reason) -> tuple[str, ...]:
        """Those that wait for this reason."""
        return tuple(self._keys.get(reason.name, ()))
