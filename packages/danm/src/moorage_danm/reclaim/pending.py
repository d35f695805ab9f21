"""What was taken and is not free yet, and whether its bits were set all the time since."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from moorage_danm.caches import Caches, GroupCaches
from moorage_danm.kinds import NetworkKind
from moorage_danm.model.endpoint import Endpoint
from moorage_danm.model.network import Network, NetworkRef
from moorage_danm.reclaim.free import BitSeen, NetworkObserved, Pending
from moorage_domain.families import Address
from moorage_kube.cache.store import Change

_AUDIT = "audit"  # no uid
NetworkKey = tuple[str, NetworkRef]
"""API group and network."""


@dataclass(slots=True)
class _Track:
    """One address; ``since``: from when on its bit was set in each version, by our clock."""

    continuous: bool
    since: float
    cleared: bool = False


@dataclass(slots=True)
class _Entry:
    """One endpoint."""

    taken_at: float
    not_before: float
    tracks: dict[Address, _Track] = field(default_factory=dict)


@dataclass(slots=True)
class _Version:
    """The last version of a network that was seen."""

    uid: str
    generation: int


class PendingAddresses:
    """Follows every network that something was taken from.

    Attributes:
        settled: uids of endpoints that have nothing left to free.
    """

    def __init__(self, caches: Caches) -> None:
        self._caches = caches
        self._entries: dict[NetworkKey, dict[str, _Entry]] = {}
        self._versions: dict[NetworkKey, _Version] = {}
        self.settled: set[str] = set()
        self.coming: Callable[[], bool] = lambda: False
        """Whether more endpoints are just being looked at."""
        for group in caches.groups.values():
            for kind in NetworkKind:
                group.networks[kind].subscribe(self._listener(group.group, kind))

    def prepare(self, endpoint: Endpoint, settle_seconds: float) -> None:
        """Before its addresses are taken: from the version that is known now on, bits count.

        Its bits may be cleared ``settle_seconds`` after the addresses were taken.
        """
        self._enter(endpoint, endpoint.addresses, 0.0, continuous=True)
        self.taken(endpoint, settle_seconds)

    def taken(self, endpoint: Endpoint, settle_seconds: float) -> None:
        """They are taken now."""
        entry = self._entry(endpoint)
        if entry is not None:
            entry.taken_at = time.monotonic()
            entry.not_before = entry.taken_at + settle_seconds

    def not_taken(self, endpoint: Endpoint) -> None:
        """They were not: it is as if nothing had been prepared."""
        self._drop(endpoint)

    def forget(self, endpoint: Endpoint) -> None:
        """The endpoint is gone."""
        self._drop(endpoint)
        self.settled.discard(endpoint.uid)

    def settle(self, key: NetworkKey, uids: frozenset[str]) -> None:
        """These endpoints have nothing left to free."""
        self.settled |= uids
        entries = self._entries.get(key, {})
        for uid in uids:
            entries.pop(uid, None)
        self._tidy(key)

    def unclaimed_seconds(
        self, key: NetworkKey, addresses: frozenset[Address]
    ) -> dict[Address, float]:
        """For how long the bits of these were set in each version of the network, without a gap.

        Of those that were asked for the last time; for the others it begins now.
        """
        entries = self._entries.setdefault(key, {})
        entry = entries.setdefault(_AUDIT, _Entry(0.0, 0.0))
        now = time.monotonic()
        known = {one: track for one, track in entry.tracks.items() if not track.cleared}
        entry.tracks = {
            one: known.get(one) or _Track(continuous=False, since=now) for one in addresses
        }
        if not addresses:
            del entries[_AUDIT]
        network = self._caches.groups[key[0]].network(key[1])
        if network is not None and key not in self._versions:
            self._versions[key] = _Version(network.uid, network.generation)
        self._tidy(key)
        return {one: now - track.since for one, track in entry.tracks.items()}

    def observed(self, key: NetworkKey) -> NetworkObserved:
        """One network and all that waits for it."""
        group, ref = self._caches.groups[key[0]], key[1]
        taken = [one for one in group.taken_of(ref) if one.held]
        waiting = [one for one in taken if one.uid not in self.settled]
        return NetworkObserved(
            ref=ref,
            network=group.network(ref),
            pending=tuple(self._pending(group, ref, one) for one in waiting),
            freed=frozenset(one.uid for one in taken),
            stale=any(
                one.failure for one in self._caches.informers if one.store is group.endpoints
            ),
            coming=self.coming(),
        )

    def _pending(self, group: GroupCaches, ref: NetworkRef, endpoint: Endpoint) -> Pending:
        addresses = endpoint.taken.addresses if endpoint.taken else ()
        if self._entry(endpoint) is None:
            # Somebody before us took them; what became of their bits since then nobody knows.
            self._enter(endpoint, addresses, -1e9, continuous=False)
        entry = self._entries[endpoint.group, ref][endpoint.uid]
        now = time.monotonic()
        return Pending(
            endpoint=endpoint,
            taken_seconds=now - entry.taken_at,
            not_before=entry.not_before - now,
            seen={
                address: BitSeen(track.continuous, track.cleared, now - track.since)
                for address, track in entry.tracks.items()
            },
            claimed=frozenset(one for one in addresses if group.holders(ref, one)),
        )

    def _entry(self, endpoint: Endpoint) -> _Entry | None:
        if endpoint.network is None:
            return None
        return self._entries.get((endpoint.group, endpoint.network), {}).get(endpoint.uid)

    def _enter(
        self, endpoint: Endpoint, addresses: tuple[Address, ...], at: float, *, continuous: bool
    ) -> None:
        if endpoint.network is None:
            return
        key, now = (endpoint.group, endpoint.network), time.monotonic()
        network = self._caches.groups[endpoint.group].network(endpoint.network)
        if network is not None and key not in self._versions:
            self._versions[key] = _Version(network.uid, network.generation)
        known = network is not None and network.generation > 0
        entry = _Entry(at or now, at or now)
        for address in addresses:
            entry.tracks[address] = _Track(continuous and known, now, _clear(network, address))
        self._entries.setdefault(key, {})[endpoint.uid] = entry

    def _drop(self, endpoint: Endpoint) -> None:
        if endpoint.network is not None:
            key = (endpoint.group, endpoint.network)
            self._entries.get(key, {}).pop(endpoint.uid, None)
            self._tidy(key)

    def _tidy(self, key: NetworkKey) -> None:
        if not self._entries.get(key):
            self._entries.pop(key, None)
            self._versions.pop(key, None)

    def _listener(self, group: str, kind: NetworkKind) -> _Listener:
        return _Listener(self, group, kind)

    def network_changed(self, key: NetworkKey, new: Network | None) -> None:
        """A version of a network; several may lie between it and the last one that was seen."""
        entries = self._entries.get(key)
        if not entries:
            return
        before, now = self._versions.get(key), time.monotonic()
        if new is not None:
            self._versions[key] = _Version(new.uid, new.generation)
        gap = new is None or before is None or _is_gap(before, new)
        for entry in entries.values():
            for address, track in entry.tracks.items():
                if gap:
                    track.continuous, track.since = False, now
                track.cleared = track.cleared or _clear(new, address)


class _Listener:
    """Called with each change of the networks of one group and kind."""

    def __init__(self, pending: PendingAddresses, group: str, kind: NetworkKind) -> None:
        self._pending, self._group, self._kind = pending, group, kind

    def __call__(self, change: Change[Network]) -> None:
        seen = change.new or change.old
        if seen is not None:
            self._pending.network_changed((self._group, seen.ref), change.new)


def _is_gap(before: _Version, new: Network) -> bool:
    """Whether a version in between was not seen, in which a bit may have been clear."""
    if before.uid != new.uid or not new.generation:
        return True
    return new.generation not in (before.generation, before.generation + 1)


def _clear(network: Network | None, address: Address) -> bool:
    """Whether its bit is known to be clear."""
    if network is None or network.problem:
        return False
    return network.is_set(address) is False
