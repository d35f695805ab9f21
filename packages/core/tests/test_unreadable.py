"""While the cloud cannot be read people see what was known last, and since when; said once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from core_builders import IP1, IP2, IP3, allocation, node, observed_with, record

from moorage_core import reasons
from moorage_core.decide.allocation import decide
from moorage_core.decide.node_labels import labels_for
from moorage_core.model import CloudState, Observed, Phase, Present, Unread
from moorage_core.report import Said, events
from moorage_core.status import AllocationStatus
from moorage_domain.conditions import Condition
from moorage_provider.protocol import CloudAddress, MachineHolder

AT = datetime(2026, 1, 1, 2, 38, 12, tzinfo=UTC).timestamp()
WHY = "cannot read aws in eu-west-1: no answer; tried again within 60 s"
UNREAD = Unread(reasons.UNAVAILABLE, WHY, AT)


def labelled(name: str, ip: str) -> Any:
    return node(name, labels={"pool": "a"} | labels_for(ip), owner="uid-a")


def observed(**states: CloudState) -> Observed:
    """IP1 and IP2 are on their nodes, as far as it is known."""
    return observed_with(
        labelled("n1", IP1),
        labelled("n2", IP2),
        one=allocation(IP1, IP2),
        records=(record(IP1, "n1"), record(IP2, "n2")),
        cloud_states={IP1: states.get("first", UNREAD), IP2: states.get("second", UNREAD)},
    )


def status_of(seen: Observed) -> tuple[AllocationStatus, Condition]:
    status = decide(seen).status
    assert isinstance(status, AllocationStatus)
    return status, next(one for one in status.conditions if one.type == "Ready")


def test_harm_25_the_last_known_number_stays_and_says_when_it_was_read() -> None:
    status, ready = status_of(observed())
    assert (status.bound, status.reserved) == (2, 2)
    assert (ready.status, ready.reason) == ("Unknown", "CloudUnavailable")
    assert ready.message == (
        f"2 of 2 addresses were on their nodes when last read at 02:38:12: {IP1}, {IP2}: {WHY}"
    )
    assert {one.observed_at for one in status.records} == {AT}


def test_harm_25_the_same_is_said_at_the_next_pass() -> None:
    before = decide(observed()).status
    assert isinstance(before, AllocationStatus)
    after = decide(observed_with(
        labelled("n1", IP1), labelled("n2", IP2), one=allocation(IP1, IP2),
        records=before.records, cloud_states={IP1: UNREAD, IP2: UNREAD},
    )).status  # fmt: skip
    assert after == before


def test_harm_25_what_can_be_read_is_told_from_what_cannot() -> None:
    there = Present(CloudAddress(IP1, "res-1", MachineHolder("vm-n1")))
    status, ready = status_of(observed(first=there))
    assert status.bound == 2
    assert ready.message.startswith(
        "1 of 2 addresses are on their nodes, 1 more was when last read at 02:38:12: "
    )


def test_harm_25_what_was_on_its_way_is_not_counted() -> None:
    moving = record(IP1, "n1", phase=Phase.ATTACHING, operation="attach/1")
    seen = observed_with(labelled("n1", IP1), records=(moving,), cloud_states={IP1: UNREAD})
    status, ready = status_of(seen)
    assert status.bound == 0
    assert ready.message.startswith("0 of 1 addresses are on their nodes: ")


def test_harm_25_a_cloud_that_cannot_be_read_is_one_event() -> None:
    seen = observed()
    (said,) = events(seen, decide(seen), Said())
    assert (said.type, said.reason) == ("Warning", "CloudUnavailable")
    assert said.message == f"{IP1}, {IP2}: {WHY}"


def test_many_addresses_are_counted_not_listed() -> None:
    ips = (IP1, IP2, IP3, "203.0.113.13", "203.0.113.14")
    one = allocation(*ips)
    seen = observed_with(one=one, cloud_states=dict.fromkeys(ips, UNREAD))
    _, ready = status_of(seen)
    assert f"{IP1}, {IP2}, {IP3} and 2 more: {WHY}" in ready.message
