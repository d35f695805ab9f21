"""Network status of pods: entry by entry, and nothing an EndpointSlice would refuse."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage_endpoints.networks.selection import Selection
from moorage_endpoints.networks.status import (
    LEGACY_STATUS_ANNOTATION,
    STATUS_ANNOTATION,
    Attachment,
    Malformed,
    attached,
    parse_status,
    status_of,
    usable_address,
)


def entry(**fields: Any) -> dict[str, Any]:
    return {"name": "ns/net", "interface": "net1", "ips": ["10.1.0.5"]} | fields


def read(*entries: Any) -> tuple[Attachment, ...]:
    found = parse_status(json.dumps(entries))
    assert isinstance(found, tuple)
    return found


def known(annotations: dict[str, str]) -> tuple[Attachment, ...]:
    found = status_of(annotations)
    assert isinstance(found, tuple)
    return found


def texts(attachment: Attachment) -> list[str]:
    return [str(one) for one in attachment.addresses]


def test_na_01_current_status_key() -> None:
    (one,) = known({STATUS_ANNOTATION: json.dumps([entry()])})
    assert (one.name, one.interface, texts(one), one.problem) == (
        "ns/net", "net1", ["10.1.0.5"], "",
    )  # fmt: skip


def test_na_02_legacy_status_fallback() -> None:
    old, new = json.dumps([entry(ips=["10.1.0.9"])]), json.dumps([entry()])
    (fallback,) = known({LEGACY_STATUS_ANNOTATION: old})
    assert texts(fallback) == ["10.1.0.9"]
    (current,) = known({LEGACY_STATUS_ANNOTATION: old, STATUS_ANNOTATION: new})
    assert texts(current) == ["10.1.0.5"]


def test_na_02_a_malformed_current_status_does_not_fall_back() -> None:
    old = json.dumps([entry()])
    found = status_of({LEGACY_STATUS_ANNOTATION: old, STATUS_ANNOTATION: "["})
    assert isinstance(found, Malformed)


def test_no_annotation_is_no_status() -> None:
    assert status_of({}) is None


@pytest.mark.parametrize("text", ["", "[", "{}", "null", '"a"', "7", "[" * 100_000])
def test_what_is_no_list_is_malformed(text: str) -> None:
    assert isinstance(parse_status(text), Malformed)


def test_an_empty_list_is_a_status_without_networks() -> None:
    assert parse_status("[]") == ()


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (7, "an entry is no object"),
        (None, "an entry is no object"),
        (entry(name=""), "it has no name"),
        (entry(name=7), "it has no name"),
        (entry(interface=""), "it has no interface"),
        (entry(ips=[]), "it has no usable address"),
        (entry(ips="10.1.0.5"), "it has no usable address"),
        (entry(ips=["x", 7]), "it has no usable address"),
        ({"name": "ns/net", "interface": "net1", "device-info": {}}, "it has no usable address"),
    ],
)
def test_what_is_wrong_spoils_its_entry_only(raw: object, problem: str) -> None:
    first, spoiled, last = read(entry(), raw, entry(interface="net2"))
    assert (first.problem, spoiled.problem, last.problem) == ("", problem, "")


def test_a_second_default_spoils_that_entry_only() -> None:
    one, two, three = read(entry(default=True), entry(default=True), entry())
    assert (one.problem, three.problem) == ("", "")
    assert two.problem == "there is another default network before it"


def test_na_18_cidr_and_linklocal_ips() -> None:
    ips = ["192.0.2.2/24", "fe80::1", "169.254.0.1", "2001:DB8::1/64", "127.0.0.1", "::1"]
    ips += [
        str(ipaddress.IPv4Address(0)),
        "::",
        "224.0.0.1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "192.0.2.2",
        "1.2.3.4/x",
    ]
    (one,) = read(entry(ips=ips))
    assert texts(one) == ["192.0.2.2", "2001:db8::1"]


def test_na_06_interface_pick() -> None:
    entries = read(entry(ips=["10.1.0.1"]), entry(interface="net2", ips=["10.1.0.2"]))
    picked = attached(entries, Selection("ns", "net", "net2"), "ns")
    assert [texts(one) for one in picked] == [["10.1.0.2"]]
    assert len(list(attached(entries, Selection("ns", "net"), "ns"))) == 2


def test_na_08_same_named_nad_other_namespace_is_not_matched() -> None:
    assert list(attached(read(entry()), Selection("other", "net"), "ns")) == []


def test_a_bare_name_is_of_the_pods_namespace_but_not_the_default_network() -> None:
    bare, default = read(entry(name="net"), entry(name="net", default=True, interface="eth0"))
    assert list(attached((bare, default), Selection("ns", "net"), "ns")) == [bare]
    assert list(attached((bare, default), Selection("other", "net"), "ns")) == []


@given(st.ip_addresses(), st.integers(0, 32))
def test_a_prefix_changes_nothing(ip: Any, length: int) -> None:
    assert usable_address(f"{ip}/{length}") == usable_address(str(ip))
