"""A scenario: a controller, the world it comes into, what happens there, and what must hold."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from moorage_testing.apiserver import ApiServer, Asked

if TYPE_CHECKING:
    from moorage_kube.client.client import Client
    from moorage_testing.harness.world import World

# Written by the framework all the time, or by anybody twice.
_BESIDE = ("leases", "events")
# What no two runs have in common.
_FLEETING = frozenset(
    {
        "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "generation",
        "observedGeneration", "lastTransitionTime", "managedFields",
    }
)  # fmt: skip

Start: TypeAlias = "Callable[[Client, World], Awaitable[None]]"
Happening: TypeAlias = "Callable[[World, random.Random], Awaitable[None] | None]"
Check: TypeAlias = Callable[[ApiServer], None]


def counted(asked: Asked) -> bool:
    """Whether a request is a change that a controller can die of: no Lease and no Event."""
    return asked.mutating and not any(f"/{plural}" in asked.path for plural in _BESIDE)


def end_state(server: ApiServer) -> dict[str, Any]:
    """All objects by path, without times, uids and versions, Leases and Events."""
    return {
        path: _lasting(raw)
        for path, raw in sorted(server.objects.items())
        if not any(f"/{plural}/" in path for plural in _BESIDE)
    }


def left_behind(server: ApiServer, before: Iterable[str]) -> list[str]:
    """The paths of objects that were not there before: empty once all has been cleaned up."""
    return sorted(end_state(server).keys() - set(before))


@dataclass(frozen=True)
class Scenario:
    """One trial; made again for every run, so that nothing is shared but what is passed in.

    Attributes:
        start: runs a whole controller in this event loop until it is cancelled.
        arrange: puts the first objects into the server.
        edits: what is done to the world in turn, each once all has come to rest.
        happenings: what may happen in a random life, beside the disturbances.
        always: checked after every change; raises AssertionError.
        at_rest: checked once nothing is written any more; raises AssertionError.
        view: what two runs of the same scenario must end with.
        counts: which requests are changes.
        quiet_seconds: so long without a change is rest.
        requests_per_minute: at rest, at most; a watch that begins again and a Lease count.
        rest_seconds: for so long it must rest in the end.
        longest_pause_seconds: nothing happens for so long, now and then; where heartbeats are
            sent meanwhile, hours of them are most of what a life costs.
    """

    start: Start
    arrange: Check
    edits: tuple[Check, ...] = ()
    happenings: tuple[Happening, ...] = ()
    always: tuple[Check, ...] = ()
    at_rest: tuple[Check, ...] = ()
    view: Callable[[ApiServer], object] = end_state
    counts: Callable[[Asked], bool] = counted
    quiet_seconds: float = 60.0
    requests_per_minute: float = 45.0
    rest_seconds: float = 3600.0
    longest_pause_seconds: float = 20_000.0


def _lasting(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    match value:
        case dict():
            kept = ((key, one) for key, one in value.items() if key not in _FLEETING)
            return {key: _lasting(one) for key, one in kept}
        case list():
            return [_lasting(one) for one in value]
        case _:
            return value
