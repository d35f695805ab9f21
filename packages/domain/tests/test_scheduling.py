"""Where pods may run, by taints and labels, as kube-scheduler judges it."""

from __future__ import annotations

import pytest

from moorage_domain.label_selectors import Operator, Requirement, Selector
from moorage_domain.scheduling import (
    DISCOURAGING,
    FORBIDDING,
    NodeTerm,
    PodPlacement,
    Toleration,
    not_tolerated,
)
from moorage_domain.taints import Taint

EDGE = Taint("dedicated", "edge", "NoSchedule")


@pytest.mark.parametrize(
    ("toleration", "fits"),
    [
        (Toleration("dedicated", value="edge"), True),
        (Toleration("dedicated", value="edge", effect="NoSchedule"), True),
        (Toleration("dedicated", value="edge", effect="NoExecute"), False),
        (Toleration("dedicated", value="core"), False),
        (Toleration("dedicated"), False),
        (Toleration("dedicated", exists=True), True),
        (Toleration("other", exists=True), False),
        (Toleration(exists=True), True),
        (Toleration(exists=True, effect="NoExecute"), False),
        (Toleration(value="edge"), False),
    ],
)
def test_a_toleration_fits_a_taint_as_in_kubernetes(toleration: Toleration, *, fits: bool) -> None:
    assert toleration.fits(EDGE) is fits


def test_only_taints_count_that_say_more_than_the_conditions() -> None:
    soft = Taint("soft", effect=DISCOURAGING)
    said = (Taint("node.kubernetes.io/not-ready"), Taint("node.kubernetes.io/unschedulable"))
    assert list(not_tolerated((EDGE, soft, *said), PodPlacement(), FORBIDDING)) == [EDGE]
    assert list(not_tolerated((EDGE, soft), PodPlacement(), (DISCOURAGING,))) == [soft]
    tolerant = PodPlacement((Toleration("dedicated", exists=True),))
    assert list(not_tolerated((EDGE, soft), tolerant, FORBIDDING)) == []


def test_pods_run_where_the_selector_and_one_of_the_terms_fit() -> None:
    here = NodeTerm(Selector((Requirement("zone", Operator.IN, frozenset({"a", "b"})),)))
    named = NodeTerm(Selector(), frozenset({"n9"}))
    pods = PodPlacement(selector=Selector.of_labels({"pool": "a"}), terms=(here, named))
    assert pods.selects("n1", {"pool": "a", "zone": "b"})
    assert not pods.selects("n1", {"pool": "a", "zone": "c"})
    assert not pods.selects("n1", {"zone": "b"})
    assert pods.selects("n9", {"pool": "a"})
    assert PodPlacement().selects("n1", {})
