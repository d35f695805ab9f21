"""What a pool gives away, from its spec, and to whom; names of claims."""

from __future__ import annotations

from typing import Any

import pytest

from moorage_api.ipclaimpool import IpClaimPoolSpec
from moorage_api.selectors import LabelSelector
from moorage_domain.addresses import InvalidAddress
from moorage_domain.families import parse_address
from moorage_domain.ranges import parse_range
from moorage_external_ip.names import claim_name, named_address
from moorage_external_ip.pool.spec import pool_spec, prefix_of, selects, why_not_for
from moorage_external_ip.projections import pool_of


def given(**spec: Any) -> list[str]:
    view = pool_of({"metadata": {"name": "pool"}, "spec": spec})
    usable = pool_spec(view).usable
    return [usable.family.format(usable.nth(place)) for place in range(min(usable.size, 300))]


@pytest.mark.parametrize(
    ("spec", "first", "last", "size"),
    [
        ({"cidr": "10.0.0.0/24"}, "10.0.0.1", "10.0.0.254", 254),
        ({"cidr": "10.0.0.0/30"}, "10.0.0.1", "10.0.0.2", 2),
        ({"cidr": "10.0.0.4/31"}, "10.0.0.4", "10.0.0.5", 2),
        ({"cidr": "10.0.0.4/32"}, "10.0.0.4", "10.0.0.4", 1),
        ({"cidr": "10.0.0.0/24", "ranges": [["10.0.0.0", "10.0.0.1"]]}, "10.0.0.0", "10.0.0.1", 2),
        ({"ranges": [["10.0.0.255", "10.0.1.0"]]}, "10.0.0.255", "10.0.1.0", 2),
        (
            {"ranges": [["10.0.0.254", "10.0.1.1"]], "avoidBuggyIPs": True},
            "10.0.0.254",
            "10.0.1.1",
            2,
        ),
        ({"cidr": "10.0.0.0/29", "avoidBuggyIPs": True}, "10.0.0.1", "10.0.0.6", 6),
        ({"cidr": "10.0.0.0/23", "avoidBuggyIPs": True}, "10.0.0.1", "10.0.1.254", 508 - 0),
        ({"cidr": "10.0.0.0/31", "avoidBuggyIPs": True}, "10.0.0.1", "10.0.0.1", 1),
        ({"cidr": "2001:db8::/125"}, "2001:db8::1", "2001:db8::7", 7),
    ],
)
def test_which_addresses_are_given(spec: dict[str, Any], first: str, last: str, size: int) -> None:
    view = pool_of({"metadata": {"name": "pool"}, "spec": spec})
    usable = pool_spec(view).usable
    assert usable.size == size
    assert usable.family.format(usable.nth(0)) == first
    assert usable.family.format(usable.nth(size - 1)) == last


def test_excluded_and_reserved_addresses_are_not_given() -> None:
    assert given(cidr="10.0.0.0/29", exclude=["10.0.0.1", "10.0.0.3-10.0.0.4"]) == [
        "10.0.0.2", "10.0.0.5", "10.0.0.6",
    ]  # fmt: skip
    view = pool_of({"metadata": {"name": "pool"}, "spec": {"cidr": "10.0.0.0/28"}})
    reserved = [parse_range("10.0.0.0/29"), parse_range("fd00::/8")]
    assert pool_spec(view, reserved).usable.size == 7


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({}, "neither cidr nor a range"),
        ({"cidr": "10.0.0.1/24"}, "10.0.0.1/24"),
        ({"ranges": [["10.0.0.1", "10.0.0.2"], ["10.0.0.9", "10.0.0.3"]]}, "spec.ranges[1]"),
        ({"ranges": [["2001:db8::9", "2001:db8::1"]]}, "2001:db8::1"),
        ({"cidr": "10.0.0.0/24", "ranges": [["10.0.1.1", "10.0.1.2"]]}, "not in cidr"),
        ({"ranges": [["10.0.0.1", "10.0.0.2"], ["fd00::1", "fd00::2"]]}, "IPv6"),
        ({"cidr": "10.0.0.0/24", "priority": "high"}, "priority"),
    ],
)
def test_validation_of_what_reaches_the_controller(spec: dict[str, Any], words: str) -> None:
    view = pool_of({"metadata": {"name": "pool"}, "spec": spec})
    with pytest.raises(InvalidAddress) as refused:
        pool_spec(view)
    assert words in str(refused.value)


def test_namespaces_by_name_or_by_label_and_services_by_label() -> None:
    spec = IpClaimPoolSpec.model_validate(
        {
            "cidr": "10.0.0.0/24",
            "namespaces": ["one"],
            "namespaceSelector": {"matchLabels": {"team": "red"}},
            "serviceSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
        }
    )
    app = {"app": "web"}
    assert why_not_for(spec, "one", {}, app) == ""
    assert why_not_for(spec, "two", {"team": "red"}, app) == ""
    assert "namespace two" in why_not_for(spec, "two", {"team": "blue"}, app)
    assert "serviceSelector" in why_not_for(spec, "one", {}, {})


@pytest.mark.parametrize(
    ("expression", "matching", "other"),
    [
        ({"operator": "In", "values": ["x"]}, {"a": "x"}, {}),
        ({"operator": "NotIn", "values": ["x"]}, {}, {"a": "x"}),
        ({"operator": "Exists"}, {"a": ""}, {"b": ""}),
        ({"operator": "DoesNotExist"}, {"b": ""}, {"a": ""}),
    ],
)
def test_selectors_mean_what_they_mean_in_kubernetes(
    expression: dict[str, Any], matching: dict[str, str], other: dict[str, str]
) -> None:
    whole = {"matchExpressions": [{"key": "a"} | expression]}
    selector = LabelSelector.model_validate(whole)
    assert (selects(selector, matching), selects(selector, other)) == (True, False)
    assert selects(None, other)


@pytest.mark.parametrize(
    ("text", "length", "name"),
    [
        ("10.0.0.7", 24, "10-0-0-7-24"),
        ("2001:db8::1", 64, "2001-0db8-0000-0000-0000-0000-0000-0001-64"),
    ],
)
def test_names_of_claims_are_those_of_the_first_version(text: str, length: int, name: str) -> None:
    address = parse_address(text)
    assert claim_name(address, length) == name
    assert named_address(name) == address


def test_a_name_that_was_not_made_of_an_address_means_none() -> None:
    assert [named_address(one) for one in ("web", "10-0-0-24", "a-b-c-d-24", "999-0-0-1-24")] == [
        None, None, None, None,
    ]  # fmt: skip


def test_the_length_in_a_name_is_that_of_the_pool() -> None:
    four, six = parse_address("10.0.0.1").family, parse_address("::1").family
    spec = IpClaimPoolSpec.model_validate({"cidr": "10.0.0.0/23"})
    ranges = IpClaimPoolSpec.model_validate({"ranges": [["10.0.0.1", "10.0.0.2"]]})
    assert (prefix_of(spec, four, 32), prefix_of(ranges, four, 24)) == (23, 24)
    assert (prefix_of(ranges, six, 24), prefix_of(None, four, 32)) == (128, 32)
