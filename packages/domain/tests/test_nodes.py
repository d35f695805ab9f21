"""A node matches a selector when it has every label of the selector with the same value."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from moorage_domain.nodes import Node
from moorage_domain.taints import Taint

LABELS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["1", "2", ""]))


def test_the_empty_selector_takes_every_node() -> None:
    assert Node("a", "1").matches(())
    assert Node("a", "1", labels={"pool": "edge"}).matches(())


def test_a_label_with_another_value_is_no_match() -> None:
    assert not Node("a", "1", labels={"pool": "core"}).matches([("pool", "edge")])


def test_an_empty_value_asked_for_is_not_an_absent_label() -> None:
    assert Node("a", "1", labels={"edge": ""}).matches([("edge", "")])
    assert not Node("a", "1").matches([("edge", "")])


@given(LABELS, LABELS)
def test_a_node_matches_exactly_the_selectors_its_labels_contain(
    labels: dict[str, str], selector: dict[str, str]
) -> None:
    contained = selector.items() <= labels.items()
    assert Node("a", "1", labels=labels).matches(selector.items()) == contained


def test_a_node_is_ready_and_schedulable_by_default() -> None:
    node = Node("a", "1")
    assert node.ready
    assert not node.unschedulable
    assert not node.leaving
    assert not node.taints


def test_a_cordon_alone_does_not_count_as_vanishing() -> None:
    # kubectl cordon and a NotReady node carry these; they are judged with patience, not at once.
    for taint in ("unschedulable", "not-ready", "unreachable"):
        node = Node("a", "1", taints=(Taint(f"node.kubernetes.io/{taint}"),))
        assert (node.leaving, node.draining, node.starting) == ("", "", ())


def test_the_first_taint_of_a_kind_is_named() -> None:
    keys = ("dedicated", "karpenter.sh/disrupted", "ToBeDeletedByClusterAutoscaler")
    node = Node("a", "1", taints=tuple(map(Taint, keys)))
    assert (node.leaving, node.draining, node.starting) == ("", "karpenter.sh/disrupted", ())


def test_the_label_of_kubernetes_excludes_whatever_its_value() -> None:
    label = "node.kubernetes.io/exclude-from-external-load-balancers"
    assert Node("a", "1", labels={label: "false"}).excluded
    assert not Node("a", "1").excluded
