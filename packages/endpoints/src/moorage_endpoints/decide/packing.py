"""Packing: which endpoint is in which slice; an endpoint stays where it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from moorage_endpoints.projections.slices import Endpoint

MOST = 100
"""Endpoints in one slice."""

Slots = Mapping[str, tuple[Endpoint, ...]]
"""Endpoints by the name of their slice."""


def packed(stored: Slots, wanted: Mapping[str, Endpoint], new_names: Iterator[str]) -> Slots:
    """What each slice of a group should have; ``()`` = nothing is left for it.

    What is not wanted any more is taken out where it is. What is new goes into slices that change
    anyway, then into the fullest that have room, then into new ones: one change of a pod is one
    write. ``wanted``: by address.
    """
    placed: set[str] = set()
    slots = {name: _kept(endpoints, wanted, placed) for name, endpoints in sorted(stored.items())}
    fresh = [wanted[address] for address in sorted(wanted.keys() - placed)]
    for name in _with_room(stored, slots):
        room = MOST - len(slots[name])
        slots[name] += tuple(fresh[:room])
        fresh = fresh[room:]
    while fresh:
        slots[next(new_names)] = tuple(fresh[:MOST])
        fresh = fresh[MOST:]
    return slots


def _kept(
    endpoints: Sequence[Endpoint], wanted: Mapping[str, Endpoint], placed: set[str]
) -> tuple[Endpoint, ...]:
    """Those still wanted, each in one slice only, and as they are now."""
    kept: list[Endpoint] = []
    for one in endpoints:
        if one.address in wanted and one.address not in placed and len(kept) < MOST:
            placed.add(one.address)
            kept.append(wanted[one.address])
    return tuple(kept)


def _with_room(stored: Slots, slots: Slots) -> list[str]:
    """Slices that endpoints may be added to, in the order in which they are filled."""
    room = [name for name, endpoints in slots.items() if len(endpoints) < MOST]
    # An empty one is filled last: it could go.
    return sorted(room, key=lambda name: (slots[name] == stored[name], -len(slots[name]), name))
