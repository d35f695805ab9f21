"""What is said of the selector of addresses."""

from __future__ import annotations

from moorage_core import reasons
from moorage_core.model import Allocation, Observed, Selection
from moorage_core.words import first_of
from moorage_domain.conditions import Condition

SELECTED = "AddressesSelected"


def selection_condition(observed: Observed) -> Condition:
    """Whether the addresses with the labels of the selector are known and all of them kept."""
    allocation, selection = observed.allocation, observed.selection
    if not allocation.labels:
        return Condition(SELECTED, "False", "NotAsked", "spec.reservedIPSelector is not set")
    labels = labels_text(allocation)
    if selection is None:
        message = f"addresses with {labels} are not looked for yet; those known before stay"
        return Condition(SELECTED, "Unknown", "NotRead", message)
    if unread := selection.unread:
        message = f"addresses with {labels} that are known stay: {unread.message}"
        return Condition(SELECTED, "Unknown", unread.reason.name, message)
    left = sorted(selection.ips - {*allocation.addresses})
    if not left:
        number = len(selection.ips)
        message = f"{number} {'address has' if number == 1 else 'addresses have'} {labels}"
        return Condition(SELECTED, "True", "Selected", message)
    message = (
        f"of {len(selection.ips)} addresses with {labels}, these are not kept: {first_of(left)};"
        " they are not public or not within --allow-addresses, or the allocation has as many as it"
        " may have"
    )
    return Condition(SELECTED, "False", "NotAllKept", message)


def why_no_address(allocation: Allocation, selection: Selection | None) -> Condition:
    """The condition ``Ready`` of an allocation that has no address."""
    if not allocation.labels:
        message = "spec.reservedIPs is empty"
    elif selection is None:
        message = f"addresses with {labels_text(allocation)} are not looked for yet"
    elif unread := selection.unread:
        return Condition("Ready", "Unknown", unread.reason.name, unread.message)
    else:
        message = f"no address has {labels_text(allocation)}"
    return Condition("Ready", "False", reasons.NO_ADDRESSES.name, message)


def labels_text(allocation: Allocation) -> str:
    """The selector, as in kubeip=reserved,environment=edge."""
    return ",".join(f"{name}={value}" for name, value in sorted(allocation.labels))
