"""Slices: what is to be written so that ours say what is wanted, additions before removals."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from moorage_endpoints import names
from moorage_endpoints.actions import DeleteSlice, WriteSlice
from moorage_endpoints.decide.endpoints import empty_group, families_of
from moorage_endpoints.decide.packing import packed
from moorage_endpoints.model import Observed
from moorage_endpoints.projections.services import Service
from moorage_endpoints.projections.slices import Endpoint, Group, Slice


@dataclass(frozen=True, slots=True)
class SliceChanges:
    """What is to be done, in this order.

    Attributes:
        endpoints: how many there will be.
        ready: how many of them are ready.
        slices: how many slices there will be.
        avoided: names that others have.
    """

    writes: tuple[WriteSlice, ...]
    deletes: tuple[DeleteSlice, ...]
    endpoints: int = 0
    ready: int = 0
    slices: int = 0
    avoided: tuple[str, ...] = ()


@dataclass(slots=True)
class _Draft:
    """Slices as they are being worked out.

    Attributes:
        own: those of this Service, by name.
        wanted: what each should have, by name.
        groups: what each group's slices are, by name.
        avoided: names that somebody else has.
    """

    service: Service
    own: Mapping[str, Slice]
    taken: frozenset[str]
    wanted: dict[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    avoided: list[str] = field(default_factory=list)
    _empty: set[str] = field(default_factory=set)

    def place(self, group: Group, endpoints: Mapping[str, Endpoint]) -> None:
        """Put the endpoints of a group into its slices."""
        stored = {one.name: one.endpoints for one in self.own.values() if _group(one) == group}
        slots = packed(stored, endpoints, self.names(group))
        self.wanted.update(slots)
        self.groups.update(dict.fromkeys(slots, group))

    def names(self, group: Group) -> Iterator[str]:
        """Names for new slices of a group: the same ones whoever asks, whenever."""
        for number in itertools.count(1):
            name = names.slice_name(self.service.subject.name, group.digest, number)
            if name in self.own:
                continue
            if name in self.taken:
                self.avoided.append(name)
                continue
            yield name

    def keep_one_empty(self, family: str) -> None:
        """A family without endpoints has one slice, so that consumers see that there are none."""
        mine = sorted(name for name, group in self.groups.items() if group.family == family)
        if any(self.wanted[name] for name in mine):
            return
        # One that is empty already needs no write.
        was_empty = (name for name in mine if not self.own[name].endpoints)
        keep = next(was_empty, next(iter(mine), ""))
        if not keep:
            group = empty_group(self.service, family)
            keep = next(self.names(group))
            self.groups[keep] = group
        self.wanted[keep] = ()
        self._empty.add(keep)

    def is_kept(self, name: str) -> bool:
        """Whether a slice stays."""
        return bool(self.wanted[name]) or name in self._empty


def slice_changes(
    observed: Observed, service: Service, groups: Mapping[Group, Mapping[str, Endpoint]]
) -> SliceChanges:
    """The changes after which our slices have exactly these endpoints."""
    own = {one.name: one for one in observed.ours if one.owner == service.subject.uid}
    strange = [one for one in observed.ours if one.owner != service.subject.uid]
    draft = _Draft(service, own, observed.taken - own.keys())
    for group in _all_groups(groups, own.values()):
        draft.place(group, groups.get(group, {}))
    for family in families_of(service, groups):
        draft.keep_one_empty(family)
    writes = [
        WriteSlice(name, group.family, group.ports, draft.wanted[name], labels_of(service), known)
        for name, group in draft.groups.items()
        if draft.is_kept(name)
        and _differs(known := own.get(name), draft.wanted[name], labels_of(service))
    ]
    gone = [own[name] for name in sorted(draft.groups) if not draft.is_kept(name) and name in own]
    kept = [draft.wanted[name] for name in draft.groups if draft.is_kept(name)]
    return SliceChanges(
        writes=tuple(sorted(writes, key=_order)),
        deletes=tuple(map(DeleteSlice, (*gone, *strange))),
        endpoints=sum(map(len, kept)),
        ready=sum(one.ready for endpoints in kept for one in endpoints),
        slices=len(kept),
        avoided=tuple(draft.avoided),
    )


def labels_of(service: Service) -> dict[str, str]:
    """The labels of a Service's slices: its own, such as that of another service proxy, too."""
    copied = {
        key: value for key, value in service.labels.items() if key not in names.RESERVED_LABELS
    }
    own = {names.SERVICE_LABEL: service.subject.name, names.MANAGED_BY_LABEL: names.MANAGER}
    # Service proxies leave slices of headless Services alone.
    return copied | own | ({names.HEADLESS_LABEL: ""} if service.headless else {})


def _all_groups(groups: Iterable[Group], own: Iterable[Slice]) -> list[Group]:
    """Those that have endpoints, and those that had some."""
    return list(dict.fromkeys((*groups, *map(_group, own))))


def _group(one: Slice) -> Group:
    return Group(one.family, one.ports)


def _differs(known: Slice | None, wanted: tuple[Endpoint, ...], labels: Mapping[str, str]) -> bool:
    return known is None or not known.exact or (known.endpoints, known.labels) != (wanted, labels)


def _order(write: WriteSlice) -> tuple[int, str]:
    """What brings ready endpoints comes first, what takes them away last."""
    before = {one.address for one in write.known.endpoints if one.ready} if write.known else set()
    after = {one.address for one in write.endpoints if one.ready}
    return (len(before - after) - len(after - before), write.name)
