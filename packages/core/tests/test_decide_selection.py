"""What is said of the selector of addresses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_builders import IP1, IP2, IP3, allocation, observed_with

from moorage_core.decide.selection import labels_text, selection_condition, why_no_address
from moorage_core.model import Selection, Unread
from moorage_core.reasons import THROTTLED
from moorage_domain.conditions import Condition

LABELS = frozenset({("kubeip", "reserved"), ("environment", "edge"), ("a", "b"), ("z", "y")})
TEXT = "a=b,environment=edge,kubeip=reserved,z=y"
SELECTS = replace(allocation(IP1), labels=LABELS)
UNREAD = Unread(THROTTLED, "cannot read aws in eu-west-1: slow down")


def told(selection: Selection | None) -> tuple[str, str, str]:
    said = selection_condition(observed_with(one=SELECTS, selection=selection))
    assert said.type == "AddressesSelected"
    return said.status, said.reason, said.message


def test_a_selector_is_written_as_kubectl_takes_it_always_in_one_order() -> None:
    assert labels_text(SELECTS) == TEXT


def test_without_a_selector_nothing_was_asked() -> None:
    said = selection_condition(observed_with(selection=Selection(frozenset({IP2}))))
    assert said == Condition(
        "AddressesSelected", "False", "NotAsked", "spec.reservedIPSelector is not set"
    )


def test_before_the_first_reading_nothing_is_known() -> None:
    message = f"addresses with {TEXT} are not looked for yet; those known before stay"
    assert told(None) == ("Unknown", "NotRead", message)


@pytest.mark.parametrize("ips", [frozenset(), frozenset({IP1}), frozenset({IP2})])
def test_what_cannot_be_read_now_says_why(ips: frozenset[str]) -> None:
    message = f"addresses with {TEXT} that are known stay: {UNREAD.message}"
    assert told(Selection(ips, unread=UNREAD)) == ("Unknown", "Throttled", message)


def test_all_that_have_the_labels_are_counted_and_those_not_kept_are_named() -> None:
    assert told(Selection(frozenset({IP1}))) == ("True", "Selected", f"1 address has {TEXT}")
    two = replace(SELECTS, addresses=(IP1, IP2))
    both = selection_condition(observed_with(one=two, selection=Selection(frozenset({IP1, IP2}))))
    assert both.message == f"2 addresses have {TEXT}"
    status, reason, message = told(Selection(frozenset({IP3, IP1, IP2})))
    assert (status, reason) == ("False", "NotAllKept")
    assert message.startswith(
        f"of 3 addresses with {TEXT}, these are not kept: {IP2}, {IP3}; they are not public"
    )


@pytest.mark.parametrize(
    ("selection", "status", "reason", "message"),
    [
        (None, "False", "NoAddresses", f"addresses with {TEXT} are not looked for yet"),
        (Selection(unread=UNREAD), "Unknown", "Throttled", UNREAD.message),
        (Selection(), "False", "NoAddresses", f"no address has {TEXT}"),
    ],
)
def test_an_allocation_without_an_address_says_why(
    selection: Selection | None, status: str, reason: str, message: str
) -> None:
    said = why_no_address(SELECTS, selection)
    assert (said.type, said.status, said.reason, said.message) == ("Ready", status, reason, message)


def test_nothing_listed_and_nothing_selected_is_an_empty_list() -> None:
    said = why_no_address(allocation(), Selection(unread=UNREAD))
    assert said == Condition("Ready", "False", "NoAddresses", "spec.reservedIPs is empty")
