"""Which endpoint counts, and what is kept of claims, pools and nodes."""

from __future__ import annotations

from typing import Any

import pytest

from moorage_api.ipclaimpool import IpClaimPoolSpec
from moorage_api.selectors import LabelSelector
from moorage_domain.label_selectors import Selector
from moorage_external_ip.placement.endpoints import local_use, slice_of
from moorage_external_ip.placement.model import PoolRules, Rank
from moorage_external_ip.placement.projections import PoolPlacement, node_of, selector_of, view_of
from moorage_external_ip.projections import claim_of

WEB = "default/web"

# ready, serving, terminating -> rank; None = absent
CONDITIONS = [
    ((None, None, None), Rank.READY),
    ((True, True, False), Rank.READY),
    ((True, None, None), Rank.READY),
    ((True, True, True), Rank.READY),
    ((None, None, True), Rank.READY),
    ((False, True, True), Rank.TERMINATING),
    ((False, False, True), Rank.UNREADY),
    ((False, None, True), Rank.UNREADY),
    ((False, True, False), Rank.UNREADY),
    ((False, None, None), Rank.UNREADY),
]


def one_slice(*endpoints: Any, family: str = "IPv4", service: str = "web") -> Any:
    labels = {"kubernetes.io/service-name": service} if service else {}
    return slice_of(
        {
            "metadata": {"name": "web-1", "namespace": "default", "labels": labels},
            "addressType": family,
            "endpoints": list(endpoints) or None,
        }
    )


UNREADY = {"ready": False}
ENDING = {"ready": False, "serving": True, "terminating": True}


def endpoint(node: str | None, conditions: dict[str, bool] | None = None) -> dict[str, Any]:
    """One that is ready where nothing else is said."""
    return {"nodeName": node, "conditions": conditions or {}, "addresses": ["10.244.0.9"]}


@pytest.mark.parametrize(("conditions", "rank"), CONDITIONS)
def test_conditions_say_whether_an_endpoint_counts(
    conditions: tuple[bool | None, ...], rank: Rank
) -> None:
    names = ("ready", "serving", "terminating")
    known = {name: one for name, one in zip(names, conditions, strict=True) if one is not None}
    use = local_use(WEB, [one_slice(endpoint("n1", known))], "IPv4")
    assert use.rank("n1") is rank
    assert use.anywhere is (rank is not Rank.UNREADY)


def test_endpoints_without_conditions_count() -> None:
    assert local_use(WEB, [one_slice({"nodeName": "n1"})], "IPv4").rank("n1") is Rank.READY


def test_the_best_endpoint_of_a_node_counts_over_all_slices() -> None:
    slices = [
        one_slice(endpoint("n1", UNREADY), endpoint("n2", ENDING)),
        one_slice(endpoint("n1", ENDING), endpoint("n2")),
    ]
    use = local_use(WEB, slices, "IPv4")
    assert (use.rank("n1"), use.rank("n2"), use.rank("n3")) == (
        Rank.TERMINATING,
        Rank.READY,
        Rank.UNREADY,
    )


def test_endpoints_of_the_other_family_do_not_count() -> None:
    slices = [one_slice(endpoint("n1"), family="IPv6"), one_slice(endpoint("n2"))]
    assert local_use(WEB, slices, "IPv6").ranks == {"n1": Rank.READY}


@pytest.mark.parametrize("nobody", [None, ""])
def test_endpoints_without_a_node_count_only_where_none_with_one_does(nobody: str | None) -> None:
    alone = local_use(WEB, [one_slice(endpoint(nobody))], "IPv4")
    assert alone.nameless
    assert alone.rank("any") is Rank.READY
    beside = local_use(WEB, [one_slice(endpoint(nobody), endpoint("n1"))], "IPv4")
    assert not beside.nameless
    assert beside.rank("any") is Rank.UNREADY
    unready = local_use(WEB, [one_slice(endpoint(nobody), endpoint("n1", UNREADY))], "IPv4")
    assert unready.nameless


def test_a_change_of_pods_that_changes_no_rank_changes_nothing() -> None:
    one, other = endpoint("n1"), endpoint("n1") | {"addresses": ["10.244.0.77"]}
    assert one_slice(one) == one_slice(other, endpoint("n1", UNREADY))


def test_slices_of_no_service_are_not_kept() -> None:
    assert one_slice(endpoint("n1"), service="") is None
    assert one_slice().ranks == ()


# Selectors.


def selector(**raw: Any) -> Selector:
    return selector_of(LabelSelector.model_validate(raw))


LABELS = {"zone": "a", "empty": ""}


@pytest.mark.parametrize(
    ("requirement", "fits"),
    [
        ({"key": "zone", "operator": "In", "values": ["a", "b"]}, True),
        ({"key": "zone", "operator": "In", "values": ["b"]}, False),
        ({"key": "none", "operator": "In", "values": ["a"]}, False),
        ({"key": "zone", "operator": "NotIn", "values": ["b"]}, True),
        ({"key": "none", "operator": "NotIn", "values": ["b"]}, True),
        ({"key": "zone", "operator": "NotIn", "values": ["a"]}, False),
        ({"key": "empty", "operator": "Exists"}, True),
        ({"key": "none", "operator": "Exists"}, False),
        ({"key": "none", "operator": "DoesNotExist"}, True),
        ({"key": "zone", "operator": "DoesNotExist"}, False),
    ],
)
def test_selectors_are_those_of_kubernetes(requirement: dict[str, Any], *, fits: bool) -> None:
    assert selector(matchExpressions=[requirement]).fits(LABELS) is fits


def test_all_of_a_selector_must_hold_and_an_empty_one_fits_all() -> None:
    both = {"matchLabels": {"zone": "a"}, "matchExpressions": [{"key": "x", "operator": "Exists"}]}
    assert not selector(**both).fits(LABELS)
    assert selector(**both).fits(LABELS | {"x": "1"})
    assert selector_of(None).fits({})
    assert selector().fits({})


def test_the_label_of_the_first_version_is_one_with_an_empty_value() -> None:
    first = Selector.parse("ipcontroller=")
    assert first.fits({"ipcontroller": ""})
    assert not first.fits({"ipcontroller": "x"})
    assert not first.fits({})
    assert Selector.parse(" zone==a , empty ").fits(LABELS)
    assert Selector.parse("").fits({})
    with pytest.raises(ValueError, match="is no part of a label selector"):
        Selector.parse("=a")


# Claims, pools, nodes.


def test_a_claim_of_the_first_version_is_read() -> None:
    raw = {
        "metadata": {"name": "10-0-0-7-24", "labels": {"ipnode": "n1", "ip-pool-name": "p"}},
        "spec": {"cidr": "10.0.0.7/24", "nodeName": "n1", "link": ""},
    }
    claim = view_of(claim_of(raw))
    assert (str(claim.address), claim.pool) == ("10.0.0.7", "p")
    assert (claim.node, claim.label) == ("n1", "n1")
    assert not claim.every_node


def test_taints_that_say_that_a_node_is_lost_are_seen() -> None:
    taints = [{"key": "mine"}, {"key": "node.kubernetes.io/out-of-service"}]
    raw = {"metadata": {"name": "n1"}, "spec": {"taints": taints, "unschedulable": True}}
    facts = node_of(raw)
    assert (facts.leaving, facts.cordoned) == ("node.kubernetes.io/out-of-service", True)
    assert node_of({"metadata": {"name": "n1"}, "spec": {"taints": taints[:1]}}).leaving == ""


def rules_of(spec: dict[str, Any]) -> PoolRules:
    return PoolPlacement.of(IpClaimPoolSpec.model_validate({"cidr": "10.0.0.0/24"} | spec)).rules


def test_the_rules_of_a_pool_are_read() -> None:
    wish = {"weight": 7, "nodeSelector": {"matchLabels": {"a": "b"}}}
    rules = rules_of({"preferences": [wish], "ignoreExcludeLabel": True})
    assert rules.ignore_exclude_label
    assert rules.preferences[0].weight == 7
    assert rules.preferences[0].selector.fits({"a": "b"})
    assert rules.selector.fits({})
