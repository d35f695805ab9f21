"""Addresses that are selected by the labels of their reservations; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from moorage_api.netipallocation import MAX_ADDRESSES
from moorage_core.model import AddressRecord, Allocation, CloudState, Phase, Selection, Unread
from moorage_domain.addresses import InvalidAddress, public


def listed(allocation: Allocation) -> tuple[str, ...]:
    """The addresses of an allocation that its spec lists."""
    if not allocation.selected:
        return allocation.addresses
    return tuple(ip for ip in allocation.addresses if ip not in allocation.selected)


def with_recorded(allocation: Allocation, records: Iterable[AddressRecord]) -> Allocation:
    """The allocation with the addresses that it lists, and those that these say were selected."""
    if not allocation.labels and not allocation.selected:
        return allocation
    others = listed(allocation)
    found = (one.ip for one in records if one.selected) if allocation.labels else ()
    known = {*others}
    selected = tuple(ip for ip in found if ip not in known)
    return replace(allocation, addresses=others + selected, selected=frozenset(selected))


def with_selected(
    allocation: Allocation,
    records: Iterable[AddressRecord],
    selection: Selection | None,
    cloud_states: Mapping[str, CloudState],
    may_be_touched: Callable[[str], bool] = lambda _: True,
) -> Allocation:
    """The allocation with the addresses that are selected now.

    One that it has stays until the cloud has certainly shown it without the labels: unknown is
    never absent. A new one is recorded first; nothing is done about it before.
    """
    if not allocation.labels or allocation.problem:
        return allocation
    others = listed(allocation)
    known = {*others}
    held = [one.ip for one in records if one.ip not in known and _may_stay(one)]
    if selection is not None and selection.certain:
        held = [ip for ip in held if ip in selection.ips or _is_unread(cloud_states.get(ip))]
    known |= {*held}
    shown = selection.ips if selection else frozenset()
    new = sorted(ip for ip in shown - known if _is_public(ip) and may_be_touched(ip))
    held += new[: max(0, MAX_ADDRESSES - len(known))]
    return replace(allocation, addresses=(*others, *held), selected=frozenset(held))


def _may_stay(record: AddressRecord) -> bool:
    """Whether an address that is not listed was selected, or was listed until now."""
    return record.selected or (record.ours and record.phase is not Phase.RELEASING)


def _is_unread(cloud_state: CloudState | None) -> bool:
    return isinstance(cloud_state, Unread)


def _is_public(ip: str) -> bool:
    """Whether it is an address that could be listed, too."""
    try:
        return public(ip) == ip
    except InvalidAddress:
        return False
