"""Which targets an address stays away from after they have failed it; lost with the process."""

from __future__ import annotations

from dataclasses import dataclass, field

from moorage_core.actions import Mutate
from moorage_core.decide.outcomes import node_at_fault, of_one_target
from moorage_core.model import HAVE_A_CHOICE, Mutation
from moorage_provider.errors import CloudError

_FIRST_SECONDS = 60.0
_LONGEST_SECONDS = 600.0
_FAILURES_UNTIL_DOUBT = 2
_ENOUGH_DOUBLINGS = 8


@dataclass(slots=True)
class Avoidance:
    """Node uids that failed an address -> uptime until when they are avoided, by address.

    Attributes:
        avoided: nodes that cannot have it: never chosen.
        doubtful: nodes whose failures may be theirs alone: chosen only where there is no other, so
            that an outage, which fails them all, does not leave the address without any.
    """

    avoided: dict[str, dict[str, float]] = field(default_factory=dict)
    doubtful: dict[str, dict[str, float]] = field(default_factory=dict)
    _failures: dict[str, dict[str, int]] = field(default_factory=dict)

    def failed(self, mutate: Mutate, error: CloudError, now: float) -> None:
        """Remember a failure of a mutation that another target might have been chosen for."""
        if mutate.mutation not in HAVE_A_CHOICE or mutate.node_ref is None:
            return
        uid = mutate.node_ref.uid
        counts = self._failures.setdefault(mutate.ip, {})
        count = counts[uid] = counts.get(uid, 0) + 1
        if node_at_fault(error):
            _avoid(self.avoided, mutate.ip, uid, now + _seconds(count))
        elif count >= _FAILURES_UNTIL_DOUBT and of_one_target(error):
            until = now + _seconds(count - _FAILURES_UNTIL_DOUBT + 1)
            _avoid(self.doubtful, mutate.ip, uid, until)

    def succeeded(self, mutate: Mutate) -> None:
        """Count anew once a target has done all that was asked of it."""
        if mutate.mutation in (Mutation.ATTACH, Mutation.MOVE):
            self._failures.pop(mutate.ip, None)

    def expire(self, ip: str, now: float) -> None:
        """Drop what is over."""
        for one in (self.avoided, self.doubtful):
            left = {uid: until for uid, until in one.pop(ip, {}).items() if until > now}
            if left:
                one[ip] = left

    def forget(self, ip: str) -> None:
        """No allocation has the address any more."""
        for one in (self.avoided, self.doubtful, self._failures):
            one.pop(ip, None)


def _avoid(those: dict[str, dict[str, float]], ip: str, uid: str, until: float) -> None:
    those.setdefault(ip, {})[uid] = until


def _seconds(failures: int) -> float:
    return min(_LONGEST_SECONDS, _FIRST_SECONDS * 2.0 ** min(failures - 1, _ENOUGH_DOUBLINGS))
