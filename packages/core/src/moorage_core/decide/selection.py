"""What is said of the selector of addresses."""

from __future__ import annotations

from moorage_core.model import Allocation, Observed
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
    left = sorted(selection.ips - {*allocation.addresses})
    if not left:
        message = f"{len(selection.ips)} addresses have {labels}"
        return Condition(SELECTED, "True", "Selected", message)
    message = (
        f"of {len(selection.ips)} addresses with {labels}, these are not kept: {first_of(left)};"
        " they are not public or not within --allow-addresses, or the allocation has as many as it"
        " may have"
    )
    return Condition(SELECTED, "False", "NotAllKept", message)


def labels_text(allocation: Allocation) -> str:
    """The selector, as in kubeip=reserved,environment=edge."""
    return ",".join(f"{name}={value}" for name, value in sorted(allocation.labels))
