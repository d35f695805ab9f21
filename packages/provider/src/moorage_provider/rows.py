"""Reads rows that describe addresses one by one, so that an odd one spoils only its own address."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar

from moorage_provider.errors import AddressNotFound, Stale
from moorage_provider.protocol import CloudAddress, Labels, UnknownHolder

RowT = TypeVar("RowT")
AddressT = TypeVar("AddressT", bound=CloudAddress)

# What code raises that finds something else in a row than it expects.
ODD = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

_log = logging.getLogger(__name__)


def understood(
    rows: Iterable[RowT],
    wanted: Iterable[str],
    ip_of: Callable[[RowT], str],
    describe: Callable[[RowT], AddressT],
    selected: Callable[[RowT], bool] = lambda _: False,
) -> dict[str, AddressT | CloudAddress]:
    """The wanted addresses among rows, and the selected ones, by their text.

    Args:
        rows: as the cloud gave them.
        wanted: the addresses that were asked for, in canonical text.
        ip_of: the address of a row in canonical text, ``""``: it has none yet. Where it raises, the
            row may be that of any address that no other row has.
        describe: what a row says. Where it raises, the holder of its address is unknown.
        selected: whether a row is wanted, although its address was not asked for.
    """
    missing = set(wanted)
    found: dict[str, AddressT | CloudAddress] = {}
    nameless = ""
    for row in rows:
        try:
            ip = ip_of(row)
        except ODD as error:
            nameless = _odd("an address without a usable text", error)
            continue
        if ip not in missing and (ip in found or not ip or not selected(row)):
            continue
        missing.discard(ip)
        try:
            found[ip] = describe(row)
        except ODD as error:
            found[ip] = _unknown(ip, _odd(ip, error))
    if nameless:
        found |= {ip: _unknown(ip, nameless) for ip in missing}
    return found


def selected_by(
    selectors: Collection[Labels], labels_of: Callable[[RowT], Labels]
) -> Callable[[RowT], bool]:
    """Whether a row has all labels of one of the selectors; one that is not understood has not."""

    def selected(row: RowT) -> bool:
        try:
            return bool(selectors) and fits(labels_of(row), selectors)
        except ODD:
            return False

    return selected


def labels_of(labels: Mapping[str, str] | None) -> Labels:
    """Labels as they are compared."""
    return frozenset((labels or {}).items())


def fits(labels: Labels, selectors: Collection[Labels]) -> bool:
    """Whether these are all labels of one of the selectors, or more."""
    return any(selector <= labels for selector in selectors)


def text_of(row: RowT, ip_of: Callable[[RowT], str]) -> str | None:
    """The address of a row, ``""``: it has none yet; ``None``: it is not understood."""
    try:
        return ip_of(row)
    except ODD:
        return None


def certain(
    found: Mapping[str, AddressT | CloudAddress], address: CloudAddress
) -> AddressT | CloudAddress:
    """An address as it was read again, before or after it is changed.

    Raises ``AddressNotFound``; ``Stale`` where the cloud describes it in a way that is not
    understood, so that it is read as unknown before anything is decided.
    """
    now = found.get(address.ip)
    if now is None:
        raise AddressNotFound(f"{address.reference} ({address.ip}) does not exist any more")
    if isinstance(now.holder, UnknownHolder):
        raise Stale(now.holder.description)
    return now


def _odd(what: str, error: Exception) -> str:
    _log.debug("the cloud describes %s in a way that is not understood", what, exc_info=error)
    kind = type(error).__name__
    return f"the cloud describes {what} in a way that is not understood ({kind}: {error})"


def _unknown(ip: str, description: str) -> CloudAddress:
    return CloudAddress(ip, "", UnknownHolder(description))
